# SPDX-License-Identifier: Apache-2.0
"""TLS by option, with everything that speaks it: curl, openssl, Python's ssl, and both of Replicate's clients."""

import json
import os
import re
import select
import signal
import socket
import ssl
import subprocess
import sys
from contextlib import closing

import pytest
from berth import MODELS, ROOT, SANITIZER, Server, binary, read_all, wait_for
from edge import Reply, dial, is_closed, request, try_send
from test_files import signed


def openssl(*words):
    done = subprocess.run(["openssl", *words], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done
    return done.stdout


class Authority:
    """A certificate authority of the test's own."""

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir(exist_ok=True)
        self.cert, self.key = folder / "ca.pem", folder / "ca.key"
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
                "/CN=test authority", "-addext", "keyUsage=critical,keyCertSign,cRLSign", "-keyout", str(self.key),
                "-out", str(self.cert))

    def issue(self, name, serial):
        """cert and key files of a server at 127.0.0.1 and localhost."""
        cert, key, asked, more = (self.folder / f"{name}.{end}" for end in ("pem", "key", "csr", "ext"))
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}",
                "-keyout", str(key), "-out", str(asked))
        more.write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\nextendedKeyUsage=serverAuth\n"
                        "authorityKeyIdentifier=keyid\n")
        openssl("x509", "-req", "-in", str(asked), "-CA", str(self.cert), "-CAkey", str(self.key), "-set_serial",
                str(serial), "-days", "2", "-extfile", str(more), "-out", str(cert))
        return cert, key


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def secure(tmp_path_factory, authority):
    """A server that speaks TLS, beside it on a unix socket for the commands of the test, with a model."""
    folder = tmp_path_factory.mktemp("secure")
    cert, key = authority.issue("first", 101)
    server = Server(folder / "data", "--tls-cert", str(cert), "--tls-key", str(key), "--http-head-timeout", "2s",
                    "--log-level", "debug").start()
    try:
        server.cert, server.key, server.ca = cert, key, authority.cert
        server.context = ssl.create_default_context(cafile=str(authority.cert))
        server.me = server.account("me")
        environment = {**os.environ, "BERTH_URL": server.url.replace("http:", "https:"), "BERTH_TOKEN": server.me.token,
                       "SSL_CERT_FILE": str(authority.cert)}
        done = subprocess.run([binary(), "push", str(MODELS / "files"), "me/files"], capture_output=True, text=True,
                              check=False, timeout=180, env=environment)
        assert done.returncode == 0, f"{done} {server.log()}"
        server.secure_url = f"https://127.0.0.1:{server.port}"
        server.environment = environment
        server.version = done.stdout.strip().rpartition(":")[2]
        yield server
        server.stop()
    finally:
        server.end()


def wrap(server, context=None):
    return (context or server.context).wrap_socket(dial(server.port), server_hostname="localhost")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_versions(secure, version):
    context = ssl.create_default_context(cafile=str(secure.ca))
    context.minimum_version = context.maximum_version = version
    context.set_alpn_protocols(["h2", "http/1.1"])
    with closing(wrap(secure, context)) as link:
        assert link.version() == version.name.replace("_", ".") and link.selected_alpn_protocol() == "http/1.1"
        for _ in range(3):
            link.sendall(request(b"GET", b"/v1/account", token=secure.me.token))
            assert Reply(link).status == 200


def test_older_versions(secure):
    done = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{secure.port}", "-tls1_1", "-cipher",
                           "ALL:@SECLEVEL=0"], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, timeout=60)
    assert done.returncode != 0 and "Cipher is (NONE)" in done.stdout


def test_only_another_protocol(secure):
    context = ssl.create_default_context(cafile=str(secure.ca))
    context.set_alpn_protocols(["h2"])
    with pytest.raises(ssl.SSLError):
        wrap(secure, context)


def test_curl(secure):
    done = subprocess.run(["curl", "-sS", "--cacert", str(secure.ca), "-H", f"Authorization: Bearer {secure.me.token}",
                           f"https://127.0.0.1:{secure.port}/v1/models/me/files"], capture_output=True, text=True,
                          check=False, timeout=60)
    assert done.returncode == 0 and f'"url":"https://127.0.0.1:{secure.port}/' in done.stdout, done
    refused = subprocess.run(["curl", "-sS", f"https://127.0.0.1:{secure.port}/healthz"], capture_output=True, text=True,
                             check=False, timeout=60)
    assert refused.returncode == 60, "the authority is the test's own"


