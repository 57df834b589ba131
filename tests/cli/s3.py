#!/usr/bin/python3
"""A small S3 of the tests' own: objects in memory, signatures checked, faults on demand.

    s3.py PORT ID SECRET LOG [CERTIFICATE KEY REGION TOKEN]

Everybody may GET objects; all else takes a valid AWS Signature Version 4. LOG gets a line for each request. With CERTIFICATE,
it is a proxy that answers for AWS as https://docs.aws.amazon.com/AmazonS3/latest/userguide/VirtualHosting.html has it, in REGION
and for those who have TOKEN. What fails is
told by POST /_faults with a list of {"match": regex for "METHOD /path?query", "do": "500"|"501"|"503"|"skew"|"cut"|"etag"|
"spoil" (a part), "times": n, "after": how many of them go well first, "late": true to do what is asked and answer nothing, "without": "conditions" to ignore If-None-Match}."""
import base64
import hashlib
import hmac
import http.server
import json
import re
import ssl
import sys
import threading
import urllib.parse
from xml.sax.saxutils import escape, unescape

PORT, ID, SECRET, LOG = int(sys.argv[1]), sys.argv[2], sys.argv[3], open(sys.argv[4], "a", buffering=1)
CERTIFICATE, KEY, REGION, TOKEN = sys.argv[5:] or (None, None, None, None)
objects, uploads, faults = {}, {}, []
lock = threading.Lock()


