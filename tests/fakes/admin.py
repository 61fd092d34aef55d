"""A daemon, as far as its admin socket shows it: C{docs/admin.md}, spoken on a real one."""

import json
import os
import tempfile
import time
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from queue import SimpleQueue
from socketserver import ThreadingUnixStreamServer
from threading import Thread
from typing import Any, Self
from urllib.parse import parse_qs, unquote, urlsplit

from pkdoors.model.sources import isWithin, readSource

KEY = "SHA256:uNiVztksCsDhcc0u9e8BgrJXVGDa6Bm7Bpsr5/0I1gY"
START = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)

Answer = tuple[int, object]


def makeOpening(source: str, door: str = "ssh", left: float = 12.3, **more: Any) -> dict[str, Any]:
    """An opening, as it is told."""
    return {
        **{"door": door, "source": source, "ports": ["22/tcp"], "open": True},
        "until": (START + timedelta(seconds=left)).isoformat(timespec="milliseconds"),
        **{"seconds_left": left, "user": "", "key": "", "trouble": "", **more},
    }


def makeDoor(name: str, port: str, **more: Any) -> dict[str, Any]:
    """A door, as it is told."""
    return {
        **{"name": name, "ports": [port], "lock": "sequence", "open_for": 30.0},
        **{"max_open_for": 3600.0, "sessions": "keep", "udp_idle": 180.0, "udp_max": 43200.0},
        **{"openings": 0, "sources": 0, **more},
    }


def makeEvent(kind: str, source: str = "", door: str = "", **more: Any) -> dict[str, Any]:
    """Something that happened, as it is told."""
    return {
        **{"time": "2026-11-23T08:00:00.000Z", "event": kind, "door": door, "source": source},
        **{"ports": [], "seconds": 0.0, "user": "", "key": "", "reason": "", "text": kind, **more},
    }


