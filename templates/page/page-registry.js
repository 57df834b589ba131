// Shows all repositories: as a tree of names, or as a list by time, number of tags or size.
import * as api from "./page-api.js";
import { createDialog } from "./page-about.js";
import { command, el } from "./page-dom.js";
import { compareNames, route, size, time } from "./page-format.js";
import { Table } from "./page-table.js";
import { text } from "./page-text.js";

const OPEN_MAX = 200;    // with no more names than this, all folders are open at first
const open = new Map();  // folder -> whether the user has opened it; kept until the page is closed
const remembered = { search: "", order: "name" };

// The rows of the tree: folders, and the content of those that are open.
function tree(names, openByDefault, pushed) {
  const root = { folders: new Map(), names: [] };
  for (const name of names) {
    const parts = name.split("/");
    let at = root;
    for (let i = 0; i < parts.length - 1; i++) {
      const path = parts.slice(0, i + 1).join("/");
      if (!at.folders.has(path)) at.folders.set(path, { folders: new Map(), names: [], count: 0, pushed: -1 });
      at = at.folders.get(path);
      at.count++;
      at.pushed = Math.max(at.pushed, pushed(name));
    }
    at.names.push(name);
  }
  const rows = [];
  const add = (node, depth) => {
    const entries = [...[...node.folders.keys()].map(path => [path, true]), ...node.names.map(name => [name, false])];
    entries.sort((a, b) => compareNames(a[0], b[0]) || Number(a[1]) - Number(b[1]));
    for (const [path, isFolder] of entries) {
      if (!isFolder) { rows.push({ name: path, label: path.split("/").pop(), depth }); continue; }
      const folder = node.folders.get(path), isOpen = open.get(path) ?? openByDefault;
      rows.push({ folder: path, label: path.split("/").pop(), depth, isOpen, count: folder.count, pushed: folder.pushed });
      if (isOpen) add(folder, depth + 1);
    }
  };
  add(root, 0);
  return rows;
}

function emptyRegistry(create) {
  const host = location.host, tag = `docker tag hello-world ${host}/hello:latest`, push = `docker push ${host}/hello:latest`;
  return el("section", { class: "empty" }, el("h2", {}, text.emptyTitle),
    api.isClosed() && !api.user() ? el("p", {}, text.emptyClosed) : null,
    el("p", {}, text.emptyText),
    api.isClosed() ? command(`docker login ${host}`) : null, command("docker pull hello-world"), command(tag), command(push),
    el("p", {}, text.emptyServer), command("stillage add docker-archive:hello.tar"), create);
}

// Those who may create repositories get the button.
function createTools() {
  const tools = el("div", { class: "buttons" });
  api.places().then(patterns => {
    if (patterns?.length) tools.append(el("button", { type: "button", id: "create-repository", onclick: () => createDialog(patterns) }, text.createRepository));
  }).catch(() => { /* no button */ });
  return tools;
}

export async function show(main) {
  const names = await api.catalog(), create = createTools();
  if (!names.length) { main.replaceChildren(el("h1", { class: "unseen" }, text.repositories), emptyRegistry(create)); return null; }
  let known = new Map();
  const sorted = new Map([["name", names.sort(compareNames)]]);   // order -> all names, in that order
  const search = el("input", { type: "search", id: "search", placeholder: text.searchRepositories, "aria-label": text.searchRepositories, autocomplete: "off", spellcheck: "false" });
  const order = el("select", { "aria-label": text.order, id: "order" },
    Object.entries(text.orders).map(([key, label]) => el("option", { value: key }, label)));
  const found = el("p", { class: "dim", role: "status" });
  search.value = remembered.search;
  order.value = remembered.order;

  const table = new Table({
    caption: text.repositories,
    columns: [{ key: "name", label: text.repository }, { key: "tags", label: text.tagCount, class: "number wide" },
      { key: "pushed", label: text.lastPush, class: "wide" }, { key: "size", label: text.size, class: "number wide" }],
    row: item => item.folder ? [folderCell(item), text.inside(item.count), item.pushed >= 0 ? time(item.pushed) : "", ""] : repositoryCells(item),
  });
  const indent = (node, depth) => { node.style.paddingInlineStart = `${Math.min(depth, 8) * 1.25}rem`; return node; };

  function folderCell(item) {
    const button = el("button", { type: "button", class: "folder", "aria-expanded": String(item.isOpen), "data-focus": item.folder,
      "aria-label": (item.isOpen ? text.shut : text.open)(item.folder) }, item.label);
    button.addEventListener("click", () => { open.set(item.folder, !item.isOpen); update(); });
    return indent(el("span", { class: "cell" }, button), item.depth);
  }

  function repositoryCells(item) {
    const facts = known.get(item.name) || {};
    const tags = facts.tags >= 0 ? String(facts.tags) : text.unknown, when = time(facts.pushed ?? NaN), bytes = size(facts.size ?? NaN);
    const link = el("a", { href: route(item.name), "data-focus": item.name }, item.label);
    if (item.label !== item.name) link.title = item.name;
    const sub = facts.pushed ? el("span", { class: "sub" }, facts.tags >= 0 ? `${text.tagsIn(facts.tags)} · ` : "", when.cloneNode(true), ` · ${bytes}`) : null;
    const about = facts.description ? el("span", { class: "about", dir: "auto", title: facts.description }, facts.description) : null;
    return [indent(el("span", { class: "cell" }, link, about, sub), item.depth), tags, when, bytes];
  }

  function update() {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    Object.assign(remembered, { search: search.value, order: order.value });
    const says = (name, word) => name.includes(word) || (known.get(name)?.said || "").includes(word);
    const all = inOrder(order.value), matching = words.length ? all.filter(name => words.every(word => says(name, word))) : all;
    found.textContent = matching.length ? text.found(matching.length, names.length) : text.nothingFound;
    const isTree = order.value === "name" && !words.length;
    table.show(isTree ? tree(matching, names.length <= OPEN_MAX, name => known.get(name)?.pushed ?? -1) : matching.map(name => ({ name, label: name, depth: 0 })));
  }

  // Sorts only once, since the order is needed again with each letter that is typed.
  function inOrder(key) {
    const value = name => known.get(name)?.[key] ?? -1;
    if (!sorted.has(key)) sorted.set(key, [...names].sort((a, b) => value(b) - value(a) || compareNames(a, b)));
    return sorted.get(key);
  }

  function learn(details) {
    known = details;
    for (const facts of known.values()) facts.said = (facts.description || "").toLowerCase();
    for (const key of sorted.keys()) if (key !== "name") sorted.delete(key);
    update();
  }

  search.addEventListener("input", update);
  order.addEventListener("change", update);
  main.replaceChildren(el("h1", { class: "unseen" }, text.repositories), el("div", { class: "tools" }, search, order, create), found, table.node);
  update();
  api.registryDetails().then(details => {
    if (details) learn(details);
  }).catch(() => { /* the names alone */ });
  return () => table.end();
}
