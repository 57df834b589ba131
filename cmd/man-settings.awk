# registry.yaml(5) from the comments of templates/registry.yaml: awk -f man-settings.awk registry.yaml
#
# A paragraph there is text ("# Text"), then settings ("#key: value  # text", or without the '#'). What goes on in the next
# line stands below the text.

function escaped(text) {
    gsub(/\\/, "\\e", text)
    gsub(/@TITLE@/, "Container images", text)
    gsub(/@GROUP@/, "www-data", text)
    return text
}
# mdoc wants sentences on lines of their own, and takes no text that begins with a dot or a quote for text. BREAK divides
# paragraphs.
function prose(text,    i, n, parts) {
    n = split(text, parts, BREAK)
    for (i = 1; i <= n; i++) {
        if (i > 1) print ".Pp"
        print_sentences(parts[i])
    }
}
function print_sentences(text,    n, i, sentences) {
    sub(/^ /, "", text)
    text = escaped(text)
    n = split(text, sentences, /\. /)
    for (i = 1; i <= n; i++) print (sentences[i] ~ /^[.']/ ? "\\&" : "") sentences[i] (i < n ? "." : "")
}
# Words that are names of macros, and quotes, would mean something.
function tag(text,    n, i, words, line) {
    gsub(/"/, "\\(dq", text)
    match(text, /^ */)
    line = substr("\\ \\ \\ \\ \\ \\ ", 1, 2 * RLENGTH)
    n = split(substr(text, RLENGTH + 1), words, " ")
    for (i = 1; i <= n; i++) line = line (i > 1 ? "\\ " : "") words[i]
    return "\\&" line
}
function flush() {
    if (note != "") prose(note)
    note = ""
}
function finish() {
    flush()
    if (listed) print ".El"
    listed = 0
}
# `within`: after text that stands between settings of one paragraph.
function begin(key) {
    if (!listed) {
        print within ? ".Pp" : ".Ss " key
        if (text != "") prose(text)
        print ".Bl -tag -width Ds -compact"
        listed = 1
        text = ""
    }
}
BEGIN {
    BREAK = "\001"
    print ".Dd November 29, 2026\n.Dt REGISTRY.YAML 5\n.Os\n.Sh NAME\n.Nm registry.yaml\n.Nd the settings of a stillage registry"
    print ".Sh DESCRIPTION"
    print "This file lies in the folder of a registry;"
    print ".Xr stillage-init 1\nwrites it, with all that follows in it as comments.\n.Pp"
}
/^@IF !/ { skipped = 1; next }
/^@END !/ { skipped = 0; next }
/^@(IF|END)/ || skipped { next }
/^$/ {
    if (text != "") prose(text)
    text = ""
    finish()
    within = 0
    if (!started) print ".Sh SETTINGS"
    started = 1
    next
}
/^# [^ ]/ && !listed { text = text (text == "" ? "" : " ") substr($0, 3); next }
/^# [^ ]/ { finish(); within = 1; text = substr($0, 3); next }
/^#$/ { text = text BREAK; next }
/^# +# / { sub(/^# +# /, ""); note = note " " $0; next }
{
    flush()
    line = $0
    sub(/^#/, "", line)
    value = line
    if (match(line, / +# /)) {
        note = substr(line, RSTART + RLENGTH)
        value = substr(line, 1, RSTART - 1)
    }
    key = value
    sub(/:.*/, "", key)
    begin(key)
    print ".It " tag(escaped(value))
}
END {
    finish()
    print ".Sh SEE ALSO\n.Xr stillage 1 ,\n.Xr stillage-access 1 ,\n.Xr stillage-init 1 ,\n.Xr stillage.cgi 8"
}
