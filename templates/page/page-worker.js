// Reads a document that is attached to an image, and answers with as much of it as the page shows; null if it is not JSON.
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

function cyclonedx(document) {
  const all = array(document.components);
  const license = item => array(item.licenses).slice(0, 5).map(entry => word(object(object(entry).license).id) || word(object(object(entry).license).name) || word(object(entry).expression)).filter(Boolean).join(", ");
  return { kind: "packages", format: `CycloneDX ${word(document.specVersion)}`, total: all.length, packages: all.slice(0, PACKAGES_MAX).map(object).map(item =>
    [item.group ? `${word(item.group)}/${word(item.name)}` : word(item.name), word(item.version), license(item)]) };
}

const ORDER = ["critical", "high", "medium", "low", "unknown"];
const severityOf = value => {
  const given = word(value).toLowerCase(), same = { error: "high", warning: "medium", note: "low", negligible: "low", none: "low" };
  return ORDER.includes(given) ? given : same[given] || "unknown";
};

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
      const properties = object(object(rules.get(word(result.ruleId))).properties), score = Number(properties["security-severity"]);
      const severity = score >= 9 ? "critical" : score >= 7 ? "high" : score >= 4 ? "medium" : score > 0 ? "low" : severityOf(result.level);
      const place = object(object(object(array(result.locations)[0]).physicalLocation).artifactLocation);
      all.push({ severity, id: word(result.ruleId, 60), where: word(place.uri), fixed: "", message: word(object(result.message).text, 300) });
    }
  }
  return findings("SARIF", all);
}

function trivy(document) {
  return findings("Trivy", array(document.Results).flatMap(result => array(object(result).Vulnerabilities)).map(object).map(item =>
    ({ severity: severityOf(item.Severity), id: word(item.VulnerabilityID, 60), where: `${word(item.PkgName, 100)} ${word(item.InstalledVersion, 60)}`, fixed: word(item.FixedVersion, 60), message: word(item.Title, 300) })));
}

function grype(document) {
  return findings("Grype", array(document.matches).map(object).map(match => {
    const found = object(match.vulnerability), artifact = object(match.artifact);
    return { severity: severityOf(found.severity), id: word(found.id, 60), where: `${word(artifact.name, 100)} ${word(artifact.version, 60)}`, fixed: word(array(object(found.fix).versions)[0], 60), message: word(found.description, 300) };
  }));
}

function provenance(statement) {
  const predicate = object(statement.predicate), definition = object(predicate.buildDefinition), invocation = object(predicate.invocation);
  const source = object(invocation.configSource), material = object(array(predicate.materials ?? definition.resolvedDependencies)[0]), digest = object(source.digest ?? material.digest);
  return { kind: "provenance", predicateType: word(statement.predicateType), builder: word(object(predicate.builder).id || object(object(predicate.runDetails).builder).id),
    buildType: word(predicate.buildType || definition.buildType), source: word(source.uri || material.uri, 500), commit: word(digest.sha1 || digest.gitCommit) };
}

function summary(document) {
  const statement = object(document), type = word(statement.predicateType);
  if (/provenance/.test(type)) return provenance(statement);
  if (type) return statement.predicate === undefined ? null : summary(object(statement.predicate).Data ?? statement.predicate) || null;
  if (statement.spdxVersion) return spdx(statement);
  if (statement.bomFormat === "CycloneDX") return cyclonedx(statement);
  if (Array.isArray(statement.runs)) return sarif(statement);
  if (Array.isArray(statement.Results)) return trivy(statement);
  if (Array.isArray(statement.matches)) return grype(statement);
  return { kind: "text", text: JSON.stringify(document, null, 2).slice(0, TEXT_MAX) };
}

self.onmessage = event => {
  try {
    self.postMessage(summary(unwrapped(JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(event.data)))));
  } catch {
    self.postMessage(null);
  }
};
