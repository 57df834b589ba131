"""weather.py PORT: a registry that misbehaves, in a way of its own in each repository. GET /asked answers with the number of requests
before."""
import gzip
import hashlib
import http.server
import json
import sys

OCI = "application/vnd.oci.image"
asked = 0


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def link(data, media_type):
    return {"mediaType": media_type, "digest": digest(data), "size": len(data)}


CONFIG = b"{}"


def layer(name):
    return f"{name:20}".encode() * 250


def image(name, annotations={}, **more):
    layers = [dict(link(layer(name), f"{OCI}.layer.v1.tar"), **more)]
    return json.dumps({"schemaVersion": 2, "mediaType": f"{OCI}.manifest.v1+json", "layers": layers, "annotations": annotations,
                       "config": link(CONFIG, f"{OCI}.config.v1+json")}).encode()


def index(child):
    return json.dumps({"schemaVersion": 2, "mediaType": f"{OCI}.index.v1+json",
                       "manifests": [link(child, f"{OCI}.manifest.v1+json")]}).encode()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, body, status=200, length=None, **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if length != "none":
            self.send_header("Content-Length", str(len(body) if length is None else length))
        else:
            self.close_connection = True
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def none(self):
        self.answer(b'{"errors":[{"code":"NOT_FOUND","message":"no"}]}', 404)

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        global asked
        if self.path == "/asked":
            return self.answer(str(asked).encode())
        asked += 1
        path, _, query = self.path.partition("?")
        _, _, name, kind, what = (path.split("/", 4) + ["", ""])[:5]
        getattr(self, kind, self.none)(name, what, query) if kind in ("tags", "manifests", "blobs") else self.none()

    # ---- tags

    def tags(self, name, what, query):
        last = query.partition("last=")[2].partition("&")[0]
        if name == "many":    # 10,000 tags, a thousand at a time, in the order of their names
            names = sorted(f"v{i}" for i in range(10000))
            page = [tag for tag in names if tag > last][:1000]
            more = page and page[-1] < names[-1]
        elif name == "endless":
            first = int(last[1:] or 0) if last else 0
            page, more = [f"v{first + i:09}" for i in range(1, 20001)], True
        elif name == "elsewhere":
            page, more = ["v1"], False
            return self.answer(json.dumps({"tags": page}).encode(), Link='<http://169.254.169.254/latest>; rel="next"')
        else:
            return self.answer(b"<html>tags</html>", Content_Type="text/html")
        headers = {"Link": f'</v2/{name}/tags/list?n=1000&last={page[-1]}>; rel="next"'} if more else {}
        self.answer(json.dumps({"name": name, "tags": page}).encode(), Content_Type="application/json", **headers)

    # ---- manifests

    def manifests(self, name, what, query):
        body, headers = image(name), {}
        kind = "manifest"
        if name in ("childless", "child-type"):
            if what == digest(body):
                return self.none() if name == "childless" else self.answer(b"<html>", Content_Type="text/html")
            body, kind = index(body), "index"
        elif what.startswith("sha256-"):
            return self.none()
        elif name == "packed":
            body, headers = gzip.compress(body), {"Content_Encoding": "gzip"}
        elif name == "large":
            body = image(name, {"a": "x" * (5 << 20)})
        elif name == "path":
            body = image(name, digest="sha256:../../../../../../" + "0" * 42)
        elif name == "negative":
            body = image(name, size=-1)
        elif name == "huge":
            body = image(name, size=1 << 60)
        elif name == "liar":
            headers = {"Docker_Content_Digest": digest(b"another")}
        elif name == "headers":
            headers = {f"X_{i}": "x" * 30000 for i in range(4)}
        elif name == "file":
            return self.answer(b"", 307, Location="file:///etc/passwd")
        elif name == "chain":
            return self.answer(b"", 307, Location=f"/v2/chain/manifests/{what}x")
        self.answer(body, Content_Type=f"{OCI}.{kind}.v1+json", **headers)

    # ---- blobs

    def blobs(self, name, what, query):
        if what == digest(CONFIG):
            return self.answer(CONFIG)
        body = layer(name)
        if name == "blob-packed":
            return self.answer(gzip.compress(body), Content_Encoding="gzip")
        if name == "blob-endless":
            try:
                self.answer(body * 100, length="none")
            except OSError:    # nobody reads it
                pass
            return None
        if name == "blob-file":
            return self.answer(b"", 307, Location="file:///etc/passwd")
        if name == "blob-chain":
            return self.answer(b"", 307, Location=f"/v2/blob-chain/blobs/{what}x")
        if name == "blob-range":    # always the same part, whatever is asked for
            return self.answer(body[:10], 206, Content_Range=f"bytes 7-16/{len(body)}")
        if name == "blob-html":
            return self.answer(b"<html>log in first</html>", Content_Type="text/html")
        return self.answer(body)

    def log_message(self, *arguments):
        pass


http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
