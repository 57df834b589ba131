// Formats, orders and classifies values.
import { text } from "./page-text.js";

const units = ["B", "KB", "MB", "GB", "TB", "PB"];

const whole = new Intl.NumberFormat(undefined, { maximumFractionDigits: 0 }), tenths = new Intl.NumberFormat(undefined, { maximumFractionDigits: 1 });

export function size(bytes) {
  if (!Number.isFinite(bytes) || bytes < 0) return text.unknown;
  let unit = 0;
  while (bytes >= 1000 && unit < units.length - 1) { bytes /= 1000; unit++; }
  return `${(bytes < 10 && unit ? tenths : whole).format(bytes)} ${units[unit]}`;
}

const relative = new Intl.RelativeTimeFormat(undefined, { numeric: "auto" });
const exact = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "long" });
const steps = [["year", 31557600], ["month", 2629800], ["week", 604800], ["day", 86400], ["hour", 3600], ["minute", 60]];

// `when`: milliseconds, or NaN. Reproducible builds state 1970 or the year 1, which means nothing.
export function time(when) {
  const span = document.createElement("time");
  if (!(when > 86400e3 && when < 8e15)) { span.textContent = text.unknown; return span; }
  const date = new Date(when), seconds = (when - Date.now()) / 1000;
  const [unit, length] = steps.find(step => Math.abs(seconds) >= step[1]) || ["second", 1];
  span.dateTime = date.toISOString();
  span.title = exact.format(date);
  span.textContent = Math.abs(seconds) < 45 ? relative.format(0, "second") : relative.format(Math.round(seconds / length), unit);
  return span;
}

export const shortDigest = digest => digest ? digest.replace(/^(sha\d+):([0-9a-f]{12}).*$/, "$2") : text.unknown;

// --- order ------------------------------------------------------------------------------------------------------

const natural = new Intl.Collator("en", { numeric: true });

const versions = new Map(); // 10,000 tags are compared 100,000 times

function version(tag) {
  if (!versions.has(tag)) versions.set(tag, parseVersion(tag));
  return versions.get(tag);
}

function parseVersion(tag) {
  const match = /^[vV]?(\d{1,15}(?:\.\d{1,15}){0,7})(?:-([0-9A-Za-z.-]+))?(?:[+_].*)?$/.exec(tag);
  return match && { numbers: match[1].split(".").map(Number), before: match[2] || null };
}

// Newest version first; other names follow in alphabetical order.
export function compareTags(a, b) {
  const x = version(a), y = version(b);
  if (!x || !y) return x ? -1 : y ? 1 : natural.compare(a, b);
  for (let i = 0; i < Math.max(x.numbers.length, y.numbers.length); i++) {
    const difference = (y.numbers[i] ?? 0) - (x.numbers[i] ?? 0);
    if (difference) return difference;
  }
  if (!x.before !== !y.before) return x.before ? 1 : -1;
  if (x.numbers.length !== y.numbers.length) return y.numbers.length - x.numbers.length;
  return natural.compare(y.before || "", x.before || "") || natural.compare(a, b);
}

export const compareNames = (a, b) => a < b ? -1 : a > b ? 1 : 0;

// --- kinds ------------------------------------------------------------------------------------------------------

const INDEX = /^application\/vnd\.(?:oci\.image\.index\.v1|docker\.distribution\.manifest\.list\.v2)\+json$/;
const IMAGE_CONFIG = /^application\/vnd\.(?:oci\.image\.config\.v1|docker\.container\.image\.v1)\+json$/;
export const isIndex = type => INDEX.test(type || "");
export const isImageConfig = type => IMAGE_CONFIG.test(type || "");

// The kind that an artifact type, or the type of the statement in it, stands for; null: another kind.
export function attachmentKind(artifactType, predicateType) {
  const type = `${predicateType || ""} ${artifactType || ""}`.toLowerCase();
  if (/sarif|vuln|trivy|grype|\/scan|security/.test(type)) return "scan";
  if (/spdx|cyclonedx|syft|sbom/.test(type)) return "sbom";
  if (/provenance|slsa/.test(type)) return "provenance";
  if (/notary\.signature|cosign\.(?:simplesigning|artifact\.sig)|sigstore\.dev\/cosign\/sign|signature/.test(type)) return "signature";
  if (/sigstore\.bundle/.test(type)) return "signature";
  if (/in-toto|attestation|dsse/.test(type)) return "attestation";
  return null;
}

export function kindOf(info) {
  if (isIndex(info.mediaType) && !info.artifactType) return "index";
  if (/helm\.config|helm\.chart/.test(info.artifactType || "")) return "chart";
  if (/wasm/.test(info.artifactType || "")) return "wasm";
  return info.artifactType ? attachmentKind(info.artifactType, info.predicateType) || "artifact" : "image";
}

// cosign's tags: sha256-<hex>.sig, .att, .sbom; and the list of referrers in the form of a tag.
export function cosignTag(tag) {
  const match = /^(sha256|sha512)-([0-9a-f]{64,128})(?:\.(sig|att|sbom))?$/.exec(tag);
  return match && { digest: `${match[1]}:${match[2]}`, mark: { sig: "signed", att: "provenance", sbom: "sbom" }[match[3]] || null };
}

export const markOf = kind => ({ signature: "signed", sbom: "sbom", provenance: "provenance", attestation: "provenance", scan: "scan" })[kind] || null;

// --- addresses of the page --------------------------------------------------------------------------------------

const NAME = "[a-z0-9]+(?:(?:[./]|__?|-+)[a-z0-9]+)*", TAG = "[A-Za-z0-9_][A-Za-z0-9._-]{0,127}", DIGEST = "sha(?:256:[0-9a-f]{64}|512:[0-9a-f]{128})";
const ROUTE = new RegExp(`^#/(${NAME})(?::(${TAG})|@(${DIGEST}))?(?:~(${TAG}|${DIGEST}))?$`);
const WHOLE_TAG = new RegExp(`^${TAG}$`), WHOLE_DIGEST = new RegExp(`^${DIGEST}$`), WHOLE_NAME = new RegExp(`^${NAME}$`);
export const isTag = word => WHOLE_TAG.test(word);
export const isDigest = word => WHOLE_DIGEST.test(word);
export const isName = word => word.length < 256 && WHOLE_NAME.test(word);

// { name, reference, other }, all or the last two null; { tokens: true } or { projects: true }; null if it is none. No name begins with "_".
export const TOKENS = "#/_tokens", PROJECTS = "#/_projects";
export function parseRoute(hash) {
  if (hash === TOKENS) return { tokens: true };
  if (hash === PROJECTS) return { projects: true };
  if (hash === "" || hash === "#" || hash === "#/") return { name: null, reference: null, other: null };
  const match = hash.length < 800 ? ROUTE.exec(hash) : null;
  if (!match || (match[4] && !match[2] && !match[3])) return null;
  return { name: match[1], reference: match[2] || match[3] || null, other: match[4] || null };
}
export const joined = (name, reference) => `${name}${isDigest(reference) ? "@" : ":"}${reference}`;
export const route = (name, reference) => reference ? `#/${joined(name, reference)}` : `#/${name}`;
