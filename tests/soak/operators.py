"""What the operator does."""

import signal
import time
from dataclasses import replace

from tests.lab.hosts import BIN, eventually
from tests.soak.books import Gate
from tests.soak.chance import Chance
from tests.soak.world import CLIENTS, SHARING, WEB, WEB_SEQUENCE

TIMES = ((8, 20), (5, 20), (8, 10), (3, 6))
"""What a door may allow: C{open_for} and C{max_open_for}."""
SEQUENCES = (WEB_SEQUENCE, SHARING)
"""What the door web may have."""


class Operators(Chance):
    """Over the admin socket, by commands, and by other configurations."""

    def operatorOpens(self) -> str:
        """Let somebody in."""
        gate, source = self.random.choice(self._gates()), self.random.choice(CLIENTS)
        seconds = self.random.randrange(2, gate.maxOpenFor + 1)
        began = time.monotonic()
        self.world.admin.open(source, gate.name, seconds)
        self._opened(gate, source, began, seconds)
        return f"the operator opens {gate.name} for {source}, {seconds} s"

    def operatorCloses(self) -> str:
        """Close what is open for somebody."""
        keys = self._open()
        if not keys:
            return self.operatorOpens()
        door, source = self.random.choice(keys)
        self.world.admin.close(source, door)
        self.world.books.closed([(door, source)])
        return f"the operator closes {door} for {source}"

    def operatorClosesAll(self) -> str:
        """Close all."""
        self.world.admin.close()
        self.world.books.closedAll()
        return "the operator closes all"

    def command(self) -> str:
        """Close all, by the command."""
        command = (str(BIN / "pkdoors"), "close", "--all", "--admin", self.world.admin.path)
        status, output = self.world.server.status(*command)
        if status:
            raise AssertionError(f"pkdoors close --all: status {status}: {output}")
        self.world.books.closedAll()
        return "the operator closes all, with the command"

    def _reloaded(self) -> str:
        """Have the file read, by a signal or the socket."""
        daemon = self.world.daemon
        assert daemon
        if self.random.random() < 0.5:
            self.world.admin.reload()
            return "asked"
        before = daemon.log().count("\n")
        daemon.process.popen.send_signal(signal.SIGHUP)

        def isDone() -> bool:
            return any("reloaded" in line for line in daemon.log().split("\n")[before:])

        if not eventually(isDone):
            raise AssertionError("SIGHUP: not reloaded")
        return "SIGHUP"

    def reload(self) -> str:
        """Read the same file again."""
        return f"reload of the same file ({self._reloaded()})"

    def changeTimes(self) -> str:
        """Change how long a door opens."""
        inUse = [self.world.gates[door] for door, _ in self._open()]
        gate = self.random.choice(inUse or self._gates())
        openFor, most = self.random.choice([each for each in TIMES if each[1] != gate.maxOpenFor])
        self.world.gates[gate.name] = replace(gate, openFor=openFor, maxOpenFor=most)
        self.world.write()
        began = time.monotonic()
        way = self._reloaded()
        self.world.books.shortened(gate.name, began, time.monotonic(), most)
        return f"{gate.name} opens for {openFor} s, {most} s at most ({way})"

    def changeDoors(self) -> str:
        """Add the door web, take it away, or give it another sequence."""
        there = self.world.gates.pop("web", None)
        kind = "goes"
        if there is None or self.random.random() < 0.4:
            others = [
                each for each in (WEB_SEQUENCE, SHARING) if not there or each != there.sequence
            ]
            sequence = self.random.choice(others)
            openFor, most = self.random.choice(TIMES)
            gate = there or Gate("web", WEB, sequence, openFor, most)
            self.world.gates["web"] = replace(gate, sequence=sequence)
            kind = "has another sequence" if there else "comes"
        self.world.write()
        way = self._reloaded()
        if kind != "has another sequence":
            self.world.books.closed([key for key in self.world.books.all() if key[0] == "web"])
        return f"web {kind} ({way})"

    def badFile(self) -> str:
        """Offer a file that cannot be used; nothing changes."""
        daemon = self.world.daemon
        assert daemon
        self.world.write("[doors.bad]\n")
        before = daemon.log().count("not reloaded")
        daemon.process.popen.send_signal(signal.SIGHUP)
        refused = eventually(lambda: daemon.log().count("not reloaded") > before)
        self.world.write()
        if not refused:
            raise AssertionError("a bad file was not refused")
        return "a bad file is refused"
