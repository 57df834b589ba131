// Shows the projects that the user administers: the members that were added, and the robots.
import * as api from "./page-api.js";
import { string } from "./page-api.js";
import { cut, dialog, el, name as bidi, say, table } from "./page-dom.js";
import { time } from "./page-format.js";
import { text } from "./page-text.js";
import { madeNotice } from "./page-tokens.js";

const ROLES = ["guest", "developer", "maintainer", "admin"], ROBOT_ROLES = ROLES.slice(0, 3), DAY = 86400, LIVES = [7, 30, 90, 365];

const when = value => value ? time(Date.parse(value)) : el("span", { class: "dim" }, text.never);
const choice = (id, values, label) => el("select", { id }, values.map(value => el("option", { value }, label(value))));
const field = (id, most) => el("input", { id, required: true, maxlength: String(most), autocomplete: "off", autocapitalize: "none", spellcheck: "false" });

function memberDialog(project, done) {
  const user = field("member-name", 64), role = choice("member-role", ROLES, role => text.roles[role]);
  dialog(text.addMember.replace("…", ""), [el("label", {}, text.user, user), el("label", {}, text.role, role)], text.add, async () => {
    await api.setMember(project, user.value, role.value);
    done(text.saved);
    return true;
  });
}

function robotDialog(project, done) {
  const called = field("robot-name", 40), role = choice("robot-role", ROBOT_ROLES, role => text.roles[role]), life = choice("robot-life", LIVES, text.days);
  dialog(text.createRobot.replace("…", ""), [el("label", {}, text.name, called), el("label", {}, text.role, role), el("label", {}, text.tokenLife, life)], text.create, async () => {
    const made = await api.createRobot(project, called.value, role.value, life.value * DAY);
    done(text.tokenMade, made);
    return true;
  });
}

function removing(title, what, hint, label, remove, done) {
  dialog(title, [el("p", {}, bidi(what)), el("p", { class: "dim" }, hint)], label, async () => {
    await remove();
    done(text.saved);
    return true;
  }, true);
}

async function draw(project, place) {
  const [members, robots] = [await api.members(project), await api.robots(project)];
  const done = (message, made) => draw(project, place).then(() => { if (made) place.prepend(madeNotice(string(made.user), string(made.token))); say(message); }, error => say(error.message));
  const button = (label, what, onclick) => el("button", { type: "button", class: "danger", "data-remove": what, "aria-label": `${label}: ${what}`, onclick }, label);
  const people = members.map(([user, role]) => [bidi(user), text.roles[role] || cut(role, 20),
    button(text.remove, user, () => removing(text.removeMember, user, text.removeMemberHint, text.remove, () => api.setMember(project, user, "none"), done))]);
  const tokens = robots.map(robot => [bidi(robot.user), when(robot.created), when(robot.lastUsed), when(robot.expires),
    button(text.removeNow, robot.id, () => removing(text.removeToken, robot.user, text.removeTokenHint, text.removeNow, () => api.removeRobot(project, robot.id), done))]);
  const unseen = label => el("span", { class: "unseen" }, label);
  place.replaceChildren(el("h2", {}, bidi(project)),
    people.length ? table([text.user, text.role, unseen(text.remove)], people, text.membersOf(project)) : el("p", { class: "dim" }, text.noMembers),
    el("div", { class: "buttons" }, el("button", { type: "button", "data-add": project, onclick: () => memberDialog(project, done) }, text.addMember)),
    tokens.length ? table([text.robot, text.created, text.lastUsed, text.expires, unseen(text.removeNow)], tokens, text.robotsOf(project)) : el("p", { class: "dim" }, text.noRobots),
    el("div", { class: "buttons" }, el("button", { type: "button", "data-robot": project, onclick: () => robotDialog(project, done) }, text.createRobot)));
}

export async function show(main) {
  const places = (await api.projects()).map(project => [project, el("section", { class: "card" })]);
  for (const [project, place] of places) await draw(project, place);
  main.replaceChildren(el("h1", {}, text.projects), el("p", { class: "dim" }, places.length ? text.projectsHint : text.noProjects), ...places.map(([, place]) => place));
  return null;
}
