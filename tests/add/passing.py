"""What hold.py and proxy.py share: a server that passes requests on to others."""
import http.client
import http.server


class Handler(http.server.BaseHTTPRequestHandler):
    """A subclass has pass_on(), for every method but CONNECT."""
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.pass_on()

    do_HEAD = do_POST = do_PUT = do_PATCH = do_GET

    def body(self):
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def ask(self, place, path, body):
        """Asks HOST:PORT, or (HOST, PORT), what this request asks. Returns the answer and its body."""
        there = http.client.HTTPConnection(*([place] if isinstance(place, str) else place))
        there.putrequest(self.command, path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            if not name.lower().startswith("proxy-"):
                there.putheader(name, value)
        there.endheaders(body)
        answer = there.getresponse()
        return answer, answer.read()

    def give(self, answer, content):
        self.send_response_only(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("transfer-encoding", "content-length", "connection"):
                self.send_header(name, value)
        self.send_header("Content-Length", answer.headers.get("Content-Length", "0") if self.command == "HEAD" else str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments):
        pass


def serve(port, handler):
    http.server.ThreadingHTTPServer(("127.0.0.1", port), handler).serve_forever()
