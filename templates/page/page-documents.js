// Shows what is attached to an image: signatures, SBOMs, provenance, reports of scanners.
import * as api from "./page-api.js";
import { object, string } from "./page-api.js";
import { cut, el, facts, linked, name as bidi, section, table } from "./page-dom.js";
import { attachmentKind, cosignTag, isDigest, route, shortDigest, size } from "./page-format.js";
import { text } from "./page-text.js";

const LISTED_MAX = 200, DOCUMENT_MAX = 64e6, SECONDS_MAX = 20, SHOWN_MAX = 200;

// Lists referrers, buildx's attestations in the index, and what cosign keeps under tags.
async function attachments(name, image) {
  const digest = image.top.digest, found = [];
  if (!digest) return found;
  for (const subject of new Set([digest, image.own?.digest].filter(Boolean)))
    for (const entry of await api.referrers(name, subject))
      found.push({ digest: entry.digest, artifactType: string(entry.artifactType), predicateType: string(object(entry.annotations)["dev.sigstore.bundle.predicateType"]) || string(object(entry.annotations)["in-toto.io/predicate-type"]) });
  for (const child of image.children)
    if (child.annotations["vnd.docker.reference.type"] === "attestation-manifest" && (!image.child || child.annotations["vnd.docker.reference.digest"] === image.child.digest))
      found.push({ digest: child.digest, artifactType: "in-toto", predicateType: null });
  for (const tag of await api.tagList(name)) {
    const hint = cosignTag(tag);
    if (hint?.mark && hint.digest === digest) found.push({ tag, artifactType: { signed: "signature", provenance: "in-toto", sbom: "sbom" }[hint.mark], predicateType: null });
  }
  return found;
}

export async function showReferrers(place, name, image) {
  const all = await attachments(name, image);
  if (!all.length) { place.replaceChildren(section(text.referrers, el("p", { class: "dim" }, text.noReferrers))); return; }
  const items = all.slice(0, LISTED_MAX).map(entry => {
    const kind = attachmentKind(entry.artifactType, entry.predicateType), output = el("div", { class: "document" });
    const button = el("button", { type: "button", "aria-expanded": "false", "aria-label": `${text.showDocument}: ${text.kinds[kind] || text.kinds.artifact} ${shortDigest(entry.digest) || entry.tag}` }, text.showDocument);
    button.addEventListener("click", async () => {
      const isOpen = button.getAttribute("aria-expanded") === "true";
      button.setAttribute("aria-expanded", String(!isOpen));
      if (isOpen) { output.replaceChildren(); return; }
      output.replaceChildren(el("p", { class: "dim", role: "status" }, text.loading));
      try {
        output.replaceChildren(...await open(name, entry));
      } catch (error) {
        output.replaceChildren(el("p", { class: "problem", role: "alert" }, error.message));
      }
    });
    return el("li", {}, el("div", { class: "attached" }, el("strong", {}, text.kinds[kind] || text.kinds.artifact),
      el("a", { href: route(name, entry.digest || entry.tag) }, entry.digest ? shortDigest(entry.digest) : bidi(entry.tag.replace(/^(sha\d+-.{12}).*(\.\w+)$/, "$1…$2"))),
      el("span", { class: "dim" }, bidi(cut(entry.predicateType || entry.artifactType || "", 200))), button), output);
  });
  place.replaceChildren(section(text.referrers, el("ul", { class: "plain attachments" }, items), all.length > LISTED_MAX ? el("p", { class: "dim" }, text.notShown(all.length - LISTED_MAX)) : null));
}

// --- reading ----------------------------------------------------------------------------------------------------

// Reads a document in a worker of its own, which is stopped if it takes too long: documents may be large and odd.
function summarise(bytes) {
  return new Promise((resolve, reject) => {
    const worker = new Worker("page-worker.js", { type: "module" });
    const end = action => { clearTimeout(timer); worker.terminate(); action(); };
    const timer = setTimeout(() => end(() => reject(new Error(text.tooSlow))), SECONDS_MAX * 1000);
    worker.onmessage = event => end(() => event.data ? resolve(event.data) : reject(new Error(text.cannotPreview)));
    worker.onerror = () => end(() => reject(new Error(text.broken)));
    worker.postMessage(bytes, [bytes.buffer]);
  });
}

