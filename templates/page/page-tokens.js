// Shows the user's own tokens, for programs that log in for the user.
import * as api from "./page-api.js";
import { array, string } from "./page-api.js";
import { command, copyButton, cut, dialog, el, name as bidi, say, table } from "./page-dom.js";
import { time } from "./page-format.js";
import { text } from "./page-text.js";

const ACTIONS = ["pull", "push", "delete", "admin"], DAY = 86400, LIVES = [7 * DAY, 30 * DAY, 90 * DAY, 365 * DAY];

const when = value => value ? time(Date.parse(value)) : el("span", { class: "dim" }, text.never);

function ending(token) {
  const over = Date.parse(token.expires) < Date.now();
  return [when(token.expires), over ? el("span", { class: "mark gone" }, text.expired) : null].filter(Boolean);
}

function createDialog(longest, done) {
  const called = el("input", { id: "token-name", required: true, maxlength: "64", autocomplete: "off", dir: "auto" });
  const repository = el("input", { id: "token-repository", required: true, autocomplete: "off", autocapitalize: "none", spellcheck: "false", maxlength: "255", value: "**" });
  const boxes = ACTIONS.map(action => el("input", { type: "checkbox", value: action, checked: action === "pull" }));
  const lives = [...new Set([...LIVES.filter(life => life < longest), longest])];
  const expires = el("select", { id: "token-expires" }, lives.map(life => el("option", { value: life }, life < DAY ? text.hours(Math.floor(life / 3600)) : text.days(Math.floor(life / DAY)))));
  dialog(text.createToken.replace("…", ""), [el("label", {}, text.tokenName, called), el("label", {}, text.tokenRepository, repository), el("p", { class: "dim" }, text.tokenPattern),
    el("fieldset", {}, el("legend", {}, text.tokenMay), boxes.map(box => el("label", { class: "check" }, box, text.actions[box.value])), el("p", { class: "dim" }, text.tokenNoMore)),
    el("label", {}, text.tokenLife, expires)], text.create, async () => {
    const actions = boxes.filter(box => box.checked).map(box => box.value);
    if (!actions.length) throw new Error(text.tokenNothing);
    done(await api.createToken(called.value, repository.value, actions, expires.value));
    return true;
  });
}

function removeDialog(token, done) {
  dialog(text.removeToken, [el("p", {}, bidi(cut(token.name, 64) || token.id)), el("p", { class: "dim" }, text.removeTokenHint)], text.removeNow, async () => {
    await api.removeToken(token.id);
    done();
    return true;
  }, true);
}

// The token is in the document until another view is shown, and nowhere else.
export function madeNotice(user, token) {
  return el("section", { class: "notice made", "aria-label": text.tokenMade }, el("p", {}, el("strong", {}, text.tokenMade), " ", text.tokenOnce),
    el("div", { class: "command" }, el("code", { id: "token" }, token), copyButton(token, text.token)),
    el("p", { class: "dim" }, text.tokenUse), command(`docker login -u ${user} ${location.host}`));
}

export async function show(main) {
  const place = el("div"), notice = el("div"), longest = await api.tokenLife();
  const draw = async () => {
    const tokens = await api.ownTokens();
    const rows = tokens.map(token => [bidi(cut(token.name, 64) || token.id), el("code", {}, cut(token.repository, 255)), array(token.actions).map(action => text.actions[action] || cut(action, 20)).join(", "),
      when(token.created), when(token.lastUsed), ending(token),
      el("button", { type: "button", class: "danger", "data-token": token.id, "aria-label": `${text.removeNow}: ${token.name || token.id}`, onclick: () => removeDialog(token, removed) }, text.removeNow)]);
    place.replaceChildren(rows.length ? el("section", { class: "card" }, table([text.name, text.repositories, text.tokenMay, text.created, text.lastUsed, text.expires, el("span", { class: "unseen" }, text.removeNow)], rows, text.tokens))
      : el("p", { class: "dim" }, text.noTokens));
  };
  const again = message => draw().then(() => say(message), error => say(error.message));
  const removed = () => { notice.replaceChildren(); again(text.tokenRemoved); };
  const made = token => { notice.replaceChildren(madeNotice(api.user(), string(token.token))); again(text.tokenMade); };
  await draw();
  main.replaceChildren(el("h1", {}, text.tokens), el("p", { class: "dim" }, text.tokensHint), notice,
    el("div", { class: "buttons" }, el("button", { type: "button", id: "create-token", class: "primary", onclick: () => createDialog(longest, made) }, text.createToken)), place);
  return null;
}
