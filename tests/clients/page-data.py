"""Fills a registry with what the web page has to show: page-data.py URL USER PASSWORD. Used by page.t."""

import base64
import gzip
import hashlib
import json
import sys
import urllib.request

URL, USER, PASSWORD = sys.argv[1:4]
OCI = "application/vnd.oci.image."
EVIL = '<img src=x onerror="document.title=\'pwned\'"><script>document.title="pwned"</script>'
RTL = "\u202e\u05e9\u05dc\u05d5\u05dd"
TOKENS = {}


def token(name):
    if name not in TOKENS:
        basic = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        request = urllib.request.Request(f"{URL}/v2/_token?scope=repository:{name}:pull,push",
                                         headers={"Authorization": f"Basic {basic}"})
        TOKENS[name] = json.load(urllib.request.urlopen(request))["token"]
    return TOKENS[name]


def send(method, name, path, body, kind="application/octet-stream"):
    headers = {"Authorization": f"Bearer {token(name)}", "Content-Type": kind}
    request = urllib.request.Request(f"{URL}/v2/{name}/{path}", data=body, method=method, headers=headers)
    return urllib.request.urlopen(request)


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def encoded(document):
    return document if isinstance(document, bytes) else json.dumps(document).encode()


def blob(name, data, kind, **more):
    data = encoded(data)
    send("POST", name, f"blobs/uploads/?digest={digest(data)}", data)
    return {"mediaType": kind, "digest": digest(data), "size": len(data), **more}


def manifest(name, document, *tags):
    document = {"schemaVersion": 2, "mediaType": OCI + "manifest.v1+json", **document}
    data = encoded(document)
    for reference in tags or [digest(data)]:
        send("PUT", name, f"manifests/{reference}", data, document["mediaType"])
    return {"mediaType": document["mediaType"], "digest": digest(data), "size": len(data)}


def image(name, *tags, layers=("base", "app"), arch="amd64", created="2026-09-01T10:20:30Z", config=None, **more):
    kind = OCI + "layer.v1.tar+gzip"
    parts = [blob(name, gzip.compress(text.encode() * 2000, mtime=0), kind) for text in layers]
    history = [{"created_by": f"COPY {text} / # buildkit"} for text in layers]
    history.append({"created_by": 'CMD ["serve"]', "empty_layer": True})
    inner = {"os": "linux", "architecture": arch, "created": created, "config": config or {}, "history": history,
             "rootfs": {"type": "layers", "diff_ids": []}}
    return manifest(name, {"config": blob(name, inner, OCI + "config.v1+json"), "layers": parts, **more}, *tags)


def attach(name, subject, artifact_type, document, **more):
    empty = blob(name, b"{}", "application/vnd.oci.empty.v1+json")
    layer = blob(name, document, artifact_type)
    manifest(name, {"artifactType": artifact_type, "config": empty, "layers": [layer], "subject": subject, **more})


def team():
    config = {"Entrypoint": ["/usr/bin/app"], "Cmd": ["--port", "8080"], "User": "1000", "WorkingDir": "/srv",
              "Env": ["PATH=/usr/bin", "MODE=old"], "ExposedPorts": {"8080/tcp": {}}, "Volumes": {"/data": {}},
              "Labels": {"org.opencontainers.image.source": "https://git.example.org/team/app"}}
    for version in ("1.9.0", "1.10.0-rc.1", "1.2.0"):
        image("team/app", version, layers=("base", f"app {version}"), config=config)
    config = {**config, "Env": ["PATH=/usr/bin", "MODE=new", "EXTRA=1"], "User": "1001"}
    both = [image("team/app", layers=("base", "app", "more"), arch=arch, config=config, created="2026-11-20T08:00:00Z")
            for arch in ("amd64", "arm64")]
    index = {"mediaType": OCI + "index.v1+json", "manifests": [
        {**child, "platform": {"os": "linux", "architecture": arch}} for child, arch in zip(both, ("amd64", "arm64"))]}
    top = manifest("team/app", index, "1.10.0", "1.10", "latest")
    sbom = {"spdxVersion": "SPDX-2.3", "packages": [
        {"name": f"lib{i}", "versionInfo": f"1.{i}", "licenseConcluded": "MIT"} for i in range(300)]}
    attach("team/app", top, "application/spdx+json", sbom)
    attach("team/app", top, "application/vnd.cncf.notary.signature", b"\x00\x01")
    results = [{"ruleId": f"CVE-2026-{i}", "level": "error" if i < 2 else "note", "message": {"text": EVIL},
                "locations": []} for i in range(5)]
    attach("team/app", top, "application/sarif+json", {"version": "2.1.0", "runs": [{"tool": {}, "results": results}]})
    statement = {"predicateType": "https://slsa.dev/provenance/v1", "predicate": {
        "buildDefinition": {"buildType": "https://example.org/build", "resolvedDependencies": [
            {"uri": "git+https://git.example.org/team/app", "digest": {"gitCommit": "c0ffee"}}]},
        "runDetails": {"builder": {"id": "https://ci.example.org"}}}}
    attach("team/app", top, "application/vnd.in-toto+json", statement,
           annotations={"in-toto.io/predicate-type": "https://slsa.dev/provenance/v1"})


