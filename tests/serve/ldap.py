"""A directory of one person, as mod_authnz_ldap asks for it: ldap.py PORT UID PASSWORD."""
import socketserver, sys

PORT, UID, PASSWORD = int(sys.argv[1]), sys.argv[2].encode(), sys.argv[3].encode()
DN = b"uid=" + UID + b",ou=people,dc=example,dc=org"


def tlv(tag, *parts):
    body = b"".join(parts)
    length = bytes([len(body)]) if len(body) < 128 else bytes([0x82]) + len(body).to_bytes(2, "big")
    return bytes([tag]) + length + body


def read(stream):
    """The next element: its tag and its bytes."""
    head = stream.read(2)
    if len(head) < 2:
        raise EOFError
    length = head[1]
    if length & 0x80:
        length = int.from_bytes(stream.read(length & 0x7F), "big")
    return head[0], stream.read(length)


class Handler(socketserver.StreamRequestHandler):
    def answer(self, number, tag, *parts):
        self.wfile.write(tlv(0x30, tlv(2, number), tlv(tag, *parts)))

    def handle(self):
        try:
            while True:
                self.one(*read(self.rfile))
        except EOFError:
            pass

    def one(self, _, message):
        import io
        stream = io.BytesIO(message)
        _, number = read(stream)
        tag, body = read(stream)
        result = lambda code: (tlv(10, bytes([code])), tlv(4), tlv(4))
        if tag == 0x60:  # bind: version, name, password
            parts = io.BytesIO(body)
            read(parts)
            name, password = read(parts)[1], read(parts)[1]
            self.answer(number, 0x61, *result(0 if name == b"" or (name == DN and password == PASSWORD) else 49))
        elif tag == 0x63:  # search: whoever is asked for stands in the filter
            if b"\x04\x03uid\x04" + bytes([len(UID)]) + UID in body:
                attribute = tlv(0x30, tlv(4, b"uid"), tlv(0x31, tlv(4, UID)))
                self.answer(number, 0x64, tlv(4, DN), tlv(0x30, attribute))
            self.answer(number, 0x65, *result(0))
        elif tag == 0x42:  # unbind
            raise EOFError


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True


Server(("127.0.0.1", PORT), Handler).serve_forever()
