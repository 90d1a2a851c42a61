# SPDX-License-Identifier: Apache-2.0
"""Raw connections: bytes as they are, and answers taken apart by the letter."""

import socket
import struct
from contextlib import closing

from berth import LIMIT, read_all

HOST = b"Host: berth.test\r\n"


class Reply:
    """One answer, read by its framing."""

    def __init__(self, link, head_only=False):
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            byte = link.recv(1)
            assert byte, f"the connection ended in an answer's head: {head!r}"
            head += byte
        lines = head[:-4].decode("latin-1").split("\r\n")
        version, status, self.reason = lines[0].split(" ", 2)
        assert version == "HTTP/1.1", head
        self.status, self.head = int(status), head
        self.fields = [tuple(line.split(": ", 1)) for line in lines[1:]]
        self.body = b""
        if head_only or self.status in (100, 204, 304):
            return
        if self.field("Transfer-Encoding") == "chunked":
            while piece := read_chunk(link):
                self.body += piece
        elif self.field("Content-Length") is not None:
            self.body = read_exactly(link, int(self.field("Content-Length")))
        else:
            self.body = read_all(link)

    def field(self, name):
        found = [value for key, value in self.fields if key.lower() == name.lower()]
        assert len(found) < 2, f"{name} stands twice: {self.head!r}"
        return found[0] if found else None

    def __repr__(self):
        return f"{self.head!r} {self.body[:2000]!r}"


def read_exactly(link, size):
    got = b""
    while len(got) < size:
        piece = link.recv(size - len(got))
        assert piece, f"the connection ended after {len(got)} of {size} bytes: {got!r}"
        got += piece
    return got


def read_chunk(link):
    line = b""
    while not line.endswith(b"\r\n"):
        line += read_exactly(link, 1)
    return read_exactly(link, int(line, 16) + 2)[:-2]


def dial(port, address="127.0.0.1"):
    link = socket.create_connection((address, port), timeout=LIMIT)
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return link


def try_send(link, data):
    """The peer may have closed already."""
    try:
        link.sendall(data)
        return True
    except (BrokenPipeError, ConnectionResetError):
        return False


def reset(link):
    """Goes with RST instead of FIN."""
    link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    link.close()


def is_closed(link):
    """Whether the other side ends the connection, with nothing said before."""
    try:
        return link.recv(1) == b""
    except ConnectionResetError:
        return True


def ask(port, data):
    """One request on a connection of its own."""
    with closing(dial(port)) as link:
        try_send(link, data)
        return Reply(link)


def request(method, target, *fields, token=None, body=None, version=b"HTTP/1.1"):
    """A well-formed request, with these header lines."""
    lines = [b"%s %s %s\r\n" % (method, target, version), HOST]
    lines += [field + b"\r\n" for field in fields]
    if token:
        lines.append(b"Authorization: Bearer %s\r\n" % token.encode())
    if body is not None:
        lines.append(b"Content-Length: %d\r\n" % len(body))
    return b"".join(lines) + b"\r\n" + (body or b"")