def test_openssl_s_client(secure):
    done = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{secure.port}", "-CAfile", str(secure.ca),
                           "-verify_return_error", "-verify_ip", "127.0.0.1", "-ign_eof"], capture_output=True, check=False,
                          timeout=60, input=request(b"GET", b"/healthz", b"Connection: close"))
    assert done.returncode == 0 and b"HTTP/1.1 200 OK" in done.stdout and b"Verify return code: 0 (ok)" in done.stdout, done


def test_large_messages(secure):
    """Answers and bodies of many records, over a connection whose reader is slow to begin."""
    content = os.urandom(3 << 20)
    body = (b'--b\r\nContent-Disposition: form-data; name="content"; filename="a.bin"\r\n\r\n' + content + b"\r\n--b--\r\n")
    with closing(wrap(secure)) as link:
        link.sendall(request(b"POST", b"/v1/files", b"Content-Type: multipart/form-data; boundary=b", token=secure.me.token,
                             body=body))
        reply = Reply(link)
        assert reply.status == 201, reply
        path = b"/v1" + signed_over(link, secure, json.loads(reply.body))
        link.sendall(request(b"GET", path) + request(b"GET", path))
        assert Reply(link).body == content and Reply(link).body == content


def signed_over(link, server, file):
    link.sendall(request(b"GET", b"/v1/account/files_secret", token=server.me.token))
    return signed(server.me, file, secret=json.loads(Reply(link).body)["key"]).encode()


def test_the_python_client(secure):
    """Outputs that are files are addresses here, and file objects to the client."""
    script = """
import replicate, sys
client = replicate.Client(base_url=sys.argv[1], api_token=sys.argv[2])
out = client.run(sys.argv[3], input={"name": "out.txt", "size": 5})
out = out[0] if isinstance(out, list) else out
print(type(out).__name__, out.url, out.read().decode())
"""
    done = subprocess.run([sys.executable, "-c", script, secure.secure_url, secure.me.token,
                           f"me/files:{secure.version}"], capture_output=True, text=True, check=False, timeout=180, env=secure.environment)
    assert done.returncode == 0, f"{done.stderr[-3000:]} {secure.log()[-3000:]}"
    assert re.fullmatch(rf"FileOutput https://127\.0\.0\.1:{secure.port}/v1/outputs/\S+ xxxxx\n", done.stdout), done


def test_the_javascript_client(secure):
    script = """
const Replicate = require("replicate");
const [url, token, model] = process.argv.slice(1);
(async () => {
  const client = new Replicate({ auth: token, baseUrl: url + "/v1" });
  let out = await client.run(model, { input: { name: "out.txt", size: 5 } });
  if (Array.isArray(out)) out = out[0];
  console.log(String(out.url()), await (await out.blob()).text());
})().catch((e) => { console.error(e); process.exit(1); });
"""
    done = subprocess.run(["node", "-e", script, secure.secure_url, secure.me.token, f"me/files:{secure.version}"],
                          capture_output=True, text=True, check=False, timeout=180, cwd=ROOT,
                          env={**os.environ, "NODE_EXTRA_CA_CERTS": str(secure.ca)})
    assert done.returncode == 0, f"{done.stderr[-3000:]} {secure.log()[-3000:]}"
    assert re.fullmatch(rf"https://127\.0\.0\.1:{secure.port}/v1/outputs/\S+ xxxxx\n", done.stdout), done


def test_plain_http_on_the_port(secure):
    with closing(dial(secure.port)) as link:
        link.sendall(request(b"GET", b"/healthz"))
        reply = Reply(link)
        assert reply.status == 400 and b"https" in reply.body and is_closed(link)


def test_nonsense_on_the_port(secure):
    for said in (b"\x16\x03\x01\x00\x05\xff\xff\xff\xff\xff", b"\x00" * 100, b"\x80\x2e\x01\x00\x02"):
        with closing(dial(secure.port)) as link:
            try_send(link, said)
            link.shutdown(socket.SHUT_WR)
            assert b"HTTP" not in read_all(link)
    with closing(wrap(secure)) as link:
        link.sendall(request(b"GET", b"/healthz"))
        assert Reply(link).status == 200


