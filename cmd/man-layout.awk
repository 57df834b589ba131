# stillage-layout(7) from lib/LAYOUT.md: awk -f man-layout.awk LAYOUT.md
#
# Of Markdown, it knows headings, paragraphs, lists with '-', code of lines that begin with four spaces, and `code`.

function prose(text,    n, i, sentences) {
    gsub(/\\/, "\\e", text)
    while (match(text, /`[^`]*`/))
        text = substr(text, 1, RSTART - 1) "\\fB" substr(text, RSTART + 1, RLENGTH - 2) "\\fR" substr(text, RSTART + RLENGTH)
    n = split(text, sentences, /\. /)
    for (i = 1; i <= n; i++) print (sentences[i] ~ /^[.']/ ? "\\&" : "") sentences[i] (i < n ? "." : "")
}
function flush() {
    if (text != "") {
        if (!fresh) print (item ? ".It" : ".Pp")
        prose(text)
        fresh = 0
    }
    text = ""
}
function leave(code_too) {
    flush()
    if (item) print ".El"
    if (code && code_too) print ".Ed"
    item = 0
    if (code_too) code = 0
}
BEGIN {
    print ".Dd November 29, 2026\n.Dt STILLAGE-LAYOUT 7\n.Os\n.Sh NAME\n.Nm stillage-layout\n.Nd the folder that is a stillage registry"
    print ".Sh DESCRIPTION"
    fresh = 1
}
/^# / { next }
/^##+ / { leave(1); sub(/^##+ /, ""); print ".Ss " $0; fresh = 1; next }
/^    / && text == "" && !item {
    if (!code) print ".Bd -literal"
    code = 1
    fresh = 0
    line = substr($0, 5)
    gsub(/\\/, "\\e", line)
    print (line ~ /^[.']/ ? "\\&" : "") line
    next
}
/^$/ { flush(); if (code) { print ".Ed"; code = 0 } next }
/^- / {
    if (item) flush()
    else { leave(1); print ".Bl -bullet" }
    item = 1
    text = substr($0, 3)
    next
}
/^[^ ]/ && item && text == "" { leave(1) }
{ sub(/^ +/, ""); text = text (text == "" ? "" : " ") $0 }
END {
    leave(1)
    print ".Sh SEE ALSO\n.Xr stillage 1 ,\n.Xr registry.yaml 5"
}
