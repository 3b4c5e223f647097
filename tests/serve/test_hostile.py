"""Hostile requests by raw sockets against a real server process: never a 5xx, a traceback, a file or a hang."""

import json
import socket
import threading
from contextlib import contextmanager

import pytest
import uvicorn
from explorer_server import serving

from vidscale.serve import StudySource, create_app
from vidscale.serve.run import BoundedH11, configuration, listen

#: Seconds within which every connection has to have come to an end.
PATIENCE = 30


@pytest.fixture(scope="module")
def port(known_fit):
    """The port of a running `vidscale serve`."""
    with serving(known_fit.parent) as server:
        yield server.port


def talk(port: int, *parts: bytes, end: bool = False) -> bytes:
    """Send parts and read all that comes back until the server closes; `end` closes our side first."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as line:
        try:
            for part in parts:
                line.sendall(part)
            if end:
                line.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # the server has closed the connection: what it said is still to be read
        said = b""
        try:
            while piece := line.recv(65536):
                said += piece
        except ConnectionResetError:
            pass
        return said


def get(target: str, *headers: str, host: str = "127.0.0.1") -> bytes:
    lines = [f"GET {target} HTTP/1.1", f"Host: {host}", "Connection: close", *headers]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def post(body: bytes, *headers: str, target: str = "/api/v1/recommend", length: int | None = None) -> bytes:
    lines = [f"POST {target} HTTP/1.1", "Host: 127.0.0.1", "Connection: close", "Content-Type: application/json",
             f"Content-Length: {len(body) if length is None else length}", *headers]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def status(said: bytes) -> int:
    return int(said.split(b" ", 2)[1])


def harmless(said: bytes) -> None:
    """No server fault, no traceback, no file of the machine."""
    assert b"Traceback" not in said
    assert b"root:" not in said
    assert b"import " not in said.split(b"\r\n\r\n", 1)[-1]
    if said:
        assert said.startswith(b"HTTP/1.1 ")
        assert status(said) < 500, said[:300]


def alive(port: int) -> None:
    said = talk(port, get("/api/v1/health"))
    assert status(said) == 200
    assert json.loads(said.split(b"\r\n\r\n", 1)[1])["status"] == "ok"


PATHS = ["/../../../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/assets/..%2f..%2fapp.py", "/assets/%2e%2e/app.py",
         "//etc/passwd", "/assets//etc/passwd", "/assets/explorer.js/../../app.py", "/assets/explorer.js%00.css",
         "/assets/..\\..\\app.py", "/page/index.html", "/static/../app.py", "/.git/config", "/api/v1/../../app.py",
         "/%ff%fe", "/" + "a" * 5000, "/api/v1/recommend/../study", "/file:///etc/passwd", "*",
         "http://evil.example/", "/openapi.json/", "/docs", "/redoc"]


@pytest.mark.parametrize("target", PATHS, ids=[p[:40] for p in PATHS])
def test_no_path_leads_anywhere_else(port, target):
    said = talk(port, get(target))
    harmless(said)
    assert status(said) in (400, 404), said[:200]


HEADS = {
    "no host": b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n",
    "two hosts": get("/", "Host: evil.example"),
    "other host": get("/", host="evil.example"),
    "host that starts like ours": get("/", host="127.0.0.1.evil.example"),
    "host with a user": get("/", host="127.0.0.1@evil.example"),
    "host with a path": get("/", host="127.0.0.1/evil"),
    "host with no port number": get("/", host="127.0.0.1:evil"),
    "bare IPv6 bracket": get("/", host="[::1"),
    "other origin": get("/api/v1/study", "Origin: https://evil.example"),
    "null origin": get("/api/v1/study", "Origin: null"),
    "origin file": get("/api/v1/study", "Origin: file://127.0.0.1"),
    "cross-site fetch": get("/api/v1/study", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: no-cors"),
    "no HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 100 + b"\r\n\r\n",
    "binary": bytes(range(256)) * 4 + b"\r\n\r\n",
    "HTTP/9": b"GET / HTTP/9.9\r\nHost: 127.0.0.1\r\n\r\n",
    "no version": b"GET /\r\n\r\n",
    "odd method": get("/api/v1/recommend").replace(b"GET", b"BREW"),
    "connect": get("evil.example:443").replace(b"GET", b"CONNECT"),
    "trace": get("/").replace(b"GET", b"TRACE"),
    "huge header": get("/", "X-A: " + "a" * 200_000),
    "many headers": get("/", *(f"X-{k}: {k}" for k in range(20_000))),
    "header injection": get("/api/v1/health%0d%0aSet-Cookie:%20a=b"),
    "folded header": get("/", "X-A: b", " c"),
    "web socket": get("/api/v1/recommend", "Upgrade: websocket", "Sec-WebSocket-Version: 13",
                      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==").replace(b"close", b"Upgrade"),
    "length and chunks": post(b"0\r\n\r\n", "Transfer-Encoding: chunked"),
    "two lengths": post(b"{}", "Content-Length: 7"),
    "negative length": post(b"{}", length=-5),
    "length of a googol": post(b"{}", length=10**100),
    "short body": post(b'{"budget"', length=5000),
    "body without a length": post(b"{}").replace(b"Content-Length: 2", b"X-Length: 2"),
    "other kind of body": post(b"{}").replace(b"application/json", b"text/plain"),
    "compressed body": post(b"\x1f\x8b\x08" + b"\x00" * 50, "Content-Encoding: gzip"),
    "form": post(b"budget=1e13").replace(b"application/json", b"application/x-www-form-urlencoded"),
    "expects to continue": post(b"{}", "Expect: 100-continue"),
    "pipelined": get("/api/v1/health").replace(b"close", b"keep-alive") * 20,
    "smuggled": post(b"GET /etc/passwd HTTP/1.1\r\n\r\n", length=2),
    "bad chunk": b"POST /api/v1/recommend HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
                 b"Transfer-Encoding: chunked\r\n\r\nZZ\r\n{}\r\n",
}


#: After these the server waits for more.
OPEN = ("short body", "pipelined", "bad chunk", "HTTP/9", "web socket", "no version", "no HTTP", "binary")
#: These are answered like any other request.
HARMLESS = ("expects to continue", "smuggled", "folded header")


@pytest.mark.parametrize("name", HEADS)
def test_a_hostile_request_is_turned_away(port, name):
    said = talk(port, HEADS[name], end=name in OPEN)
    harmless(said)
    if name not in (*OPEN, *HARMLESS):
        assert not said or 400 <= status(said) < 500, said[:200]


def test_oversized_bodies_are_cut_off(port):
    said = talk(port, post(b"", length=10**9), b"[" * 100_000)
    assert status(said) == 413
    chunk = b"10000\r\n" + b" " * 65536 + b"\r\n"
    head = (b"POST /api/v1/recommend HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n")
    said = talk(port, head, *[chunk] * 40)
    harmless(said)
    assert not said or status(said) == 413
    alive(port)


def test_many_silent_connections_keep_nobody_out(port):
    held = [socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) for _ in range(100)]
    try:
        for line in held[::2]:
            line.sendall(b"POST /api/v1/recommend HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9\r\n")
        alive(port)
        said = talk(port, post(b"{}"))
        assert status(said) == 200
    finally:
        for line in held:
            line.close()
    alive(port)


def test_connections_that_break_off(port):
    for part in (b"", b"GET", post(b'{"budget":')[:-4], get("/")[:30]):
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as line:
            line.sendall(part)
    alive(port)


def test_answers_carry_their_headers(port):
    said = talk(port, get("/api/v1/health")).split(b"\r\n\r\n")[0].lower()
    for part in (b"content-security-policy: default-src 'self'", b"x-content-type-options: nosniff",
                 b"referrer-policy: no-referrer", b"x-frame-options: deny"):
        assert part in said
    assert b"server:" not in said
    assert b"access-control" not in said


@contextmanager
def impatient(known_fit):
    """A server in this process that waits half a second for heads and bodies."""
    app = create_app(StudySource.open(known_fit))
    app.patience = 0.5
    bound = listen("127.0.0.1", 0)
    protocol = type("Impatient", (BoundedH11,), {"head_seconds": 0.5})
    server = uvicorn.Server(configuration(app, protocol))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]}, daemon=True)
    thread.start()
    try:
        yield bound.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(PATIENCE)
        bound.close()
        assert not thread.is_alive()


def test_slow_heads_and_bodies_are_not_waited_for(known_fit):
    with impatient(known_fit) as port, socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as line:
        line.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n")
        assert line.recv(100) == b""  # closed by the server, long before our own patience ends
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as slow:
            slow.sendall(post(b'{"budget"', length=5000))
            said = slow.recv(65536)
            assert status(said) == 408
        alive(port)
