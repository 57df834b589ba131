// What changes something: setting and deleting tags.
import * as api from "./page-api.js";
import { dialog, el, name as bidi } from "./page-dom.js";
import { isTag, shortDigest } from "./page-format.js";
import { text } from "./page-text.js";

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

// Each tag can be taken out again; how many images lose their last one is said.
export function deleteDialog(name, chosen, all, found, done) {
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
  dialog(text.deleteTitle, [el("p", {}, bidi(name)), list, summary, el("p", { class: "dim" }, text.deleteHint)], text.deleteNow, async () => {
    const tags = picked();
    if (!tags.length) throw new Error(text.deleteNothing);
    for (const tag of tags) {
      try {
        await api.deleteTag(name, tag);
      } catch (error) {
        if (error.status !== 404) throw new Error(text.deleteFailed(tag, error.message));
      }
    }
    done(text.deleted(tags.length));
    return true;
  }, true);
}
