"""Tests of L{pkdoors.locks.relayed.tombstones}: what was closed stays closed."""

from ipaddress import IPv4Network, IPv6Network, ip_network

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from pkdoors.locks.relayed import tombstones as tombstonesModule
from pkdoors.locks.relayed.memory import FleetMemory
from pkdoors.locks.relayed.tombstones import MAX_TOMBSTONES, PART, Tombstones
from pkdoors.locks.sealed.replaynotes import ALL
from pkdoors.locks.sealed.replays import ClosedNote
from pkdoors.model.sources import readSource
from tests.lab.properties import PROPERTY
from tests.lab.sealing import publicLine
from tests.locks.relayed.case import FAR, GATE, STOLEN, FleetTestCase, bound
from tests.locks.sealed.case import ANN, BOB, EVE, TODAY, authorized, seal

CLOSED = "somebody has closed the door since this knock was made: knock again"
FORGOTTEN = (
    "it is older than what this host remembers of closings, so it may have been closed: knock again"
)
NOW = 1000.0
STAMP = TODAY * 1000
ANNAS, EVES = "SHA256:" + "a" * 42 + "A", "SHA256:" + "e" * 42 + "A"


class ClosedTests(FleetTestCase):
    """
    Whatever closes leaves a tombstone, and no seal from before opens anything.
    """

    def test_sealedClose(self) -> None:
        """A sealed close ends what that key has sealed for the address until then."""
        before, same, after = bound(ago=10), bound(ago=5), bound(ago=4.999)
        self.assertEqual(f"close {ANN}", self.relay(bound(close=True, ago=5)))
        self.assertSilent(CLOSED, before)
        self.assertSilent(CLOSED, same)
        self.assertOpens(295.001, after)

    def test_closeOverUdp(self) -> None:
        """So does one that this host has heard itself."""
        datagram = bound(ago=1)
        self.assertEqual("open", self.udp(bound(close=True)))
        self.assertSilent(CLOSED, datagram)

    def test_udpAfterClose(self) -> None:
        """A seal that comes over UDP after a newer close opens nothing, either."""
        self.relay(bound(close=True))
        self.assertEqual(CLOSED, self.udp(bound(ago=1)))
        self.assertEqual("open", self.udp(bound(ago=-1)))

    def test_otherKey(self) -> None:
        """A close is about its own key: nobody closes for others."""
        self.keys += authorized(publicLine(EVE, "eve"))
        self.relay(bound(key=EVE, close=True))
        self.assertOpens(300, bound())

    def test_otherAddress(self) -> None:
        """It is about its address."""
        self.relay(bound(FAR, close=True))
        self.assertOpens(300, bound())

    def test_closeCannotOpen(self) -> None:
        """It asks to end what began before its stamp, so an old one ends nothing that is newer."""
        request = self.judge(bound(close=True, ago=50))
        assert request is not None
        self.assertEqual(TODAY - 50, getattr(request, "since", None))

    def test_closeAgain(self) -> None:
        """
        A close that comes again does nothing, so it cannot end what its key has opened since; not
        even after a restart, when nobody knows when that was.
        """
        datagram = bound(close=True, ago=50)
        self.assertEqual(f"close {ANN}", self.relay(datagram))
        self.assertSilent("-", datagram)
        self.assertSilent("-", bound(close=True, ago=51))
        notes = self.memory.tombstones.makeNotes(self.now, self.today)
        self.memory = FleetMemory()
        self.memory.tombstones.learn(notes, self.now, self.today, 60.0, isSameBoot=False)
        self.assertSilent("-", datagram)

    def test_closeBurnt(self) -> None:
        """A stolen host that passes a close on first cannot prevent it."""
        self.use(GATE)
        datagram = seal(close=True)
        self.relay(datagram, origin=STOLEN, source=FAR)
        self.assertEqual(f"close {ANN}", self.relay(datagram, source=ANN))

    def test_ahead(self) -> None:
        """
        A sender whose clock is ahead is closed, too: a seal that was heard before a closing opens
        nothing after it.
        """
        for isHeard in (False, True):
            self.setUp()
            datagram = bound(ago=-50)
            if isHeard:
                self.assertEqual("open", self.udp(datagram))
            else:
                self.assertOpens(300, datagram)
            self.wait(10)
            self.memory.tombstones.addOwn(ALL, None, self.now, self.today)
            self.wait(10)
            self.assertSilent(CLOSED, datagram)
            self.assertEqual("open", self.udp(bound(ago=-70)))

    def test_aheadRestarted(self) -> None:
        """So it is if the daemon has started again since: it knows the seal, but not since when."""
        datagram = bound(ago=-50)
        self.assertOpens(300, datagram)
        self.wait(10)
        self.memory.tombstones.addOwn(ALL, None, self.now, self.today)
        self.memory = FleetMemory(self.memory.tombstones)
        self.wait(10)
        self.assertSilent(CLOSED, datagram)
        self.assertOpens(300, bound(ago=-50))

    def test_aheadOwn(self) -> None:
        """What the key itself closes has the same clock, so it can open again at once."""
        self.assertOpens(300, bound(ago=-30))
        self.relay(bound(close=True, ago=-40))
        self.assertOpens(300, bound(ago=-50))

    def test_closeOver(self) -> None:
        """One that is older than any opening does nothing."""
        self.assertSilent("-", bound(close=True, ago=3600))
        self.assertEqual(0, len(self.memory.tombstones))

    def test_forgedClose(self) -> None:
        """A close with a bad seal, or of a key that may not knock, closes nothing."""
        forged = bound(close=True).replace(b" close ", b" close ")[:-1] + b"x"
        self.relay(forged)
        self.relay(bound(key=EVE, close=True))
        self.lock.judge.findRevoked = lambda key: "revoked"
        self.relay(bound(close=True))
        self.lock.judge.findRevoked = lambda key: ""
        self.assertEqual(0, len(self.memory.tombstones))

    def test_unboundClose(self) -> None:
        """Nor does one without an address, by the word of a host that is not trusted."""
        self.assertIn("trust", self.relay(seal(close=True), source=ANN))
        self.assertEqual(0, len(self.memory.tombstones))
        self.use(GATE)
        self.assertEqual(f"close {ANN}", self.relay(seal(close=True), source=ANN))

    def test_network(self) -> None:
        """A seal for a network opens nothing if an address in it was closed since."""
        self.setDoor(grant4=24)
        self.allow("prefix")
        datagram = bound(ago=1)
        self.relay(bound("203.0.113.200", close=True))
        self.assertSilent(CLOSED, datagram)

    def test_operator(self) -> None:
        """What this host's operator closes stays closed, for all keys."""
        for door, source in ((self.lock.door.name, None), (ALL, readSource(ANN)), (ALL, None)):
            self.memory = FleetMemory()
            datagram = bound(ago=1)
            self.assertOpens(299, datagram)
            self.memory.tombstones.addOwn(door, source, self.now, self.today)
            self.assertSilent(CLOSED, datagram)
            self.assertOpens(300, bound(ago=-1))

    def test_otherDoor(self) -> None:
        """What an operator closes at another door does not matter here."""
        self.memory.tombstones.addOwn("other", None, self.now, self.today)
        self.assertOpens(300, bound())

    def test_plainDoor(self) -> None:
        """A door that is not one of the fleet leaves no tombstones and heeds none."""
        self.setDoor(fleet=False)
        self.memory.tombstones.addOwn(ALL, None, self.now, self.today + 10)
        self.assertEqual("open", self.udp(bound(ago=1)))
        count = len(self.memory.tombstones)
        self.assertEqual("open", self.udp(bound(close=True)))
        self.assertEqual(count, len(self.memory.tombstones))