def test_a_handshake_that_drips(secure):
    """It has a deadline of its own, as a total."""
    into, out = ssl.MemoryBIO(), ssl.MemoryBIO()
    hello = secure.context.wrap_bio(into, out, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        hello.do_handshake()
    with closing(dial(secure.port)) as link:
        for byte in out.read()[:-1]:
            if select.select([link], [], [], 0.05)[0] or not try_send(link, bytes([byte])):
                break
        assert is_closed(link), "without a word"


@pytest.mark.parametrize("polite", [True, False])
def test_the_clients_end(secure, polite):
    """With a closing alert, or without."""
    with closing(wrap(secure)) as link:
        link.sendall(request(b"GET", b"/healthz"))
        assert Reply(link).status == 200
        if polite:
            link.unwrap()
        else:
            socket.socket.shutdown(link, socket.SHUT_WR)
            assert is_closed(link)


def test_a_new_certificate(secure, authority):
    """SIGHUP reads the files again; open connections stay; files that are wrong change nothing."""
    def serial():
        with closing(wrap(secure)) as link:
            return int(link.getpeercert()["serialNumber"], 16)

    def reload(said):
        before = len(secure.records(said))
        secure.process.send_signal(signal.SIGHUP)
        wait_for(lambda: len(secure.records(said)) > before, said)

    with closing(wrap(secure)) as link:
        assert serial() == 101
        cert, key = authority.issue("second", 202)
        secure.cert.write_bytes(cert.read_bytes())
        reload("the certificate cannot be read again; the one before it stays")
        assert serial() == 101, "the key is still the first one's"
        secure.key.write_bytes(key.read_bytes())
        reload("the certificate was read again")
        assert serial() == 202
        link.sendall(request(b"GET", b"/healthz"))
        assert Reply(link).status == 200, "the old connection goes on"
        assert int(link.getpeercert()["serialNumber"], 16) == 101


WRONG = {
    "no-key": (lambda a, d: ("--tls-cert", a[0]), "--tls-key is not set"),
    "no-cert": (lambda a, d: ("--tls-key", a[1]), "--tls-cert is not set"),
    "absent": (lambda a, d: ("--tls-cert", d / "absent.pem", "--tls-key", a[1]), "absent.pem"),
    "absent-key": (lambda a, d: ("--tls-cert", a[0], "--tls-key", d / "absent.key"), "absent.key"),
    "a-folder": (lambda a, d: ("--tls-cert", d, "--tls-key", a[1]), "--tls-cert"),
    "empty": (lambda a, d: ("--tls-cert", touch(d / "empty", ""), "--tls-key", a[1]), "holds no certificate in PEM form"),
    "no-pem": (lambda a, d: ("--tls-cert", touch(d / "text", "hello"), "--tls-key", a[1]), "holds no certificate in PEM form"),
    "key-no-pem": (lambda a, d: ("--tls-cert", a[0], "--tls-key", touch(d / "text", "hello")), "holds no private key"),
    "swapped": (lambda a, d: ("--tls-cert", a[1], "--tls-key", a[0]), "holds no certificate in PEM form"),
    "another-key": (lambda a, d: ("--tls-cert", a[0], "--tls-key", a[2]), "does not belong to"),
    "another-kind-of-key": (lambda a, d: ("--tls-cert", a[0], "--tls-key", rsa(d)), "does not belong to"),
    "a-pass-phrase": (lambda a, d: ("--tls-cert", a[0], "--tls-key", locked(a[1], d)), "without a pass phrase"),
}


def touch(path, text):
    path.write_text(text)
    return path


def rsa(folder):
    openssl("genrsa", "-out", str(folder / "rsa.key"), "2048")
    return folder / "rsa.key"


@pytest.mark.parametrize("bits", (2048, 3072))
def test_a_key_that_is_slow_is_named(tmp_path, bits):
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    openssl("req", "-x509", "-newkey", f"rsa:{bits}", "-nodes", "-days", "2", "-subj", "/CN=x", "-keyout", str(key), "-out", str(cert))
    server = Server(tmp_path / "data", "--tls-cert", str(cert), "--tls-key", str(key)).start()
    try:
        server.stop()
        said = [line for line in "".join(server.lines).splitlines() if "ECDSA" in line]
        assert len(said) == (bits > 2048), said
        if said:
            told = json.loads(said[0])
            assert (told["level"], told["kind"], told["bits"], told["file"]) == ("warning", "RSA", bits, str(key))
    finally:
        server.end()


def locked(key, folder):
    openssl("ec", "-in", str(key), "-aes256", "-passout", "pass:x", "-out", str(folder / "locked.key"))
    return folder / "locked.key"


@pytest.mark.parametrize("name", WRONG)
def test_files_that_are_wrong(authority, tmp_path, name):
    make, said = WRONG[name]
    cert, key = authority.issue("good", 303)
    other = authority.issue("other", 404)[1]
    options = [str(word) for word in make((cert, key, other), tmp_path)]
    done = subprocess.run([binary(), "serve", "--listen", "127.0.0.1:0", "--data", str(tmp_path / "data"), *options],
                          capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1 and said in done.stderr and not SANITIZER.search(done.stderr), done.stderr
