#!/usr/bin/python3
"""Whether a reader of a flat copy (--host plain) finds content behind every name. Prints what is missing."""
import glob
import hashlib
import json
import os
import sys

root = os.path.join(sys.argv[1], "v2")


def need(path, why):
    if not os.path.isfile(path):
        print(f"{why}: no {path[len(root) + 1:]}")


for path in glob.glob(f"{root}/**/manifests/*", recursive=True):
    repository = os.path.dirname(os.path.dirname(path))
    data = open(path, "rb").read()
    digest = "sha256:" + hashlib.sha256(data).hexdigest()
    if ":" in path and not path.endswith(digest):
        print(f"{path}: torn")
    need(f"{repository}/manifests/{digest}", path)
    manifest = json.loads(data)
    for blob in [manifest.get("config")] + manifest.get("layers", []):
        if blob:
            need(f"{repository}/blobs/{blob['digest']}", path)
    for child in manifest.get("manifests", []):
        need(f"{repository}/manifests/{child['digest']}", path)
for path in glob.glob(f"{root}/**/referrers/*", recursive=True):
    for entry in json.load(open(path))["manifests"]:
        need(os.path.join(os.path.dirname(os.path.dirname(path)), "manifests", entry["digest"]), path)
for path in glob.glob(f"{root}/**/tags/list", recursive=True):
    for tag in json.load(open(path))["tags"]:
        need(os.path.join(os.path.dirname(os.path.dirname(path)), "manifests", tag), path)
if os.path.exists(f"{root}/_catalog"):
    for name in json.load(open(f"{root}/_catalog"))["repositories"]:
        need(f"{root}/{name}/tags/list", "_catalog")
