"""Documents that scanners and builders attach to images, in the forms of their newer versions, and what the page's worker makes of
them. Used by page-extremes.py, in whose browser they are read one after another."""

import base64
import json

from page_browser import browser, check

READ = """const [text, done] = arguments, worker = new Worker("page-worker.js", { type: "module" }), bytes = new TextEncoder().encode(text);
worker.onmessage = event => { worker.terminate(); done(event.data); };
worker.onerror = event => done(String(event.message));
worker.postMessage(bytes, [bytes.buffer]);"""

PROVENANCE = "https://slsa.dev/provenance/"
PACKAGE = {"name": "zlib", "versionInfo": "1.3", "licenseConcluded": "NOASSERTION", "licenseDeclared": "Zlib"}
SPDX2 = {"spdxVersion": "SPDX-2.3", "packages": [PACKAGE]}
TRIVY = {"SchemaVersion": 2, "ArtifactName": "app", "Results": [
    {"Target": "app (debian 13.1)", "Class": "os-pkgs", "Vulnerabilities": [
        {"VulnerabilityID": "CVE-2026-1", "PkgName": "zlib1g", "InstalledVersion": "1:1.3", "FixedVersion": "1:1.4", "Severity": "HIGH", "Title": "Overflow"}]},
    {"Target": "Dockerfile", "Class": "config", "Misconfigurations": [
        {"ID": "DS002", "Severity": "CRITICAL", "Title": "root user", "Message": "Give a USER", "Status": "FAIL"}, {"ID": "DS001", "Severity": "LOW", "Status": "PASS"}]},
    {"Target": "/srv/key", "Class": "secret", "Secrets": [{"RuleID": "private-key", "Severity": "HIGH", "Title": "A key"}]}]}


def statement(kind, predicate):
    return {"_type": "https://in-toto.io/Statement/v1", "subject": [], "predicateType": kind, "predicate": predicate}


def envelope(document):
    return {"payloadType": "application/vnd.in-toto+json", "payload": base64.b64encode(json.dumps(document).encode()).decode(), "signatures": []}


def bundle(document):
    return {"mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json", "verificationMaterial": {}, "dsseEnvelope": envelope(document)}


def buildkit(version, source):
    used = [{"uri": "pkg:docker/alpine@3.22?platform=linux%2Famd64", "digest": {"sha256": "00"}}]
    vcs = {"vcs": {"source": "https://git.example.org/app.git", "revision": "c0ffee"}} if source == "vcs" else {}
    config = {"uri": "https://git.example.org/app.git#refs/heads/main", "digest": {"sha1": "c0ffee"}} if source == "remote" else {}
    if version == "v1":
        return statement(PROVENANCE + "v1", {
            "buildDefinition": {"buildType": "https://github.com/moby/buildkit/blob/master/docs/attestations/slsa-definitions.md",
                                "externalParameters": {"configSource": {**config, "path": "Dockerfile"}}, "resolvedDependencies": used},
            "runDetails": {"builder": {"id": "https://ci.example.org"}, "metadata": {"buildkit_metadata": vcs}}})
    return statement(PROVENANCE + "v0.2", {
        "builder": {"id": "https://ci.example.org"}, "buildType": "https://mobyproject.org/buildkit@v1", "materials": used,
        "invocation": {"configSource": {**config, "entryPoint": "Dockerfile"}}, "metadata": {"https://mobyproject.org/buildkit@v1#metadata": vcs}})


GITHUB = statement(PROVENANCE + "v1", {
    "buildDefinition": {"buildType": "https://actions.github.io/buildtypes/workflow/v1", "externalParameters": {"workflow": {"repository": "https://github.com/o/app"}},
                        "resolvedDependencies": [{"uri": "git+https://github.com/o/app@refs/heads/main", "digest": {"gitCommit": "c0ffee"}}]},
    "runDetails": {"builder": {"id": "https://github.com/o/app/.github/workflows/b.yml@refs/heads/main"}}})
GITLAB = statement(PROVENANCE + "v1", {"buildDefinition": {"externalParameters": {"source": "https://gitlab.com/o/app"}, "resolvedDependencies": []}})

SPDX3 = {"@context": "https://spdx.org/rdf/3.0.1/spdx-context.jsonld", "@graph": [
    {"type": "CreationInfo", "@id": "_:c", "specVersion": "3.0.1"}, {"type": "SpdxDocument", "spdxId": "urn:d"},
    {"type": "software_Package", "spdxId": "urn:1", "name": "zlib", "software_packageVersion": "1.3"},
    {"type": "software_Package", "spdxId": "urn:2", "name": "curl", "software_packageVersion": "8.17"},
    {"type": "simplelicensing_LicenseExpression", "spdxId": "urn:l", "simplelicensing_licenseExpression": "Zlib"},
    {"type": "Relationship", "spdxId": "urn:r", "from": "urn:1", "relationshipType": "hasDeclaredLicense", "to": ["urn:l"]},
    {"type": "Relationship", "from": "urn:2", "relationshipType": "hasConcludedLicense", "to": ["https://spdx.org/licenses/curl"]},
    {"type": "Relationship", "relationshipType": "constructor", "to": {}}, None, 5]}
CYCLONEDX = {"bomFormat": "CycloneDX", "specVersion": "1.6", "components": [
    {"type": "application", "group": "org.example", "name": "app", "version": "1", "licenses": [{"expression": "MIT OR Apache-2.0"}], "components": [
        {"type": "library", "name": "zlib", "version": "1.3", "licenses": [{"license": {"id": "Zlib", "acknowledgement": "declared"}}]}]}]}
