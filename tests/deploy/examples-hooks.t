#!/bin/bash
# The scan gate and the webhook sender of examples/hooks.
. "$(dirname "$0")/../lib.sh"

for tool in jq curl flock; do have $tool || skip_all "$tool is not installed"; done
REG=$T/reg
export STILLAGE_REGISTRY=$REG
"$STILLAGE" init -q "$REG"

# ---- the gate ----------------------------------------------------------------------------------------------------

printf 'hooks:\n  before-manifest: %s\n' "$TOP/examples/hooks/scan-gate.sh" >>"$REG/registry.yaml"
# image DIR FILE COMPRESSION: an image whose second layer has that file
image() {
    local first second
    mkdir -p "$T/root/etc" "$T/more/$(dirname "$2")"
    echo x >"$T/root/etc/hostname"
    echo x >"$T/more/$2"
    oci_init "$1"
    first=$(oci_layer "$1" "$T/root" gzip)
    second=$(oci_layer "$1" "$T/more" "$3")
    oci_name "$1" "$(oci_manifest "$1" "$(oci_config "$1" amd64 "$first" "$second")" "$first" "$second")" v1
    rm -rf "$T/root" "$T/more"
}
for compression in gzip zstd none; do
    image "$T/bad-$compression" root/.ssh/id_ed25519 $compression
    desc="a private key in a layer ($compression)" fails_with 1 "refuses this manifest: layer sha256:[0-9a-f]+ holds './root/.ssh/id_ed25519'" \
        "$STILLAGE" add -q "oci:$T/bad-$compression" "bad/$compression:v1"
    image "$T/good-$compression" etc/ssh/ssh_config $compression
    ok_run "an image without ($compression)" "$STILLAGE" add -q "oci:$T/good-$compression" "good/$compression:v1"
done
is "$("$STILLAGE" ls | awk '{ print $1 }' | sort | tr '\n' ' ')" 'good/gzip good/none good/zstd ' 'only those are there'
ok_run 'artifacts, which have no files, pass' "$STILLAGE" add -q "oci:$(cached artifact)" app

# ---- the webhook -------------------------------------------------------------------------------------------------

# A receiver that keeps each body in a file of its own, and answers with the status that $T/status holds.
free_port PORT
# shellcheck disable=SC2016
spawn receiver perl -MIO::Socket::INET -e '
    my ($port, $dir) = @ARGV;
    my $server = IO::Socket::INET->new(LocalAddr => "127.0.0.1:$port", Listen => 10, ReuseAddr => 1) or die;
    while (my $client = $server->accept) {
        my ($length, $headers) = (0, "");
        while (my $line = <$client>) { $headers .= $line; $length = $1 if $line =~ /^content-length: (\d+)/i; last if $line eq "\r\n" }
        read $client, my $body, $length;
        open my $in, "<", "$dir/status"; my $status = <$in>; close $in;
        if ($length && $status =~ /^2/) { open my $out, ">>", "$dir/received"; print $out "$body\n"; close $out; }
        open my $out, ">", "$dir/headers"; print $out $headers; close $out;
        print $client "HTTP/1.1 $status\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    }' "$PORT" "$T"
echo 200 >"$T/status"
wait_up receiver 10 bash -c "exec 3<>/dev/tcp/127.0.0.1/$PORT && printf 'GET / HTTP/1.0\r\n\r\n' >&3"
: >"$T/received"
webhook() { "$TOP/examples/hooks/webhook.sh" "$REG" "http://127.0.0.1:$PORT/hook"; }

all_arrived() {
    find "$REG/log" -name 'events.jsonl*' | sort -r | xargs cat >"$T/wanted"   # .2, .1, and the one without a number
    same_file "$T/wanted" "$T/received" "$1"
}

export WEBHOOK_AUTHORIZATION='Bearer x'
ok_run 'webhook.sh sends' webhook
all_arrived 'every event, as it stands in the file'
like "$(tr -d '\r' <"$T/headers")" 'Authorization: Bearer x' '... with the header that was asked for'
ok_run 'a second run' webhook
all_arrived '... sends nothing twice'
"$STILLAGE" tag -q good/gzip:v1 v2 v3
echo 500 >"$T/status"
capture webhook
isnt "$RC" 0 'a receiver that fails'
echo 200 >"$T/status"
ok_run '... is asked again' webhook
all_arrived '... and gets what it missed'
printf 'events:\n  size: 2000\n' >>"$REG/registry.yaml"
for tag in a b c d e f g h; do "$STILLAGE" tag -q good/gzip:v1 $tag; done
ok "$(test -e "$REG/log/events.jsonl.2"; echo $?)" 'the file was renamed, more than once'
ok_run '... webhook.sh follows' webhook
all_arrived '... and misses nothing'

done_testing
