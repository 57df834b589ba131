#!/bin/bash
# Many referrers of one image: their list is written a few times, not once for each.
. "$(dirname "$0")/add-common.sh"

have strace || skip_all 'strace is not installed'

new_registry
oci_init "$T/layout"
image=$(small_image "$T/layout" subject)
oci_name "$T/layout" "$image" v1
python3 - "$T/layout" "$image" <<'END'
import hashlib, json, sys
layout, subject = sys.argv[1], json.loads(sys.argv[2])
index = json.load(open(layout + '/index.json'))
def put(data, media_type):
    digest = hashlib.sha256(data).hexdigest()
    open(layout + '/blobs/sha256/' + digest, 'wb').write(data)
    return {'mediaType': media_type, 'digest': 'sha256:' + digest, 'size': len(data)}
empty = put(b'{}', 'application/vnd.oci.empty.v1+json')
for n in range(130):
    manifest = {'schemaVersion': 2, 'artifactType': 'a/b', 'config': empty, 'layers': [empty],
                'subject': {key: subject[key] for key in ('mediaType', 'digest', 'size')}, 'annotations': {'n': str(n)}}
    index['manifests'].append(put(json.dumps(manifest).encode(), 'application/vnd.oci.image.manifest.v1+json'))
json.dump(index, open(layout + '/index.json', 'w'))
END
capture strace -f -qq -e trace=/^rename -o "$T/trace" "$STILLAGE" add "$T/layout" app
is "$RC $(jq '.manifests | length' "$(repo app "referrers/$(field digest <<<"$image")")")" '0 130' 'many referrers arrive'
is "$(($(grep -c "referrers/$(field digest <<<"$image")" "$T/trace") <= 3))" 1 'and the list of them is written three times'

in_order 'the registry with many referrers is in order'
done_testing
