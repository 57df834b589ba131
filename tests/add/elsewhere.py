"""elsewhere.py PORT HOSTS: a registry that sends its clients elsewhere. HOW/HOST says which request of a repository, and to which host
(with this port): "blob/10.0.0.1". How: "manifest", "blob", "token", "upload", or "rebind" (a token from HOST, whose address is by
then, as the file HOSTS says, 127.0.0.1). GET /asked answers with the hosts that were asked for, a line for each request."""
import hashlib
import http.server
import json
import re
import sys

PORT, HOSTS = int(sys.argv[1]), sys.argv[2]
OCI = "application/vnd.oci.image"
BLOB = b"{}"
LINK = {"digest": "sha256:" + hashlib.sha256(BLOB).hexdigest(), "size": len(BLOB)}
IMAGE = json.dumps({"schemaVersion": 2, "mediaType": f"{OCI}.manifest.v1+json", "layers": [],
                    "config": dict(LINK, mediaType=f"{OCI}.config.v1+json")}).encode()
asked = []


class Handler(http.server.BaseHTTPRequestHandler):
    def answer(self, status, body=b"", **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_GET(self):
        if self.path == "/asked":
            return self.answer(200, "\n".join(asked).encode())
        asked.append(self.headers["Host"].rsplit(":", 1)[0])
        if "/token?" in self.path:
            return self.answer(200, b'{"token":"t"}')
        path = re.sub("^http://[^/]*", "", self.path)    # as a proxy is asked
        return self.registry(path, *(path.split("/") + [""] * 3)[2:5])

    def registry(self, path, how, host, kind):
        there = f"http://{host}:{PORT}"
        if how in ("token", "rebind") and "Authorization" not in self.headers:
            if how == "rebind":
                with open(HOSTS, "w") as hosts:
                    hosts.write("127.0.0.1 rebind.example\n")
            return self.answer(401, Www_Authenticate=f'Bearer realm="{there}/token",service="s"')
        if how == "upload":
            return self.answer(202, Location=f"{there}/v2/there/there/place") if self.command == "POST" else self.answer(404)
        if how in ("manifest", "blob") and kind == how + "s":
            return self.answer(307, Location=there + path.replace(how, "there", 1))
        if kind == "manifests":
            return self.answer(200, IMAGE, Content_Type=f"{OCI}.manifest.v1+json")
        return self.answer(200, BLOB) if kind == "blobs" else self.answer(404)

    def do_PUT(self):
        asked.append(self.headers["Host"].rsplit(":", 1)[0])
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.answer(201)

    def do_POST(self):
        self.do_GET()

    def do_HEAD(self):
        self.do_GET()

    def log_message(self, *arguments):
        pass


http.server.ThreadingHTTPServer(("0.0.0.0", PORT), Handler).serve_forever()
