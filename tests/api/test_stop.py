# SPDX-License-Identifier: Apache-2.0
"""The end of a server that still has work in hand for clients that have gone."""

import json
import socket


def test_operations_that_nobody_waits_for_any_more(new_server):
    """Their effects come while the parts are taken down; none of them may find its part gone."""
    server = new_server()
    for index in range(100):
        body = json.dumps({"username": f"gone-{index}", "type": "user"}).encode()
        with socket.socket(socket.AF_UNIX) as link:
            link.connect(str(server.data / "admin.sock"))
            link.sendall(b"POST /accounts HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
                         % (len(body), body))
    server.stop()
    server.start()
    names = {line.split()[0] for line in server.admin("account", "list").splitlines()}
    assert names <= {f"gone-{index}" for index in range(100)}
