// Shows one image, or whatever else a tag or digest leads to.
import * as api from "./page-api.js";
import { array, object, string } from "./page-api.js";
import { copyButton, cut, el, facts, folded, linked, name as bidi, say, section, table } from "./page-dom.js";
import { tagDialog } from "./page-change.js";
import { showReferrers } from "./page-documents.js";
import { isDigest, isImageConfig, isIndex, kindOf, route, shortDigest, size, time } from "./page-format.js";
import { pullPanel } from "./page-pull.js";
import { othersWith } from "./page-shared.js";
import { text } from "./page-text.js";

const ROWS_MAX = 500, TAGS_MAX = 3;
let platform = null; // the platform that was shown last

// Loads everything that the views of one image and of two show. Of an index, this is the image for one platform.
export async function load(name, reference, wanted = platform) {
  const top = await api.manifest(name, reference), info = { mediaType: top.mediaType, artifactType: api.artifactTypeOf(top.document) };
  const image = { name, reference, top, kind: kindOf(info), artifactType: info.artifactType, children: [], own: top, config: {}, problem: null };
  if (isIndex(top.mediaType)) {
    image.children = array(top.document.manifests).map(object).filter(child => isDigest(child.digest || "")).slice(0, ROWS_MAX)
      .map(child => ({ digest: child.digest, size: child.size, mediaType: string(child.mediaType), platform: api.childPlatform(child.platform), annotations: object(child.annotations) }));
    const real = image.children.filter(child => child.platform !== "unknown/unknown");
    image.child = real.find(child => child.platform === wanted) || real.find(child => child.platform === "linux/amd64") || real[0] || image.children[0];
    image.own = null;
    if (image.child) image.own = await api.manifest(name, image.child.digest).catch(error => { image.problem = error.status === 404 ? text.missingPlatform : error.message; return null; });
  }
  const descriptor = object(image.own?.document.config);
  image.layers = array(image.own?.document.layers).map(object);
  image.isImage = isImageConfig(descriptor.mediaType);
  if (image.isImage || image.kind === "chart")
    image.config = await api.config(name, descriptor.digest).catch(error => { image.problem = error.message; return {}; });
  image.size = image.own ? api.bytesOf([descriptor, ...image.layers]) + image.own.bytes.length : NaN;
  return image;
}

// Each layer with the command that made it; `empty` counts the steps that made none.
export function history(image) {
  const steps = array(image.config.history).map(object);
  const made = steps.filter(step => step.empty_layer !== true);
  return { commands: made.length === image.layers.length ? made.map(step => string(step.created_by)) : [], empty: steps.length - made.length };
}

