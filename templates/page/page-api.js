// Talking to the registry: requests, tokens, and the documents that the views are made of.
import { text } from "./page-text.js";
import { attachmentKind, isDigest, isImageConfig, isIndex, isName, isTag } from "./page-format.js";

const MANIFEST_MAX = 4 << 20, CONFIG_MAX = 2 << 20, LIST_MAX = 64 << 20, PART = 64 << 10, PAGES_MAX = 200;
const ACCEPT = ["application/vnd.oci.image.index.v1+json", "application/vnd.oci.image.manifest.v1+json",
  "application/vnd.docker.distribution.manifest.list.v2+json", "application/vnd.docker.distribution.manifest.v2+json"].join(", ");

export class RegistryError extends Error {
  constructor(message, status) { super(message); this.status = status; }
}

// --- the session: it ends when the tab is closed ----------------------------------------------------------------

const session = { user: null, password: null, basic: null, tokens: new Map(), closed: false };
export const user = () => session.user;
export const isClosed = () => session.closed;

// With `credentials`, the browser itself would ask again for a wrong password.
async function fetchToken(scope, basic = session.basic) {
  const headers = basic ? { Authorization: basic } : {};
  const answer = await reach(`/v2/_token?service=stillage&scope=${encodeURIComponent(scope)}`, { headers, cache: "no-store", credentials: "omit" });
  if (!answer.ok) throw new RegistryError(answer.status === 401 ? text.wrongPassword : await explanation(answer), answer.status);
  const document = await answer.json(), seconds = Number(document.expires_in) || 60;
  return { token: String(document.token || ""), scope: String(document.scope || ""), until: Date.now() + (seconds - 5) * 1000 };
}

async function tokenFor(scope) {
  const known = session.tokens.get(scope);
  if (known && known.until > Date.now()) return known;
  const token = await fetchToken(scope);
  session.tokens.set(scope, token);
  return token;
}

export async function logIn(name, password) {
  const bytes = new TextEncoder().encode(`${name}:${password}`);
  const basic = `Basic ${btoa(String.fromCharCode(...bytes))}`;
  await fetchToken("registry:catalog:*", basic);
  logOut();
  Object.assign(session, { user: name, password, basic });
}

export function logOut() {
  Object.assign(session, { user: null, password: null, basic: null });
  session.tokens.clear();
  cache.clear();
}

// Finds out whether anything here requires a log-in.
export async function lookAround() {
  const answer = await reach("/v2/", {});
  session.closed = answer.status === 401 && /^Bearer /i.test(answer.headers.get("WWW-Authenticate") || "");
}

// What the user may do with a repository: a set of pull, push, delete, admin. Where nobody has to log in, everybody may do whatever the
// server can do; takesChanges() tells whether that is more than pulling.
export async function rights(name) {
  if (!session.user && session.closed) return new Set();
  const changes = await places() !== null;
  if (!session.user) return new Set(changes ? ["pull", "push", "delete", "admin"] : await takesChanges() ? ["pull", "push", "delete"] : []);
  if (!changes) return new Set(["pull"]);   // the server only reads, whatever the token says
  const granted = await tokenFor(changeScope(name)).catch(() => ({ scope: "" }));
  const own = granted.scope.split(" ").find(scope => scope.startsWith(`repository:${name}:`)) || "";
  return new Set(own.slice(`repository:${name}:`.length).split(",").filter(Boolean));
}

// What the user may do with the registry; null where the server does not know.
async function possibilities() {
  if (session.closed && !session.user) return null;
  const answer = await send("/v2/_about", "registry:catalog:*", { cache: "no-store" }).catch(() => ({ ok: false }));
  return answer.ok ? parse(await readBytes(answer, PART)) : null;
}

// Patterns of the repositories that the user may create; null where the server does not know how.
export async function places() {
  const may = await possibilities();
  return may && array(may.create).filter(pattern => typeof pattern === "string");
}

// The projects that the user administers.
export const projects = async () => session.user ? array((await possibilities())?.projects).filter(name => typeof name === "string") : [];

// How many seconds tokens may live that the user may make; 0: the user may make none.
export const tokenLife = async () => session.user && Number((await possibilities())?.tokens) || 0;

// Only a server with stillage.cgi shortens the list.
async function takesChanges() {
  const answer = await reach("/v2/_catalog?n=0", {});
  return answer.ok && array(parse(await readBytes(answer, LIST_MAX)).repositories).length === 0;
}

// --- requests ---------------------------------------------------------------------------------------------------

async function reach(path, options) {
  try {
    return await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new RegistryError(text.offline, 0);
  }
}