async function open(name, entry) {
  const { document } = await api.manifest(name, entry.digest || entry.tag), nodes = [];
  const signs = attachmentKind(entry.artifactType, entry.predicateType) === "signature";
  if (signs) nodes.push(el("p", {}, text.markHint.signed));
  const layers = api.array(document.layers).map(object).filter(layer => isDigest(layer.digest || ""));
  for (const layer of layers.slice(0, 8)) {
    const title = string(object(layer.annotations)["in-toto.io/predicate-type"]) || string(layer.mediaType) || "";
    nodes.push(el("p", { class: "dim" }, bidi(cut(title, 200)), ` · ${size(layer.size)}`));
    try {
      if (layer.size > DOCUMENT_MAX) throw new Error(text.tooLarge(size(DOCUMENT_MAX)));
      nodes.push(...view(await summarise(await api.blobBytes(name, layer.digest, DOCUMENT_MAX)), shortDigest(layer.digest)));
    } catch (error) {
      if (!signs) nodes.push(el("p", { class: "problem" }, error.message));   // a signature need not be JSON
    }
  }
  return nodes.length ? nodes : [el("p", { class: "dim" }, text.notKnown)];
}

const more = (total, shown) => total > shown ? el("p", { class: "dim" }, text.notShown(total - shown)) : null;

// `where` tells several open documents apart for users of screen readers.
function packagesView(summary, where) {
  const search = el("input", { type: "search", placeholder: text.searchPackages, "aria-label": `${text.searchPackages} ${where}` });
  const rows = el("div");
  const update = () => {
    const word = search.value.toLowerCase(), found = summary.packages.filter(item => item[0].toLowerCase().includes(word));
    rows.replaceChildren(table([text.name, text.version, text.license], found.slice(0, SHOWN_MAX).map(item => item.map(bidi)), `${text.packages(found.length)} ${where}`), more(found.length, SHOWN_MAX) || "");
  };
  search.addEventListener("input", update);
  update();
  return [el("p", {}, el("strong", {}, text.packages(summary.total)), ` · ${summary.format}`), search, rows, more(summary.total, summary.packages.length)].filter(Boolean);
}

function findingsView(summary, where) {
  const counts = el("p", { class: "severities" }, Object.entries(summary.counts).map(([severity, count]) => el("span", { class: `mark ${severity}` }, `${severity} ${count}`)));
  const shown = summary.findings.slice(0, SHOWN_MAX);
  const columns = [[text.severity, item => el("span", { class: `mark ${item.severity}` }, item.severity)], [text.finding, item => item.id],
    [text.inPackage, item => item.where && bidi(item.where)], [text.fixedIn, item => item.fixed], [text.message, item => item.message && bidi(item.message)]]
    .filter(([, cell]) => shown.some(cell));
  return [el("p", {}, el("strong", {}, text.findings(summary.total)), ` · ${summary.format}`), counts,
    shown.length ? table(columns.map(([heading]) => heading), shown.map(item => columns.map(([, cell]) => cell(item))), `${text.findings(summary.total)} ${where}`) : null, more(summary.total, SHOWN_MAX)].filter(Boolean);
}

function provenanceView(summary) {
  return [facts([[text.predicate, linked(summary.predicateType)], [text.builder, summary.builder ? linked(summary.builder) : null], [text.buildType, summary.buildType ? linked(summary.buildType) : null],
    [text.source, summary.source ? linked(summary.source) : null], [text.commit, summary.commit ? el("code", {}, summary.commit) : null]])];
}

function view(summary, where) {
  if (summary.kind === "packages") return packagesView(summary, where);
  if (summary.kind === "findings") return findingsView(summary, where);
  if (summary.kind === "provenance") return provenanceView(summary);
  return [el("pre", { tabindex: "0", role: "region", "aria-label": `${text.document} ${where}` }, summary.text)];
}
