// Reads a document that is attached to an image, and answers with the part of it that the page shows; null if it is not JSON.
const PACKAGES_MAX = 20000, FINDINGS_MAX = 1000, TEXT_MAX = 20000;

const array = value => Array.isArray(value) ? value : [];
const object = value => value && typeof value === "object" && !Array.isArray(value) ? value : {};
const word = (value, most = 200) => typeof value === "string" ? value.slice(0, most) : typeof value === "number" ? String(value) : "";

// The statement inside an envelope: DSSE, or a sigstore bundle around one.
function unwrapped(document) {
  const envelope = object(object(document).dsseEnvelope ?? document);
  if (typeof envelope.payload !== "string" || !envelope.payloadType) return document;
  const bytes = Uint8Array.from(atob(envelope.payload), letter => letter.charCodeAt(0));
  return JSON.parse(new TextDecoder().decode(bytes));
}

function spdx(document) {
  const all = array(document.packages);
  return { kind: "packages", format: word(document.spdxVersion) || "SPDX", total: all.length, packages: all.slice(0, PACKAGES_MAX).map(object).map(item =>
    [word(item.name), word(item.versionInfo), word(item.licenseConcluded) === "NOASSERTION" ? word(item.licenseDeclared) : word(item.licenseConcluded) || word(item.licenseDeclared)]) };
}

// SPDX 3: packages, licenses and the relations between them are nodes of one graph.
function spdx3(graph) {
  const all = graph.filter(node => node.type === "software_Package"), expressions = new Map(), concluded = new Map(), declared = new Map();
  for (const node of graph) {
    if (node.simplelicensing_licenseExpression) expressions.set(node.spdxId, word(node.simplelicensing_licenseExpression));
    if (node.relationshipType === "hasConcludedLicense") concluded.set(node.from, array(node.to)[0]);
    if (node.relationshipType === "hasDeclaredLicense") declared.set(node.from, array(node.to)[0]);
  }
  const named = id => expressions.get(id) || (/^https?:\/\/spdx\.org\/licenses\/([\w.+-]+)$/.exec(word(id)) || [])[1];
  const license = id => named(concluded.get(id)) || named(declared.get(id)) || "";
  return { kind: "packages", format: `SPDX ${word(graph.find(node => node.specVersion)?.specVersion)}`, total: all.length, packages: all.slice(0, PACKAGES_MAX).map(item =>
    [word(item.name), word(item.software_packageVersion), license(item.spdxId)]) };
}

// Components may contain components.
function inside(components) {
  const all = array(components).map(object);
  for (let i = 0; i < all.length; i++) for (const one of array(all[i].components)) all.push(object(one));
  return all;
}

function cyclonedx(document) {
  const all = inside(document.components), known = array(document.vulnerabilities).map(object);
  if (!all.length && known.length)
    return findings(`CycloneDX ${word(document.specVersion)}`, known.map(item => ({ severity: severityOf(object(array(item.ratings)[0]).severity), id: word(item.id, 60),
      where: word(object(array(item.affects)[0]).ref), fixed: "", message: word(item.description, 300) })));
  const license = item => array(item.licenses).slice(0, 5).map(entry => word(object(object(entry).license).id) || word(object(object(entry).license).name) || word(object(entry).expression)).filter(Boolean).join(", ");
  return { kind: "packages", format: `CycloneDX ${word(document.specVersion)}`, total: all.length, packages: all.slice(0, PACKAGES_MAX).map(item =>
    [item.group ? `${word(item.group)}/${word(item.name)}` : word(item.name), word(item.version), license(item)]) };
}

const ORDER = ["critical", "high", "medium", "low", "unknown"];
const SAME = new Map([["error", "high"], ["warning", "medium"], ["note", "low"], ["negligible", "low"], ["none", "low"]]);
const severityOf = value => {
  const given = word(value).toLowerCase();
  return ORDER.includes(given) ? given : SAME.get(given) || "unknown";
};
const byScore = score => score >= 9 ? "critical" : score >= 7 ? "high" : score >= 4 ? "medium" : score > 0 ? "low" : null;

function findings(format, all) {
  const counts = {};
  for (const item of all) counts[item.severity] = (counts[item.severity] || 0) + 1;
  const sorted = Object.fromEntries(ORDER.filter(key => counts[key]).map(key => [key, counts[key]]));
  all.sort((a, b) => ORDER.indexOf(a.severity) - ORDER.indexOf(b.severity));
  return { kind: "findings", format, total: all.length, counts: sorted, findings: all.slice(0, FINDINGS_MAX) };
}

