"""Tests of L{pkdoors.lockset}."""

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.doors import Door, knockPorts
from pkdoors.knock import Knock
from pkdoors.locks import Refusal, Request, SequenceLock
from pkdoors.lockset import Lockset
from pkdoors.seals.authorizedkeys import parseAuthorizedKeys
from pkdoors.seals.hints import HintIndex
from pkdoors.seals.sealchecks import SealChecks
from pkdoors.seals.sealedlock import SealedLock
from pkdoors.seals.seen import Seen
from tests.fakes import knocks, makeDoor
from tests.sealing import makeKey, publicLine, sealed

TODAY = 1_800_000_000
ANN, BOB, EVE = "203.0.113.9", "2001:db8::7", "198.51.100.1"
A, B, C, D, E, F, X = 1001, 1002, 1003, 1004, 1005, 1006, 1999

SSH = makeDoor((A, B, C, D, E), name="ssh")
WEB = makeDoor((B, A, C, F, D), ports="443", name="web")
SQL = makeDoor((C, C, A, X, B), ports="5432", name="sql")


def interleaved(random_: random.Random, *rows: Sequence[Knock]) -> Iterator[Knock]:
    """All knocks, each row's own in their order."""
    left = [list(row) for row in rows]
    while any(left):
        yield random_.choice([row for row in left if row]).pop(0)


