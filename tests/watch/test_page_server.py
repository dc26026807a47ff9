"""The page's server over a real socket, on a real recorder of the emulated meter: who is told what."""

import http.client
import json
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest

from groupnl_deploy.bench.meter import MeterPlan
from groupnl_deploy.bench.recording import recording
from groupnl_deploy.errors import UsageError
from groupnl_deploy.watch.points import LivePoints
from groupnl_deploy.watch.server import HOST, MOST_AT_ONCE, PageServer
from groupnl_deploy.watch.watched import Watched
from power.recorder import Recorder
from tests.rigs.undisturbed import again_where, in_time

pytestmark = pytest.mark.alone


@dataclass
class Site:
    """A page that is served, and the recorder behind it."""

    server: PageServer
    recorder: Recorder

    @property
    def root(self) -> str:
        return f"/{self.server.token}/"

    def raw(self, request: bytes) -> bytes:
        with socket.create_connection((HOST, self.server.server_port), timeout=60) as one:
            one.sendall(request)
            return b"".join(iter(lambda: one.recv(65536), b""))

    def ask(self, path: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection(HOST, self.server.server_port, timeout=60)
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        found = answer.status, dict(answer.getheaders()), answer.read()
        connection.close()
        return found


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    points, plan = LivePoints(), MeterPlan("km003c", "emulator")
    with (
        PageServer() as server,
        recording(plan, None, print, heard=points.hear) as running,
        server.serving(Watched(running, points, None)),
    ):
        running.recorder.wait_until_covered(0.0, 60.0)
        yield Site(server, running.recorder)


def test_the_page_is_whole_and_its_headers_let_nothing_else_in(site: Site) -> None:
    status, headers, body = site.ask(site.root)
    assert status == 200 and b"EMULATED meter" in body and b"groupnl power watch" in body
    policy = headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; ") and "connect-src 'self'" in policy
    assert "unsafe" not in policy and "http" not in policy and policy.endswith("frame-ancestors 'none'")
    assert (headers["Cache-Control"], headers["Referrer-Policy"]) == ("no-store", "no-referrer")
    assert headers["X-Content-Type-Options"] == "nosniff" and headers["Server"].strip() == "groupnl"
    assert site.server.token.encode() not in body
    lengths = again_where(lambda found: found[0] != found[2], lambda: lengths_around_a_head(site))
    assert len(set(lengths)) == 1


def lengths_around_a_head(site: Site) -> tuple[int, int, int]:
    """What a GET, a HEAD and a GET say; a page that has changed meanwhile may have another one."""
    before = len(site.ask(site.root)[2])
    status, of_head, nothing = site.ask(site.root, "HEAD")
    assert (status, nothing) == (200, b"")
    return before, int(of_head["Content-Length"]), len(site.ask(site.root)[2])


def test_samples_go_on_where_a_page_has_them(site: Site) -> None:
    _, headers, body = site.ask(f"{site.root}samples?after=0")
    told = json.loads(body)
    assert headers["Content-Type"] == "application/json" and told["anew"] is False
    holes = told["w"].count(None)  # a busy machine may make some
    assert told["next"] == len(told["t"]) - holes == len(told["w"]) - holes >= 1
    assert told["w"][0] == pytest.approx(5.1 * 0.53, rel=1e-3)
    assert told["figures"]["voltage"] == "5.100 V" and told["gone"] is False and len(told["holes"]) == holes
    later = json.loads(site.ask(f"{site.root}samples?after={told['next']}")[2])
    assert all(t > told["t"][-1] for t in later["t"])
    ahead = json.loads(site.ask(f"{site.root}samples?after={10**9}")[2])
    assert ahead["anew"] is True and ahead["t"] == []


def test_whatever_names_no_token_is_not_found(site: Site) -> None:
    token = site.server.token
    wrong = token[:-1] + ("A" if token[-1] != "A" else "B")
    paths = [
        "/",
        "/favicon.ico",
        "/samples?after=0",
        f"/{wrong}/",
        f"/{token}x/",
        f"/{token[:-1]}/",
        f"/{token.upper()}/",
    ]
    paths += [f"/{token}", f"/{token}/x", f"/{token}/../", f"/{token}/./", f"/{token}%2f", f"/%2e%2e/{token}/"]
    paths += [f"/{token}/samples", f"/{token}/samples?after=-1", f"/{token}/samples?after=1&x", f"/{token}/?x"]
    paths += [f"/{token}/samples?after={'9' * 40}", f"/{token}/samples?after=٣", f"/x/../{token}/", f"/{token};/"]
    paths += [
        f"http://127.0.0.1:{site.server.server_port}/{token}/",
        f"/{token}/samples?after=0#x",
        "/é/",
        f"/{token}//",
    ]
    for path in paths:
        line = f"GET {path} HTTP/1.1\r\nHost: localhost:{site.server.server_port}\r\n\r\n".encode()
        answer = site.raw(line)
        assert answer.split(b"\r\n")[0].split(b" ")[1] in (b"404", b"400"), path
        assert b"EMULATED" not in answer and token.encode() not in answer


def test_a_request_by_another_name_of_the_host_is_refused(site: Site) -> None:
    port = site.server.server_port
    for host in ("evil.example", f"evil.example:{port}", "127.0.0.1", f"127.0.0.1:{port + 1}", f"0.0.0.0:{port}",
                 f"127.0.0.1.evil.example:{port}", f"[::1]:{port}", f"user@127.0.0.1:{port}", ""):  # fmt: skip
        assert site.ask(site.root, Host=host)[0] == 403, host
    assert b" 403 " in site.raw(f"GET {site.root} HTTP/1.0\r\n\r\n".encode())
    assert b"EMULATED" not in site.raw(f"GET {site.root}\r\n\r\n".encode())  # HTTP/0.9
    twice = f"GET {site.root} HTTP/1.1\r\nHost: evil.example\r\nHost: localhost:{port}\r\n\r\n"
    assert b" 403 " in site.raw(twice.encode())
    assert site.ask(site.root, Host=f"localhost:{port}")[0] == 200


def test_what_is_no_request_is_refused_without_an_echo_and_the_next_is_answered(site: Site) -> None:
    odd = {
        b"GET /" + 70_000 * b"a" + b" HTTP/1.1\r\n\r\n": b"414 ",
        b"GET / HTTP/9.9\r\n\r\n": b"505 ",
        b"GET <script> x y HTTP/1.1\r\n\r\n": b"400 ",
        b"\x16\x03\x01\x02\x00\x01\xfc\x03\x03 as a browser that wants TLS\r\n\r\n": b"400 ",
        b"GET / HTTP/1.1\r\n" + 200 * b"X: y\r\n" + b"\r\n": b"431 ",
    }
    for request, code in odd.items():
        answer = site.raw(request)
        assert code in answer[:20] and b"<" not in answer, answer[:300]
    random = np.random.default_rng(0)
    for size in random.integers(1, 200, 50):
        site.raw(random.bytes(int(size)) + b"\r\n\r\n")
    assert site.ask(site.root)[0] == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "ANYTHING"])
