#!/bin/bash
# import --mirror with --map and --prefix: what is deleted belongs to what the bundle's repositories are called here. Names that
# are alike by chance stay, and so does what has just been imported.
. "$(dirname "$0")/bundle-common.sh"

# tags REG: NAME:TAG of all there is, in one line
tags() { "$STILLAGE" inventory -r "$1" | jq -r '.repositories[] | .name as $n | .tags | keys[] | "\($n):\(.)"' | LC_ALL=C sort | xargs; }

new_registry "$NEAR"
add_images "$NEAR" busybox:lib/app:v1 twice:lib/tool:v1 busybox:team/web:v2

# fresh [NAME...]: the far registry, with images of its own
fresh() {
    local name
    new_registry "$FAR"
    for name; do add_images "$FAR" "busybox:$name"; done
}
far_has() { is "$(tags "$FAR")" "$1" "$2"; }

near export -q 'lib/*' --mirror -o "$T/lib.tar"
near export -q --all --mirror -o "$T/all.tar"

fresh lib/own:v1 mirror/lib/old:v1 mirror/else:v1
far import -q --mirror --map lib=mirror/lib "$T/lib.tar"
far_has 'lib/own:v1 mirror/else:v1 mirror/lib/app:v1 mirror/lib/tool:v1' \
    'with --map, what has the name that the bundle knows stays, and what has the new one is compared'

fresh own/thing:v1 lib/own:v1 team/web:old
far import -q --mirror --map lib=mirror/lib "$T/all.tar"
far_has 'lib/own:v1 mirror/lib/app:v1 mirror/lib/tool:v1 own/thing:v1 team/web:v2' \
    'a bundle of everything, with --map: repositories that nothing of it leads to stay'

fresh own/thing:v1 x/own/thing:v1
far import -q --mirror --prefix x "$T/all.tar"
far_has 'own/thing:v1 x/lib/app:v1 x/lib/tool:v1 x/team/web:v2' 'with --prefix, all below it is compared, and nothing else'

fresh own/thing:v1 x/new/own:v1 x/lib/own:v1 new/own:v1
far import -q --mirror --prefix x --map lib=new "$T/lib.tar"
far_has 'new/own:v1 own/thing:v1 x/lib/own:v1 x/new/app:v1 x/new/tool:v1' 'both'

# A chain: what is called b there is not what is called b here.
fresh b/own:v1 c/own:v1
far import -q --mirror --map lib=b --map b=c "$T/lib.tar"
far_has 'b/app:v1 b/tool:v1 c/own:v1' 'maps that lead to each other: each name goes one step'

# ---- two onto one ---------------------------------------------------------------------------------------------------------

fresh both:old own:v1
far import --mirror --map lib/app=both --map team/web=both "$T/all.tar" >"$T/out"
far_has 'both:v1 both:v2 lib/tool:v1 own:v1' 'two repositories become one: what both bring stays'
is "$(grep '^deleted' "$T/out" | xargs)" 'deleted both:old' 'and what neither has goes'
far import --mirror --map lib/app=both --map team/web=both "$T/all.tar" >"$T/out"
is "$(grep -oE '^(unchanged|imported|deleted)' "$T/out" | sort | uniq -c | xargs)" '3 unchanged' 'once more: nothing changes'

fresh own:v1
before=$(visible "$FAR")
fails_with 1 'would both become both:v1' far import --mirror --map lib/app=both --map lib/tool=both "$T/lib.tar"
is "$(visible "$FAR")" "$before" 'where both bring the same tag, nothing changes'
near tag -q lib/app:v1 v2
near export -q lib/app:v1 team/web:v2 -o "$T/same.tar"
near tag -q team/web:v2 v1
near export -q lib/app:v1 team/web:v1 -o "$T/equal.tar"
ok_run 'two images with the same tag that are one image' far import -q --map lib/app=both --map team/web=both "$T/equal.tar"
far_has 'both:v1 own:v1' 'become one'

# ---- what is left of a source that has gone -------------------------------------------------------------------------------

fresh
far import -q --mirror --map lib=m "$T/lib.tar"
near rm -q lib/tool
near export -q 'lib/*' --mirror -o "$T/less.tar"
far import -q --mirror --map lib=m "$T/less.tar"
far_has 'm/app:v1 m/app:v2' 'a repository that has gone there goes here, under its other name'
check_whole "$FAR" 'all is in order'

# ---- referrers of what was chosen, by the thousand ------------------------------------------------------------------------

# An artifact about an artifact, and so on: all come with the image that they end at, in whatever order the bundle lists them.
layout=$T/chain
oci_init "$layout"
one_image "$layout" chain:v1 base:1000
subject=$(oci_ref "$layout" chain:v1)
config=$(printf '{}' | oci_blob "$layout" "$OCI_TYPE.empty.v1+json")
for n in 1 2 3 4 5 6 7 8; do
    subject=$(jq -nc --argjson c "$config" --argjson s "$subject" --arg n "$n" --arg t "$OCI_TYPE.manifest.v1+json" \
        '{schemaVersion:2,mediaType:$t,artifactType:"application/x-note",config:$c,layers:[$c],annotations:{n:$n},
          subject:{mediaType:$t,digest:$s.digest,size:$s.size}}' | oci_blob "$layout" "$OCI_TYPE.manifest.v1+json")
    oci_name "$layout" "$subject" "chain:note$n"
done
near add -q "oci:$layout"
near rm -q chain:note{1..8}
near export -q chain -o "$T/chain.tar"
fresh
far import -q --select chain:v1 "$T/chain.tar"
is "$(find "$FAR/www/v2/chain/manifests" -name 'sha256:*' | wc -l)" 9 'what is about an image, and about that, comes with it'
check_whole "$FAR" 'and all is in order'

done_testing
