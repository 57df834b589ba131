"""proxy.py PORT USER:PASSWORD LOG HUB: a proxy that wants this login. All names that end in .test are on this machine, and Docker Hub is at
the port HUB of it. LOG gets a line for each request: METHOD TARGET STATUS, and then "authorized" if it had an Authorization, which is not
for a proxy."""
import base64
import http.client
import http.server
import selectors
import socket
import sys
import urllib.parse

PORT, LOGIN, LOG, HUB = int(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])
GOOD = "Basic " + base64.b64encode(LOGIN.encode()).decode()


def place(host, port):
    if host == "registry-1.docker.io":
        return "127.0.0.1", HUB
    return "127.0.0.1" if host.endswith(".test") else host, int(port)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def note(self, status):
        with open(LOG, "a") as log:
            log.write(f"{self.command} {self.path} {status}{' authorized' if 'Authorization' in self.headers else ''}\n")

    def refuses(self):
        if self.headers.get("Proxy-Authorization") == GOOD:
            return False
        self.note(407)
        self.send_response_only(407)
        self.send_header("Proxy-Authenticate", 'Basic realm="proxy"')
        self.send_header("Content-Length", "0")
        self.end_headers()
        return True

    def do_CONNECT(self):
        if self.refuses():
            return
        self.note(200)
        self.close_connection = True
        with socket.create_connection(place(*self.path.rsplit(":", 1))) as there, selectors.DefaultSelector() as ready:
            self.send_response_only(200)
            self.end_headers()
            ready.register(self.connection, selectors.EVENT_READ, there)
            ready.register(there, selectors.EVENT_READ, self.connection)
            while True:
                for key, _ in ready.select():
                    data = key.fileobj.recv(65536)
                    if not data:
                        return
                    key.data.sendall(data)

    def pass_on(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path.startswith("/"):
            self.send_error(400)
            return
        if self.refuses():
            return
        url = urllib.parse.urlsplit(self.path)
        there = http.client.HTTPConnection(*place(url.hostname, url.port))
        there.putrequest(self.command, urllib.parse.urlunsplit(("", "", url.path, url.query, "")), skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            if not name.lower().startswith("proxy-"):
                there.putheader(name, value)
        there.endheaders(body)
        answer = there.getresponse()
        content = answer.read()
        self.note(answer.status)
        self.send_response_only(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("transfer-encoding", "content-length", "connection"):
                self.send_header(name, value)
        self.send_header("Content-Length", answer.headers.get("Content-Length", "0") if self.command == "HEAD" else str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = pass_on

    def log_message(self, *arguments):
        pass


http.server.ThreadingHTTPServer(("127.0.0.1", PORT), Handler).serve_forever()
