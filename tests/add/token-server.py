"""token-server.py PORT KEY CERTIFICATE FOLDER: gives tokens to the clients of a docker-registry with `auth: token`. "me" may pull and push,
"reader" may pull, and everybody may pull public/...; passwords are "word", the identity token of me is "identity". FOLDER/log gets a line for each
request (USER SCOPE..., or USER refused), FOLDER/token the last token. Tokens are good for as many seconds as FOLDER/life says, and for 300
without it; all are told that it is 300."""
import base64
import http.server
import json
import subprocess
import sys
import time
import urllib.parse

PORT, KEY, CERTIFICATE, FOLDER = int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4]
LEEWAY = 60    # seconds that docker-registry adds to what a token says
with open(CERTIFICATE) as pem:
    CHAIN = ["".join(line.strip() for line in pem if "-----" not in line)]


def encode(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def sign(claims):
    parts = ({"typ": "JWT", "alg": "RS256", "x5c": CHAIN}, claims)
    text = b".".join(encode(json.dumps(part).encode()) for part in parts)
    signature = subprocess.run(["openssl", "dgst", "-sha256", "-sign", KEY], input=text, capture_output=True, check=True).stdout
    return (text + b"." + encode(signature)).decode()


def life():
    try:
        with open(FOLDER + "/life") as file:
            return float(file.read())
    except FileNotFoundError:
        return 300


def grant(user, scope):
    kind, name, actions = scope.split(":")
    may = {"me": {"pull", "push"}, "reader": {"pull"}}.get(user, {"pull"} if name.startswith("public/") else set())
    return {"type": kind, "name": name, "actions": [action for action in actions.split(",") if action in may]}


class Handler(http.server.BaseHTTPRequestHandler):
    def answer(self, status, what):
        body = json.dumps(what).encode()
        self.send_response_only(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def give(self, user, password, query):
        scopes = [scope for value in query.get("scope", []) for scope in value.split()]
        good = password == "word" or not user
        with open(FOLDER + "/log", "a") as log:
            log.write(" ".join([user or "anonymous"] + (scopes if good else ["refused"])) + "\n")
        if not good:
            return self.answer(401, {"details": "no"})
        now = time.time()
        token = sign({"iss": "tests", "sub": user, "aud": query["service"][0], "jti": str(now), "nbf": int(now) - 100, "iat": int(now),
                      "exp": int(now - LEEWAY + life()), "access": [grant(user, scope) for scope in scopes]})
        with open(FOLDER + "/token", "w") as file:
            file.write(token)
        return self.answer(200, {"token": token, "access_token": token, "expires_in": 300})

    def do_GET(self):
        path, _, query = self.path.partition("?")
        how, _, text = self.headers.get("Authorization", "").partition(" ")
        user, _, password = base64.b64decode(text).decode().partition(":") if how == "Basic" else ("", "", "")
        if path != "/token":
            return self.answer(404, {})
        return self.give(user, password, urllib.parse.parse_qs(query))

    def do_POST(self):
        query = urllib.parse.parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        known = query.get("grant_type") == ["refresh_token"] and query.get("refresh_token") == ["identity"]
        return self.give("me", "word" if known else "", query)

    def log_message(self, *arguments):
        pass


http.server.ThreadingHTTPServer(("127.0.0.1", PORT), Handler).serve_forever()
