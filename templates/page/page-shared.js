// Finds out which layers of an image other tags of its repository have, too.
import * as api from "./page-api.js";
import { array, object } from "./page-api.js";
import { compareTags, cosignTag, isDigest, isIndex } from "./page-format.js";

const LOOKED_MAX = 50, AT_ONCE = 4;

// The digests of the layers of a tag, for one platform; null if it is the image itself, or has none for that platform.
async function layersOf(image, tag) {
  let found = await api.manifest(image.name, tag);
  if (found.digest === image.top.digest) return null;
  if (isIndex(found.mediaType)) {
    const child = array(found.document.manifests).map(object).find(one => api.childPlatform(one.platform) === image.child?.platform);
    if (!child || !isDigest(child.digest || "")) return null;
    found = await api.manifest(image.name, child.digest);
  }
  return found.digest === image.own.digest ? null : array(found.document.layers).map(layer => object(layer).digest);
}

// { looked, tags: Map of digest -> [tag, ...] }, for the newest tags only, with a few requests at a time.
export async function othersWith(image) {
  const others = (await api.tagList(image.name)).filter(tag => tag !== image.reference && !cosignTag(tag)).sort(compareTags).slice(0, LOOKED_MAX);
  const own = new Set(image.layers.map(layer => layer.digest)), of = new Map(), tags = new Map(), queue = [...others];
  const worker = async () => {
    for (let tag = queue.shift(); tag !== undefined; tag = queue.shift()) of.set(tag, await layersOf(image, tag).catch(() => null));
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  for (const tag of others)
    for (const digest of new Set(of.get(tag) || [])) if (own.has(digest)) tags.set(digest, [...tags.get(digest) || [], tag]);
  return { looked: others.length, tags };
}