async function explanation(answer) {
  try {
    const document = JSON.parse(new TextDecoder().decode(await readBytes(answer, PART)));
    if (typeof document.errors[0].message === "string") return document.errors[0].message.slice(0, 500);
  } catch { /* not in the form of the specification */ }
  return answer.status === 404 ? text.notFound : `${text.failed} (${answer.status})`;
}

// Asks for a token only if the registry wants one: public repositories need none.
async function send(path, scope, options = {}) {
  let known = session.tokens.get(scope);
  if (known && known.until < Date.now()) known = null;
  for (let tries = 0; ; tries++) {
    const headers = { ...options.headers };
    if (known) headers.Authorization = `Bearer ${known.token}`;
    const answer = await reach(path, { ...options, headers });
    const wanted = answer.status === 401 && /^Bearer /i.test(answer.headers.get("WWW-Authenticate") || "");
    if (!wanted || tries) return answer;
    session.closed = true;
    session.tokens.delete(scope);
    known = await tokenFor(scope);
  }
}

async function ask(path, scope, options) {
  const answer = await send(path, scope, options);
  if (answer.ok) return answer;
  throw new RegistryError(answer.status === 401 ? text.needLogIn : await explanation(answer), answer.status);
}

// Reads the body; fails as soon as it is longer than `most`.
async function readBytes(answer, most) {
  if (Number(answer.headers.get("Content-Length")) > most) {
    if (answer.body) answer.body.cancel();
    throw new RegistryError(text.tooLarge(`${Math.round(most / 1e6)} MB`), 0);
  }
  const parts = [], reader = answer.body.getReader();
  let length = 0;
  for (;;) {
    const { done, value } = await reader.read().catch(() => { throw new RegistryError(text.offline, 0); });
    if (done) break;
    length += value.length;
    if (length > most) {
      reader.cancel();
      throw new RegistryError(text.tooLarge(`${Math.round(most / 1e6)} MB`), 0);
    }
    parts.push(value);
  }
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const part of parts) { bytes.set(part, at); at += part.length; }
  return bytes;
}

function parse(bytes) {
  try {
    const document = JSON.parse(new TextDecoder().decode(bytes));
    if (document && typeof document === "object") return document;
  } catch { /* below */ }
  throw new RegistryError(text.broken, 0);
}

const pullScope = name => `repository:${name}:pull`, changeScope = name => `repository:${name}:pull,push,delete,admin`;
export const array = value => Array.isArray(value) ? value : [];
export const object = value => value && typeof value === "object" && !Array.isArray(value) ? value : {};
export const string = value => typeof value === "string" ? value : null;

// Documents by address. Content that is addressed by its digest never changes.
const cache = new Map();
async function cached(key, make) {
  if (!cache.has(key)) {
    if (cache.size > 500) cache.delete(cache.keys().next().value);
    cache.set(key, make());
  }
  try {
    return await cache.get(key);
  } catch (error) {
    cache.delete(key);
    throw error;
  }
}

// --- lists ------------------------------------------------------------------------------------------------------

async function pagedList(path, scope, key) {
  const all = [];
  for (let page = 0; path && page < PAGES_MAX; page++) {
    const answer = await ask(path, scope, { headers: { Accept: "application/json" } });
    for (const item of array(parse(await readBytes(answer, LIST_MAX))[key])) if (typeof item === "string") all.push(item);
    const next = /<([^>]+)>\s*;\s*rel="?next"?/.exec(answer.headers.get("Link") || "");
    const url = next && new URL(next[1], location.origin);
    path = url && url.origin === location.origin ? url.pathname + url.search : null;
  }
  return all;
}

export const catalog = async () => (await pagedList("/v2/_catalog", "registry:catalog:*", "repositories")).filter(isName);
export const tagList = async name => (await pagedList(`/v2/${name}/tags/list`, pullScope(name), "tags")).filter(isTag);

// The lines of a file of details from the last to the first, with pauses so that typing stays smooth.
async function eachLine(bytes, visit) {
  const lines = new TextDecoder().decode(bytes).split("\n");
  for (let i = lines.length - 1, slice = performance.now(); i >= 0; i--) {
    try {
      if (lines[i]) visit(object(JSON.parse(lines[i])));
    } catch { /* torn by a crash */ }
    if (performance.now() - slice > 20) {
      await new Promise(resume => setTimeout(resume));
      slice = performance.now();
    }
  }
}

// name -> { tags, pushed, size, description }; null where there is no such file
export async function registryDetails() {
  const answer = await send("/v2/_details", "registry:catalog:*", {});
  if (!answer.ok) return null;
  const found = new Map();
  await eachLine(await readBytes(answer, LIST_MAX), line => {
    if (typeof line.repository !== "string") return;
    const known = found.get(line.repository) || {};
    for (const key of ["tags", "pushed", "size"])
      if (known[key] === undefined && Number.isFinite(line[key])) known[key] = key === "pushed" ? line[key] * 1000 : line[key];
    known.description ??= string(line.description);
    found.set(line.repository, known);
  });
  return found;
}

