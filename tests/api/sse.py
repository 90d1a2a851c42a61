# SPDX-License-Identifier: Apache-2.0
"""A reader of server-sent events that hides nothing: comments and the exact lines are kept."""

import http.client
from urllib.parse import urlsplit


class Stream:
    def __init__(self, url, last=None, headers=None, limit=90):
        parts = urlsplit(url)
        self.connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=limit)
        sent = {"Accept": "text/event-stream", **({"Last-Event-ID": last} if last else {}), **(headers or {})}
        self.connection.request("GET", parts.path + (f"?{parts.query}" if parts.query else ""), headers=sent)
        self.answer = self.connection.getresponse()
        self.status, self.type = self.answer.status, self.answer.headers.get("Content-Type")
        self.comments, self.raw = [], []

    def block(self):
        """The lines up to an empty one; None at the end."""
        lines = []
        while True:
            line = self.answer.readline()
            self.raw.append(line)
            if not line:
                assert not lines, lines
                return None
            line = line.decode()
            assert line.endswith("\n") and "\r" not in line, line
            if line == "\n":
                return lines
            lines.append(line[:-1])

    def next(self):
        """The next event as (name, id, data); None at the end."""
        while (lines := self.block()) is not None:
            fields = [line.split(": ", 1) for line in lines]
            if all(name == "" for name, _ in fields):
                self.comments += [text for _, text in fields]
                continue
            assert [name for name, _ in fields][:3] == ["event", "id", "data"], lines
            assert all(name == "data" for name, _ in fields[2:]), lines
            return fields[0][1], fields[1][1], "\n".join(text for _, text in fields[2:])
        return None

    def rest(self):
        events = []
        while (event := self.next()) is not None:
            events.append(event)
        self.close()
        return events

    def close(self):
        self.connection.close()


def read(url, last=None):
    stream = Stream(url, last)
    assert stream.status == 200, stream.answer.read()
    return stream.rest()
