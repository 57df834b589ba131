// Sets, deletes and restores tags.
import * as api from "./page-api.js";
import { dialog, el, name as bidi } from "./page-dom.js";
import { isTag, shortDigest, time } from "./page-format.js";
import { text } from "./page-text.js";

const RESTORE_MAX = 100;   // as many as stillage.cgi takes at once

export function tagDialog(name, tags, found, done, from = null) {
  const source = el("select", { id: "tag-source" }, tags.slice(0, 2000).map(tag => el("option", { value: tag }, tag)));
  const target = el("input", { id: "tag-target", required: true, autocomplete: "off", spellcheck: "false", maxlength: "128" });
  const warning = el("p", { class: "dim", role: "status" });
  if (from) source.value = from;
  target.addEventListener("input", () => {
    const digest = tags.includes(target.value) && found.tags.get(target.value)?.digest;
    warning.textContent = digest ? text.moves(target.value, shortDigest(digest)) : "";
  });
  dialog(text.addTag.replace("…", ""), [el("label", {}, text.tag, source), el("label", {}, text.newTag, target), warning], text.setTag, async () => {
    if (!isTag(target.value)) throw new Error(text.badTag);
    await api.setTag(name, target.value, await api.manifest(name, source.value));
    done(text.tagSet(target.value));
    return true;
  });
}

// Each tag can be unchecked again. The dialog says how many images lose their last tag.
export function deleteDialog(name, chosen, all, found, may, done) {
  const boxes = chosen.map(tag => {
    const box = el("input", { type: "checkbox", value: tag });
    box.checked = true;
    return box;
  });
  const summary = el("p", { class: "dim", role: "status" });
  const picked = () => boxes.filter(box => box.checked).map(box => box.value);
  const update = () => {
    const going = new Set(picked()), digests = new Set([...going].map(tag => found.tags.get(tag)?.digest).filter(Boolean));
    for (const tag of all) if (!going.has(tag)) digests.delete(found.tags.get(tag)?.digest);
    summary.textContent = digests.size ? text.deleteLast(digests.size) : "";
  };
  const list = el("div", { class: "choices", tabindex: "0", role: "group", "aria-label": text.tags }, boxes.map(box =>
    el("label", { class: "check" }, box, bidi(box.value), el("code", { class: "dim" }, shortDigest(found.tags.get(box.value)?.digest)))));
  list.addEventListener("change", update);
  update();
  dialog(text.deleteTitle, [el("p", {}, bidi(name)), list, summary, el("p", { class: "dim" }, may.has("push") ? text.deleteUndo : text.deleteHint)], text.deleteNow, async () => {
    const tags = picked();
    if (!tags.length) throw new Error(text.deleteNothing);
    for (const [i, tag] of tags.entries()) {
      if (i) summary.textContent = text.deleting(i, tags.length);
      try {
        await api.deleteTag(name, tag);
      } catch (error) {
        if (error.status !== 404) throw new Error(text.deleteFailed(tag, error.message));
      }
    }
    done(text.deleted(tags.length), tags);
    return true;
  }, true);
}

// If a tag was deleted more than once, the last one is restored.
export async function restoreDialog(name, exists, done) {
  const items = new Map();
  for (const item of await api.trash(name)) if (!exists.has(item.tag) && !items.has(item.tag)) items.set(item.tag, item);
  const boxes = [...items.values()].slice(0, RESTORE_MAX).map(item => ({ item, box: el("input", { type: "checkbox", value: item.tag }) }));
  const list = el("div", { class: "choices", tabindex: "0", role: "group", "aria-label": text.tags }, boxes.map(({ item, box }) =>
    el("label", { class: "check" }, box, bidi(item.tag), el("code", { class: "dim" }, shortDigest(item.digest)), el("span", { class: "dim" }, time(Number(item.deleted) * 1000)))));
  dialog(text.restoreTitle, [el("p", {}, bidi(name)), boxes.length ? list : el("p", { class: "dim" }, text.nothingDeleted)], text.restore, async () => {
    const tags = boxes.filter(({ box }) => box.checked).map(({ item }) => item.tag);
    if (!tags.length) throw new Error(text.deleteNothing);
    await api.restoreTags(name, tags);
    done(text.restored(tags.length));
    return true;
  });
}