def charts():
    config = {"name": "web", "version": "1.2.3", "appVersion": "7.0", "description": "Serves pages",
              "maintainers": [{"name": "Ada"}]}
    helm = "application/vnd.cncf.helm."
    manifest("public/charts/web", {"config": blob("public/charts/web", config, helm + "config.v1+json"), "layers": [
        blob("public/charts/web", b"chart", helm + "chart.content.v1.tar+gzip")]}, "1.2.3")


def artifacts():
    manifest("public/wasm", {"config": blob("public/wasm", {}, "application/vnd.wasm.config.v0+json"), "layers": [
        blob("public/wasm", b"\0asm", "application/wasm")]}, "1.0")
    title = "org.opencontainers.image.title"
    manifest("public/files", {"artifactType": "application/vnd.example.files", "config": blob("public/files", {}, "application/vnd.oci.empty.v1+json"), "layers": [
        blob("public/files", b"# Read me", "text/markdown", annotations={title: "README.md"}),
        blob("public/files", b"a folder", OCI + "layer.v1.tar+gzip", annotations={title: "docs", "io.deis.oras.content.unpack": "true"})]}, "1.0")


def windows():
    """Two for one platform, which differ in the version; with times as reproducible builds have them."""
    children = [image("public/windows", layers=(version,), created=created, config={"Env": [f"VERSION={version}"]})
                for version, created in (("10.0.20348", "0001-01-01T00:00:00Z"), ("10.0.26100", "1970-01-01T00:00:00Z"))]
    manifest("public/windows", {"mediaType": OCI + "index.v1+json", "manifests": [
        {**child, "platform": {"os": "windows", "architecture": "amd64", "os.version": f"{version}.1"}}
        for child, version in zip(children, ("10.0.20348", "10.0.26100"))]}, "ltsc")


def built(name):
    """As buildx makes it, with zstd and attestations, and signed by cosign in both of its ways."""
    layer = blob(name, b"\x28\xb5\x2f\xfd", OCI + "layer.v1.tar+zstd")
    config = {"os": "linux", "architecture": "arm64", "variant": "v8", "config": {"Cmd": ["sh"]}, "history": [{"created_by": "RUN /bin/sh -c make # buildkit"}], "rootfs": {}}
    child = manifest(name, {"config": blob(name, config, OCI + "config.v1+json"), "layers": [layer]})
    statements = [({"predicateType": "https://slsa.dev/provenance/v1", "predicate": {"buildDefinition": {"externalParameters": {"configSource": {
        "uri": "https://git.example.org/built.git", "digest": {"sha1": "f00d"}}}}}}), ({"predicateType": "https://spdx.dev/Document", "predicate": {
            "spdxVersion": "SPDX-2.3", "packages": [{"name": "musl", "versionInfo": "1.2"}]}})]
    attestation = manifest(name, {"config": blob(name, {"os": "unknown", "architecture": "unknown"}, OCI + "config.v1+json"), "layers": [
        blob(name, one, "application/vnd.in-toto+json", annotations={"in-toto.io/predicate-type": one["predicateType"]}) for one in statements]})
    reference = {"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": child["digest"]}
    top = manifest(name, {"mediaType": OCI + "index.v1+json", "manifests": [
        {**child, "platform": {"os": "linux", "architecture": "arm64", "variant": "v8"}},
        {**attestation, "platform": {"os": "unknown", "architecture": "unknown"}, "annotations": reference}]}, "1")
    simple = blob(name, {"critical": {"type": "cosign container image signature"}}, "application/vnd.dev.cosign.simplesigning.v1+json",
                  annotations={"dev.cosignproject.cosign/signature": "MEUCIQ"})
    manifest(name, {"config": blob(name, {}, OCI + "config.v1+json"), "layers": [simple]}, top["digest"].replace(":", "-") + ".sig")
    payload = base64.b64encode(encoded({"predicateType": "https://sigstore.dev/cosign/sign/v1", "predicate": {}})).decode()
    kind = "application/vnd.dev.sigstore.bundle.v0.3+json"
    attach(name, top, kind, {"mediaType": kind, "dsseEnvelope": {"payloadType": "application/vnd.in-toto+json", "payload": payload}},
           annotations={"dev.sigstore.bundle.content": "dsse-envelope", "dev.sigstore.bundle.predicateType": "https://sigstore.dev/cosign/sign/v1"})


def hostile():
    config = {"Labels": {EVIL: EVIL, "link": "javascript:alert(1)", RTL: RTL}, "Env": [EVIL, 5, None], "Entrypoint": EVIL,
              "User": EVIL, "ExposedPorts": [1, 2], "Volumes": "x"}
    top = image("public/evil", "v1", layers=("x",), config=config, annotations={EVIL: EVIL, "long": "x" * 100000})
    attach("public/evil", top, "application/spdx+json", b'{"spdxVersion": "SPDX-2.3", "packages": [{"name": ')
    attach("public/evil", top, "application/spdx+json",
           {"spdxVersion": EVIL, "packages": [{"name": EVIL, "versionInfo": {}}, None, 7, "x"]})
    attach("public/evil", top, "application/sarif+json", b"[" * 100000)
    image("public/evil", "odd", layers=("y",), created="yesterday", config=[])


image("public/hello", "latest", "1.0", layers=("hello",))
team()
charts()
artifacts()
built("public/built")
windows()
hostile()
image("public/many", "0.0.0", layers=("many",))
