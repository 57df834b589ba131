// Shows the commands that pull an image, for the usual clients.
import { copyButton, el } from "./page-dom.js";
import { text } from "./page-text.js";

// Some clients have to be told that there is no TLS; some need not be if the registry is on this machine.
const http = location.protocol === "http:", plain = http && !/^(?:localhost|127\.|\[::1\])/.test(location.host);
const flag = (needed, word) => needed ? `${word} ` : "";

const clients = {
  docker: image => `docker pull ${image}`,
  podman: image => `podman pull ${flag(http, "--tls-verify=false")}${image}`,
  skopeo: (image, name) => `skopeo copy ${flag(http, "--src-tls-verify=false")}docker://${image} oci-archive:${name.split("/").pop()}.tar`,
  nerdctl: image => `nerdctl pull ${flag(plain, "--insecure-registry")}${image}`,
  ctr: image => `ctr images pull ${flag(http, "--plain-http")}${image}`,
  crane: (image, name) => `crane pull ${flag(plain, "--insecure")}${image} ${name.split("/").pop()}.tar`,
  Kubernetes: image => `image: ${image}`,
};
const others = {
  helm: (image, name, tag) => `helm pull oci://${tag ? `${location.host}/${name} --version ${tag.replaceAll("_", "+")}` : image}${http ? " --plain-http" : ""}`,
  oras: image => `oras pull ${flag(http, "--plain-http")}${image}`,
  skopeo: clients.skopeo,
};
let chosen = "docker", byDigest = false;

export function pullPanel(name, tag, digest, kind) {
  const list = kind === "chart" ? { helm: others.helm, oras: others.oras } : kind === "image" || kind === "index" ? clients : { oras: others.oras, skopeo: others.skopeo };
  const select = el("select", { "aria-label": text.client, id: "client" }, Object.keys(list).map(key => el("option", { value: key }, key)));
  const by = el("select", { "aria-label": `${text.byTag} / ${text.byDigest}`, id: "by" },
    el("option", { value: "tag", disabled: !tag }, text.byTag), el("option", { value: "digest", disabled: !digest }, text.byDigest));
  const line = el("div", { class: "command" }), hint = el("p", { class: "dim" });
  if (chosen in list) select.value = chosen;
  by.value = !tag || (byDigest && digest) ? "digest" : "tag";
  const update = () => {
    const image = by.value === "tag" ? `${location.host}/${name}:${tag}` : `${location.host}/${name}@${digest}`;
    const command = list[select.value](image, name, by.value === "tag" ? tag : null);
    line.replaceChildren(el("code", { id: "pull" }, command), copyButton(command));
    hint.textContent = select.value === "docker" && plain ? text.plainHttp : "";
  };
  select.addEventListener("change", () => { chosen = select.value; update(); });
  by.addEventListener("change", () => { byDigest = by.value === "digest"; update(); });
  update();
  return el("div", { class: "pull" }, el("div", { class: "tools" }, select, by), line, hint);
}
