"""proxy.py PORT USER:PASSWORD LOG HUB: a proxy that wants this login. All names that end in .test are on this machine, and Docker Hub is at
the port HUB of it. LOG gets a line for each request: METHOD TARGET STATUS, and then "authorized" if it had an Authorization, which is not
for a proxy."""
import base64
import selectors
import socket
import sys
import urllib.parse

import passing

PORT, LOGIN, LOG, HUB = int(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])
GOOD = "Basic " + base64.b64encode(LOGIN.encode()).decode()


def place(host, port):
    if host == "registry-1.docker.io":
        return "127.0.0.1", HUB
    return "127.0.0.1" if host.endswith(".test") else host, int(port)


class Handler(passing.Handler):
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
        body = self.body()
        if self.path.startswith("/"):
            self.send_error(400)
            return
        if self.refuses():
            return
        url = urllib.parse.urlsplit(self.path)
        answer, content = self.ask(place(url.hostname, url.port), urllib.parse.urlunsplit(("", "", url.path, url.query, "")), body)
        self.note(answer.status)
        self.give(answer, content)


passing.serve(PORT, Handler)