class ClockTests(FleetTestCase):
    """
    What an operator closes stays closed, however the clock of the host is set.
    """

    def test_wasBehind(self) -> None:
        """
        A host without a battery closes in the wrong year: when its clock is right, what was sealed
        before opens nothing.
        """
        self.wait(-1e8)
        self.now += 1e8
        self.memory.tombstones.addOwn(ALL, None, self.now, self.today)
        self.today += 1e8
        self.wait(5)
        self.assertSilent(CLOSED, bound(ago=1))
        self.assertSilent(CLOSED, bound(ago=-0))
        self.assertOpens(300, bound(ago=-5.1))

    def test_wasAhead(self) -> None:
        """A host whose clock was ahead is not closed for that long."""
        self.memory.tombstones.addOwn(ALL, None, self.now, self.today + 1e6)
        self.assertSilent(CLOSED, bound(ago=1))
        self.wait(1)
        self.assertOpens(299.5, bound(ago=-0.5))

    def test_afterRestart(self) -> None:
        """So it is after a restart, and after a boot, when the clock is another one."""
        stones = self.memory.tombstones
        stones.addOwn(ALL, None, self.now, self.today + 1e6)
        for boot in (self.now + 1, 3.0):
            after = Tombstones()
            notes = stones.makeNotes(self.now, self.today + 1e6)
            after.learn(notes, boot, self.today + 1, 60.0, isSameBoot=boot > self.now)
            args = ("default", readSource(ANN), ANNAS)
            self.assertEqual(CLOSED, after.findRefusal(*args, STAMP, boot, self.today + 1))
            self.assertEqual("", after.findRefusal(*args, STAMP + 1001, boot, self.today + 1))

    def test_killedBehind(self) -> None:
        """
        So is a closing by a clock that was behind, if the daemon was killed, and the clock is right
        when the next one starts.
        """
        self.memory.tombstones.addOwn(ALL, None, self.now, self.today - 1e8)
        notes = self.memory.tombstones.makeNotes(self.now, self.today - 1e8)
        self.memory = FleetMemory()
        self.wait(5)
        self.memory.tombstones.learn(notes, self.now, self.today, 60.0, isSameBoot=True)
        self.assertSilent(CLOSED, bound(ago=1))
        self.assertOpens(300, bound(ago=-5.1))

    def test_bootBehind(self) -> None:
        """If the clock is behind after a boot, what was closed counts when it is right again."""
        stones, after = self.memory.tombstones, Tombstones()
        stones.addOwn(ALL, None, self.now, self.today)
        notes = stones.makeNotes(self.now, self.today)
        after.learn(notes, 3.0, 0.0, 60.0, isSameBoot=False)
        args = ("default", readSource(ANN), ANNAS)
        self.assertEqual(CLOSED, after.findRefusal(*args, STAMP, 103.0, self.today + 150))
        self.assertEqual("", after.findRefusal(*args, STAMP + 1, 103.0, self.today + 150))


