"""gate.py FILE GATE PORT: answers every GET with FILE, or the range of it that is asked for, but holds its second half back until
the file GATE exists. That says how it goes on: with the rest ("rest"), with other bytes of the same length ("lie"), or not at all
("cut"). GATE.log has a line for each GET: the first byte that was asked for."""
import http.server
import os
import re
import sys
import time

FILE, GATE, PORT = sys.argv[1], sys.argv[2], int(sys.argv[3])


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_HEAD(self):
        self.head(0)

    def head(self, start):
        size = os.path.getsize(FILE)
        self.send_response(206 if start else 200)
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Content-Length", str(size - start))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{size - 1}/{size}")
        self.end_headers()

    def do_GET(self):
        with open(FILE, "rb") as file:
            data = file.read()
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        start = int(asked[1]) if asked else 0
        half = max(start, len(data) // 2)
        with open(GATE + ".log", "a") as log:
            log.write(f"{start}\n")
        self.head(start)
        self.wfile.write(data[start:half])
        self.wfile.flush()
        while not os.path.exists(GATE):
            time.sleep(0.02)
        with open(GATE) as gate:
            how = gate.read().strip()
        if how == "cut":
            self.close_connection = True
        else:
            self.wfile.write(data[half:] if how == "rest" else b"x" * (len(data) - half))

    def log_message(self, *arguments):
        pass


http.server.ThreadingHTTPServer(("127.0.0.1", PORT), Handler).serve_forever()
