#!/usr/bin/env python3
"""Clients of several front ends of one registry, each request at another one of them.

  cluster-client.py push FILE CLIENTS IMAGES URL...  each client pushes so many images, each with its own blob and a common one
  cluster-client.py small FILE CLIENTS IMAGES URL... the same as fast as it goes: no blob is common, and each comes in one PUT
  cluster-client.py move FILE CLIENTS MOVES URL...   all of them move one tag; what they read back has to be there, and right
  cluster-client.py check FILE URL...                all that FILE names is whole at each front end

A line "REPOSITORY TAG DIGEST" goes to FILE for each manifest that was acknowledged; "-" for a tag that others move. What a server
that was killed, or one that is busy, has not answered is tried again, as clients do; and so is a whole image of which a blob has
been collected before its manifest came. Any other answer is a failure. Prints counts as JSON, and the seconds that all of it took,
and the longest request.
"""
import collections, hashlib, http.client, json, ssl, sys, threading, time, urllib.parse

IMAGE = 'application/vnd.oci.image.manifest.v1+json'
PATIENCE = 300
counts = collections.Counter()
problems = []
lock = threading.Lock()


def digest(data):
    return 'sha256:' + hashlib.sha256(data).hexdigest()


class Client:
    def __init__(self, number, urls):
        self.number, self.urls, self.next = number, urls, number

    def once(self, method, path, body=None, kind='application/octet-stream'):
        """(status, headers, body); status 0 if there was no whole answer."""
        url = urllib.parse.urlsplit(self.urls[self.next % len(self.urls)])
        self.next += 1
        if url.scheme == 'https':
            connection = http.client.HTTPSConnection(url.netloc, timeout=PATIENCE, context=ssl._create_unverified_context())
        else:
            connection = http.client.HTTPConnection(url.netloc, timeout=PATIENCE)
        try:
            connection.request(method, path, body, {'Content-Type': kind})
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        except (OSError, http.client.HTTPException):
            return 0, {}, b''
        finally:
            connection.close()

    def ask(self, wanted, method, path, *how):
        """Until there is an answer. None, and a problem, if that is another than those wanted."""
        begin = time.monotonic()
        end = begin + PATIENCE
        while True:
            answer = self.once(method, path, *how)
            if answer[0] in wanted:
                with lock:
                    counts['longest'] = max(counts['longest'], round(time.monotonic() - begin, 2))
                return answer
            if answer[0] not in (0, 429, 502, 503, 504) or time.monotonic() > end:
                raise Wrong(f'{method} {path}: {answer[0]} {answer[2][:300]!r}')
            with lock:
                counts['repeated'] += 1
            time.sleep(0.05)

    def descriptor(self, data):
        return {'mediaType': 'application/x', 'digest': digest(data), 'size': len(data)}

    def small_blob(self, name, data):
        where = self.ask([202], 'POST', f'/v2/{name}/blobs/uploads/', b'')[1]['location']
        mark = '&' if '?' in where else '?'
        self.ask([201], 'PUT', f'{where}{mark}digest={urllib.parse.quote(digest(data))}', data)
        return self.descriptor(data)

    def blob(self, name, data):
        """Its upload begins again if one request of it was cut: what it has come to is not known then."""
        for _ in range(100):
            where = self.ask([202], 'POST', f'/v2/{name}/blobs/uploads/', b'')[1]['location']
            half = len(data) // 2
            if self.once('PATCH', where, data[:half])[0] != 202 or self.once('PATCH', where, data[half:])[0] != 202:
                continue
            mark = '&' if '?' in where else '?'
            if self.once('PUT', f'{where}{mark}digest={urllib.parse.quote(digest(data))}', b'')[0] == 201:
                break
            with lock:
                counts['repeated'] += 1
        else:
            raise Wrong(f'{name}: no upload gets through')
        return self.descriptor(data)

    def manifest(self, file, name, tag, config, layers, moves=False):
        text = json.dumps({'schemaVersion': 2, 'mediaType': IMAGE, 'config': config, 'layers': layers,
                           'annotations': {'made-by': f'{self.number}-{tag}-{time.monotonic_ns()}'}}).encode()
        status, _, body = self.ask([201, 404], 'PUT', f'/v2/{name}/manifests/{tag}', text, IMAGE)
        if status == 404:
            if b'"MANIFEST_BLOB_UNKNOWN"' not in body:
                raise Wrong(f'{name}:{tag}: 404 {body[:300]!r}')
            with lock:
                counts['late'] += 1
            return None
        with lock:
            counts['pushed'] += 1
            file.write(f'{name} {"-" if moves else tag} {digest(text)}\n')
            file.flush()
        return text


