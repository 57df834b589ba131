# shellcheck shell=bash
# Sourced by bench.sh: what servers answer from files, and what it costs them, beside a bare file from the same server: a page,
# which no rule of the registry concerns. CPU seconds of the server's processes for each request say more than rates on a
# machine that does other things as well.

READS=(bare 'bare blob' 'bare long list' blob list 'long list' digest tag 'public digest' 'public tag' 'token digest' 'token tag')
# What is larger than a manifest has a bare file of its own size.
declare -A BARE=([blob]='bare blob' ['long list']='bare long list')

# ask_for LABEL SERVER [ARGUMENT OF wrk...]: appends "LABEL rate microseconds" to $T/reads
ask_for() {
    local label=$1 server=$2 before after
    shift 2
    before=$(cpu_of "$server")
    wrk -t 2 -c 16 -d "${BENCH_SECONDS:-4}" "$@" >"$T/wrk" 2>&1
    after=$(cpu_of "$server")
    ! grep -q Non-2xx "$T/wrk" || { cat "$T/wrk" >&2; return 1; }
    awk -v l="$label" -v cpu="$(awk -v a="$after" -v b="$before" 'BEGIN { print a - b }')" '
        /requests in/ { n = $1 } /^Requests\/sec/ { rate = $2 }
        END { printf "%s\t%.0f\t%.1f\n", l, rate, 1e6 * cpu / n }' "$T/wrk" >>"$T/reads"
}

# read_figure LABEL COLUMN: the median
read_figure() { awk -F '\t' -v l="$1" -v c="$2" '$1 == l { print $c }' "$T/reads" | median; }

bench_reads() {
    heading 'reads: from files, by turns; CPU of the server for each'
    local kind open closed digest blob token flags label round open_server bare
    layout "$T/small" 2 2097152
    digest=$(jq -r '.manifests[0].digest' "$T/small/index.json")
    blob=$(jq -r '.layers[0].digest' "$(blob_file "$T/small" "$digest")")
    for kind in nginx apache; do
        flags=()
        [ "$kind" != apache ] || flags=(--apache)
        "$STILLAGE" init -q "${flags[@]}" "$T/open"
        "$STILLAGE" init -q "${flags[@]}" "$T/reg"
        "$STILLAGE" add -q -r "$T/open" "oci:$T/small" app:v1
        "$STILLAGE" add -q -r "$T/reg" "oci:$T/small" public/app:v1 private/app:v1
        "$STILLAGE" add -q -r "$T/open" "oci:$T/small" long:v1
        jq -nc '{name: "long", tags: [range(10000) | "tag-\(.)"]}' >"$T/open/www/v2/long/tags/list"
        cp "$T/open/www/v2/long/tags/list" "$T/open/www/bare-list.json"
        cp "$(blob_file "$T/small" "$blob")" "$T/open/www/bare-blob.json"
        cp "$(blob_file "$T/small" "$digest")" "$T/open/www/bare.json"
        chmod 0644 "$T/open/www/"bare*.json
        printf 'access:\n  - {repository: "**", pull: [user]}\n  - {repository: "public/*", pull: [anonymous]}\nauth: {token-life: 1h}\n' \
            >>"$T/reg/registry.yaml"
        echo secret | "$STILLAGE" user add -q -r "$T/reg" --stdin alice
        "start_$kind" "$T/open"
        open=$URL open_server=$SERVER
        start_responder 2
        "start_$kind" "$T/reg" --push "fastcgi:$SOCKET" --cgi "$STILLAGE_CGI"
        closed=$URL
        token=$(curl -sS -u alice:secret "$closed/v2/_token?scope=repository:private/app:pull" | jq -r .token)
        : >"$T/reads"
        for round in 1 2 3; do
            ask_for bare "$open_server" "$open/bare.json"
            ask_for 'bare blob' "$open_server" "$open/bare-blob.json"
            ask_for blob "$open_server" "$open/v2/app/blobs/$blob"
            ask_for list "$open_server" "$open/v2/app/tags/list"
            ask_for 'bare long list' "$open_server" "$open/bare-list.json"
            ask_for 'long list' "$open_server" "$open/v2/long/tags/list"
            ask_for digest "$open_server" "$open/v2/app/manifests/$digest"
            ask_for tag "$open_server" "$open/v2/app/manifests/v1"
            ask_for 'public digest' "$SERVER" "$closed/v2/public/app/manifests/$digest"
            ask_for 'public tag' "$SERVER" "$closed/v2/public/app/manifests/v1"
            ask_for 'token digest' "$SERVER" -H "Authorization: Bearer $token" "$closed/v2/private/app/manifests/$digest"
            ask_for 'token tag' "$SERVER" -H "Authorization: Bearer $token" "$closed/v2/private/app/manifests/v1"
        done
        stop "$open_server"
        stop "$SERVER"
        for label in "${READS[@]}"; do
            bare=$(read_figure "${BARE[$label]:-bare}" 3)
            row "$kind, $label" "$(read_figure "$label" 2) /s, $(read_figure "$label" 3) us: $(ratio "$bare" \
                "$(read_figure "$label" 3)") of a bare file"
            [[ $label = bare* ]] || keep "$kind, $label, of a bare file" "$bare" "$(read_figure "$label" 3)"
        done
        [ "$kind" = apache ] || bench_registry2
        rm -rf "$T/open" "$T/reg"
    done
    rm -rf "$T/small"
}

bench_registry2() {
    local round
    start_registry2
    skopeo copy -q --dest-tls-verify=false "oci:$T/small:v1" "docker://$HOST/app:v1"
    for round in 1 2 3; do ask_for registry:2 "$SERVER" -H "Accept: $OCI_TYPE.manifest.v1+json" "$URL/v2/app/manifests/v1"; done
    stop "$SERVER"
    row 'registry:2, tag' "$(read_figure registry:2 2) /s, $(read_figure registry:2 3) us: $(ratio "$(read_figure registry:2 3)" \
        "$(read_figure tag 3)") times the CPU of nginx with stillage"
    keep 'registry:2, tag, times nginx' "$(read_figure registry:2 3)" "$(read_figure tag 3)"
}
