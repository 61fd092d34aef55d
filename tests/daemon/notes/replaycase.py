"""A daemon that notes sealed knocks, and its successors."""

import time
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.daemon.notes.replayfile import ReplayFile
from pkdoors.locks.sealed.replays import ReplayCache
from tests.fakes.log import Log

KEY = b"a key"

SKEW = 60.0

LATER = 3600.0


class ReplayFileTestCase(SynchronousTestCase):
    """
    A daemon that ran for long, and still runs.
    """

    def setUp(self) -> None:
        """Run it."""
        self.folder = Path(self.mktemp()).absolute() / "lib"
        self.folder.parent.mkdir()
        self.path = self.folder / "0123456789abcdef.seen"
        self.now, self.boot, self.ahead = 1000.0, "b007", 0.0
        self.log = Log(self)
        self.start()
        self.first = self.log.lines()
        self.now += LATER
        self.restart()
        self.log = Log(self)

    def timeOfDay(self) -> float:
        """Return the time of day, which may be ahead of that of files."""
        return time.time() + self.ahead

    def start(self) -> None:
        """Start a daemon."""
        self.file = ReplayFile(self.path, lambda: self.now, self.timeOfDay, lambda: self.boot)
        self.addCleanup(self.file.close)
        self.seen = ReplayCache(self.now, self.file.note)
        self.file.start(self.seen, SKEW)

    def kill(self) -> None:
        """End the daemon as kill -9 does: nothing more is written."""
        self.file._notes.release()

    def restart(self, boot: str = "") -> None:
        """End it in order, and start the next one, perhaps after a boot."""
        self.file.close()
        self.boot = boot or self.boot
        self.start()

    def crash(self, boot: str = "") -> None:
        """Kill it, and start the next one, perhaps after a boot."""
        self.kill()
        self.boot = boot or self.boot
        self.start()

    def open(self, *nonces: str) -> None:
        """Let some knocks open something."""
        for nonce in nonces:
            self.seen.add(KEY, f"{nonce:0>16}", 1001)

    def has(self, *nonces: str) -> list[bool]:
        """Return whether they are remembered."""
        return [self.seen.has(KEY, f"{nonce:0>16}") for nonce in nonces]

    def waits(self) -> bool:
        """Return whether a knock that is made now is refused."""
        today = 1_800_000_000
        return bool(self.seen.findRefusal(today * 1000, self.now, today, SKEW))

    def assertLost(self, trouble: str) -> None:
        """Assert that knocks are refused until the skew has passed, and that one line says so."""
        self.assertTrue(self.waits())
        (line,) = self.log.lines()
        self.assertEqual(
            f"the notes of sealed knocks in {self.path} cannot be trusted ({trouble}): sealed "
            "knocks are refused for 1m after this start, in case they opened something before",
            line,
        )
        self.now += SKEW + 0.1
        self.assertFalse(self.waits())
        self.log = Log(self)

    def assertKept(self, *nonces: str) -> None:
        """Assert that knocks are accepted at once, except for those that opened something."""
        self.assertFalse(self.waits())
        self.assertEqual([True] * len(nonces), self.has(*nonces))
        self.assertEqual([], self.log.lines())
