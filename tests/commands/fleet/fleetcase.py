"""A host of a fleet, whose engine and whose daemon are fakes, for tests of commands."""

import json
from base64 import b64decode
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingUnixStreamServer
from tempfile import mkdtemp
from threading import Thread
from typing import Any

from pkdoors.admin.records import OpeningRecord
from pkdoors.commands.fleet import _place, status, watch
from pkdoors.errors import EngineError
from pkdoors.fleet.engine import IEngine
from pkdoors.fleet.presence import PresenceRecord
from pkdoors.fleet.streams import Streams
from tests.fakes.agent import makeKey
from tests.fakes.engine import FakeStore
from tests.lab.sealing import publicLine
from tests.test_cli import CommandTestCase, End

HOSTS = ("gate1", "gate2", "web1")
STREAMS = Streams("prod")
NOW = 1_800_000_000.0
KEY = "SHA256:" + "k" * 42 + "A"


class FakeFleetSocket:
    """
    The daemon's socket for the fleet.

    @ivar orders: what it was given.
    @ivar answer: what it says to each.
    """

    def __init__(self, path: Path) -> None:
        self.orders: list[bytes] = []
        self.answer: Mapping[str, str] = {"result": "done", "reason": ""}
        fleet = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                assert self.path == "/seals"
                body = self.rfile.read(int(self.headers["content-length"]))
                fleet.orders.append(b64decode(json.loads(body)["order"]))
                answer = json.dumps(fleet.answer).encode() + b"\n"
                self.send_response(200)
                self.send_header("content-length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def address_string(self) -> str:
                return "-"

            def log_message(self, *_: Any) -> None:
                """Be quiet."""

        self._server = ThreadingUnixStreamServer(str(path), Handler)
        self._thread = Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Listen no more."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def makeOpening(source: str = "192.0.2.7", left: float = 30.0, **more: Any) -> OpeningRecord:
    """Return an opening."""
    fields: dict[str, Any] = {
        "door": "ssh",
        "source": source,
        "ports": ("22/tcp",),
        "isOpen": True,
        "until": datetime.fromtimestamp(NOW, UTC) + timedelta(seconds=left),
        "secondsLeft": left,
        "user": "anna@laptop",
        "key": KEY,
        "trouble": "",
    }
    return OpeningRecord(**{**fields, **more})


class FleetCommandTestCase(CommandTestCase):
    """
    Has the host C{gate1} of the fleet C{prod}.

    @ivar store: the engine.
    @ivar isAway: whether nobody can connect to it.
    """

    def setUp(self) -> None:
        """Write the files, and start the fakes."""
        super().setUp()
        self.folder = Path(mkdtemp())  # a path that is short enough for a socket
        self.addCleanup(self.clean)
        self.operator, self.user = makeKey("ed25519", 5), makeKey("ed25519", 6)
        for name, key in (("operator", self.operator), ("user", self.user)):
            (self.folder / name).touch(0o600)
            (self.folder / name).write_bytes(key.toString("openssh"))
        (self.folder / "operators").write_text(publicLine(self.operator, "olga@desk"))
        (self.folder / "user.pub").write_text(publicLine(self.user, "anna@laptop"))
        self.conf = self.folder / "pkdoors.toml"
        self.conf.touch(0o600)
        self.conf.write_text(
            f'admin = "{self.folder}/admin.sock"\n[doors.ssh]\nports = ["22/tcp"]\nfleet = true\n'
            "sequence = [17001, 17203, 17005, 17404, 17002]\n"
            f'authorized_keys = "{self.folder}/user.pub"\n'
        )
        self.write()
        self.store = FakeStore(self.reactor, NOW)
        self.patch(_place, "openEngine", self.open)
        self.patch(watch, "openEngine", self.open)
        self.patch(status, "time", lambda: NOW + self.reactor.seconds())

    def clean(self) -> None:
        """Remove the files."""
        for path in self.folder.iterdir():
            path.unlink()
        self.folder.rmdir()

    def write(self, **more: str) -> None:
        """Write the configuration of the fleet."""
        fields = {"name": '"prod"', "host": '"gate1"', "hosts": json.dumps(HOSTS), **more}
        fields.setdefault("engine", '"redis://127.0.0.1"')
        fields.setdefault("operators", f'"{self.folder}/operators"')
        text = "".join(f"{key} = {value}\n" for key, value in fields.items())
        (self.folder / "fleet.toml").write_text(text)

    async def open(self, reactor: object, fleet: object, asNobody: bool = False) -> IEngine:
        """Connect to the engine."""
        if asNobody:
            raise EngineError("it wants a user and a password")
        return self.store.connect()

    def startDaemon(self) -> FakeFleetSocket:
        """Start the daemon of this host."""
        daemon = FakeFleetSocket(self.folder / "fleet.sock")
        self.addCleanup(daemon.close)
        return daemon

    def report(self, host: str, *openings: OpeningRecord, **more: Any) -> None:
        """Let a host report that it is up, and has read everything."""
        streams = [STREAMS.log(each) for each in HOSTS]
        streams += [STREAMS.orders(each) for each in HOSTS]
        read = {name: entries[-1].id for name, entries in self.store.streams.items()}
        fields: dict[str, Any] = {
            "time": datetime.fromtimestamp(NOW + self.reactor.seconds(), UTC),
            "version": "26.12.0",
            "doors": ("ssh",),
            "positions": {stream: read.get(stream, "0") for stream in streams},
            "openings": openings,
        }
        data = PresenceRecord(**{**fields, **more}).encode()
        self.store.values[STREAMS.up(host)] = data, self.reactor.seconds() + 30

    def fleet(self, *words: str, **environment: str) -> End:
        """Run a command."""
        return self.run_("fleet", words[0], "--conf", str(self.conf), *words[1:], **environment)

    def says(self, *words: str) -> str:
        """Return what a command prints that succeeds."""
        end = self.fleet(*words)
        self.assertEqual((0, ""), (end.status, end.stderr), end)
        return end.stdout

    def fails(self, *words: str, status: int = 1, **environment: str) -> str:
        """Return the one line of a command that fails."""
        end = self.fleet(*words, **environment)
        self.assertEqual((status, "", 1), (end.status, end.stdout, end.stderr.count("\n")), end)
        self.assertTrue(end.stderr.startswith(f"pkdoors fleet {words[0]}: "), end.stderr)
        return end.stderr.partition(": ")[2].rstrip("\n")

    def orders(self, host: str = "gate1") -> list[bytes]:
        """Return the orders in the stream of a host."""
        return [entry.fields["o"] for entry in self.store.streams.get(STREAMS.orders(host), ())]
