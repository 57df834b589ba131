"""hold.py PORT BACKEND FOLDER: passes each request on to the registry at BACKEND. FOLDER/log has a line for each that was answered:
METHOD PATH STATUS. The file FOLDER/hold, "N HOW", says that the Nth request from then on waits as long as the file is there. HOW:
"lost" (the registry never sees it), "done" (it has been done, and the answer waits) or "late" (it is passed on then). FOLDER/held is
there while one waits, and says which."""
import http.client
import http.server
import os
import sys
import threading
import time

PORT, BACKEND, FOLDER = int(sys.argv[1]), sys.argv[2], sys.argv[3]
HOLD, HELD = FOLDER + "/hold", FOLDER + "/held"
lock = threading.Lock()
counted = [None, 0]    # which FOLDER/hold it was, and the requests since


def how_to_hold():
    """What becomes of this request; "": nothing."""
    try:
        with open(HOLD) as hold:
            number, how = hold.read().split()
            which = os.fstat(hold.fileno()).st_mtime_ns
    except FileNotFoundError:
        return ""
    with lock:
        if counted[0] != which:
            counted[:] = which, 0
        counted[1] += 1
        return how if counted[1] == int(number) else ""


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def wait(self):
        with open(HELD + ".new", "w") as held:
            held.write(f"{self.command} {self.path}\n")
        os.rename(HELD + ".new", HELD)
        while os.path.exists(HOLD):
            time.sleep(0.01)
        os.remove(HELD)

    def pass_on(self):
        how = how_to_hold()
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if how in ("lost", "late"):
            self.wait()
        if how == "lost":
            self.close_connection = True
            return
        backend = http.client.HTTPConnection(BACKEND)
        backend.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            backend.putheader(name, value)
        backend.endheaders(body)
        answer = backend.getresponse()
        content = answer.read()
        with lock, open(FOLDER + "/log", "a") as log:
            log.write(f"{self.command} {self.path} {answer.status}\n")
        if how == "done":
            self.wait()
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
