"""The page of a meter on 127.0.0.1, for whoever has its address: a random token is a part of the path.

Any program of this machine can connect to the port, and any web site can make a browser ask it. So whatever names no
token is told nothing (404); a request by another name of the host, as of a site whose name was bound to 127.0.0.1, is
refused (403); nothing can be changed (GET and HEAD alone, else 405); and what is sent may load nothing from anywhere.
A page asks again and again, twice a second: after a sleep, a lost answer or a closed lid the next one is whole, and no
thread waits for a page that is gone.
"""

import contextlib
import hmac
import json
import re
import secrets
import socket
import socketserver
import threading
from collections.abc import Iterator
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from groupnl_deploy.errors import UsageError
from groupnl_deploy.watch.page import answer, live_page
from groupnl_deploy.watch.watched import Watched

HOST = "127.0.0.1"
MOST_AT_ONCE = 32  # requests, so that no crowd of pages takes the recorder's time
_WAIT_S = 5.0  # for what a client has to say
_LOOK_S = 0.1  # how soon the server ends when it is told to
_SAMPLES = re.compile(r"samples\?after=([0-9]{1,15})")


class PageServer(ThreadingHTTPServer):
    """Listens from the beginning, and answers in `serving`. Raises `UsageError` for a port that cannot be had."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, port: int = 0) -> None:
        self.token = secrets.token_urlsafe()
        self._open: dict[Any, None] = {}  # connections that are answered, the oldest first
        self._lock = threading.Lock()
        self.watched: Watched | None = None
        try:
            super().__init__((HOST, port), _Handler)
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or "there is none of this number"
            raise UsageError(
                f"The port {port} of {HOST} cannot be had: {reason.lower().rstrip('.')}.",
                "Name another one with --web-port, from 1024 to 65535, or leave it out for a free one.",
            ) from error

    @property
    def address(self) -> str:
        """Of the page; whoever knows it can see it."""
        return f"http://{HOST}:{self.server_port}/{self.token}/"

    @contextlib.contextmanager
    def serving(self, watched: Watched) -> Iterator[None]:
        """Answer while the block lasts, on threads of its own."""
        self.watched = watched
        thread = threading.Thread(target=self.serve_forever, args=(_LOOK_S,), name="power-page", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self.shutdown()
            thread.join()

    def server_bind(self) -> None:
        """Bind without asking a name server who 127.0.0.1 is."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]  # type: ignore[assignment]

    def process_request(self, request: Any, client_address: Any) -> None:
        """On a thread. Of too many the oldest is hung up on: that of a client who says nothing, or hears nothing.

        Were it the newest, whoever keeps so many connections open would keep the page from all others.
        """
        with self._lock:
            self._open[request] = None
            oldest = next(iter(self._open)) if len(self._open) > MOST_AT_ONCE else None
            self._open.pop(oldest, None)
        if oldest is not None:
            with contextlib.suppress(OSError):  # it has ended meanwhile
                oldest.shutdown(socket.SHUT_RDWR)
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """One connection from its begin to its end."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            with self._lock:
                self._open.pop(request, None)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that left in the middle is no matter of ours, and nothing of a request is written anywhere."""


class _Handler(BaseHTTPRequestHandler):
    server: PageServer
    timeout = _WAIT_S
    server_version, sys_version = "groupnl", ""

    def parse_request(self) -> bool:
        """Refuse a request for another host, and one that would change something, before its path is looked at."""
        if not super().parse_request():
            return False
        names = {f"{name}:{self.server.server_port}" for name in (HOST, "localhost")}
        hosts = self.headers.get_all("Host", [])
        if len(hosts) != 1 or hosts[0] not in names:
            return self._refused(HTTPStatus.FORBIDDEN)
        if self.command not in ("GET", "HEAD"):
            return self._refused(HTTPStatus.METHOD_NOT_ALLOWED, Allow="GET, HEAD")
        return True

    def do_GET(self) -> None:
        """The page, or what has come since."""
        _, token, rest = [*self.path.split("/", 2), "", ""][:3]
        is_known = hmac.compare_digest(token.encode(), self.server.token.encode())
        asked = _SAMPLES.fullmatch(rest)
        watched = self.server.watched
        if not is_known or watched is None or not (asked or rest == "") or not self.path.endswith(f"/{rest}"):
            self._refused(HTTPStatus.NOT_FOUND)
        elif asked:
            number = int(asked[1])
            document = answer(watched.now(), number, *watched.since(number))
            self._send(
                "application/json", json.dumps(document, allow_nan=False, separators=(",", ":")), "default-src 'none'"
            )
        else:
            page = live_page(watched.now())
            self._send("text/html; charset=utf-8", page.text, page.policy)

    do_HEAD = do_GET

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """What the standard library refuses itself is refused as the rest is, and repeats nothing of the request."""
        self._refused(HTTPStatus(code))

    def _refused(self, status: HTTPStatus, **headers: str) -> bool:
        self._send("text/plain", f"{status.value} {status.phrase}\n", "default-src 'none'", status, **headers)
        return False

    def _send(self, kind: str, text: str, policy: str, status: HTTPStatus = HTTPStatus.OK, **headers: str) -> None:
        body = text.encode()
        self.close_connection = True
        self.send_response(status)
        said = {
            "Content-Type": kind,
            "Content-Length": str(len(body)),
            "Content-Security-Policy": f"{policy}; frame-ancestors 'none'",
            "Cache-Control": "no-store",
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Cross-Origin-Opener-Policy": "same-origin",
            "Connection": "close",
        }
        for name, value in (said | headers).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """A path holds the token, and is written nowhere."""