class LocksetTests(SynchronousTestCase):
    """
    Three doors that share ports.
    """

    def setUp(self) -> None:
        """Make their locks."""
        self.locks = Lockset(map(SequenceLock, (SSH, WEB, SQL)))

    def hear(self, *heard: Knock, at: float = 0.0) -> list[Request | Refusal]:
        """What knocks come to."""
        return [each for knock in heard for each in self.locks.hear(knock, at, 0.0)]

    def opened(self, *heard: Knock, at: float = 0.0) -> list[tuple[str, str]]:
        """Which doors they open for whom."""
        return [
            (each.door.name, each.source)
            for each in self.hear(*heard, at=at)
            if isinstance(each, Request)
        ]

    def refused(self, *heard: Knock, at: float = 0.0) -> list[tuple[str, str, str]]:
        """What is refused: door, source, reason."""
        return [
            (each.door.name, each.source, each.reason)
            for each in self.hear(*heard, at=at)
            if isinstance(each, Refusal)
        ]

    def test_each(self) -> None:
        """Each sequence opens its own door and no other, and nobody is refused."""
        for door in (SSH, WEB, SQL, SSH):
            results = self.hear(*knocks(ANN, *door.sequence.ports))
            self.assertEqual([Request(door, ANN, 0)], results)

    def test_ports(self) -> None:
        """The ports are told sorted, each once."""
        self.assertEqual([A, B, C, D, E, F, X], knockPorts((SSH, WEB, SQL)))

    def test_strangePort(self) -> None:
        """A port that no door has is nothing."""
        self.assertEqual([], self.hear(*knocks(ANN, 9)))

    def test_interleaved(self) -> None:
        """Whatever the order in which knocks of many come, each opens exactly its own door."""
        random_ = random.Random(20261123)
        for _ in range(300):
            doors = {who: random_.choice((SSH, WEB, SQL)) for who in (ANN, BOB, EVE)}
            rows = [knocks(who, *door.sequence.ports) for who, door in doors.items()]
            self.assertCountEqual(
                [(door.name, who) for who, door in doors.items()],
                self.opened(*interleaved(random_, *rows)),
            )

    def test_likeReference(self) -> None:
        """Random knocks on few ports open exactly what a slow reading of the rules opens."""
        random_ = random.Random(20261124)
        locks, slow = Lockset(map(SequenceLock, (SSH, WEB, SQL))), Reference(SSH, WEB, SQL)
        opened, now = 0, 0.0
        for _ in range(20_000):
            now += random_.choice((0.0, 0.1, 1.0))
            who = random_.choice((ANN, BOB))
            row = random_.choice((SSH, WEB, SQL)).sequence.ports
            ports = row if random_.random() < 0.5 else (random_.choice((A, B, C, D, E, F, X)),)
            for knock in knocks(who, *ports):
                results = locks.hear(knock, now, 0.0)
                requests = [each.door.name for each in results if isinstance(each, Request)]
                self.assertEqual(slow.hear(knock, now), requests)
                opened += len(requests)
        self.assertGreater(opened, 1000)

    def test_duplicates(self) -> None:
        """Each datagram twice opens once, whatever ports are shared."""
        for door in (SSH, WEB):
            twice = [port for port in door.sequence.ports for _ in range(2)]
            self.assertEqual([(door.name, ANN)], self.opened(*knocks(ANN, *twice)))

    def test_wrongForAll(self) -> None:
        """A knock that brings its source further nowhere is wrong where it had begun."""
        self.assertEqual(
            [("ssh", ANN, "wrong port after 2 of 5 knocks, ignored for 5 s")],
            self.refused(*knocks(ANN, A, B, E)),
        )

    def test_penaltyStays(self) -> None:
        """Knocking at another door ends no penalty."""
        self.hear(*knocks(ANN, A, B, E))
        self.assertEqual([("web", ANN)], self.opened(*knocks(ANN, *WEB.sequence.ports)))
        self.assertEqual([], self.opened(*knocks(ANN, *SSH.sequence.ports), at=4.9))
        self.assertEqual([("ssh", ANN)], self.opened(*knocks(ANN, *SSH.sequence.ports), at=5.0))

    def test_progressIsLost(self) -> None:
        """Who knocks at another door with a port that both have, begins anew at the first one."""
        self.hear(*knocks(ANN, A, B))
        self.hear(*knocks(ANN, A))  # the second of web, whose first B was
        self.assertEqual([], self.opened(*knocks(ANN, D, E)))

    def test_guessing(self) -> None:
        """A wrong guess at a door is penalised, though its port is one of another door's, too."""
        locks = Lockset(map(SequenceLock, (SSH, WEB)))
        guesses = [*knocks(EVE, A, B, C, D, C), *knocks(EVE, A, B, C, D, E)]
        results = [each for knock in guesses for each in locks.hear(knock, 0.0, 0.0)]
        self.assertEqual(
            ["wrong port after 4 of 5 knocks, ignored for 5 s"],
            [each.reason for each in results if isinstance(each, Refusal)][:1],
        )
        self.assertEqual([], [each for each in results if isinstance(each, Request)])

    def test_sealedDatagram(self) -> None:
        """What is no plain knock takes no progress away."""
        self.hear(*knocks(ANN, A, B, C))
        self.assertEqual([], self.hear(*knocks(ANN, B, datagram=b"pkdoors1 junk")))
        self.assertEqual([("ssh", ANN)], self.opened(*knocks(ANN, D, E)))

    def test_sources(self) -> None:
        """It tells how many knockers each door remembers."""
        self.hear(*knocks(ANN, A), *knocks(BOB, A), *knocks(EVE, C))
        self.assertEqual({"ssh": 2, "web": 0, "sql": 1}, self.locks.sources())


class ChangedTests(LocksetTests):
    """
    The same after a change to the same doors; and what else a change does.
    """

    def setUp(self) -> None:
        """Make their locks, and change them."""
        super().setUp()
        self.change(SSH, WEB, SQL)

    def change(self, *doors: Door) -> None:
        """Have other doors."""
        self.locks = self.locks.changed(doors, self.locks.missing(doors, SequenceLock))

    def test_halfDone(self) -> None:
        """A sequence that is half done can be finished, with the door's new times."""
        self.hear(*knocks(ANN, A, B, C))
        door = replace(SSH, openFor=60.0)
        self.change(WEB, door)
        self.assertEqual([Request(door, ANN, 0)], self.hear(*knocks(ANN, D, E)))

    def test_halfDoneOfAnother(self) -> None:
        """One of a lock that changed cannot, nor with the old ports nor with the new."""
        self.hear(*knocks(ANN, A, B, C), *knocks(BOB, A, B, C))
        self.change(replace(SSH, sequence=replace(SSH.sequence, ports=(A, B, C, E, D))))
        self.assertEqual([], self.hear(*knocks(ANN, D, E), *knocks(BOB, E, D)))

    def test_penaltyLivesOn(self) -> None:
        """A penalty outlives a change."""
        self.hear(*knocks(ANN, A, B, E))
        self.change(SSH)
        self.assertEqual([], self.opened(*knocks(ANN, *SSH.sequence.ports)))

    def test_gone(self) -> None:
        """A door that is gone is not heard, nor told of."""
        self.change(SSH)
        self.assertEqual([], self.hear(*knocks(ANN, *WEB.sequence.ports[:2], F)))
        self.assertEqual(["ssh"], list(self.locks.sources()))

    def test_keptWhenIdle(self) -> None:
        """A lock that nobody is in the midst of is kept, too: no other one is made."""
        made: list[str] = []

        def make(door: Door) -> SequenceLock:
            made.append(door.name)
            return SequenceLock(door)

        doors = (SSH, replace(SQL, name="new"))
        self.locks.changed(doors, self.locks.missing(doors, make))
        self.assertEqual(["new"], made)


