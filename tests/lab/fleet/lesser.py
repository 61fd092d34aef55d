"""A host of a fleet without an engine: a program of the test speaks with its daemon's socket."""

import json
import socket
import time
from base64 import b64decode, b64encode
from contextlib import suppress
from pathlib import Path
from typing import Any

from pkdoors.admin.fleet.fleetsocket import GROUP
from pkdoors.knocks.order import Order, makeOrderData, makeOrderNonce, packOrder
from pkdoors.knocks.wire import fingerprint
from tests.lab.case import PORT, SEQUENCE, RealTestCase
from tests.lab.hosts import CLIENT4, Daemon, Host, eventually
from tests.lab.sealing import makeKey, publicLine, sealed

FOLDER = Path("/run/pkdoors")
ADMIN, LESSER = FOLDER / "admin.sock", FOLDER / "fleet.sock"
NUMBER, NOBODY = 48123, 65534
"""The group's number, and an unprivileged user."""
MEMBER = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", f"--groups={NUMBER}")
OUTSIDER = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
"""How a program runs as the user of the fleet's process, and as somebody else."""


class Follower:
    """
    Follows the seals, on a connection of its own.
    """

    def __init__(self, host: Host) -> None:
        with host.inside():
            self._socket = socket.socket(socket.AF_UNIX)
            self._socket.connect(str(LESSER))
        self._socket.sendall(b"GET /seals HTTP/1.1\r\nHost: pkdoors\r\n\r\n")
        self._file = self._socket.makefile("rb")
        while not self._file.readline().startswith(b": pkdoors"):
            pass

    def next(self, patience: float = 60) -> tuple[str, Any]:
        """Return what comes next: its kind, and the fields."""
        self._socket.settimeout(patience)
        kind = ""
        while True:
            line = self._file.readline()
            if not line:
                raise EOFError
            if line.startswith(b"event: "):
                kind = line[7:].strip().decode()
            elif line.startswith(b"data: "):
                return kind, json.loads(line[6:])

    def nextSeal(self) -> bytes:
        """Return the next seal."""
        kind, fields = self.next()
        assert kind == "seal", kind
        return b64decode(fields["seal"])

    def isEnded(self) -> bool:
        """Wait until the daemon ends the connection."""
        with suppress(ConnectionError, EOFError):
            while self.next():
                pass
        return True

    def close(self) -> None:
        """Follow no more."""
        self._file.close()
        self._socket.close()


class LesserTestCase(RealTestCase):
    """
    A host of a fleet. Anna's key opens its door for a minute, and Olga gives orders.
    """

    whenAlone = "local"
    trust: tuple[str, ...] = ()

    def setUp(self) -> None:
        """Write the files."""
        super().setUp()
        with (self.server.ownEtc() / "group").open("a") as groups:
            groups.write(f"{GROUP}:x:{NUMBER}:\n")
        self.key, self.operator = makeKey(), makeKey()
        self.file = self.folder / "pkdoors.toml"
        self.writeAll()
        self.server.serve(PORT)

    def writeAll(self, isFleet: bool = True, door: str = "") -> None:
        """Write the daemon's files; those of a host alone, if it is not one of a fleet."""
        fleet = "fleet = true\n" if isFleet else ""
        keys, operators = self.folder / "keys", self.folder / "operators"
        for path, text in (
            (keys, publicLine(self.key, "anna")),
            (operators, publicLine(self.operator, "olga")),
            (
                self.file,
                f"[doors.default]\nsequence = {list(SEQUENCE)}\nports = [{PORT}]\n"
                f'open_for = "1m"\nauthorized_keys = "{keys}"\n{fleet}{door}',
            ),
            (
                self.folder / "fleet.toml",
                'name = "prod"\nhost = "web1"\nhosts = ["gate1", "web1"]\n'
                f'engine = "rediss://redis.example"\noperators = "{operators}"\n'
                f'trust = {list(self.trust)}\nwhen_alone = "{self.whenAlone}"\n',
            ),
        ):
            path.touch(0o600)
            path.write_text(text)

    def startDaemon(self) -> Daemon:
        """Start the daemon; wait until it listens for its fleet, and its operator."""
        daemon = Daemon(
            self.server,
            *("-c", str(self.file), "-f", "nftables", "--listen", self.listen),
            *("--admin", str(ADMIN)),
        )
        self.assertTrue(daemon.says("AdminSite starting"), daemon.log())
        return daemon

    def curl(
        self, method: str, path: str, body: str = "", who: tuple[str, ...] = MEMBER
    ) -> tuple[int, str]:
        """Ask at the lesser socket; return the status of HTTP, 0 without any, and the answer."""
        data = ("--data-binary", body, "-H", "Content-Type: application/json") if body else ()
        status, output = self.server.status(
            *who,
            *("curl", "-sS", "--max-time", "60", "--unix-socket", str(LESSER), "-X", method),
            *("-w", "\n%{http_code}", f"http://pkdoors{path}", *data),
        )
        answer, _, code = output.rpartition("\n")
        return (int(code) if status == 0 else 0), answer

    def post(self, *lines: dict[str, Any], who: tuple[str, ...] = MEMBER) -> list[dict[str, Any]]:
        """Hand in lines as the fleet's process does; return the answers."""
        code, answer = self.curl("POST", "/seals", "\n".join(map(json.dumps, lines)), who)
        self.assertEqual(200, code, answer)
        return [json.loads(line) for line in answer.splitlines()]

    def relay(self, *seals: bytes, source: str = "") -> list[str]:
        """Hand in seals that another host has heard; return the results."""
        texts = [b64encode(each).decode() for each in seals]
        lines = [{"host": "gate1", "source": source, "seal": text} for text in texts]
        return [answer["result"] for answer in self.post(*lines)]

    def seal(self, bind: str = CLIENT4, ago: float = 0, **fields: Any) -> bytes:
        """Return a seal of Anna's, for the client."""
        stamp = round(1000 * (time.time() - ago))
        return sealed(self.key, SEQUENCE, **({"stamp": stamp, "bind": bind} | fields))

    def order(self, verb: str, what: str) -> dict[str, str]:
        """Return the line of an order of Olga's, given now."""
        stamp = round(1000 * time.time())
        text = Order("prod", verb, what, stamp, makeOrderNonce()).encode()
        signature = self.operator.sign(makeOrderData(text))
        order = packOrder(text, self.operator.public().blob(), signature)
        return {"order": b64encode(order).decode()}

    def fingerprint(self) -> str:
        """Return the fingerprint of Anna's key."""
        return fingerprint(self.key.public().blob())

    def operate(self, *arguments: str) -> str:
        """Ask the daemon as its operator does."""
        return self.server.run(
            "curl",
            "-sS",
            "--unix-socket",
            str(ADMIN),
            *arguments[1:],
            f"http://pkdoors{arguments[0]}",
        )

    def isOpen(self) -> bool:
        """Return whether the door is open for the client now."""
        return self.client.reaches(PORT)

    def isShut(self) -> bool:
        """Wait until the door is shut for the client."""
        return bool(eventually(lambda: not self.isOpen(), 10))
