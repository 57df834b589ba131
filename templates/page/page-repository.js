// Shows one repository: its tags as a table.
import * as about from "./page-about.js";
import * as api from "./page-api.js";
import { command, copyButton, el, name as bidi, say } from "./page-dom.js";
import { compareTags, cosignTag, kindOf, markOf, route, shortDigest, size, time } from "./page-format.js";
import { deleteDialog, restoreDialog, tagDialog } from "./page-change.js";
import { pullPanel } from "./page-pull.js";
import { Table } from "./page-table.js";
import { text } from "./page-text.js";

const AT_ONCE = 4, CHIPS = 3, SELECT_MAX = 200;
const remembered = { group: true, sort: { key: "pushed", down: true }, deleted: null };

// Asks for the manifests of tags that no file of details describes: a few at a time, for the rows in view.
class Asker {
  constructor(name, found, done) { Object.assign(this, { name, found, done, queue: [], running: 0, asked: new Set() }); }
  want(tag) {
    if (this.asked.has(tag)) return;
    this.asked.add(tag);
    this.queue.push(tag);
    this.next();
  }
  async next() {
    if (this.running >= AT_ONCE || !this.queue.length || this.ended) return;
    this.running++;
    const tag = this.queue.pop();
    try {
      this.found.tags.set(tag, { ...await api.describe(this.name, tag), asked: true });
      this.done();
    } catch { /* the row stays as it is */ }
    this.running--;
    this.next();
  }
}

// For a repository that was created and is still empty.
function firstPush(name) {
  const target = `${location.host}/${name}:latest`;
  return el("section", { class: "pull", "aria-label": text.firstPush }, el("p", {}, text.firstPush),
    api.isClosed() ? command(`docker login ${location.host}`) : null, command(`docker tag IMAGE ${target}`), command(`docker push ${target}`));
}

export function marksOf(info, attached, cosign) {
  const marks = new Set();
  if (info?.attested) marks.add("provenance");
  for (const kind of attached.get(info?.digest) || []) if (markOf(kind)) marks.add(markOf(kind));
  for (const mark of cosign.get(info?.digest) || []) marks.add(mark);
  return Object.keys(text.mark).filter(mark => marks.has(mark)).map(mark => el("span", { class: `mark ${mark}`, title: text.markHint[mark] }, text.mark[mark]));
}

