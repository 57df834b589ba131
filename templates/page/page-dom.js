// Makes elements. Whatever comes from the registry goes into text nodes and attributes, never into markup.
import { text } from "./page-text.js";

// el("a", { class: "x", href: "#/", onclick: f }, "text", node, ...); null and false are left out.
export function el(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (value === true) node.setAttribute(key, "");
    else node.setAttribute(key, value);
  }
  node.append(...children.flat().filter(child => child !== null && child !== undefined && child !== false));
  return node;
}

// A name from the registry, which may be written from right to left.
export const name = value => el("bdi", {}, String(value));

export function say(message) { document.getElementById("live").textContent = message; }

export function copyButton(value, label = text.copy) {
  const button = el("button", { type: "button", class: "copy", title: `${text.copy} ${value}`, "aria-label": `${label} ${value}` });
  const show = (word, class_) => { button.dataset.state = class_; button.dataset.word = word; };
  button.addEventListener("click", async event => {
    event.stopPropagation();
    try {
      await copyText(value);
      show(text.copied, "done");
      say(text.copied);
    } catch {
      show("!", "failed");
      say(text.copyFailed);
    }
    setTimeout(() => show("", ""), 1500);
  });
  return button;
}

// A command line to copy.
export const command = line => el("div", { class: "command" }, el("code", {}, line), copyButton(line));

// Without TLS browsers have no navigator.clipboard.
async function copyText(value) {
  if (navigator.clipboard) {
    try { return await navigator.clipboard.writeText(value); } catch { /* the other way */ }
  }
  const area = el("textarea", { class: "unseen", readonly: true });
  area.value = value;
  const before = document.activeElement;
  (document.querySelector("dialog[open]") || document.body).append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  if (before) before.focus();
  if (!done) throw new Error(text.copyFailed);
}

// Only http and https addresses become links.
export function linked(value) {
  const word = String(value);
  if (/^https?:\/\/[^\s<>"]+$/.test(word) && word.length < 2000)
    return el("a", { href: word, rel: "noopener noreferrer nofollow", target: "_blank" }, word);
  return name(word);
}

// Long values from the registry are cut.
export function cut(value, most = 2000) {
  const word = typeof value === "string" ? value : JSON.stringify(value) ?? "";
  return word.length > most ? `${word.slice(0, most)}…` : word;
}

// A long value is folded: only its beginning is shown at first.
export function folded(value) {
  const word = cut(value, 5000);
  if (word.length <= 300 || /^https?:/.test(word)) return linked(word);
  return el("details", {}, el("summary", {}, name(word.slice(0, 120)), el("span", { class: "dim" }, ` … ${text.letters(String(value).length)}`)), name(word));
}

export function facts(pairs) {
  const list = el("dl", { class: "facts" });
  for (const [key, value] of pairs)
    if (value !== null && value !== undefined && value !== "") list.append(el("dt", {}, key), el("dd", {}, value));
  return list;
}

export function section(title, ...children) {
  return el("section", { class: "card" }, el("h2", {}, title), ...children);
}

export function table(headings, rows, caption) {
  return el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption },
    el("table", {}, el("caption", { class: "unseen" }, caption),
      el("thead", {}, el("tr", {}, headings.map(heading => el("th", { scope: "col" }, heading)))),
      el("tbody", {}, rows.map(row => el("tr", {}, row.map((cell, i) => el("td", { "data-label": i && typeof headings[i] === "string" ? headings[i] : null }, cell)))))));
}

// A dialog whose form calls submit(form), which returns true to close it.
export function dialog(title, content, action, submit, danger = false) {
  const problem = el("p", { class: "problem", role: "alert" });
  const button = el("button", { type: "submit", class: danger ? "danger" : "primary" }, action);
  const form = el("form", { method: "dialog" }, el("h2", { id: "dialog-title" }, title), content, problem,
    el("div", { class: "buttons" }, el("button", { type: "button", onclick: () => box.close() }, text.cancel), button));
  const box = el("dialog", { "aria-labelledby": "dialog-title" }, form);
  form.addEventListener("submit", async event => {
    event.preventDefault();
    button.disabled = true;
    problem.textContent = "";
    try {
      if (await submit(form)) box.close();
    } catch (error) {
      problem.textContent = error.message;
    }
    button.disabled = false;
  });
  box.addEventListener("close", () => box.remove());
  document.body.append(box);
  box.showModal();
  return { box, button, problem };
}