class FakeAdmin:
    """
    Listens on a socket in a folder of its own, while it is entered.

    @ivar path: of the socket.
    @ivar others: what it says of other openings after a closing.
    @ivar closing: the addresses whose openings not every firewall closes.
    @ivar refused: what that firewall says; empty where it is only slow.
    @ivar isShut: whether the guard closes them.
    @ivar refusal: what its firewall says to each opening; empty where it does them.
    @ivar rates: what was counted in each step.
    @ivar refusals: what it answers to an opening for an address.
    @ivar answers: by method and path: a status and JSON (or text) in place of the right answer.
    @ivar asked: method and path of each request, and its body.
    @ivar runsDown: whether the time passes.
    @ivar isOld: whether it knows no arguments that choose openings.
    """

    def __init__(self) -> None:
        self.path = ""
        self.doors = [makeDoor("ssh", "22/tcp", lock="sealed"), makeDoor("web", "443/tcp")]
        self.openings: list[dict[str, Any]] = []
        self.knocks = {"request": 3, "refused": 1, "other": 20}
        self.dropped = {"limit": 0, "junk": 0, "overflow": 0}
        self.rates: list[dict[str, Any]] = []
        self.uptime = 3723.4
        self.troubles: list[str] = []
        self.pending: list[str] = []
        self.firewall = "nftables and firewalld"
        self.closing: set[str] = set()
        self.others: list[str] = []
        self.refused = ""
        self.isShut = False
        self.refusal = ""
        self.refusals: dict[str, Answer] = {}
        self.reloading: Answer = (200, {"changes": [], "troubles": []})
        self.answers: dict[tuple[str, str], Answer] = {}
        self.asked: list[tuple[str, str, Any]] = []
        self.runsDown = self.isOld = False
        self.followers: list[SimpleQueue[bytes]] = []
        self._started = time.monotonic()
        self._server: ThreadingUnixStreamServer | None = None

    def __enter__(self) -> Self:
        # Not mktemp(): the path of a socket has at most 107 bytes.
        self.path = os.path.join(tempfile.mkdtemp(prefix="pkdoors-"), "admin.sock")
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()
        Path(self.path).parent.rmdir()

    def start(self) -> None:
        """Listen."""
        admin = self

        class Handler(_Handler):
            daemon = admin

        class Server(ThreadingUnixStreamServer):
            daemon_threads = True
            block_on_close = False
            request_queue_size = 100

        self._started = time.monotonic()
        self._server = Server(self.path, Handler)
        Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self) -> None:
        """End as a daemon does: the socket goes, and who follows is hung up."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None
            os.unlink(self.path)
        for each in self.followers:
            each.put(b"")
        self.followers.clear()

    def awaitFollower(self) -> None:
        """Wait until somebody follows the events."""
        end = time.monotonic() + 60  # the machine may be busy
        while not self.followers and time.monotonic() < end:
            time.sleep(0.01)
        assert self.followers, "nobody follows"

    def tell(self, event: dict[str, Any]) -> None:
        """Something happens."""
        self.send(f"event: {event['event']}\ndata: {json.dumps(event)}\n\n".encode())

    def send(self, data: bytes) -> None:
        """All who follow get this."""
        for each in self.followers:
            each.put(data)

    def status(self) -> dict[str, Any]:
        """How things stand."""
        passed = time.monotonic() - self._started if self.runsDown else 0.0
        left = [{**each, "seconds_left": each["seconds_left"] - passed} for each in self.openings]
        openings = [each for each in left if each["seconds_left"] > 0]
        names = [each["door"] for each in openings]
        return {
            **{"version": "26.12.0", "uptime": self.uptime + passed, "firewall": self.firewall},
            "troubles": self.troubles,
            "pending": self.pending,
            "doors": [{**door, "openings": names.count(door["name"])} for door in self.doors],
            "openings": sorted(openings, key=lambda each: float(each["seconds_left"])),
            "listen": "sockets",
            "counters": {
                **{"knocks": self.knocks, "dropped": self.dropped, "events": {}},
                **{"firewall_calls": {}, "heals": 0},
            },
        }

    def answer(self, method: str, target: str, wanted: Any) -> Answer:
        """What it says to a request."""
        self.asked.append((method, target, wanted))
        parts = urlsplit(target)
        for whole in (target, parts.path):
            if (method, whole) in self.answers:
                return self.answers[method, whole]
        below = unquote(parts.path.removeprefix("/openings").lstrip("/"))
        door = parse_qs(parts.query).get("door", [""])[0]
        asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if asked and self.isOld and {*asked} - {"door"}:
            return 400, {"error": f"unknown argument {next(iter(asked))!r}: allowed are none"}
        if (method, parts.path) == ("GET", "/status"):
            return 200, self._select(**asked)
        if (method, parts.path) == ("POST", "/reload"):
            return self.reloading
        if (method, parts.path) == ("GET", "/rates"):
            return 200, {"step": 10.0, "rates": self.rates}
        known = [each["name"] for each in self.doors]
        door = wanted.get("door", "") if method == "POST" else door
        if door and door not in known:
            return 404, {"error": f"there is no door {door!r}: the doors are {', '.join(known)}"}
        if (method, parts.path) == ("POST", "/openings"):
            return self._open(wanted)
        if method == "DELETE" and parts.path.startswith("/openings"):
            return self._close(below, door, asked.get("limit"))
        return 404, {"error": f"there is no {parts.path}"}

    def _open(self, wanted: dict[str, Any]) -> Answer:
        if "door" not in wanted and len(self.doors) > 1:
            return 400, {"error": "say which door: the doors are ssh, web"}
        (door,) = (each for each in self.doors if each["name"] == wanted.get("door", each["name"]))
        if wanted["source"] in self.refusals:
            return self.refusals[wanted["source"]]
        if self.refusal:
            return 503, {"error": self.refusal}
        seconds = wanted.get("seconds", door["open_for"])
        opening = makeOpening(
            str(readSource(wanted["source"])), door["name"], seconds, ports=door["ports"]
        )
        self.openings.append(opening)
        return 200, {"opening": opening}

    def _select(
        self, door: str = "", within: str = "", limit: str = "", after: str = ""
    ) -> dict[str, Any]:
        status = self.status()
        found = [each for each in status["openings"] if door in ("", each["door"])]
        if within:
            found = [each for each in found if isWithin(*map(readSource, (each["source"], within)))]
        if self.isOld:
            return status
        some = found[: int(limit)] if limit else found
        return {**status, "openings": some, "total": len(found), "next": after}

    def _close(self, source: str, door: str, limit: str | None) -> Answer:
        chosen = [
            each
            for each in self.openings
            if source in ("", each["source"]) and door in ("", each["door"])
        ]
        if source and not chosen:
            return 404, {"error": f"nothing is open for {source}"}
        closed = [each for each in chosen if each["source"] not in self.closing]
        self.openings = [each for each in self.openings if each not in closed]
        how = {"trouble": self.refused, "shut": self.isShut}
        closing = [{**each, **how} for each in chosen if each not in closed]
        most = int(limit) if limit else None
        answer = {"closed": closed[:most], "closing": closing[:most], "others": self.others}
        if self.isOld:
            return 200, answer
        isDone = self.isShut and not self.refused
        counts = {"closed": len(closed), "following": isDone * len(closing)}
        return 200, {**answer, "counts": {**counts, "refused": (not isDone) * len(closing)}}


class _Handler(BaseHTTPRequestHandler):
    """One connection."""

    daemon: FakeAdmin
    protocol_version = "HTTP/1.1"

    def address_string(self) -> str:
        """A UNIX socket has none."""
        return ""

    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        """Answer."""
        isStream = urlsplit(self.path).path == "/events"
        if isStream and ("GET", "/events") not in self.daemon.answers:
            self._follow()
            return
        length = int(self.headers.get("Content-Length", 0))
        wanted = json.loads(self.rfile.read(length)) if length else None
        status, answer = self.daemon.answer(self.command, self.path, wanted)
        body = answer.encode() if isinstance(answer, str) else json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_DELETE = do_GET

    def _follow(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        isChunked = self.request_version != "HTTP/1.0"
        if isChunked:
            self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        queue: SimpleQueue[bytes] = SimpleQueue()
        queue.put(b": pkdoors\n\nid: 90aa3c41b2d1e877-0\n\n")
        self.daemon.followers.append(queue)
        self.close_connection = True
        while data := queue.get():
            try:
                chunk = b"%x\r\n%b\r\n" % (len(data), data)
                self.wfile.write(chunk if isChunked else data)
                self.wfile.flush()
            except OSError:
                return
        self.connection.close()