export async function show(main, name) {
  const tags = await api.tagList(name), exists = new Set(tags);
  const found = { tags: new Map(), attached: new Map() }, cosign = new Map(), chosen = new Set();
  for (const tag of tags) {
    const hint = cosignTag(tag);
    if (!hint) continue;
    if (!cosign.has(hint.digest)) cosign.set(hint.digest, new Set());
    if (hint.mark) cosign.get(hint.digest).add(hint.mark);
  }
  tags.sort(compareTags);
  const shown = tags.filter(tag => !cosignTag(tag)), hiddenTags = tags.length - shown.length;
  let may = new Set(), told = false, said = null;

  const filter = el("input", { type: "search", id: "search", placeholder: text.filterTags, "aria-label": text.filterTags, autocomplete: "off", spellcheck: "false" });
  const check = (id, label, on) => { const box = el("input", { type: "checkbox", id }); box.checked = on; return [box, el("label", { class: "check" }, box, label)]; };
  const [group, groupLabel] = check("group", text.group, remembered.group);
  const [hidden, hiddenLabel] = check("hidden", text.withHidden(hiddenTags), false);
  const [all, allLabel] = check("select-shown", text.selectShown, false);
  const count = el("p", { class: "dim", role: "status" });
  const tools = el("div", { class: "buttons" }), pull = el("div"), description = el("div", { class: "said" }), notice = el("div");
  const asker = new Asker(name, found, () => later());

  const table = new Table({
    caption: text.tags, sort: remembered.sort,
    onsort: key => {
      remembered.sort = { key, down: remembered.sort.key === key ? !remembered.sort.down : key !== "tag" };
      update();
    },
    columns: [{ key: "tag", label: text.tag, sorts: true }, { key: "digest", label: text.digest, class: "wider" }, { key: "platforms", label: text.platforms, class: "wide" },
      { key: "size", label: text.size, sorts: true, class: "number wide" }, { key: "created", label: text.created, sorts: true, class: "wider" },
      { key: "pushed", label: text.pushed, sorts: true, class: "wide" }, { key: "marks", label: text.marks, class: "wider flow" }],
    row: item => cells(item),
  });

  function cells(item) {
    const info = found.tags.get(item.tags[0]);
    if (told && !info) for (const tag of item.tags) asker.want(tag);
    const names = item.tags.slice(0, CHIPS).map((tag, i) => el("a", { href: route(name, tag), class: i ? "chip" : "tag", "data-focus": tag }, tag));
    if (item.tags.length > CHIPS) names.push(el("span", { class: "dim", title: item.tags.slice(CHIPS, 60).join(", ") }, text.more(item.tags.length - CHIPS)));
    const kind = info ? kindOf(info) : "image", marks = marksOf(info, found.attached, cosign);
    if (kind !== "image" && kind !== "index") names.push(el("span", { class: "mark" }, text.kinds[kind]));
    const platforms = info?.platforms.length ? info.platforms.slice(0, 2).map(bidi) : [];
    const shownPlatforms = platforms.flatMap((node, i) => i ? [", ", node] : [node]);
    if (info?.platforms.length > 2) shownPlatforms.push(el("span", { class: "dim", title: info.platforms.join(", ") }, ` ${text.more(info.platforms.length - 2)}`));
    const sub = info ? el("span", { class: "sub" }, ...shownPlatforms.map(part => part.cloneNode?.(true) ?? part), shownPlatforms.length ? " · " : null, size(info.size), " · ", time(Number.isFinite(info.pushed) ? info.pushed : info.created)) : null;
    const few = marks.length ? el("span", { class: "sub few" }, marksOf(info, found.attached, cosign)) : null;
    const digest = info?.digest ? el("span", { class: "digest" }, el("a", { href: route(name, info.digest), title: info.digest }, shortDigest(info.digest)), copyButton(info.digest, text.digest)) : text.unknown;
    return [el("span", { class: "cell" }, may.has("delete") ? selector(item) : null, el("span", { class: "names" }, names), sub, few), digest,
      shownPlatforms.length ? shownPlatforms : text.unknown, size(info ? info.size : NaN), time(info ? info.created : NaN), time(info ? info.pushed : NaN), marks];
  }

  function selector(item) {
    const box = el("input", { type: "checkbox", "aria-label": text.select(item.tags.join(", ")), "data-focus": `select ${item.tags[0]}` });
    box.checked = item.tags.every(tag => chosen.has(tag));
    box.addEventListener("change", () => {
      for (const tag of item.tags) if (box.checked) chosen.add(tag); else chosen.delete(tag);
      drawTools();
    });
    return box;
  }

  // Selects at most SELECT_MAX: nobody looks through more before deleting them.
  function selectShown() {
    const found = rows().items.flatMap(item => item.tags);
    chosen.clear();
    if (all.checked) for (const tag of found.slice(0, SELECT_MAX)) chosen.add(tag);
    if (all.checked && found.length > SELECT_MAX) say(text.selectMost(SELECT_MAX));
    drawTools();
    update();
  }

  // In a narrow window most columns are hidden, and their headings with them.
  const order = el("select", { id: "order", class: "narrow", "aria-label": text.order }, table.columns.filter(column => column.sorts).map(column => el("option", { value: column.key }, column.label)));
  order.addEventListener("change", () => { remembered.sort = { key: order.value, down: order.value !== "tag" }; update(); });

  function rows() {
    const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    const matches = tag => words.every(word => tag.toLowerCase().includes(word) || (found.tags.get(tag)?.digest || "").includes(word));
    const wanted = (hidden.checked ? tags : shown).filter(matches);
    const items = [], byDigest = new Map();
    for (const tag of wanted) {
      const digest = group.checked && found.tags.get(tag)?.digest;
      if (digest && byDigest.has(digest)) byDigest.get(digest).tags.push(tag);
      else {
        const item = { tags: [tag] };
        items.push(item);
        if (digest) byDigest.set(digest, item);
      }
    }
    const { key, down } = remembered.sort;
    if (key !== "tag") {
      const one = tag => { const number = found.tags.get(tag)?.[key]; return Number.isFinite(number) ? number : -1; };
      const value = item => item.tags.reduce((most, tag) => Math.max(most, one(tag)), -1);
      const values = new Map(items.map(item => [item, value(item)]));
      items.sort((a, b) => down ? values.get(b) - values.get(a) : values.get(a) - values.get(b));
    } else if (down) items.reverse();
    return { items, count: wanted.length };
  }

  function update() {
    remembered.group = group.checked;
    const { items, count: matching } = rows();
    count.textContent = !tags.length ? text.noTags : matching ? text.foundTags(matching, hidden.checked ? tags.length : shown.length) : text.nothingFound;
    order.value = remembered.sort.key;
    table.show(items, remembered.sort);
  }
  let waiting = 0;
  const later = () => { waiting ||= setTimeout(() => { waiting = 0; update(); drawPull(); }, 100); };

  function drawPull() {
    const tag = exists.has("latest") ? "latest" : shown.reduce((last, one) => (found.tags.get(one)?.pushed || 0) > (found.tags.get(last)?.pushed || 0) ? one : last, shown[0]);
    const info = found.tags.get(tag);
    if (tag && !pull.contains(document.activeElement)) pull.replaceChildren(pullPanel(name, tag, info?.digest, info ? kindOf(info) : "image"));
  }

  function drawTools() {
    const list = [];
    if (may.has("push") && shown.length) list.push(el("button", { type: "button", id: "add-tag", onclick: () => tagDialog(name, shown, found, refresh) }, text.addTag));
    if (may.has("delete") && shown.length) list.push(allLabel);
    if (may.has("delete") && tags.length) list.push(el("button", { type: "button", id: "delete-tags", class: "danger", disabled: !chosen.size, onclick: () => deleteDialog(name, [...chosen], tags, found, may, refresh) }, text.deleteTags(chosen.size)));
    if (may.has("push") && said) list.push(el("button", { type: "button", id: "restore-tags", onclick: () => restoreDialog(name, exists, refresh).catch(error => say(error.message)) }, text.restoreTags));
    tools.replaceChildren(...list);
  }
  const refresh = (message, deleted = null) => {
    remembered.deleted = deleted && { name, tags: deleted };
    say(message);
    dispatchEvent(new Event("hashchange"));
  };

  // Until another view is shown, the tags deleted here can be restored.
  function drawNotice() {
    const deleted = remembered.deleted;
    remembered.deleted = null;
    if (deleted?.name !== name || !may.has("push") || !said) return;
    const problem = el("span", { class: "problem", role: "alert" });
    const undo = el("button", { type: "button", id: "undo", onclick: async () => {
      try {
        await api.restoreTags(name, deleted.tags);
        refresh(text.restored(deleted.tags.length));
      } catch (error) { problem.textContent = error.message; }
    } }, text.undo);
    notice.replaceChildren(el("p", { class: "notice" }, text.deleted(deleted.tags.length), undo, problem));
  }

  for (const box of [filter, group, hidden]) box.addEventListener("input", update);
  all.addEventListener("input", selectShown);
  filter.addEventListener("input", () => { all.checked = false; });
  main.replaceChildren(el("div", { class: "head" }, el("h1", {}, bidi(name), copyButton(`${location.host}/${name}`)), description), notice, tags.length ? pull : firstPush(name),
    el("div", { class: "tools" }, tags.length ? [filter, order, groupLabel, hiddenTags ? hiddenLabel : null] : null, tools), count, tags.length ? table.node : "");
  drawPull();
  update();
  api.rights(name).then(async rights => {
    may = rights;
    drawTools();
    if (may.has("delete")) update();
    said = await api.about(name, may);
    if (said) about.draw(description, name, said, may, refresh);
    drawTools();
    drawNotice();
  }).catch(() => { /* there is nothing that could be done */ });
  const known = api.details(name, found, () => { keepExisting(); later(); }).catch(() => false);
  const keepExisting = () => { for (const tag of found.tags.keys()) if (!exists.has(tag)) found.tags.delete(tag); };
  known.then(() => { told = true; later(); });
  return () => { asker.ended = true; clearTimeout(waiting); table.end(); };
}
