// Every text that the page shows, so that it can be translated by replacing this file.

export const text = {
  copy: "Copy", copied: "Copied", copyFailed: "Copying failed: select the text and copy it yourself.",
  loading: "Loading…", retry: "Try again", unknown: "—",

  logIn: "Log in", logOut: "Log out", user: "User name", password: "Password", cancel: "Cancel", close: "Close",
  logInHint: "Name and password are kept in this tab's memory only, until you log out or close it.",
  wrongPassword: "The registry does not accept this name and password.",
  loggedInAs: name => `Logged in as ${name}`, loggedOut: "Logged out",

  repositories: "Repositories", searchRepositories: "Search repositories", order: "Order",
  orders: { name: "By name", pushed: "Last pushed first", tags: "Most tags first", size: "Largest first" },
  repository: "Repository", tagCount: "Tags", lastPush: "Last push", size: "Size",
  found: (n, all) => n === all ? count(n, "repository", "repositories") : `${number(n)} of ${count(all, "repository", "repositories")}`,
  foundTags: (n, all) => n === all ? count(n, "tag", "tags") : `${number(n)} of ${count(all, "tag", "tags")}`,
  nothingFound: "Nothing matches.",
  open: name => `Show what is in ${name}`, shut: name => `Hide what is in ${name}`,
  tagsIn: n => count(n, "tag", "tags"),
  inside: n => count(n, "repository", "repositories"),

  emptyTitle: "No images yet",
  emptyClosed: "Log in to see the repositories that are not public.",
  emptyText: "Push the first one with any client:",
  emptyServer: "or, on the server:",

  tags: "Tags", tag: "Tag", filterTags: "Filter tags", digest: "Digest", platforms: "Platforms", created: "Created", pushed: "Pushed",
  marks: "Attached", group: "Group tags of one image", withHidden: n => `Show ${count(n, "signature tag", "signature tags")}`,
  mark: { signed: "signed", sbom: "SBOM", provenance: "provenance", scan: "scan" },
  markHint: {
    signed: "There is a signature. The page does not check it.", sbom: "A list of what is inside is attached.",
    provenance: "A statement about how it was built is attached.", scan: "A scanner's report is attached.",
  },
  noTags: "This repository has no tags.", select: tag => `Select ${tag}`, more: n => `+${number(n)}`,
  compare: "Compare", compareWith: "Compare with", chooseTag: "Choose a tag",

  pull: "Pull", byTag: "by tag", byDigest: "by digest", client: "Client", plainHttp: "This registry is served without TLS: docker has to list it in insecure-registries.",
  kinds: { image: "Image", index: "Image for several platforms", chart: "Helm chart", wasm: "WebAssembly module", artifact: "Artifact", signature: "Signature", sbom: "SBOM", provenance: "Provenance", scan: "Scan result", attestation: "Attestation" },
  platform: "Platform", mediaType: "Media type", artifactType: "Artifact type", totalSize: "Compressed size", subject: "Belongs to",
  layers: "Layers", files: "Files", layer: "Layer", command: "Made by", download: "Download", noCommand: "not recorded",
  emptyLayers: n => `${count(n, "step", "steps")} that changed no files`,
  config: "Configuration", entrypoint: "Entry point", cmd: "Command", env: "Environment", workdir: "Working directory", userOfImage: "User",
  ports: "Ports", volumes: "Volumes", stopSignal: "Stop signal", labels: "Labels", annotations: "Annotations", chart: "Chart",
  charts: { appVersion: "App version", description: "Description", kubeVersion: "Kubernetes", home: "Home", dependencies: "Depends on", maintainers: "Maintainers", keywords: "Keywords", sources: "Sources" },
  root: "root (none is set)", name: "Name", value: "Value",
  referrers: "Attached to this image", noReferrers: "No signatures, SBOMs or reports are attached.",
  letters: n => count(n, "letter", "letters"),
  showDocument: "Show", document: "Document", summary: "Summary", missingPlatform: "This platform was not copied here.",
  packages: n => count(n, "package", "packages"), searchPackages: "Search packages", version: "Version", license: "License",
  findings: n => count(n, "finding", "findings"), severity: "Severity", finding: "Finding", inPackage: "In", fixedIn: "Fixed in", message: "Message",
  source: "Source", commit: "Commit", builder: "Builder", buildType: "Build type", predicate: "Predicate", signer: "Identity", issuer: "Issuer",
  notShown: n => `${number(n)} more are not shown.`,
  tooLarge: size => `This document is larger than ${size}, so the page does not open it.`,
  broken: "This document cannot be read.", tooSlow: "This document took too long to read.", notKnown: "The page does not know this kind of document.",
  cannotPreview: "It is no JSON document.",

  comparing: (a, b) => `${a} and ${b}`, both: "In both", added: "Only in the second", gone: "Only in the first", same: "No differences.",
  shared: (a, b) => `${a} of layers are in both; ${b} are new in the second.`, first: "First", second: "Second", difference: "Difference", image: "Image", state: "State",

  deleteTags: n => n ? `Delete ${count(n, "tag", "tags")}…` : "Delete tags…", addTag: "Add a tag…", newTag: "New tag", setTag: "Set the tag",
  moves: (tag, digest) => `${tag} leads to ${digest} now. It will lead here instead.`,
  badTag: "A tag has letters, digits, and _ . - behind the first of them; at most 128.",
  tagSet: tag => `The tag ${tag} is set.`,
  deleteTitle: "Delete tags", deleteNow: "Delete", deleteNothing: "Choose at least one tag.",
  deleteHint: "Images that no other tag leads to can then be pulled by digest only. An administrator can bring tags back with 'stillage restore', for as long as the trash keeps them.",
  deleteUndo: "Images that no other tag leads to can then be pulled by digest only. You can undo this, for as long as the trash keeps the tags.",
  deleteLast: n => `${count(n, "image loses its", "images lose their")} last tag.`,
  deleted: n => `Deleted ${count(n, "tag", "tags")}.`, deleteFailed: (tag, why) => `${tag}: ${why}`,

  undo: "Undo", restoreTags: "Restore tags…", restoreTitle: "Restore deleted tags", restore: "Restore", restored: n => `Restored ${count(n, "tag", "tags")}.`,
  nothingDeleted: "The trash has no tags of this repository, or only such as exist.",

  createRepository: "Create a repository…", createTitle: "Create a repository", create: "Create", mayCreate: patterns => `You may create: ${patterns}`,
  badName: "A name has a-z and 0-9, in parts that are joined by one of / . _ __ or hyphens.",
  description: "Description", visibility: "Visibility", visibilities: { public: "Public", private: "Private" },
  visibilityHints: { public: "Everybody may pull.", private: "Only those may pull whom a rule of the registry lets." },
  ruled: "A rule of the registry says who may pull, so this cannot be changed here.",
  editRepository: "Edit the repository…", editTitle: "Edit the repository", save: "Save", saved: "Saved.",
  deleteRepository: "Delete the repository…", deleteRepositoryTitle: "Delete the repository",
  deleteRepositoryHint: "All its tags and images go, and its description. An administrator can bring tags and images back with 'stillage restore', for as long as the trash keeps them.",
  typeName: "To confirm, type", otherName: "This is not its name.", ofLimit: (used, limit) => `${used} of ${limit}`,
  firstPush: "This repository is empty. Push the first image:", number,

  tokens: "Access tokens", token: "Token", tokensHint: "For programs that log in in your name: a token takes the place of your password there.",
  noTokens: "You have no tokens.", createToken: "Create a token…", tokenName: "What it is for", tokenRepository: "Repositories",
  tokenPattern: "A name, or a pattern: team/** is all below team, and ** is everything.", tokenMay: "May", tokenNoMore: "Never more than you may.",
  actions: { pull: "pull", push: "push", delete: "delete", admin: "administer" }, tokenLife: "Lives for", days: n => count(n, "day", "days"), hours: n => count(n, "hour", "hours"),
  tokenNothing: "Choose what the token may do.", tokenMade: "The token is made.", tokenOnce: "Copy it now: it is not shown again.",
  tokenUse: "Where a program asks for a password, give it the token:", removeToken: "Revoke the token", removeNow: "Revoke",
  removeTokenHint: "Whoever uses it can log in no more. Pulls that have begun may go on for a few minutes.", tokenRemoved: "The token is revoked.",
  lastUsed: "Last used", expires: "Expires", expired: "expired", never: "never",

  notFound: "There is nothing here.", notFoundHint: "It may have been deleted, or you have to log in to see it.",
  needLogIn: "Log in to see this, if it exists.", failed: "The registry does not answer as it should.", offline: "The registry cannot be reached.",
  back: "All repositories",
};

const numbers = new Intl.NumberFormat();
function number(n) { return numbers.format(n); }
function count(n, one, many) { return `${number(n)} ${n === 1 ? one : many}`; }
