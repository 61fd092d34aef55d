"""What the operator does."""

import signal
import time
from dataclasses import replace

from tests.lab.hosts import BIN, eventually
from tests.soak.expectations import Gate
from tests.soak.stepbase import StepBase
from tests.soak.world import CLIENTS, SHARING, WEB, WEB_SEQUENCE

TIMES = ((8, 20), (5, 20), (8, 10), (3, 6))
"""The values that a door may have: C{open_for} and C{max_open_for}."""
SEQUENCES = (WEB_SEQUENCE, SHARING)
"""The sequences that the door C{web} may have."""


class OperatorSteps(StepBase):
    """Steps over the admin socket, by commands, and by changes of the configuration."""

    def operatorOpens(self) -> str:
        """Open a door for a client."""
        gate, source = self.random.choice(self._gates()), self.random.choice(CLIENTS)
        seconds = self.random.randrange(2, gate.maxOpenFor + 1)
        began = time.monotonic()
        self.world.admin.open(source, gate.name, seconds)
        self._expectOpening(gate, source, began, seconds)
        return f"the operator opens {gate.name} for {source}, {seconds} s"

    def operatorCloses(self) -> str:
        """Close an opening of a client."""
        keys = self._listOpenings()
        if not keys:
            return self.operatorOpens()
        door, source = self.random.choice(keys)
        self.world.admin.close(source, door)
        self.world.expected.noteClosed([(door, source)])
        return f"the operator closes {door} for {source}"

    def operatorClosesAll(self) -> str:
        """Close all openings."""
        self.world.admin.close()
        self.world.expected.noteAllClosed()
        return "the operator closes everything"

    def command(self) -> str:
        """Close all openings with the command."""
        command = (str(BIN / "pkdoors"), "close", "--all", "--admin", self.world.admin.path)
        status, output = self.world.server.status(*command)
        if status:
            raise AssertionError(f"pkdoors close --all: status {status}: {output}")
        self.world.expected.noteAllClosed()
        return "the operator closes everything, with the command"

    def _reload(self) -> str:
        """Have the daemon read the file, and return how: by a signal or over the socket."""
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
        """Have the daemon read the same file again."""
        return f"reload of the same file ({self._reload()})"

    def changeTimes(self) -> str:
        """Change how long a door opens."""
        inUse = [self.world.gates[door] for door, _ in self._listOpenings()]
        gate = self.random.choice(inUse or self._gates())
        openFor, most = self.random.choice(
            [times for times in TIMES if times[1] != gate.maxOpenFor]
        )
        self.world.gates[gate.name] = replace(gate, openFor=openFor, maxOpenFor=most)
        self.world.write()
        began = time.monotonic()
        cause = self._reload()
        self.world.expected.noteShortened(gate.name, began, time.monotonic(), most)
        return f"{gate.name} opens for {openFor} s, {most} s at most ({cause})"

    def changeDoors(self) -> str:
        """Add the door C{web}, remove it, or give it another sequence."""
        old = self.world.gates.pop("web", None)
        kind = "goes"
        if old is None or self.random.random() < 0.4:
            others = [sequence for sequence in SEQUENCES if not old or sequence != old.sequence]
            sequence = self.random.choice(others)
            openFor, most = self.random.choice(TIMES)
            gate = old or Gate("web", WEB, sequence, openFor, most)
            self.world.gates["web"] = replace(gate, sequence=sequence)
            kind = "has another sequence" if old else "comes"
        self.world.write()
        cause = self._reload()
        if kind != "has another sequence":
            self.world.expected.noteClosed(
                [key for key in self.world.expected.keys() if key[0] == "web"]
            )
        return f"web {kind} ({cause})"

    def badFile(self) -> str:
        """Offer an invalid file, which the daemon must refuse."""
        daemon = self.world.daemon
        assert daemon
        self.world.write("[doors.bad]\n")
        before = daemon.log().count("not reloaded")
        daemon.process.popen.send_signal(signal.SIGHUP)
        refused = eventually(lambda: daemon.log().count("not reloaded") > before)
        self.world.write()
        if not refused:
            raise AssertionError("a bad file was not refused")
        return "the daemon refuses a bad file"
