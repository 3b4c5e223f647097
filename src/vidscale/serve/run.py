"""The server process: uvicorn with the timeouts that a stranger's connection needs."""

import ipaddress
import signal
import socket
from asyncio import TimerHandle
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from vidscale.errors import InputError

#: Seconds within which a connection has to have sent the head of its first request.
HEAD_SECONDS = 15.0
#: Seconds an idle connection is kept for the next request.
IDLE_SECONDS = 30


class BoundedH11(H11Protocol):
    """HTTP/1.1 whose connections end when they send no whole request head in time.

    uvicorn waits for one without end, so that a few thousand silent connections would keep everybody else out.
    """

    head_seconds = HEAD_SECONDS
    _head: TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._await_head()

    def handle_events(self) -> None:
        before = self.cycle
        super().handle_events()
        if self.cycle is not before and self._head is not None:
            self._head.cancel()
            self._head = None

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if not self.transport.is_closing():
            self._await_head(IDLE_SECONDS + self.head_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._head is not None:
            self._head.cancel()
        super().connection_lost(exc)

    def _await_head(self, seconds: float | None = None) -> None:
        if self._head is not None:
            self._head.cancel()
        self._head = self.loop.call_later(self.head_seconds if seconds is None else seconds, self._too_late)

    def _too_late(self) -> None:
        if not self.transport.is_closing():
            self.transport.close()


def listen(host: str, port: int) -> socket.socket:
    """A bound socket; port 0 takes a free one.

    Raises:
        InputError: the address cannot be had.
    """
    try:
        family, kind, proto, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM,
                                                             flags=socket.AI_PASSIVE)[0]
        made = socket.socket(family, kind, proto)
    except (OSError, UnicodeError) as problem:
        reason = getattr(problem, "strerror", None) or problem
        raise InputError(f"cannot listen on {host[:80]!r}: {reason}; give --host 127.0.0.1") from None
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(address)
        made.listen(256)
    except OSError as problem:
        made.close()
        raise InputError(f"cannot listen on {host} port {port}: {problem.strerror}; choose another --port, or 0 for a "
                         "free one") from None
    return made


def loopback(host: str) -> bool:
    """Whether an address is reached from this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def anywhere(host: str) -> bool:
    """Whether an address means every address of this machine, and so is no name for it."""
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return host == ""


def address(bound: socket.socket) -> str:
    """Where a browser on this machine finds a bound socket."""
    host, port = bound.getsockname()[:2]
    if anywhere(host):
        host = "127.0.0.1"
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/"


def run(app: Any, bound: socket.socket) -> None:
    """Serve until the process is asked to end, by Ctrl-C or a signal; that is no failure."""
    for number in (signal.SIGINT, signal.SIGTERM):  # uvicorn takes them, and hands them on once it has ended
        signal.signal(number, lambda *_: None)
    uvicorn.Server(configuration(app)).run(sockets=[bound])


def configuration(app: Any, protocol: type[BoundedH11] = BoundedH11) -> uvicorn.Config:
    """How uvicorn runs the application: no web sockets, no log of requests, no name of the server in answers."""
    return uvicorn.Config(app, http=protocol, ws="none", lifespan="off", log_level="warning", access_log=False,
                          server_header=False, timeout_keep_alive=IDLE_SECONDS, timeout_graceful_shutdown=3,
                          backlog=256)