function sarif(document) {
  const all = [];
  for (const run of array(document.runs).map(object)) {
    const rules = new Map(array(object(object(run.tool).driver).rules).map(object).map(rule => [word(rule.id), rule]));
    for (const result of array(run.results).map(object)) {
      const properties = object(object(rules.get(word(result.ruleId))).properties), severity = byScore(Number(properties["security-severity"])) || severityOf(result.level);
      const place = object(object(object(array(result.locations)[0]).physicalLocation).artifactLocation);
      all.push({ severity, id: word(result.ruleId, 60), where: word(place.uri), fixed: "", message: word(object(result.message).text, 300) });
    }
  }
  return findings("SARIF", all);
}

// Vulnerable packages, wrong settings and exposed keys, each within a target: a package manager or a file.
function trivy(document) {
  return findings("Trivy", array(document.Results).map(object).flatMap(({ Target, Vulnerabilities, Misconfigurations, Secrets }) => [
    ...array(Vulnerabilities).map(object).map(item => ({ severity: severityOf(item.Severity), id: word(item.VulnerabilityID, 60),
      where: `${word(item.PkgName, 100)} ${word(item.InstalledVersion, 60)}`, fixed: word(item.FixedVersion, 60), message: word(item.Title, 300) })),
    ...[...array(Misconfigurations), ...array(Secrets)].map(object).filter(item => item.Status !== "PASS").map(item => ({ severity: severityOf(item.Severity),
      id: word(item.ID, 60) || word(item.RuleID, 60), where: word(Target), fixed: "", message: word(item.Message, 300) || word(item.Title, 300) }))]));
}

function grype(document) {
  return findings("Grype", array(document.matches).map(object).map(match => {
    const found = object(match.vulnerability), artifact = object(match.artifact);
    return { severity: severityOf(found.severity), id: word(found.id, 60), where: `${word(artifact.name, 100)} ${word(artifact.version, 60)}`, fixed: word(array(object(found.fix).versions)[0], 60), message: word(found.description, 300) };
  }));
}

// in-toto's own format: severities are words or scores.
function vulnerabilities(result) {
  return findings("in-toto", result.map(object).map(item => {
    const score = object(array(item.severity)[0]).score;
    return { severity: byScore(Number(score)) || severityOf(score), id: word(item.id, 60), where: "", fixed: "", message: "" };
  }));
}

const commitOf = item => word(object(item.digest).sha1) || word(object(item.digest).gitCommit);

// The source that was built, as BuildKit, GitHub, GitLab and others state it, or else the first material that is a commit. (With
// BuildKit, the first of all materials is the base image.)
function sourceOf(predicate) {
  const definition = object(predicate.buildDefinition), outside = object(definition.externalParameters);
  const metadata = object(object(predicate.metadata)["https://mobyproject.org/buildkit@v1#metadata"] ?? object(object(predicate.runDetails).metadata).buildkit_metadata);
  const vcs = object(metadata.vcs), used = array(predicate.materials ?? definition.resolvedDependencies).map(object);
  return [object(object(predicate.invocation).configSource), object(outside.configSource), { uri: vcs.source, digest: { sha1: vcs.revision } }, used.find(commitOf),
    { uri: word(outside.source) || word(object(outside.workflow).repository) }].find(item => item && word(item.uri)) || {};
}

function provenance(statement) {
  const predicate = object(statement.predicate), definition = object(predicate.buildDefinition), source = sourceOf(predicate);
  return { kind: "provenance", predicateType: word(statement.predicateType), builder: word(object(predicate.builder).id || object(object(predicate.runDetails).builder).id),
    buildType: word(predicate.buildType || definition.buildType), source: word(source.uri, 500), commit: commitOf(source) };
}

// cosign puts reports one level deeper, and other documents into a string.
function predicated(statement) {
  const predicate = object(statement.predicate), result = object(predicate.scanner).result;
  if (Array.isArray(result)) return vulnerabilities(result);
  const inner = summary(result ?? (typeof predicate.Data === "string" ? read(predicate.Data) : predicate.Data) ?? predicate);
  return inner.kind === "text" ? asText(statement) : inner;
}

function read(data) {
  try { return JSON.parse(data); } catch { return null; }
}

const asText = document => ({ kind: "text", text: JSON.stringify(document, null, 2).slice(0, TEXT_MAX) });

function summary(document) {
  const statement = object(document), type = word(statement.predicateType);
  if (/provenance/.test(type)) return provenance(statement);
  if (type) return predicated(statement);
  if (statement.spdxVersion) return spdx(statement);
  if (Array.isArray(statement["@graph"])) return spdx3(statement["@graph"].map(object));
  if (statement.bomFormat === "CycloneDX") return cyclonedx(statement);
  if (Array.isArray(statement.runs)) return sarif(statement);
  if (Array.isArray(statement.Results) || (statement.ArtifactName && statement.SchemaVersion)) return trivy(statement);
  if (Array.isArray(statement.matches)) return grype(statement);
  return asText(document);
}

self.onmessage = event => {
  try {
    self.postMessage(summary(unwrapped(JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(event.data)))));
  } catch {
    self.postMessage(null);
  }
};