class TableTests(SynchronousTestCase):
    """
    The table: its bound, and its notes.
    """

    def setUp(self) -> None:
        """Make one."""
        self.notes: list[ClosedNote] = []
        self.stones = Tombstones(self.notes.append)

    def close(self, source: str, key: str = ANNAS, stamp: int = STAMP, door: str = "ssh") -> None:
        """Close for a source."""
        found = None if source == ALL else readSource(source)
        self.stones.add(door, found, key, stamp, NOW, TODAY)

    def find(self, source: str, key: str = ANNAS, stamp: int = STAMP, door: str = "ssh") -> str:
        """Return why a seal is refused."""
        return self.stones.findRefusal(door, readSource(source), key, stamp, NOW, TODAY)

    def test_full(self) -> None:
        """
        When it is full, the key with the most loses its oldest, and from then on all its seals that
        are as old are refused. Other keys lose nothing.
        """
        self.close(ANN, EVES, STAMP)
        for number in range(MAX_TOMBSTONES + 10):
            self.close(f"10.0.{number >> 8}.{number & 255}", stamp=STAMP + number)
        self.assertTrue(MAX_TOMBSTONES * (1 - 1 / PART) < len(self.stones) <= MAX_TOMBSTONES)
        self.assertEqual(CLOSED, self.find(ANN, EVES))
        self.assertEqual("", self.find(BOB, EVES))
        self.assertEqual(FORGOTTEN, self.find("10.0.0.0"))
        gone = MAX_TOMBSTONES // PART
        self.assertEqual(FORGOTTEN, self.find(BOB, stamp=STAMP + gone - 1))
        self.assertEqual("", self.find(BOB, stamp=STAMP + gone))
        left = f"10.0.{gone >> 8}.{gone & 255}"
        self.assertEqual(CLOSED, self.find(left, stamp=STAMP + gone))

    def test_quick(self) -> None:
        """However many one key closes, the others are seldom sorted again."""
        self.patch(tombstonesModule, "MAX_TOMBSTONES", 80)
        calls: list[int] = []
        forget = self.stones._forgetOldest

        def count(now: float, today: float) -> None:
            calls.append(1)
            forget(now, today)

        self.patch(self.stones, "_forgetOldest", count)
        for number in range(1000):
            self.close(f"10.0.{number >> 8}.{number & 255}", stamp=STAMP + number)
        self.assertLessEqual(len(calls), 1000 // (80 // PART) + 1)

    def test_operatorsFull(self) -> None:
        """What operators close counts as one: when it is too much, old seals of all are refused."""
        for number in range(MAX_TOMBSTONES + 1):
            address = readSource(f"10.0.{number >> 8}.{number & 255}")
            self.stones.addOwn(ALL, address, NOW + number, TODAY + number)
        now, today = NOW + number, float(TODAY + number)
        find, gone = self.stones.findRefusal, 1000 * (MAX_TOMBSTONES // PART)
        self.assertEqual(FORGOTTEN, find("ssh", readSource(BOB), EVES, STAMP, now, today))
        self.assertEqual("", find("ssh", readSource(BOB), EVES, STAMP + gone, now, today))

    def test_floorsBound(self) -> None:
        """The floors of very many keys become one for all."""
        self.patch(tombstonesModule, "MAX_TOMBSTONES", 5)
        keys = [f"SHA256:{number:042}A" for number in range(20)]
        for number, key in enumerate(keys):
            for stamp in (10, 20, 30, 40, 50, 60):
                self.close(f"10.0.0.{stamp}", key, STAMP + 1000 * number + stamp)
        self.assertLessEqual(len(self.stones), 5)
        floors = self.stones.makeNotes(NOW, TODAY).floors
        self.assertLessEqual(len([*floors]), 6)
        for number, key in enumerate(keys):
            self.assertNotEqual("", self.find("10.0.0.60", key, STAMP + 1000 * number + 60))

    def test_again(self) -> None:
        """Closing again takes no further room, and an older closing changes nothing."""
        for stamp in (STAMP, STAMP + 5, STAMP + 2):
            self.close(ANN, stamp=stamp)
        self.assertEqual(1, len(self.stones))
        self.assertEqual(CLOSED, self.find(ANN, stamp=STAMP + 5))
        self.assertEqual([STAMP, STAMP + 5], [note.stamp for note in self.notes])

    def test_distrust(self) -> None:
        """If the notes are lost, whatever is older than that may have been closed."""
        self.stones.distrust(NOW + 60)
        self.assertEqual(FORGOTTEN, self.find(ANN, stamp=STAMP + 60_000))
        self.assertEqual("", self.find(ANN, stamp=STAMP + 60_001))

    def test_notes(self) -> None:
        """The next daemon knows all of it."""
        self.close(ANN)
        self.close("2001:db8::/32", ALL, door=ALL)
        self.stones.addOwn("web", None, NOW, TODAY)
        self.stones.distrust(NOW - 100)
        after = Tombstones()
        after.learn(self.stones.makeNotes(NOW, TODAY), NOW, TODAY, 60.0, isSameBoot=True)
        self.assertEqual(self.stones.makeNotes(NOW, TODAY), after.makeNotes(NOW, TODAY))
        before, self.stones = self.stones, after
        self.assertEqual([CLOSED, CLOSED, ""], [self.find(x) for x in (ANN, BOB, FAR)])
        self.assertEqual(CLOSED, self.find(FAR, door="web"))
        self.assertEqual(FORGOTTEN, self.find(FAR, stamp=STAMP - 100_000))
        self.assertIsNot(before, after)

    def test_noteFirst(self) -> None:
        """A closing is noted before it counts."""
        found: list[str] = []
        self.stones = Tombstones(lambda note: found.append(self.find(ANN)))
        self.close(ANN)
        self.assertEqual([""], found)

    @PROPERTY
    @given(
        st.lists(
            st.tuples(
                st.sampled_from(["ssh", "web", ALL]),
                st.sampled_from([ALL, ANN, FAR, "203.0.113.0/24", BOB, "2001:db8::/32"]),
                st.sampled_from([ANNAS, EVES, ALL]),
                st.integers(0, 9),
            ),
            max_size=25,
        ),
        st.integers(1, 30),
        st.booleans(),
    )
    def test_model(
        self, closings: list[tuple[str, str, str, int]], limit: int, isRestarted: bool
    ) -> None:
        """
        However small the table is, whatever was closed stays closed; as long as nothing gives way,
        nothing else is refused.
        """
        self.patch(tombstonesModule, "MAX_TOMBSTONES", limit)
        self.stones = Tombstones()
        for door, source, key, stamp in closings:
            self.close(source, key, stamp, door)
        if isRestarted:
            after = Tombstones()
            after.learn(self.stones.makeNotes(NOW, TODAY), NOW, TODAY, 60.0, isSameBoot=False)
            self.stones = after
        self.assertLessEqual(len(self.stones), limit)
        for door in ("ssh", "web"):
            for source in (ANN, FAR, BOB, "203.0.113.0/24", "203.0.112.0/20", "2001:db8::/64"):
                for key in (ANNAS, EVES):
                    for stamp in range(10):
                        isClosed = any(
                            _isClosed(each, door, source, key, stamp) for each in closings
                        )
                        found = self.find(source, key, stamp, door)
                        if isClosed:
                            self.assertNotEqual("", found)
                        elif len(closings) <= limit:
                            self.assertEqual("", found)


def _isClosed(
    closing: tuple[str, str, str, int], door: str, source: str, key: str, stamp: int
) -> bool:
    """Return whether a closing is about a seal."""
    place, closed, by, when = closing
    if place not in (door, ALL) or by not in (key, ALL) or stamp > when:
        return False
    if closed == ALL:
        return True
    one, other = (_asNetwork(text) for text in (closed, source))
    return one.version == other.version and bool(one.overlaps(other))


def _asNetwork(text: str) -> IPv4Network | IPv6Network:
    return ip_network(text)
