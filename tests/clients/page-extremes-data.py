"""Lays files into the folder v2 of a registry that no client would push: page-extremes-data.py WWW. Used by page-extremes.t."""

import hashlib
import json
import os
import sys

V2 = os.path.join(sys.argv[1], "v2")
OCI = "application/vnd.oci.image."
EVIL = '<img src=x onerror="document.title=\'pwned\'">'
RTL = "\u202e\u05e9\u05dc\u05d5\u05dd"
NAMES = [f"team-{i % 100:02}/service-{i:05}" for i in range(10000)]
TAGS = [f"{i // 100}.{i % 100}.0" for i in range(10000)]


def write(path, data):
    path = os.path.join(V2, path)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(data if isinstance(data, bytes) else json.dumps(data).encode())


def lines(path, items):
    write(path, "".join(json.dumps(item) + "\n" for item in items).encode())


def blob(name, data, kind, **more):
    data = data if isinstance(data, bytes) else json.dumps(data).encode()
    digest = "sha256:" + hashlib.sha256(data).hexdigest()
    write(f"{name}/blobs/{digest}", data)
    return {"mediaType": kind, "digest": digest, "size": len(data), **more}


def manifest(name, tag, document):
    document = {"schemaVersion": 2, "mediaType": OCI + "manifest.v1+json", **document}
    data = json.dumps(document).encode()
    digest = "sha256:" + hashlib.sha256(data).hexdigest()
    write(f"{name}/_manifests/{document['mediaType']}/{digest}", data)
    os.makedirs(f"{V2}/{name}/manifests", exist_ok=True)
    os.symlink(f"../_manifests/{document['mediaType']}/{digest}", f"{V2}/{name}/manifests/{digest}")
    if tag:
        os.symlink(digest, f"{V2}/{name}/manifests/{tag}")
    return {"mediaType": document["mediaType"], "digest": digest, "size": len(data)}


def image(name, tag, **more):
    config = {"os": EVIL, "architecture": RTL, "created": EVIL, "history": [{"created_by": EVIL}], "rootfs": EVIL,
              "config": {"Labels": {RTL: RTL, "x" * 5000: "y" * 5000, "__proto__": EVIL, "constructor": EVIL}, "Env": {"a": 1}, "Cmd": [[EVIL]]}}
    layer = blob(name, b"layer", EVIL, annotations={"org.opencontainers.image.title": EVIL})
    return manifest(name, tag, {"config": blob(name, config, OCI + "config.v1+json"), "layers": [layer, {"digest": EVIL, "size": "x"}, None], **more})


def attach(name, subject, document, artifact_type, **more):
    entry = manifest(name, None, {"artifactType": artifact_type, "layers": [blob(name, document, artifact_type)], "subject": subject, **more})
    return {**entry, "artifactType": artifact_type, **more}


def hostile(name):
    top = image(name, "v1", annotations={RTL: RTL, "url": "javascript:alert(1)", "odd": {"a": [EVIL]}}, artifactType=None)
    packages = [{"name": f"lib{i}", "versionInfo": "1", "comment": "x" * 960} for i in range(50000)]
    statement = {"predicateType": EVIL, "predicate": {"builder": {"id": "javascript:alert(1)"}}}
    write(f"{name}/referrers/{top['digest']}", {"schemaVersion": 2, "mediaType": OCI + "index.v1+json", "manifests": [
        attach(name, top, {"spdxVersion": "SPDX-2.3", "packages": packages}, "application/spdx+json"),
        attach(name, top, b'{"spdxVersion": "SPDX-2.3", "packages": [' + b"\xff" * 100, "application/spdx+json"),
        attach(name, top, {"bomFormat": "CycloneDX", "components": {"a": 1}}, "application/vnd.cyclonedx+json"),
        attach(name, top, statement, "application/vnd.in-toto+json", annotations={"in-toto.io/predicate-type": "https://slsa.dev/provenance/" + EVIL}),
        attach(name, top, {"runs": [None, {"results": [1, {"level": EVIL, "message": EVIL}]}]}, "application/sarif+json"),
        attach(name, top, b"x", f"application/{EVIL}"), None, {"digest": EVIL}]})
    manifest(name, "t" * 128, {"mediaType": OCI + "index.v1+json", "manifests": [{"digest": top["digest"], "platform": {"os": RTL, "architecture": EVIL}}] * 3})
    write(f"{name}/tags/list", {"name": name, "tags": ["t" * 128, "v1", EVIL, RTL, None, 5]})
    lines(f"{name}/tags/_details", [{"tag": "v1", "digest": top["digest"], "size": "x", "platforms": [EVIL, RTL, 1], "created": EVIL, "pushed": EVIL},
                                    {"tag": EVIL}, [], 5, {"referrer": EVIL, "subject": EVIL}, {"tag": "__proto__"}])
    write(f"{name}/tags/_about", {"description": f"{EVIL} {RTL}", "quota": EVIL, "may": EVIL})


hostile("hostile")
write("many/tags/list", {"name": "many", "tags": TAGS})
os.makedirs(f"{V2}/many/_manifests")
lines("many/tags/_details", [{"tag": tag, "digest": "sha256:" + hashlib.sha256(tag.encode()).hexdigest(), "pushed": 1760000000 + i, "mediaType": OCI + "manifest.v1+json",
                              "size": 1000 + i, "platforms": ["linux/amd64"]} for i, tag in enumerate(TAGS)])
write("_catalog", {"repositories": sorted(["hostile", "many", EVIL, RTL] + NAMES)})
lines("_details", [{"repository": name, "tags": i % 7, "pushed": 1760000000 + i, "size": i, "description": f"Service {i} of the team"} for i, name in enumerate(NAMES)])
