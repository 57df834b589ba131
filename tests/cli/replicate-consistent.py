"""replicate-consistent.py FOLDER: whether every name below FOLDER, which is www/v2 of a registry, leads to something: prints those that
do not."""
import json
import os
import sys


def read(path):
    with open(path) as file:
        return json.load(file)


def needs(path, what):
    if not os.path.exists(path):
        print(what)


os.chdir(sys.argv[1]) if os.path.isdir(sys.argv[1]) else sys.exit()  # nothing there yet
if os.path.exists("_catalog"):
    for name in read("_catalog")["repositories"]:
        needs(name + "/tags/list", name + " is in the catalog")
for folder, folders, files in os.walk("."):
    repository, kind = os.path.split(folder)
    for file in files:
        path = os.path.join(folder, file)
        if kind == "tags" and file == "list":
            for tag in read(path)["tags"]:
                needs(f"{repository}/manifests/{tag}", f"{path} names {tag}")
        elif kind == "referrers":
            for entry in read(path)["manifests"]:
                needs(f"{repository}/manifests/{entry['digest']}", f"{path} names {entry['digest']}")
        elif kind == "manifests" and not os.path.exists(path):
            print(f"{path} leads nowhere")
        elif kind == "manifests":
            manifest = read(path)
            for entry in [manifest["config"]] + manifest["layers"]:
                needs(f"{repository}/blobs/{entry['digest']}", f"{path} needs {entry['digest']}")