const unique = list => [...new Set(list)];

function tagInfo(line) {
  return {
    digest: isDigest(line.digest) ? line.digest : null, mediaType: string(line.mediaType), artifactType: string(line.artifactType),
    size: Number(line.size ?? NaN), platforms: unique(array(line.platforms).filter(item => typeof item === "string")),
    created: Date.parse(line.created), pushed: Number(line.pushed ?? NaN) * 1000, attested: line.attested === true,
  };
}

// Fills `found` = { tags: Map, attached: Map of subject -> Set of kinds }. The end of the file is read first: it is short, and tells
// of the last pushes. Calls `part` after that and at the end. Returns false where there is no such file.
export async function details(name, found, part) {
  const path = `/v2/${name}/tags/_details`, gone = new Set(), seen = new Set();
  const visit = line => {
    if (typeof line.tag === "string" && !seen.has(line.tag)) {
      seen.add(line.tag);
      if (!line.gone) found.tags.set(line.tag, tagInfo(line));
    } else if (typeof line.referrer === "string" && line.gone) gone.add(line.referrer);
    else if (typeof line.referrer === "string" && !gone.has(line.referrer) && typeof line.subject === "string") {
      if (!found.attached.has(line.subject)) found.attached.set(line.subject, new Set());
      found.attached.get(line.subject).add(attachmentKind(string(line.artifactType), string(line.predicateType)));
    }
  };
  let answer = await send(path, pullScope(name), { headers: { Range: `bytes=-${PART}` } });
  if (!answer.ok) return false;
  let bytes = await readBytes(answer, LIST_MAX);
  const start = answer.status === 206 ? Number((/bytes (\d+)-/.exec(answer.headers.get("Content-Range") || "") || [])[1] || 0) : 0;
  const first = start ? bytes.indexOf(10) + 1 : 0;
  await eachLine(bytes.subarray(first), visit);
  part();
  if (start) {
    answer = await send(path, pullScope(name), { headers: { Range: `bytes=0-${start + first - 1}` } });
    if (answer.status === 206) {
      bytes = await readBytes(answer, LIST_MAX);
      await eachLine(bytes, visit);
      part();
    }
  }
  return true;
}

// --- manifests and blobs ----------------------------------------------------------------------------------------

async function digestOf(answer, bytes, reference) {
  const told = answer.headers.get("Docker-Content-Digest");
  if (isDigest(told || "")) return told;
  if (isDigest(reference)) return reference;
  if (!crypto.subtle) return null;
  const sum = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return `sha256:${Array.from(sum, byte => byte.toString(16).padStart(2, "0")).join("")}`;
}

// { digest, mediaType, bytes, document }
export function manifest(name, reference) {
  const get = async () => {
    const answer = await ask(`/v2/${name}/manifests/${reference}`, pullScope(name), { headers: { Accept: ACCEPT }, cache: "no-cache" });
    const bytes = await readBytes(answer, MANIFEST_MAX), document = parse(bytes);
    const mediaType = string(document.mediaType) || (answer.headers.get("Content-Type") || "").split(";")[0];
    return { digest: await digestOf(answer, bytes, reference), mediaType, bytes, document };
  };
  return isDigest(reference) ? cached(`${name}@${reference}`, get) : get();
}

export function blobBytes(name, digest, most) {
  if (!isDigest(digest || "")) return Promise.reject(new RegistryError(text.broken, 0));
  return ask(`/v2/${name}/blobs/${digest}`, pullScope(name), {}).then(answer => readBytes(answer, most));
}
export const config = (name, digest) => cached(`${name}!${digest}`, async () => parse(await blobBytes(name, digest, CONFIG_MAX)));

export async function referrers(name, digest) {
  const answer = await send(`/v2/${name}/referrers/${digest}`, pullScope(name), {});
  if (!answer.ok) return [];
  return array(parse(await readBytes(answer, MANIFEST_MAX)).manifests).map(object).filter(entry => isDigest(entry.digest || ""));
}

export const platformOf = value => {
  const { os, architecture, variant } = object(value);
  return string(os) && string(architecture) ? `${os}/${architecture}${string(variant) ? `/${variant}` : ""}` : null;
};
// If there are several for one platform, as with Windows, the version tells them apart.
export const childPlatform = value => {
  const platform = platformOf(value), version = string(object(value)["os.version"]);
  return platform && version ? `${platform} ${version.slice(0, 50)}` : platform;
};
export const artifactTypeOf = document => {
  const type = string(document.artifactType) || string(object(document.config).mediaType);
  return type && !isImageConfig(type) ? type : null;
};
export const bytesOf = descriptors => descriptors.reduce((sum, item) => sum + (Number.isFinite(item.size) && item.size > 0 ? item.size : 0), 0);