def test_nothing_can_be_changed(site: Site, method: str) -> None:
    status, headers, body = site.ask(site.root, method)
    assert (status, headers["Allow"]) == (405, "GET, HEAD") and b"EMULATED" not in body
    assert "Access-Control-Allow-Origin" not in headers


def test_it_listens_on_this_machine_alone(site: Site) -> None:
    assert site.server.server_address[0] == "127.0.0.1"
    assert len(site.server.token) >= 43
    with pytest.raises(UsageError, match="cannot be had"):
        PageServer(site.server.server_port)
    with pytest.raises(UsageError, match="cannot be had"):
        PageServer(70_000)


def test_crowds_of_pages_and_clients_that_say_nothing_take_no_measurement(
    site: Site, capfd: pytest.CaptureFixture[str]
) -> None:
    assert in_time(lambda: crowds_come(site), 0.5) == 0
    latest = site.recorder.latest
    assert latest is not None and site.ask(site.root)[0] == 200
    site.recorder.wait_until_covered(latest.t_s + 0.1, 60.0)  # and it goes on
    assert capfd.readouterr().err == ""


def crowds_come(site: Site) -> int:
    """How many holes the recording had meanwhile."""
    before = site.recorder.totals
    address = (HOST, site.server.server_port)
    silent = [socket.create_connection(address, timeout=60) for _ in range(2 * MOST_AT_ONCE)]
    for one in silent[: MOST_AT_ONCE // 2]:
        one.close()
    answers: list[int] = []

    def look() -> None:
        for _ in range(40):
            try:
                answers.append(site.ask(f"{site.root}samples?after=0")[0])
            except (OSError, http.client.HTTPException):
                answers.append(0)

    lookers = [threading.Thread(target=look) for _ in range(10)]
    for thread in lookers:
        thread.start()
    for thread in lookers:
        thread.join()
    for one in silent:
        one.close()
    assert set(answers) == {200}
    after = site.recorder.totals
    assert before is not None and after is not None
    return after.holes - before.holes
