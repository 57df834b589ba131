// Creates, describes and deletes repositories.
import * as api from "./page-api.js";
import { dialog, el, name as bidi } from "./page-dom.js";
import { isName, route, size } from "./page-format.js";
import { text } from "./page-text.js";

function descriptionField(value = "") {
  const field = el("input", { id: "description", maxlength: "1000", autocomplete: "off", dir: "auto" });
  field.value = value;
  return [field, el("label", {}, text.description, field)];
}

// Where everybody may pull anyway, there is nothing to choose.
function visibilityField(chosen, ruled = false) {
  if (!api.isClosed()) return [() => undefined, null];
  const radio = value => {
    const button = el("input", { type: "radio", name: "visibility", value, disabled: ruled });
    button.checked = value === chosen;
    return [button, el("label", { class: "check" }, button, el("span", {}, text.visibilities[value], el("span", { class: "dim" }, ` ${text.visibilityHints[value]}`)))];
  };
  const [open, openLabel] = radio("public"), [, shutLabel] = radio("private");
  const field = el("fieldset", {}, el("legend", {}, text.visibility), openLabel, shutLabel, ruled ? el("p", { class: "dim" }, text.ruled) : null);
  return [() => ruled ? undefined : open.checked ? "public" : "private", field];
}

export function createDialog(patterns) {
  const target = el("input", { id: "repository", required: true, autocomplete: "off", autocapitalize: "none", spellcheck: "false", maxlength: "255" });
  const [description, descriptionLabel] = descriptionField(), [visibility, visibilityLabel] = visibilityField("private");
  const hint = patterns.includes("**") ? null : el("p", { class: "dim" }, text.mayCreate(patterns.slice(0, 20).join(", ")));
  dialog(text.createTitle, [el("label", {}, text.name, target), hint, descriptionLabel, visibilityLabel], text.create, async () => {
    if (!isName(target.value)) throw new Error(text.badName);
    await api.createRepository(target.value, { description: description.value, visibility: visibility() });
    location.hash = route(target.value);
    return true;
  });
}

function editDialog(name, about, done) {
  const ruled = /^registry\.yaml:/.test(about.decidedBy || "");
  const [description, descriptionLabel] = descriptionField(api.string(about.description) || ""), [visibility, visibilityLabel] = visibilityField(about.visibility, ruled);
  dialog(text.editTitle, [el("p", {}, bidi(name)), descriptionLabel, visibilityLabel], text.save, async () => {
    const chosen = visibility();
    await api.changeRepository(name, { description: description.value, visibility: chosen === about.visibility ? undefined : chosen });
    done(text.saved);
    return true;
  });
}

// The name has to be typed, since this deletes everything in the repository.
function deleteDialog(name) {
  const typed = el("input", { id: "confirm", required: true, autocomplete: "off", autocapitalize: "none", spellcheck: "false" });
  dialog(text.deleteRepositoryTitle, [el("p", {}, text.deleteRepositoryHint), el("label", {}, el("span", {}, text.typeName, " ", el("code", {}, bidi(name))), typed)], text.deleteNow, async () => {
    if (typed.value !== name) throw new Error(text.otherName);
    await api.deleteRepository(name);
    location.hash = "#/";
    return true;
  }, true);
}

// "1.2 MB of 9 MB", with a meter
function used(label, value, limit, format) {
  if (!(value >= 0)) return null;
  const words = limit >= 0 ? text.ofLimit(format(value), format(limit)) : format(value);
  const meter = limit > 0 ? el("meter", { min: 0, max: limit, value: Math.min(value, limit), high: limit * 0.9, optimum: 0, "aria-label": `${label}: ${words}` }) : null;
  return el("span", { class: "bar" }, `${label}: ${words}`, meter);
}

// `done` is called after a change.
export function draw(place, name, about, may, done) {
  const quota = api.object(about.quota), limited = Number.isFinite(quota.size) || Number.isFinite(quota.tags);
  const description = api.string(about.description), known = Array.isArray(about.may);
  place.replaceChildren(...[
    description ? el("p", { class: "description", dir: "auto" }, description) : null,
    known && may.size && api.isClosed() ? el("p", { class: "dim" }, text.visibility, ": ", el("span", { class: "mark", id: "visibility" }, text.visibilities[about.visibility] || text.unknown)) : null,
    limited && (may.has("push") || may.has("admin")) ? el("p", { class: "dim usage", id: "usage" }, used(text.size, about.size, quota.size, size), used(text.tags, about.tags, quota.tags, text.number)) : null,
    known && may.has("admin") ? el("div", { class: "buttons" },
      el("button", { type: "button", id: "edit-repository", onclick: () => editDialog(name, about, done) }, text.editRepository),
      el("button", { type: "button", id: "delete-repository", class: "danger", onclick: () => deleteDialog(name) }, text.deleteRepository)) : null,
  ].filter(Boolean));
}
