#!/usr/bin/python3
"""Serves a folder as netlify, Cloudflare Pages or Firebase Hosting would, by the headers that the folder names.

    site-elsewhere.py netlify|cloudflare-pages|firebase DIR PORT

Each of them takes unknown names for application/octet-stream, and answers a folder with its index.html."""
import http.server
import json
import os
import re
import sys

host, root, port = sys.argv[1], sys.argv[2], int(sys.argv[3])


def read_headers_file():
    rules, headers = [], None
    for line in open(os.path.join(root, "_headers")):
        if not line.strip() or line.startswith("#"):
            continue
        if line[0] not in " \t":
            headers = []
            rules.append((line.strip(), headers))
        else:
            name, value = line.strip().split(":", 1)
            headers.append((name, value.strip()))
    return rules


def cloudflare(rule):
    """A star is anything, a colon and a word are anything but a slash."""
    assert rule.count("*") <= 1, rule
    pattern = "(.*)".join(re.escape(part) for part in rule.split("*"))
    return re.compile(re.sub(r":[A-Za-z]\w*", "[^/]+", pattern) + r"\Z")


def netlify(rule):
    """A star at the end is anything; a component that begins with a colon is any."""
    parts = ["[^/]+" if part.startswith(":") else ".*" if part == "*" else re.escape(part) for part in rule.split("/")]
    return re.compile("/".join(parts) + r"\Z")


if host == "firebase":
    config = json.load(open(os.path.join(root, "firebase.json")))["hosting"]
    assert config["public"] == "." and "firebase.json" in config["ignore"]
    RULES = [(re.compile(rule["regex"]), [(h["key"], h["value"]) for h in rule["headers"]]) for rule in config["headers"]]
else:
    compile_rule = cloudflare if host == "cloudflare-pages" else netlify
    assert host != "cloudflare-pages" or len(read_headers_file()) <= 100
    RULES = [(compile_rule(rule), headers) for rule, headers in read_headers_file()]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        path = self.path.split("?")[0]
        file = root + path + ("index.html" if path.endswith("/") else "")
        if not os.path.isfile(file) or "/." in path:
            body = b"not found"
            self.send_response(404)
            self.send_header("Content-Type", "text/html")
        else:
            headers = {"Content-Type": "text/html" if file.endswith(".html") else "application/octet-stream"}
            named = {}
            for pattern, values in RULES:
                if pattern.match(path):
                    for name, value in values:
                        named.setdefault(name, []).append(value)
            headers.update({name: ", ".join(values) for name, values in named.items()})
            body = open(file, "rb").read()
            self.send_response(200)
            for name, value in headers.items():
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    do_HEAD = do_GET

    def log_message(self, *arguments):
        pass


http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()