def signature(handler, path, query, body):
    """What the Authorization must be, by the algorithm that AWS documents."""
    given = handler.headers["Authorization"]
    scope = re.search(r"Credential=([^/]+)/([^,]+), *SignedHeaders=([^,]+), *Signature=(\w+)", given)
    if not scope or scope[1] != ID:
        return None, "InvalidAccessKeyId"
    names = scope[3].split(";")
    if not {"host", "x-amz-content-sha256", "x-amz-date"} <= set(names) or not all(name in handler.headers for name in names):
        return None, "SignatureDoesNotMatch"
    pairs = sorted("=".join(urllib.parse.quote(urllib.parse.unquote(text), safe="-_.~") for text in part.partition("=")[::2])
                   for part in query.split("&") if part)
    canonical = "\n".join([handler.command, path, "&".join(pairs)]
                          + ["%s:%s" % (name, " ".join(handler.headers.get(name, "").split())) for name in names]
                          + ["", scope[3], handler.headers["x-amz-content-sha256"]])
    date, region, service, _ = scope[2].split("/")
    if REGION and (region != REGION or service != "s3" or f".s3.{REGION}." not in "." + handler.headers["Host"]):
        return None, "AuthorizationHeaderMalformed"
    if TOKEN and (handler.headers["x-amz-security-token"] != TOKEN or "x-amz-security-token" not in names):
        return None, "InvalidToken"
    text = "\n".join(["AWS4-HMAC-SHA256", handler.headers["x-amz-date"], scope[2], hashlib.sha256(canonical.encode()).hexdigest()])
    key = ("AWS4" + SECRET).encode()
    for part in (date, region, service, "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    if hmac.new(key, text.encode(), hashlib.sha256).hexdigest() != scope[4]:
        return None, "SignatureDoesNotMatch"
    wanted = handler.headers["x-amz-content-sha256"]
    if wanted != "UNSIGNED-PAYLOAD" and wanted != hashlib.sha256(body).hexdigest():
        return None, "XAmzContentSHA256Mismatch"
    return True, None


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, status, body=b"", headers=()):
        body = body.encode() if isinstance(body, str) else body
        if getattr(self, "mute", False):
            self.close_connection = True
            return self.connection.shutdown(2)
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def fail(self, status, code):
        self.answer(status, f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>no &amp; no</Message><Region>{REGION}</Region></Error>")

    def do_CONNECT(self):
        self.send_response(200)
        self.end_headers()
        if not CERTIFICATE:
            return
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(CERTIFICATE, KEY)
        try:
            self.connection = context.wrap_socket(self.connection, server_side=True)
        except OSError:                 # who does not trust us
            self.close_connection = True
            return
        self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb", 0)
        self.close_connection = False

    def handle_any(self):
        path, _, query = self.path.partition("?")
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if path == "/_faults":
            faults[:] = json.loads(body)
            return self.answer(200)
        if path == "/_put":             # an object that somebody else has written
            objects[urllib.parse.unquote(query)] = (body, {}, '"theirs"')
            return self.answer(200)
        signed, host = path, re.fullmatch(r"(?:([a-z0-9-]+)\.)?s3\.[a-z0-9-]+\.amazonaws\.com", self.headers["Host"] or "")
        if host and host[1]:
            path = f"/{host[1]}{path if path != '/' else ''}"
        elif path.startswith("/v2/"):   # the bucket's own host name
            path = "/images" + path
        LOG.write(f"{self.command} {'https://' + host[0] if host else ''}{self.path}\n")
        with lock:
            fault = next((f for f in faults if f.get("times", 1) > 0 and re.search(f["match"], f"{self.command} {self.path}")), {})
            if fault.get("after", 0):
                fault["after"] -= 1
                fault = {}
            if fault:
                fault["times"] = fault.get("times", 1) - 1
        self.mute = fault.get("late", False)
        if fault.get("do") in ("500", "501", "503"):
            return self.fail(int(fault["do"]), {"503": "SlowDown", "501": "NotImplemented"}.get(fault["do"], "InternalError"))
        if fault.get("do") == "skew":
            return self.fail(403, "RequestTimeTooSkewed")
        if fault.get("do") == "cut":
            self.close_connection = True
            return self.connection.shutdown(2)
        anonymous = "Authorization" not in self.headers
        if not (anonymous and self.command in ("GET", "HEAD") and path.count("/") > 1):
            _, why = (None, "AccessDenied") if anonymous else signature(self, signed, query, body)
            if why:
                return self.fail(400 if why == "AuthorizationHeaderMalformed" else 403, why)
        with lock:
            self.act(path, dict(urllib.parse.parse_qsl(query, keep_blank_values=True)), body, fault)

    def act(self, path, query, body, fault):
        key = urllib.parse.unquote(path)
        if self.command == "GET" and "uploads" in query:
            return self.list_uploads(key, query)
        if self.command == "GET" and "uploadId" in query:
            return self.list_parts(query)
        if self.command == "POST" and "delete" in query:
            return self.delete_objects(key, body)
        if self.command in ("GET", "HEAD"):
            return self.list_objects(key, query) if "list-type" in query else self.get(key)
        if self.command == "DELETE":
            uploads.pop(query["uploadId"], None) if "uploadId" in query else objects.pop(key, None)
            return self.answer(204)
        if self.command == "POST" and "uploads" in query:
            name = f"up/load={key}={len(uploads)}"
            uploads[name] = (key, dict(self.headers), {})
            return self.answer(200, f"<R><UploadId>{name}</UploadId></R>")
        if self.command == "POST":
            _, headers, parts = uploads.pop(query["uploadId"])
            numbers = [int(n) for n in re.findall(rb"<PartNumber>(\d+)", body)]
            assert numbers == sorted(parts), (numbers, sorted(parts))
            return self.store(key, b"".join(parts[n] for n in numbers), headers, fault, f"-{len(numbers)}", True)
        if "partNumber" in query:
            if query["uploadId"] not in uploads:
                return self.fail(404, "NoSuchUpload")
            if fault.get("do") == "spoil":
                body = b"x" + body[1:]
            uploads[query["uploadId"]][2][int(query["partNumber"])] = body
            return self.answer(200, headers=[("ETag", '"%s"' % hashlib.md5(body).hexdigest())])
        if self.headers.get("If-None-Match") == "*" and key in objects and not fault.get("without"):
            return self.fail(412, "PreconditionFailed")
        return self.store(key, body, dict(self.headers), fault, "", False)

    def store(self, key, body, headers, fault, suffix, xml):
        etag = '"%s%s"' % (hashlib.md5(body).hexdigest(), suffix)
        objects[key] = (body, headers, etag)
        if fault.get("do") == "etag":
            objects[key] = (body, headers, '"wrong"')
        if xml:                         # Ceph 16.2 leaves it empty
            return self.answer(200, "<R><ETag></ETag></R>" if "large" not in key else f"<R><ETag>{etag}</ETag></R>")
        self.answer(200, "", [("ETag", etag)])

    def get(self, key):
        if key not in objects:
            return self.fail(404, "NoSuchKey")
        body, headers, etag = objects[key]
        kept = [(name, headers[name]) for name in ("Content-Type", "Cache-Control") if name in headers]
        return self.answer(200, body, kept + [("ETag", etag)])

    def list_objects(self, bucket, query):
        start = query.get("start-after", "")
        names = sorted(k[len(bucket) + 1:] for k in objects if k.startswith(bucket + "/" + query["prefix"]))
        names = [n for n in names if n > start]
        page, more = names[:10], len(names) > 10       # small pages, so that there are several
        items = "".join("<Contents><Key>%s</Key><ETag>%s</ETag><Size>%d</Size></Contents>" % (
            escape(n), escape(objects[f"{bucket}/{n}"][2], {'"': "&quot;"}), len(objects[f"{bucket}/{n}"][0])) for n in page)
        self.answer(200, f"<R>{items}<IsTruncated>{'true' if more else 'false'}</IsTruncated></R>")

    def list_uploads(self, bucket, query):      # one a page
        found = sorted((key[len(bucket) + 1:], name) for name, (key, _, _) in uploads.items() if key.startswith(bucket + "/" + query["prefix"]))
        found = [f for f in found if f > (query.get("key-marker", ""), query.get("upload-id-marker", ""))]
        items = "".join(f"<Upload><Key>{escape(key)}</Key><UploadId>{escape(name)}</UploadId></Upload>" for key, name in found[:1])
        more = f"<NextKeyMarker>{escape(found[0][0])}</NextKeyMarker><NextUploadIdMarker>{escape(found[0][1])}</NextUploadIdMarker>" if found[1:] else ""
        self.answer(200, f"<R>{items}<IsTruncated>{'true' if more else 'false'}</IsTruncated>{more}</R>")

    def list_parts(self, query):
        numbers = [n for n in sorted(uploads[query["uploadId"]][2]) if n > int(query.get("part-number-marker", 0))]
        parts = uploads[query["uploadId"]][2]
        items = "".join('<Part><PartNumber>%d</PartNumber><ETag>"%s"</ETag><Size>%d</Size></Part>' % (
            n, hashlib.md5(parts[n]).hexdigest(), len(parts[n])) for n in numbers[:1])
        more = f"<NextPartNumberMarker>{numbers[0]}</NextPartNumberMarker>" if numbers[1:] else ""
        self.answer(200, f"<R>{items}<IsTruncated>{'true' if more else 'false'}</IsTruncated>{more}</R>")

    def delete_objects(self, bucket, body):
        if self.headers["Content-MD5"] != base64.b64encode(hashlib.md5(body).digest()).decode():
            return self.fail(400, "InvalidDigest")
        keys = [unescape(k.decode()) for k in re.findall(rb"<Key>([^<]*)</Key>", body)]
        for key in keys:
            LOG.write(f"REMOVE /{bucket.strip('/')}/{key}\n")
            objects.pop(f"{bucket}/{key}", None)
        self.answer(200, "<DeleteResult></DeleteResult>")

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = handle_any

    def log_message(self, *arguments):
        pass


http.server.ThreadingHTTPServer(("127.0.0.1", PORT), Handler).serve_forever()
