"""Tests of L{pkdoors.daemon.notes.fleetnotes}: what was closed stays closed after a restart."""

from math import inf

from pkdoors.daemon.notes import replayfile
from pkdoors.daemon.notes.fleetnotes import FleetNotes
from pkdoors.daemon.notes.replaycare import beginNotes
from pkdoors.daemon.notes.replayfile import ReplayFile
from pkdoors.knocks.order import Order, SealedOrder
from pkdoors.locks.sealed.replaynotes import ALL
from pkdoors.locks.sealed.replays import ReplayCache
from pkdoors.model.sources import readSource
from tests.daemon.notes.replaycase import SKEW, ReplayFileTestCase
from tests.fakes.log import Log
from tests.lab.sealing import leaveNotes

ANN, FAR = "203.0.113.9", "198.51.100.77"
KEY, OTHER = "SHA256:" + "a" * 42 + "A", "SHA256:" + "e" * 42 + "A"
CLOSED = "somebody has closed the door since this knock was made: knock again"
FORGOTTEN = (
    "it is older than what this host remembers of closings, so it may have been closed: knock again"
)


class FleetNotesTests(ReplayFileTestCase):
    """
    A daemon of a fleet, and its successors.
    """

    isInFleet = True

    def setUp(self) -> None:
        """Run it with notes that are whole."""
        super().setUp()
        self.kill()
        self.path = self.folder / "fedcba9876543210.seen"
        leaveNotes(self.path)
        self.start()
        self.log = Log(self)

    def start(self) -> None:
        """Start a daemon."""
        super().start()
        self.fleet = FleetNotes()
        if self.isInFleet:
            self.fleet.start(self.file)
            self.addCleanup(self.fleet.stop)

    def kill(self) -> None:
        """End the daemon as kill -9 does."""
        super().kill()
        self.fleet.stop()

    def restart(self, boot: str = "") -> None:
        """End it in order, and start the next one."""
        self.fleet.stop()
        super().restart(boot)

    def close(self, source: str = ANN, ago: float = 0.0) -> None:
        """Close for an address, by a seal."""
        self.fleet.memory.tombstones.add(
            "ssh", readSource(source), KEY, self.stamp(ago), self.now, self.timeOfDay()
        )

    def closeOwn(self) -> None:
        """Close everything, as an operator of this host."""
        self.fleet.memory.tombstones.addOwn(ALL, None, self.now, self.timeOfDay())

    def stamp(self, ago: float) -> int:
        """Return a stamp, so many seconds before now."""
        return round(1000 * (self.timeOfDay() - ago))

    def find(self, ago: float = 1.0, source: str = ANN, key: str = KEY) -> str:
        """Return why a seal of some seconds ago is refused."""
        tombstones = self.fleet.memory.tombstones
        return tombstones.findRefusal(
            "ssh", readSource(source), key, self.stamp(ago), self.now, self.timeOfDay()
        )

    def test_restart(self) -> None:
        """Closings are known after an end, a kill, and a boot."""
        self.close()
        self.assertEqual([CLOSED, ""], [self.find(), self.find(source=FAR)])
        for boot in ("", "b008"):
            self.restart(boot)
            self.assertEqual([CLOSED, ""], [self.find(), self.find(source=FAR)])
            self.crash()
            self.assertEqual([CLOSED, ""], [self.find(), self.find(source=FAR)])
        self.assertEqual([], self.log.lines())

    def test_operator(self) -> None:
        """So are those of this host's operator."""
        self.closeOwn()
        self.crash()
        self.assertEqual(CLOSED, self.find(source=FAR, key=OTHER))
        self.assertEqual("", self.find(-30, source=FAR, key=OTHER))

    def test_writtenAgain(self) -> None:
        """So are they if the file is written again from the beginning."""
        self.patch(replayfile, "MAX_LINES", 4)
        for number in range(20):
            self.close(f"10.0.0.{number}")
            self.open(f"{number:x}")
        self.crash()
        self.assertEqual([CLOSED] * 20, [self.find(source=f"10.0.0.{n}") for n in range(20)])
        self.assertKept(*(f"{number:x}" for number in range(20)))

    def test_floor(self) -> None:
        """So is from when on all closings are known."""
        self.fleet.memory.tombstones.distrust(self.now)
        self.file._replace()
        for _ in range(2):
            self.restart()
            self.assertEqual([FORGOTTEN, ""], [self.find(1), self.find(-61)])

    def test_lost(self) -> None:
        """
        If the notes are lost, all that is older may have been closed, or used: also when the next
        daemon has forgotten why.
        """
        self.close()
        self.crash("b008")
        self.log = Log(self)
        for _ in range(3):
            found = [self.find(ago, FAR, OTHER) for ago in (3600, 1, -SKEW + 1, -SKEW - 1)]
            self.assertEqual([FORGOTTEN, FORGOTTEN, FORGOTTEN, ""], found)
            self.now += SKEW + 1
            self.ahead += SKEW + 1
            self.assertEqual(FORGOTTEN, self.find(SKEW + 2, FAR, OTHER))
            self.assertEqual("", self.find(0, FAR, OTHER))
            self.now -= SKEW + 1
            self.ahead -= SKEW + 1
            self.crash()

    def test_lostLongAgo(self) -> None:
        """So it is if that daemon ran for long, and was killed: the notes say it by themselves."""
        self.patch(replayfile, "TOUCHED", inf)
        self.crash("b008")
        self.now += SKEW + 1
        self.ahead += SKEW + 1
        self.crash()
        self.assertFalse(self.waits())
        self.assertEqual([FORGOTTEN, ""], [self.find(SKEW + 2, FAR, OTHER), self.find(0)])

    def test_clockSetMeanwhile(self) -> None:
        """
        What an operator closed when the clock was wrong stays closed, if the clock was right when
        the daemon ended.
        """
        self.patch(replayfile, "TOUCHED", inf)
        self.ahead = -1000.0
        self.closeOwn()
        self.ahead = 0.0
        self.now += 5
        self.restart("b008")
        self.assertEqual([CLOSED, ""], [self.find(6), self.find(-1)])
        self.ahead = -1000.0
        self.closeOwn()
        self.ahead = 0.0
        self.crash()
        self.assertEqual([CLOSED, ""], [self.find(1), self.find(-1)])

    def test_missing(self) -> None:
        """So it is if they are missing."""
        self.kill()
        self.path.unlink()
        self.start()
        self.assertEqual(FORGOTTEN, self.find(1, FAR, OTHER))

    def test_unwritable(self) -> None:
        """So it is if a closing could not be written."""
        patch = self.patch(type(self.file._notes), "append", self.fail_)
        self.close()
        patch.restore()
        self.crash()
        self.assertEqual(FORGOTTEN, self.find(1, FAR, OTHER))

    def fail_(self, *args: object) -> None:
        """Nothing can be written."""
        raise OSError(28, "No space left on device")

    def test_leaves(self) -> None:
        """A host that leaves its fleet, and joins it again, knows what was closed before."""
        self.close()
        self.isInFleet = False
        self.restart()
        self.restart()
        self.assertEqual("", self.find())
        self.isInFleet = True
        self.restart()
        self.assertEqual(FORGOTTEN, self.find(source=FAR))
        self.assertTrue(self.find())

    def test_joinsFirst(self) -> None:
        """A host whose notes nobody has used yet distrusts nothing."""
        self.assertEqual("", self.find(3600))

    def test_begun(self) -> None:
        """So does the first daemon of a new configuration."""
        self.kill()
        self.path = self.folder / "00000000ffffffff.seen"
        beginNotes("/etc/pkdoors/pkdoors.toml", lambda configuration: self.path)
        self.start()
        self.assertEqual("", self.find(3600))

    def test_joins(self) -> None:
        """
        One that ran without a fleet does not know what was closed before it joins; later it does.
        """
        self.isInFleet = False
        self.restart()
        self.isInFleet = True
        self.fleet.start(self.file, isLate=True)
        for _ in range(2):
            self.assertEqual([FORGOTTEN, ""], [self.find(1), self.find(-1)])
            self.restart()

    def test_joinsAtStart(self) -> None:
        """So it is if it joins with a restart, also after it was killed."""
        self.patch(replayfile, "TOUCHED", inf)
        for end in (self.restart, self.crash):
            self.isInFleet = False
            end()
            self.now += 100
            self.ahead += 100
            self.isInFleet = True
            end()
            self.assertEqual([FORGOTTEN, ""], [self.find(1), self.find(-1)])

    def test_joinsAfterLoss(self) -> None:
        """One whose notes were lost at its start does, whenever it joins."""
        self.isInFleet = False
        self.crash("b008")
        self.log = Log(self)
        self.isInFleet = True
        self.fleet.start(self.file)
        self.assertEqual(FORGOTTEN, self.find(1))

    def test_bans(self) -> None:
        """Bans are known after a boot that nobody expected, when nothing else is."""
        order = Order("prod", "ban", KEY, 7, "0" * 16)
        self.fleet.memory.bans.accept(SealedOrder(order, order.encode(), b""))
        self.crash("b008")
        self.assertEqual(7, self.fleet.memory.bans.findBan(KEY))
        self.log = Log(self)

    def test_startsOnce(self) -> None:
        """A reload starts nothing again."""
        self.close()
        self.fleet.start(self.file)
        self.crash()
        self.assertEqual(CLOSED, self.find())

    def test_withoutNotes(self) -> None:
        """A daemon without notes remembers as long as it runs."""
        self.fleet = FleetNotes()
        self.close()
        order = Order("prod", "ban", KEY, 7, "0" * 16)
        self.fleet.memory.bans.accept(SealedOrder(order, order.encode(), b""))
        self.assertEqual((CLOSED, 7), (self.find(), self.fleet.memory.bans.findBan(KEY)))
        self.fleet.stop()

    def test_cacheOnly(self) -> None:
        """The memory of used seals is not touched."""
        self.open("1")
        self.restart()
        self.assertKept("1")
        self.assertIsInstance(self.seen, ReplayCache)
        self.assertIsInstance(self.file, ReplayFile)