VEX = {"bomFormat": "CycloneDX", "specVersion": "1.6", "vulnerabilities": [{"id": "CVE-2026-1", "ratings": [{"severity": "critical"}], "affects": [{"ref": "pkg:deb/zlib1g"}]}]}
GRYPE = {"matches": [{"vulnerability": {"id": "CVE-2026-1", "severity": "Negligible", "fix": {"versions": ["1.4"], "state": "fixed"}}, "artifact": {"name": "zlib1g", "version": "1.3"}}],
         "source": {"type": "image"}, "descriptor": {"name": "grype", "version": "0.104.0"}}
SARIF = {"version": "2.1.0", "runs": [{"tool": {"driver": {"name": "Trivy", "rules": [{"id": "CVE-2026-1", "properties": {"security-severity": "9.8"}}]}},
                                       "results": [{"ruleId": "CVE-2026-1", "level": "error", "message": {"text": "zlib"},
                                                    "locations": [{"physicalLocation": {"artifactLocation": {"uri": "app"}}}]}, {"ruleId": "x", "level": "constructor"}]}]}

ZLIB = ["zlib", "1.3", "Zlib"]
SOURCE = {"kind": "provenance", "builder": "https://ci.example.org", "source": "https://git.example.org/app.git", "commit": "c0ffee"}
REMOTE = {**SOURCE, "source": "https://git.example.org/app.git#refs/heads/main"}

# What it is, the document, and what has to be in the summary.
DOCUMENTS = [
    ("SPDX 2.3", SPDX2, {"kind": "packages", "format": "SPDX-2.3", "packages": [ZLIB]}),
    ("SPDX 3, a graph", SPDX3, {"kind": "packages", "format": "SPDX 3.0.1", "packages": [ZLIB, ["curl", "8.17", "curl"]]}),
    ("CycloneDX 1.6, with components in components", CYCLONEDX, {"format": "CycloneDX 1.6", "total": 2, "packages": [["org.example/app", "1", "MIT OR Apache-2.0"], ZLIB]}),
    ("CycloneDX with vulnerabilities alone", VEX, {"kind": "findings", "counts": {"critical": 1}}),
    ("a report of Trivy", TRIVY, {"format": "Trivy", "counts": {"critical": 1, "high": 2}, "total": 3}),
    ("a report of Trivy that found nothing", {"SchemaVersion": 2, "ArtifactName": "app"}, {"format": "Trivy", "total": 0}),
    ("a report of Grype", GRYPE, {"format": "Grype", "counts": {"low": 1}}),
    ("SARIF, with scores", SARIF, {"format": "SARIF", "counts": {"critical": 1, "unknown": 1}}),
    ("cosign attest --type vuln", envelope(statement("https://cosign.sigstore.dev/attestation/vuln/v1", {"scanner": {"uri": "pkg:trivy", "result": TRIVY}})), {"format": "Trivy", "total": 3}),
    ("in-toto's vulnerabilities", bundle(statement("https://in-toto.io/attestation/vulns/v0.2", {"scanner": {"uri": "x", "result": [
        {"id": "CVE-2026-1", "severity": [{"method": "nvd", "score": "6.8"}]}, {"id": "CVE-2026-2", "severity": [{"method": "x", "score": "HIGH"}]}]}})), {"counts": {"high": 1, "medium": 1}}),
    ("cosign attest --type spdxjson, in a bundle", bundle(statement("https://spdx.dev/Document", SPDX2)), {"kind": "packages", "packages": [ZLIB]}),
    ("cosign attest --type cyclonedx", envelope(statement("https://cyclonedx.org/bom", CYCLONEDX)), {"total": 2}),
    ("an older cosign, with the document in a string", envelope(statement("https://spdx.dev/Document", {"Data": json.dumps(SPDX2)})), {"packages": [ZLIB]}),
    ("... which is no JSON", statement("https://spdx.dev/Document", {"Data": "SPDXVersion: SPDX-2.3"}), {"kind": "text"}),
    ("cosign sign, in a bundle", bundle(statement("https://sigstore.dev/cosign/sign/v1", {})), {"kind": "text"}),
    ("BuildKit, v0.2, built from a folder", buildkit("v0.2", "vcs"), SOURCE),
    ("BuildKit, v0.2, built from an address", buildkit("v0.2", "remote"), REMOTE),
    ("BuildKit, v1, built from a folder", buildkit("v1", "vcs"), SOURCE),
    ("BuildKit, v1, built from an address", buildkit("v1", "remote"), REMOTE),
    ("BuildKit, built from a folder that is in no git: the base image is not the source", buildkit("v1", ""), {**SOURCE, "source": "", "commit": ""}),
    ("GitHub's attestations", bundle(GITHUB), {"source": "git+https://github.com/o/app@refs/heads/main", "commit": "c0ffee"}),
    ("GitLab's", GITLAB, {"source": "https://gitlab.com/o/app", "commit": ""}),
    ("a list", [1], {"kind": "text"}),
    ("a statement about nothing", {"predicateType": "x"}, {"kind": "text"}),
]


def documents():
    for what, document, wanted in DOCUMENTS:
        got = browser.execute_async_script(READ, json.dumps(document)) or {}
        check(isinstance(got, dict) and all(got.get(key) == value for key, value in wanted.items()), f"is read: {what}", got)