class MixedTests(SynchronousTestCase):
    """
    A door that sealed knocks open, and one for plain knocks, with the same ports.
    """

    def setUp(self) -> None:
        """Make their locks."""
        self.key = makeKey()
        text = publicLine(self.key)
        keys, _ = parseAuthorizedKeys(text, "keys")
        sealedDoor = makeDoor(SSH.sequence.ports, name="sealed", authorizedKeys="/keys")
        lock = SealedLock(
            sealedDoor, HintIndex(lambda: keys), Seen(0.0, lambda *note: None), SealChecks()
        )
        self.locks = Lockset([SequenceLock(SSH), lock])

    def opened(self, heard: Iterable[Knock]) -> list[str]:
        """Which doors some knocks open."""
        results = [each for knock in heard for each in self.locks.hear(knock, 0.0, TODAY)]
        return [each.door.name for each in results if isinstance(each, Request)]

    def test_interleaved(self) -> None:
        """Of one source at the same time, each opens its own door, in whatever order they come."""
        random_ = random.Random(20261125)
        for _ in range(50):
            ports = SSH.sequence.ports
            datagram = sealed(self.key, ports, door="sealed", stamp=TODAY * 1000)
            rows = knocks(ANN, *ports), knocks(ANN, *sorted(ports), datagram=datagram)
            self.assertCountEqual(["ssh", "sealed"], self.opened(interleaved(random_, *rows)))


class Reference:
    """The rules, read slowly: for each door and source, the right ports so far, and penalties."""

    def __init__(self, *doors: Door) -> None:
        self._doors = doors
        self._had: dict[tuple[str, str], tuple[tuple[int, ...], float]] = {}
        self._penalties: dict[tuple[str, str], float] = {}

    def hear(self, knock: Knock, now: float) -> list[str]:
        """Which doors it opens."""
        after = {door.name: self._after(door, knock, now) for door in self._doors}
        fits = [name for name, ports in after.items() if ports is not None]
        opened = []
        for door in self._doors:
            key, ports = (door.name, knock.source), after[door.name]
            had, since = self._current(door, knock.source, now)
            if ports is not None:
                self._had[key] = (ports, since if len(ports) > 1 else now)
            else:
                concerned = knock.port in door.sequence.ports and not self._isPenalised(key, now)
                if had and concerned:
                    del self._had[key]
                    if not fits:
                        self._penalties[key] = now + door.penalty
            if ports == door.sequence.ports:
                opened.append(door.name)
                del self._had[key]
        return opened

    def _current(self, door: Door, source: str, now: float) -> tuple[tuple[int, ...], float]:
        had, since = self._had.get((door.name, source), ((), now))
        return (had, since) if now < since + door.knockTimeout else ((), now)

    def _isPenalised(self, key: tuple[str, str], now: float) -> bool:
        return now < self._penalties.get(key, 0.0)

    def _after(self, door: Door, knock: Knock, now: float) -> tuple[int, ...] | None:
        """The ports had after a knock that is right; L{None} where it is not."""
        if self._isPenalised((door.name, knock.source), now):
            return None
        had, _ = self._current(door, knock.source, now)
        row, port = door.sequence.ports, knock.port
        if row[len(had)] == port:
            return (*had, port)
        if len(had) > 1 and had[-1] == port:
            return had
        return (port,) if port == row[0] else None
