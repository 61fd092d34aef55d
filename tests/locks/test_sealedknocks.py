"""Tests of L{pkdoors.locks._sealedknocks}."""

from dataclasses import replace

from pkdoors.knocks.knock import Knock
from pkdoors.knocks.seal import Sealed, parseSealed
from pkdoors.locks import _sealedknocks as module
from pkdoors.locks.lock import Refusal, Request
from pkdoors.locks.lockset import Lockset
from pkdoors.locks.sealed.sealedlock import SealedLock
from pkdoors.locks.sequencelock import SequenceLock
from pkdoors.locks.tries import MAX_TOLD
from pkdoors.model.doors import Door
from tests.fakes.doors import PORTS, knocks, makeDoor
from tests.locks.sealed.case import ANN, BOB, TODAY, SealedLockTestCase, seal

OTHERS = tuple(port + 500 for port in PORTS)


class SealedKnocksTests(SealedLockTestCase):
    """
    Tests with a hundred sealed doors that share ports, and one with other ports.

    @ivar heard: the doors whose locks were shown a knock.
    """

    def setUp(self) -> None:
        """Make the locks."""
        super().setUp()
        self.heard: list[str] = []
        names = [f"d{number}" for number in range(100)]
        shared = [makeDoor(name=name, authorizedKeys="/keys") for name in names]
        apart = makeDoor(OTHERS, name="apart", authorizedKeys="/keys")
        self.locks = Lockset(map(self.listen, (*shared, apart)))

    def listen(self, door: Door) -> SealedLock:
        """Return a lock that notes what it is shown."""
        lock = self.makeLock(door)
        hear = lock.knock

        def note(knock: Knock, now: float, today: float) -> Request | Refusal | None:
            self.heard.append(lock.door.name)
            return hear(knock, now, today)

        self.patch(lock, "knock", note)
        return lock

    def results(self, datagram: bytes, *ports: int, source: str = ANN) -> list[tuple[str, str]]:
        """Return the door and the reason of each result; no reason if it opens."""
        heard = knocks(source, *(ports or PORTS), datagram=datagram)
        found = [each for knock in heard for each in self.locks.hear(knock, 0.0, TODAY)]
        return [
            (each.door.name, each.reason if isinstance(each, Refusal) else "") for each in found
        ]

    def test_named(self) -> None:
        """A knock goes to the lock of the door that it names, and to no other."""
        self.assertEqual([("d42", "")], self.results(seal(door="d42")))
        self.assertEqual(["d42"] * 5, self.heard)

    def test_parsedOnce(self) -> None:
        """A knock for no door is read once, however many doors have its port."""
        read: list[bytes] = []

        def parse(datagram: bytes) -> Sealed:
            read.append(datagram)
            return parseSealed(datagram)

        self.patch(module, "parseSealed", parse)
        self.results(seal(door="attic"), PORTS[0])
        self.assertEqual((1, []), (len(read), self.heard))

    def test_elsewhere(self) -> None:
        """A knock for a door with other ports is ignored, and opens that door on those."""
        self.assertEqual([], self.results(seal(OTHERS, door="apart")))
        self.assertEqual([("apart", "")], self.results(seal(OTHERS, door="apart"), *OTHERS))

    def test_deaf(self) -> None:
        """
        A knock for a door that only other hosts hear opens nothing, though another door has its
        ports. Nobody is in the dark.
        """
        deaf = makeDoor(name="in", authorizedKeys="/keys", fleet=True, listens=False)
        heard = makeDoor(name="out", authorizedKeys="/keys")
        self.locks = Lockset(map(self.listen, (deaf, heard)))
        reason = "this host does not hear knocks for it: knock on another host of the fleet"
        self.assertEqual([("in", reason)] * 5, self.results(seal(door="in")))
        self.assertEqual([], self.heard)
        self.assertEqual([("out", "")], self.results(seal(door="out")))
        self.locks = Lockset([self.listen(deaf)])
        self.assertEqual([], self.results(seal(door="in")))

    def test_foreign(self) -> None:
        """A knock for no door is refused once at each port, with a name that exists."""
        reason = (
            "it is for a door 'attic', but there is no such door here: "
            "knock with --door d0, or the name of 99 others"
        )
        self.assertEqual([("d0", reason)] * 5, self.results(seal(door="attic")))

    def test_foreignAtTwo(self) -> None:
        """If two doors have the port, the sentence fits."""
        doors = [makeDoor(name=name, authorizedKeys="/keys") for name in ("a", "b")]
        self.locks = Lockset(map(self.makeLock, doors))
        ((_, reason),) = self.results(seal(door="attic"), PORTS[0])
        self.assertTrue(reason.endswith("--door a, or the name of another one"), reason)

    def test_malformed(self) -> None:
        """What is no knock at all is refused once at each port."""
        for junk in (b"pkdoors1 ", b"pkdoors1 d1", b"pkdoors1 " + b"x" * 90, b"pkdoors1 \xff \n"):
            with self.subTest(junk=junk):
                self.assertEqual(
                    [("d0", "its statement is malformed")], self.results(junk, PORTS[0])
                )

    def test_plainDoor(self) -> None:
        """The name of a door that plain knocks open is not the name of a sealed one."""
        self.locks = Lockset([SequenceLock(makeDoor(name="plain")), self.lock])
        ((_, reason),) = self.results(seal(door="plain"), PORTS[0])
        self.assertIn("for a door 'plain', but this", reason)

    def test_longestName(self) -> None:
        """A door may have the longest name."""
        name = "d" * 32
        self.locks = Lockset([self.makeLock(makeDoor(name=name, authorizedKeys="/keys"))])
        self.assertEqual([(name, "")], self.results(seal(door=name)))

    def test_explain(self) -> None:
        """The log tells of the door that is named; otherwise of some of those with the port."""
        explain = self.locks.explain
        found = explain(Knock(ANN, PORTS[0], seal(door="d42")), 0.0)
        self.assertEqual({"d42": "a sealed knock that has reached 1 of 5 ports"}, found)
        for datagram, text in (
            (seal(door="attic"), "a sealed knock for another door"),
            (b"junk", "not a sealed knock"),
        ):
            found = explain(Knock(ANN, PORTS[0], datagram), 0.0)
            self.assertEqual((MAX_TOLD, {text}), (len(found), set(found.values())))
        self.assertEqual({}, explain(Knock(ANN, 9, seal(door="d42")), 0.0))

    def test_oneMemory(self) -> None:
        """All doors share the bound of the memory, and each counts what is its own."""
        for number in range(100):
            self.results(seal(door=f"d{number}"), PORTS[0])
        self.results(seal(door="d7"), *PORTS[:2], source=BOB)
        counts = self.locks.sources()
        self.assertEqual((101, 2, 0), (len(self.arrivals), counts["d7"], counts["apart"]))
        ended, _, isBusy = self.locks.takeEndedTries(1000.0)
        self.assertEqual((101, False), (len(ended), isBusy))
        self.assertEqual([], self.locks.takeEndedTries(1000.0)[0])

    def test_newSequence(self) -> None:
        """What reached the ports of a door's former sequence has not reached the new ones."""
        datagram = seal(OTHERS, door="d7")
        self.assertEqual([], self.results(datagram, *PORTS[:4]))
        doors = [replace(makeDoor(OTHERS, name="d7", authorizedKeys="/keys"))]
        self.locks = self.locks.replaceDoors(doors, self.locks.makeMissing(doors, self.makeLock))
        self.assertEqual([], self.results(datagram, OTHERS[4]))
        self.assertEqual([("d7", "")], self.results(datagram, *OTHERS[:4]))
