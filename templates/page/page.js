// The page starts here: shows the view that the address names.
import * as api from "./page-api.js";
import { dialog, el, name as bidi, say } from "./page-dom.js";
import { parseRoute, PROJECTS, TOKENS } from "./page-format.js";
import { text } from "./page-text.js";

const main = document.getElementById("main"), account = document.getElementById("account"), title = document.title;
let end = null, turn = 0, hasTokens = false, hasProjects = false;

const accent = document.querySelector("meta[name=accent]")?.content;
if (/^#[0-9a-f]{6}$/i.test(accent || "")) document.documentElement.style.setProperty("--accent", `light-dark(${accent}, color-mix(in srgb, ${accent} 45%, white))`);

// Each view is loaded when it is first wanted.
async function view(where, place) {
  const { show } = await (where.tokens ? import("./page-tokens.js") : where.projects ? import("./page-projects.js") : !where.name ? import("./page-registry.js") : !where.reference ? import("./page-repository.js")
    : where.other ? import("./page-compare.js") : import("./page-image.js"));
  return show(place, where.name, where.reference, where.other);
}

function problem(message, hint, again) {
  return el("section", { class: "empty", role: "alert" }, el("h1", {}, message), hint ? el("p", {}, hint) : null,
    el("div", { class: "buttons" }, again ? el("button", { type: "button", class: "primary", onclick: show }, text.retry) : null,
      api.isClosed() && !api.user() ? el("button", { type: "button", class: "primary", onclick: logIn }, text.logIn) : null, el("a", { href: "#/" }, text.back)));
}

// Each view draws into an element of its own, which replaces the last one at once: an answer that comes late is not seen.
async function show() {
  const mine = ++turn, where = parseRoute(location.hash), place = el("div");
  const before = end;
  end = null;
  before?.();
  place.append(el("p", { class: "dim", role: "status" }, text.loading));
  const waiting = setTimeout(() => { if (mine === turn) main.replaceChildren(place); }, 150);
  document.title = where?.name ? `${location.hash.slice(2)} · ${title}` : title;
  try {
    if (!where) throw new api.RegistryError(text.notFound, 404);
    const ending = await view(where, place);
    if (mine === turn) end = ending;
    else ending?.();
  } catch (error) {
    const missing = error.status === 404 || error.status === 401;
    place.replaceChildren(problem(missing ? text.notFound : text.failed, missing ? text.notFoundHint : error.message, !missing));
  }
  clearTimeout(waiting);
  if (mine !== turn) return;
  main.replaceChildren(place);
  drawAccount();
}

function logIn() {
  const user = el("input", { id: "user", autocomplete: "username", required: true, autocapitalize: "none", spellcheck: "false" });
  const password = el("input", { id: "password", type: "password", autocomplete: "current-password", required: true });
  dialog(text.logIn, [el("label", {}, text.user, user), el("label", {}, text.password, password), el("p", { class: "dim" }, text.logInHint)], text.logIn, async () => {
    await api.logIn(user.value, password.value);
    hasTokens = await api.tokenLife() > 0;
    hasProjects = (await api.projects()).length > 0;
    say(text.loggedInAs(user.value));
    show();
    return true;
  });
}

function drawAccount() {
  if (!api.isClosed()) { account.replaceChildren(); return; }
  const out = () => { api.logOut(); hasTokens = hasProjects = false; say(text.loggedOut); show(); };
  account.replaceChildren(...api.user() ? [el("span", { class: "dim who" }, bidi(api.user())), hasProjects ? el("a", { id: "projects", href: PROJECTS }, text.projects) : "", hasTokens ? el("a", { id: "tokens", href: TOKENS }, text.tokens) : "", el("button", { type: "button", id: "log-out", onclick: out }, text.logOut)]
    : [el("button", { type: "button", id: "log-in", onclick: logIn }, text.logIn)]);
}

addEventListener("hashchange", event => {
  show().then(() => { if (event.newURL) { scrollTo(0, 0); main.focus({ preventScroll: true }); } });
});
addEventListener("keydown", event => {
  if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || /^(?:INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName) || document.querySelector("dialog[open]")) return;
  const search = document.getElementById("search");
  if (search) { event.preventDefault(); search.focus(); }
});
document.getElementById("skip").addEventListener("click", event => { event.preventDefault(); main.focus(); });

api.lookAround().catch(() => { /* the view says what is wrong */ }).then(show);
