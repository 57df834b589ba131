// Shows two images of a repository side by side.
import * as api from "./page-api.js";
import { object } from "./page-api.js";
import { cut, el, name as bidi, section, table } from "./page-dom.js";
import { joined, route, shortDigest, size } from "./page-format.js";
import { history, load } from "./page-image.js";
import { text } from "./page-text.js";

const LINES_MAX = 500;

// Lines that only one side has, or that differ: [key, left, right]
function differences(left, right) {
  const keys = [...new Set([...Object.keys(left), ...Object.keys(right)])].sort();
  return keys.filter(key => left[key] !== right[key]).slice(0, LINES_MAX).map(key => [key, left[key], right[key]]);
}

const environment = image => Object.fromEntries(api.array(object(image.config.config).Env).slice(0, LINES_MAX).map(line => {
  const word = cut(line), at = word.indexOf("=");
  return at < 0 ? [word, ""] : [word.slice(0, at), word.slice(at + 1)];
}));
const texts = map => Object.fromEntries(Object.entries(object(map)).map(([key, value]) => [key, cut(value)]));
const settings = image => {
  const { Env, Labels, ...rest } = object(image.config.config);
  void Env; void Labels;
  return { ...texts(rest), [text.platform]: api.platformOf(image.config) || "" };
};

function differenceSection(title, left, right) {
  const rows = differences(left, right);
  if (!rows.length) return section(title, el("p", { class: "dim" }, text.same));
  const side = (value, class_) => value === undefined ? "" : el("code", { class: class_ }, bidi(cut(value)));
  return section(title, table([text.name, text.first, text.second], rows.map(([key, a, b]) => [bidi(cut(key, 200)), side(a, "gone"), side(b, "added")]), title));
}

function layerRows(left, right) {
  const commands = new Map();
  for (const image of [left, right]) history(image).commands.forEach((command, i) => commands.set(image.layers[i].digest, command));
  const inLeft = new Set(left.layers.map(layer => layer.digest)), inRight = new Set(right.layers.map(layer => layer.digest));
  const all = [...left.layers.filter(layer => inRight.has(layer.digest)), ...left.layers.filter(layer => !inRight.has(layer.digest)), ...right.layers.filter(layer => !inLeft.has(layer.digest))];
  return all.slice(0, LINES_MAX).map(layer => {
    const state = !inLeft.has(layer.digest) ? "added" : inRight.has(layer.digest) ? "both" : "gone";
    return [el("span", { class: `mark ${state}` }, text[state]), el("span", { title: cut(layer.digest, 200) }, shortDigest(cut(layer.digest, 200))), size(layer.size), el("code", {}, cut(commands.get(layer.digest) || "", 500))];
  });
}

// Loads both for one platform. If one of them exists for one platform only, for that.
async function loadBoth(name, reference, other) {
  let [left, right] = await Promise.all([load(name, reference), load(name, other)]);
  if (left.child && !right.child) left = await load(name, reference, api.platformOf(right.config));
  if (right.child && !left.child) right = await load(name, other, api.platformOf(left.config));
  return [left, right];
}

export async function show(main, name, reference, other) {
  const [left, right] = await loadBoth(name, reference, other);
  const shared = left.layers.filter(layer => right.layers.some(one => one.digest === layer.digest));
  const difference = right.size - left.size;
  const link = image => el("a", { href: route(name, image.reference) }, bidi(image.reference.length > 128 ? shortDigest(image.reference) : image.reference));
  main.replaceChildren(
    el("nav", { class: "crumbs", "aria-label": text.repository }, el("a", { href: route(name) }, bidi(name))),
    el("h1", {}, `${text.compare}: `, link(left), " → ", link(right)),
    section(text.size, table([text.image, text.digest, text.platform, text.totalSize], [left, right].map((image, i) => [i ? text.second : text.first, el("a", { href: `#/${joined(name, image.top.digest || image.reference)}` }, shortDigest(image.top.digest)), api.platformOf(image.config) || text.unknown, size(image.size)]), text.size),
      el("p", {}, `${text.difference}: ${difference < 0 ? "−" : "+"}${size(Math.abs(difference))}. `, text.shared(size(api.bytesOf(shared)), size(api.bytesOf(right.layers) - api.bytesOf(shared))))),
    section(text.layers, table([text.state, text.digest, text.size, text.command], layerRows(left, right), text.layers)),
    differenceSection(text.config, settings(left), settings(right)),
    differenceSection(text.env, environment(left), environment(right)),
    differenceSection(text.labels, texts(object(left.config.config).Labels), texts(object(right.config.config).Labels)));
  return null;
}
