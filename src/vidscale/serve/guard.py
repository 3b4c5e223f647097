"""What every request passes before anything else looks at it, and what every response carries.

A page anywhere on the internet can make a browser send requests to 127.0.0.1, and by DNS rebinding (a name of its own
that resolves to 127.0.0.1) even read the answers. So a request has to name this host in its Host header, and where a
browser says from which page it comes (Origin, Sec-Fetch-Site), that has to be this host too. Nothing is ever allowed
to other origins: there are no CORS headers.
"""

import asyncio
import json
from collections.abc import Collection
from typing import Any
from urllib.parse import urlsplit

#: Names of this machine that any server answers to.
LOOPBACK = ("127.0.0.1", "localhost", "::1")

#: A question is a few hundred bytes; the longest list of predictions fits ten times over.
MOST_BYTES = 256 * 1024
#: Seconds within which a body has to arrive.
PATIENCE = 10.0

HEADERS: tuple[tuple[bytes, bytes], ...] = (
    (b"content-security-policy", b"default-src 'self'; img-src 'self' data: blob:; object-src 'none'; "
                                 b"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), microphone=(), geolocation=()"),
)


class Refusal(Exception):
    """A request that goes no further: a status and one line."""

    def __init__(self, status: int, line: str) -> None:
        super().__init__(line)
        self.status, self.line = status, line


class Guard:
    """The application behind its checks.

    Args:
        app: the application.
        hosts: names that the Host header may have, without a port.
        most_bytes: the largest body.
        patience: seconds within which a body has to arrive.
    """

    def __init__(self, app: Any, hosts: Collection[str] = LOOPBACK, most_bytes: int = MOST_BYTES,
                 patience: float = PATIENCE) -> None:
        self.app, self.most_bytes, self.patience = app, most_bytes, patience
        self.hosts = {name.lower().strip("[]") for name in hosts}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":  # a web socket: there are none here
            await send({"type": "websocket.close", "code": 1008})
            return
        try:
            self._check(scope)
            body = await self._body(scope, receive)
        except Refusal as refusal:
            await _refuse(send, refusal)
            return
        if body is None:
            return  # whoever asked is gone

        async def replay() -> Any:
            nonlocal body
            if body is None:
                return await receive()
            given, body = body, None
            return {"type": "http.request", "body": given, "more_body": False}

        async def dressed(message: Any) -> None:
            if message["type"] == "http.response.start":
                own = {name for name, _ in HEADERS}
                kept = [(name, value) for name, value in message.get("headers", ()) if name.lower() not in own]
                message = {**message, "headers": [*kept, *HEADERS]}
            await send(message)

        await self.app(scope, replay, dressed)

    def _check(self, scope: Any) -> None:
        given: dict[bytes, list[bytes]] = {}
        for name, value in scope["headers"]:
            given.setdefault(name.lower(), []).append(value)
        hosts = given.get(b"host", [])
        if len(hosts) != 1 or _hostname(b"//" + hosts[0]) not in self.hosts:
            raise Refusal(403, "the Host header names no host that is served here; use 127.0.0.1 or localhost, or "
                               "start the server with --allow-host NAME")
        for origin in given.get(b"origin", []):
            if _hostname(origin, schemes=("http", "https")) not in self.hosts:
                raise Refusal(403, "requests of pages from other origins are refused")
        if b"cross-site" in given.get(b"sec-fetch-site", []) and b"navigate" not in given.get(b"sec-fetch-mode", []):
            raise Refusal(403, "requests of pages from other sites are refused")
        if scope["method"] == "POST":
            kinds = given.get(b"content-type", [])
            if len(kinds) != 1 or kinds[0].split(b";")[0].strip().lower() != b"application/json":
                raise Refusal(415, "the body has to be application/json")
            if b"identity" != b"".join(given.get(b"content-encoding", [b"identity"])).strip().lower():
                raise Refusal(415, "the body has to come as it is, without a content-encoding")
        length = given.get(b"content-length", [b"0"])[0]
        if length.isdigit() and int(length[:20]) > self.most_bytes:
            raise Refusal(413, f"the body is larger than {self.most_bytes} bytes")

    async def _body(self, scope: Any, receive: Any) -> bytes | None:
        """The whole body, small as it is; None where the client is gone."""
        parts: list[bytes] = []

        async def gather() -> bool:
            size = 0
            while True:
                message = await receive()
                if message["type"] != "http.request":
                    return False
                parts.append(message.get("body", b""))
                size += len(parts[-1])
                if size > self.most_bytes:
                    raise Refusal(413, f"the body is larger than {self.most_bytes} bytes")
                if not message.get("more_body", False):
                    return True

        try:
            async with asyncio.timeout(self.patience):
                return b"".join(parts) if await gather() else None
        except TimeoutError:
            raise Refusal(408, f"the body did not arrive within {self.patience:g} seconds") from None


def _hostname(text: bytes, schemes: tuple[str, ...] = ("",)) -> str | None:
    """The name in an origin or a Host header, None where it is none."""
    try:
        found = urlsplit(text.decode("ascii"))
        port = found.port
    except (UnicodeDecodeError, ValueError):
        return None
    plain = found.scheme in schemes and not (found.path or found.query or found.fragment) and "@" not in found.netloc
    return found.hostname if plain and port != 0 else None


async def _refuse(send: Any, refusal: Refusal) -> None:
    body = json.dumps({"error": refusal.line}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode()),
               (b"connection", b"close"), (b"cache-control", b"no-store"), *HEADERS]
    await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