const clean = command => cut(command, 1000).replace(/^\/bin\/sh -c #\(nop\)\s+/, "").replace(/^\/bin\/sh -c /, "RUN ");

// `shared`: what othersWith() found, once the user has asked for it.
function layersSection(image, shared = null) {
  if (!image.layers.length) return null;
  const { commands, empty } = history(image), most = Math.max(1, ...image.layers.map(layer => Number(layer.size) || 0));
  const rows = image.layers.slice(0, ROWS_MAX).map((layer, i) => {
    const title = string(object(layer.annotations)["org.opencontainers.image.title"]);
    const bar = el("meter", { min: "0", max: String(most), value: String(Number(layer.size) || 0), "aria-hidden": "true" });
    const what = image.isImage ? commands[i] ? el("code", {}, clean(commands[i])) : text.noCommand : [title ? bidi(cut(title, 200)) : null, " ", el("span", { class: "dim" }, cut(layer.mediaType, 200))];
    return [String(i + 1), el("span", { class: "digest" }, el("span", { title: cut(layer.digest, 200) }, shortDigest(string(layer.digest))), copyButton(cut(layer.digest, 200), text.digest)),
      el("span", { class: "bar" }, bar, size(layer.size)), ...shared ? [tagLinks(image, shared.tags.get(layer.digest))] : [], what];
  });
  const node = section(image.isImage ? text.layers : text.files,
    table(["#", text.digest, text.size, ...shared ? [text.alsoIn] : [], image.isImage ? text.command : text.files], rows, text.layers),
    image.layers.length > ROWS_MAX ? el("p", { class: "dim" }, text.notShown(image.layers.length - ROWS_MAX)) : null,
    empty && image.isImage ? el("p", { class: "dim" }, text.emptyLayers(empty)) : null,
    shared ? el("p", { id: "shared" }, sharedText(image, shared)) : null, shared || !image.isImage ? null : sharedButton(image, found => node.replaceWith(layersSection(image, found))));
  return node;
}

function tagLinks(image, tags = []) {
  return [...tags.slice(0, TAGS_MAX).flatMap((tag, i) => [i ? ", " : "", el("a", { href: route(image.name, tag) }, bidi(tag))]), tags.length > TAGS_MAX ? ` ${text.more(tags.length - TAGS_MAX)}` : ""];
}

function sharedText(image, shared) {
  const part = api.bytesOf(image.layers.filter(layer => shared.tags.has(layer.digest)));
  return text.sharedWith(size(part), size(api.bytesOf(image.layers)), shared.looked);
}

// It takes a request for each tag, so it waits until the user asks for it.
function sharedButton(image, done) {
  const button = el("button", { type: "button", id: "find-shared" }, text.findShared);
  button.addEventListener("click", async () => {
    button.disabled = true;
    try {
      done(await othersWith(image));
      say(document.getElementById("shared")?.textContent || "");
    } catch (error) {
      button.disabled = false;
      say(error.message);
    }
  });
  return el("div", { class: "buttons" }, button);
}

const words = value => Array.isArray(value) ? value.slice(0, 100).map(item => cut(item, 500)) : typeof value === "string" ? [cut(value)] : [];
const code = list => list.length ? el("code", {}, list.map(word => /^[\w@%+=:,./-]+$/.test(word) ? word : JSON.stringify(word)).join(" ")) : null;
const several = list => list.length ? el("ul", { class: "plain" }, list.map(item => el("li", {}, el("code", {}, item)))) : null;

function configSection(image) {
  const inner = object(image.config.config);
  const keys = value => Object.keys(object(value)).slice(0, 100).map(key => cut(key, 200));
  return section(text.config, facts([
    [text.entrypoint, code(words(inner.Entrypoint))], [text.cmd, code(words(inner.Cmd))], [text.workdir, code(words(inner.WorkingDir))],
    [text.userOfImage, string(inner.User) ? bidi(cut(inner.User, 200)) : text.root], [text.ports, several(keys(inner.ExposedPorts))],
    [text.volumes, several(keys(inner.Volumes))], [text.stopSignal, string(inner.StopSignal) ? cut(inner.StopSignal, 50) : null],
    [text.env, several(words(inner.Env))],
  ]));
}

export function mapSection(title, map) {
  const entries = Object.entries(object(map)).slice(0, ROWS_MAX);
  if (!entries.length) return null;
  return section(title, table([text.name, text.value], entries.map(([key, value]) => [bidi(cut(key, 200)), folded(value)]), title));
}

function chartSection(image) {
  const chart = image.config, list = key => array(chart[key]).slice(0, 30);
  return section(text.chart, facts([
    [text.name, string(chart.name) ? bidi(cut(chart.name, 200)) : null], [text.version, string(chart.version) ? cut(chart.version, 100) : null],
    [text.charts.appVersion, chart.appVersion !== undefined ? cut(chart.appVersion, 100) : null], [text.charts.description, string(chart.description) ? bidi(cut(chart.description)) : null],
    [text.charts.kubeVersion, string(chart.kubeVersion) ? cut(chart.kubeVersion, 100) : null], [text.charts.home, string(chart.home) ? linked(cut(chart.home)) : null],
    [text.charts.dependencies, several(list("dependencies").map(item => `${cut(object(item).name, 100)} ${cut(object(item).version, 100)}`))],
    [text.charts.maintainers, several(list("maintainers").map(item => cut(object(item).name, 100)))],
    [text.charts.keywords, list("keywords").length ? list("keywords").map(item => cut(item, 50)).join(", ") : null],
    [text.charts.sources, list("sources").length ? el("ul", { class: "plain" }, list("sources").map(item => el("li", {}, linked(cut(item))))) : null],
  ]));
}

function platformTabs(image, choose) {
  if (image.children.length < 2 && !image.problem) return null;
  const real = image.children.filter(child => child.platform && child.platform !== "unknown/unknown");
  if (!real.length) return section(text.files, table([text.digest, text.mediaType, text.size], image.children.map(child => [childLink(image, child), cut(child.mediaType, 200), size(child.size)]), text.files));
  return el("div", { class: "tabs", role: "group", "aria-label": text.platforms }, real.map(child =>
    el("button", { type: "button", "aria-pressed": String(child === image.child), "data-focus": child.platform, onclick: () => choose(child.platform) }, child.platform)));
}
const childLink = (image, child) => el("a", { href: route(image.name, child.digest), title: child.digest }, shortDigest(child.digest));

export async function show(main, name, reference) {
  const tag = isDigest(reference) ? null : reference;
  let ended = false;
  const draw = async (wanted, focus) => {
    const image = await load(name, reference, wanted);
    if (ended) return;
    platform = image.child?.platform || platform;
    const digest = image.top.digest, config = image.config, created = string(config.created) || string(object(image.top.document.annotations)["org.opencontainers.image.created"]);
    const compare = el("div", { class: "buttons" });
    const subject = object(image.top.document.subject).digest;
    const attached = el("div");
    main.replaceChildren(
      el("nav", { class: "crumbs", "aria-label": text.repository }, el("a", { href: route(name) }, bidi(name))),
      el("h1", {}, tag ? bidi(tag) : shortDigest(digest), el("span", { class: "mark" }, text.kinds[image.kind])),
      pullPanel(name, tag, digest, image.kind), compare,
      section(text.summary, facts([
        [text.digest, digest ? el("span", { class: "digest" }, el("code", {}, digest), copyButton(digest, text.digest)) : null],
        [text.mediaType, bidi(cut(image.top.mediaType, 200))], [text.artifactType, image.artifactType ? bidi(cut(image.artifactType, 200)) : null],
        [text.platform, image.isImage ? bidi(api.platformOf(config) || image.child?.platform || text.unknown) : null],
        [text.created, created ? time(Date.parse(created)) : null], [text.totalSize, size(image.size)],
        [text.subject, isDigest(subject || "") ? el("a", { href: route(name, subject) }, shortDigest(subject)) : null],
      ])),
      platformTabs(image, chosen => draw(chosen, chosen).catch(error => say(error.message))) || "",
      image.problem ? el("p", { class: "problem", role: "alert" }, image.problem) : "",
      image.kind === "chart" ? chartSection(image) : image.isImage ? configSection(image) : "",
      layersSection(image) || "", attached,
      mapSection(text.labels, object(config.config).Labels) || "", mapSection(text.annotations, { ...object(image.own?.document.annotations), ...object(image.top.document.annotations) }) || "");
    if (focus) main.querySelector(`[data-focus="${CSS.escape(focus)}"]`)?.focus();
    showReferrers(attached, name, image).catch(error => attached.replaceChildren(el("p", { class: "problem" }, error.message)));
    tools(compare, name, tag, image).catch(() => { /* without them */ });
  };
  await draw(platform);
  return () => { ended = true; };
}

async function tools(place, name, tag, image) {
  const [tags, may] = await Promise.all([api.tagList(name), api.rights(name)]);
  const others = tags.filter(other => other !== tag && !/^sha(?:256|512)-/.test(other)).slice(0, 2000);
  const select = el("select", { id: "compare", "aria-label": text.compareWith }, el("option", { value: "" }, `${text.compareWith}…`), others.map(other => el("option", { value: other }, other)));
  select.addEventListener("change", () => { if (select.value) location.hash = `${route(name, tag || image.top.digest)}~${select.value}`; });
  place.replaceChildren(...others.length && image.isImage ? [select] : [],
    ...may.has("push") && tag ? [el("button", { type: "button", id: "add-tag", onclick: () => tagDialog(name, tags, { tags: new Map() }, message => { say(message); location.hash = route(name); }, tag) }, text.addTag)] : []);
}