// What a file of details would say about a tag, from its manifest: for registries without such a file.
export async function describe(name, reference) {
  const { digest, mediaType, bytes, document } = await manifest(name, reference);
  const info = tagInfo({ digest, mediaType, artifactType: artifactTypeOf(document), created: object(document.annotations)["org.opencontainers.image.created"] });
  info.size = bytes.length;
  if (isIndex(mediaType)) {
    const children = array(document.manifests).map(object).slice(0, 32), platforms = children.map(child => platformOf(child.platform));
    info.platforms = unique(platforms.filter(platform => platform && platform !== "unknown/unknown"));
    info.attested = platforms.includes("unknown/unknown");
    info.size = NaN;
    const child = children.find((_, i) => platforms[i] && platforms[i] !== "unknown/unknown") || children[0];
    if (child && isDigest(child.digest || "")) info.created = (await describe(name, child.digest)).created;
  } else {
    info.size += bytesOf([object(document.config), ...array(document.layers).map(object)]);
    if (isImageConfig(object(document.config).mediaType)) {
      const inner = await config(name, document.config.digest);
      info.platforms = [platformOf(inner)].filter(Boolean);
      info.created = Date.parse(inner.created);
    }
  }
  return info;
}

// --- changes ----------------------------------------------------------------------------------------------------

const change = (name, path, method, body) => ask(`/v2/${name}/${path}`, changeScope(name),
  { method, headers: body ? { "Content-Type": "application/json" } : {}, body: body && JSON.stringify(body) });

export async function deleteTag(name, tag) { await change(name, `manifests/${tag}`, "DELETE"); }

export async function setTag(name, tag, { bytes, mediaType }) {
  await ask(`/v2/${name}/manifests/${tag}`, changeScope(name), { method: "PUT", headers: { "Content-Type": mediaType }, body: bytes });
}

// { tag, digest, deleted } for each tag in the trash, the last deleted first
export async function trash(name) {
  const answer = await ask(`/v2/${name}/tags/_trash`, changeScope(name), { cache: "no-store" });
  return array(parse(await readBytes(answer, MANIFEST_MAX)).tags).map(object).filter(item => isTag(string(item.tag) || ""))
    .sort((a, b) => Number(b.deleted) - Number(a.deleted));
}

export async function restoreTags(name, tags) { await change(name, "tags/_trash", "PUT", { tags }); }

// --- repositories ------------------------------------------------------------------------

// The description of a repository, with visibility and quota if stillage.cgi answers; null if there is none.
export async function about(name, may) {
  const answer = await send(`/v2/${name}/tags/_about`, may.size ? changeScope(name) : pullScope(name), { cache: "no-cache" });
  return answer.ok ? parse(await readBytes(answer, PART)) : null;
}

export async function createRepository(name, body) { await change(name, "tags/_about", "PUT", body); }
export async function changeRepository(name, body) { await change(name, "tags/_about", "PATCH", body); }
export async function deleteRepository(name) { await change(name, "tags/_about", "DELETE"); }

// --- the user's own tokens --------------------------------------------------------------------------------------

// Each of these requires the password, so no other site can make a browser do it.
async function manage(fields) {
  if (!session.user) throw new RegistryError(text.needLogIn, 401);
  const body = new URLSearchParams({ grant_type: "password", username: session.user, password: session.password, ...fields });
  const answer = await reach("/v2/_token", { method: "POST", body, cache: "no-store", credentials: "omit" });
  if (!answer.ok) throw new RegistryError(await explanation(answer), answer.status);
  return parse(await readBytes(answer, MANIFEST_MAX));
}

const own = (verb, fields) => manage({ token: verb, ...fields });
const tokens = answer => array(answer.tokens).map(object).filter(token => string(token.id));
export const ownTokens = async () => tokens(await own("ls", {}));
// The answer describes the token and contains it: nobody can ask for it again.
export const createToken = (name, repository, actions, seconds) => own("create", { name, scope: `repository:${repository}:${actions.join(",")}`, expires: `${seconds}s` });
export const removeToken = id => own("rm", { id });

// --- projects ---------------------------------------------------------------------------------------------------

// [[USER, ROLE], ...]; the role "none" removes a member.
export const members = async project => Object.entries(object(await manage({ project })));
export const setMember = (project, member, role) => manage({ project, member, role });
export const robots = async project => tokens(await own("ls", { project }));
export const createRobot = (project, name, role, seconds) => own("create", { project, name, role, expires: `${seconds}s` });
export const removeRobot = (project, id) => own("rm", { project, id });