class Wrong(Exception):
    pass


def push(client, file, run, count):
    name = f'push/{client.number}'
    for i in range(count):
        pushed = None
        while not pushed:
            config = client.blob(name, f'{{"n":"{client.number}-{run}-{i}"}}'.encode())
            layer = client.blob(name, b'common to all')
            pushed = client.manifest(file, name, f'v{run}-{i}', config, [layer])


def small(client, file, run, count):
    name = f'small/{client.number}'
    for i in range(count):
        blobs = [client.small_blob(name, f'{{"{what}":"{client.number}-{run}-{i}"}}'.encode()) for what in ('config', 'layer')]
        if not client.manifest(file, name, f'v{run}-{i}', blobs[0], blobs[1:]):
            raise Wrong('a blob is gone')


def move(client, file, _, count):
    config = client.blob('moved', b'{}  ')
    for _ in range(count):
        text = client.manifest(file, 'moved', 'latest', config, [], True)
        if not text:
            raise Wrong('the config of all is gone')
        # At the next front end, what was just acknowledged is there, and the tag is a whole one.
        if client.ask([200], 'GET', f'/v2/moved/manifests/{digest(text)}')[2] != text:
            raise Wrong(f'{digest(text)} has other bytes')
        _, headers, body = client.ask([200], 'GET', '/v2/moved/manifests/latest')
        if headers['docker-content-digest'] != digest(body):
            raise Wrong('the tag says one manifest, and hands out another')


def check(client, lines):
    for line in lines:
        name, tag, wanted = line.split()
        texts = [client.ask([200], 'GET', f'/v2/{name}/manifests/{what}')[2] for what in (tag, wanted) if what != '-']
        if any(digest(text) != wanted for text in texts):
            raise Wrong(f'{line}: other bytes')
        manifest = json.loads(texts[0])
        for blob in [manifest['config'], *manifest['layers']]:
            data = client.ask([200], 'GET', f'/v2/{name}/blobs/{blob["digest"]}')[2]
            if digest(data) != blob['digest']:
                raise Wrong(f'{line}: other bytes of {blob["digest"]}')
        with lock:
            counts['whole'] += 1


def run(work, *args):
    try:
        work(*args)
    except Wrong as wrong:
        with lock:
            problems.append(str(wrong))


def main():
    mode, path, *rest = sys.argv[1:]
    if mode == 'check':
        with open(path) as file:
            lines = sorted(set(file.read().splitlines()))
        threads = [threading.Thread(target=run, args=(check, Client(0, [url]), lines)) for url in rest]
    else:
        clients, count, *urls = rest
        file = open(path, 'a+')
        file.seek(0)
        run_number = len(file.readlines())     # so that no tag is another run's
        work = {'push': push, 'small': small, 'move': move}[mode]
        threads = [threading.Thread(target=run, args=(work, Client(n, urls), file, run_number, int(count))) for n in range(int(clients))]
    begin = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    counts['seconds'] = round(time.monotonic() - begin, 2)
    print(json.dumps(counts))
    for problem in problems:
        print(problem, file=sys.stderr)
    sys.exit(bool(problems))


main()
