"""Tests of L{pkdoors.locks.sealed.checking.checks}, with a sealed lock."""

import random
from collections.abc import Callable
from hashlib import sha256
from math import inf
from typing import Any

from pkdoors.client.core.plan import ROUND_PAUSE, ROUNDS
from pkdoors.knocks.knock import Knock
from pkdoors.knocks.seal import hintOf, makeNonce
from pkdoors.knocks.signatures import isGood
from pkdoors.locks.lock import Refusal, Request
from pkdoors.locks.sealed import hints, keytable
from pkdoors.locks.sealed import sealjudge as sealJudgeModule
from pkdoors.locks.sealed.checking.checks import LATER, SAVED, SEARCH_SHARE, SHARE, SealChecks
from pkdoors.locks.sealed.checking.queue import SealQueue
from pkdoors.locks.sealed.sealedlock import SealedLock
from tests.fakes.doors import PORTS, makeDoor
from tests.lab.sealing import makeKey, publicLine, statement, withOtherNumber
from tests.locks.sealed.case import (
    ANN,
    ANNA,
    BOB,
    EVE,
    TODAY,
    A,
    B,
    C,
    D,
    E,
    SealedLockTestCase,
    authorized,
    forged,
    seal,
)


class CheckTestCase(SealedLockTestCase):
    """
    Which signatures are checked, if each check takes a second of processor time.
    """

    BAD = "its seal is bad: made by another key, or for another sequence"

    def setUp(self) -> None:
        """Count the checks."""
        super().setUp()
        self.checked = 0
        self.patch(sealJudgeModule, "isGood", self.check)

    def check(self, *arguments: Any) -> bool:
        """Check a signature."""
        self.checked += 1
        self.worked += 1.0
        return isGood(*arguments)

    def work(self, at: float = 0.0, today: float = TODAY) -> list[str]:
        """
        Return the results of the waiting knocks, one after the other, with time for all of them.
        """
        outcomes = []
        while (pause := self.checks.pause(at)) is not None:
            at += pause
            for result in self.checks.work(at, today):
                outcomes.append("open" if isinstance(result, Request) else result.reason)
        return outcomes


class CheckTests(CheckTestCase):
    """
    Few keys.
    """

    def test_waits(self) -> None:
        """A knock that cannot be checked at once waits; its copies change nothing."""
        datagram = seal()
        self.assertEqual(self.BAD, self.knock(forged())[-1])
        self.assertEqual(["-"] * 10, self.knock(datagram, *PORTS, *PORTS))
        self.assertEqual((1, 1), (self.checked, len(self.lock) - 1))
        self.assertEqual(["open"], self.work())
        self.assertEqual(["-"] * 5, self.knock(datagram))

    def test_allDoors(self) -> None:
        """All doors share one budget."""
        door = makeDoor(ports="443", name="web", authorizedKeys="/keys")
        ssh, web = self.lock, SealedLock(door, self.hints, self.seen, self.checks, self.arrivals)
        self.knock(forged())
        self.lock = web
        self.assertEqual(["-"] * 5, self.knock(seal(door="web")))
        self.assertEqual((1, 1), (len(ssh), len(web)))
        self.assertEqual(["open"], self.work())

    def test_noQuotaBySource(self) -> None:
        """An attacker who sends in somebody's name uses up nothing of theirs, in any number."""
        for at in range(50):
            self.knock(forged(), at=10.0 * at)
        self.assertEqual("open", self.knock(seal(), at=1000.0)[-1])

    def test_keyOnSeveralLines(self) -> None:
        """Each key is checked once, however many lines have it."""
        line = publicLine(ANNA)
        self.keys = authorized(*(f'doors="door{number}" {line}' for number in range(50)), line)
        self.assertEqual(self.BAD, self.knock(forged())[-1])
        self.assertEqual(1, self.checked)
        self.assertEqual("open", self.knock(seal(), at=1000.0)[-1])
        self.assertEqual(2, self.checked)

    def test_checkedOnce(self) -> None:
        """A bad seal is checked once, however many copies come."""
        bad = forged()
        for _ in range(50):
            self.knock(bad)
        self.assertEqual(([], 1), (self.work(), self.checked))

    def test_unknownIsNotChecked(self) -> None:
        """A seal that no key here can have made is not checked, as its hint shows."""
        for _ in range(50):
            self.knock(seal(key=EVE))
        self.assertEqual(0, self.checked)

    def test_incompleteIsFree(self) -> None:
        """A knock that did not arrive on every port costs nothing."""
        for _ in range(50):
            self.knock(forged(), A, B, C, D)
        self.assertEqual((0, 0), (self.looks, self.checked))

    def test_refusedEarlierIsFree(self) -> None:
        """A knock that is refused before its key is needed costs nothing."""
        for _ in range(9):
            for fields in ({"ago": 61}, {"door": "attic"}):
                self.knock(seal(key=EVE, **fields))
            self.knock(seal()[:-1] + b"\xff")
            self.knock(b"pkdoors1 default and so on\n")
        self.assertEqual((0, 0, 0), (self.looks, self.checked, self.checks.count(self.lock)))

    def test_boundElsewhere(self) -> None:
        """A knock that is bound to another address is not checked, nor queued."""
        for _ in range(9):
            self.knock(seal(key=EVE, bind=BOB))
        self.assertEqual((0, 0), (self.checked, self.checks.count(self.lock)))

    def test_stampRunsOut(self) -> None:
        """A knock that waits until its stamp is too old opens nothing."""
        self.knock(forged())
        self.knock(seal(ago=59))
        (reason,) = self.work(today=TODAY + 2)
        self.assertIn("its time is 1m1s behind", reason)

    def test_spentBefore(self) -> None:
        """Datagrams that came before the last port count for the turn, too."""
        self.knock(forged())
        self.knock(seal(), A, B, C, D, A, B, C, D, E)
        self.knock(forged())
        self.assertEqual(["open", self.BAD], self.work())

    def test_spentTooMuch(self) -> None:
        """More datagrams than the client sends do not count."""
        self.knock(forged())
        self.knock(forged(), *[A] * 100, *PORTS)
        self.knock(seal(), *PORTS * 3)
        self.assertEqual(["open", self.BAD], self.work())

    def test_keyIsTakenAway(self) -> None:
        """The keys that count are those at the time of the check."""
        self.knock(forged())
        self.knock(seal())
        self.keys = []
        self.assertEqual(["its key is not known here"], self.work())

    def test_twoWait(self) -> None:
        """If two sources have sent the same knock, and both copies wait, one opens the door."""
        self.knock(forged())
        datagram = seal()
        for source in (ANN, BOB):
            self.knock(datagram, source=source)
        self.assertEqual(["open", "this knock was seen before"], self.work())

    def test_locksGone(self) -> None:
        """A knock that waits for a lock that is gone opens nothing."""
        self.knock(forged())
        self.knock(seal())
        self.checks.keep(lambda lock: lock is not self.lock)
        self.assertEqual([], self.work())

    def test_gaveWay(self) -> None:
        """If too many wait, the knock that gives way is refused, with its own source."""
        self.checks = SealChecks(lambda: self.worked, SealQueue(1))
        self.lock = self.makeLock(self.lock.door)
        self.knock(forged())
        self.knock(seal())
        for port in PORTS:
            result = self.lock.knock(Knock(BOB, port, forged_ := forged()), 0.0, TODAY)
        self.assertIsNone(result, forged_)
        bad = forged()
        results = [self.lock.knock(Knock(BOB, port, bad), 0.0, TODAY) for port in PORTS]
        self.assertEqual([None] * 4 + [Refusal(self.lock.door, ANN, LATER)], results)

    def test_changedCopy(self) -> None:
        """
        A changed copy of an ECDSA seal, with n - s in place of s, is a good signature, too. It
        opens nothing, because the nonce is remembered; if the copy comes first, the seal itself
        opens nothing.
        """
        key = makeKey("ecdsa256")
        self.keys = authorized(publicLine(key))
        for first in (0, 1):
            datagram = seal(key=key)
            copies = [datagram, withOtherNumber(datagram)]
            self.assertNotEqual(*copies)
            at = 1000.0 * (first + 1)
            self.assertEqual("open", self.knock(copies[first], at=at)[-1])
            reason = self.knock(copies[1 - first], at=at + 100)[-1]
            self.assertEqual("this knock was seen before", reason)
        self.assertEqual(2, self.checked)


class FloodTests(SealedLockTestCase):
    """
    The best attacks, on five ports, against a lock whose checks take 0.6 ms each: an ECDSA key
    with P-521 among 256 keys. So 833 checks a second are possible.
    """

    COST = 0.0006
    RATE = 10_000
    STEP = 0.001
    """Seconds between two turns."""

    def setUp(self) -> None:
        """Make checks that cost what they would cost there, but take no real time here."""
        super().setUp()
        self.good: set[bytes] = set()
        self.patch(sealJudgeModule, "isGood", self.check)
        self.chance = random.Random(20261127)
        self.bad = seal()[-83:]
        self.checks = SealChecks(lambda: self.worked, SealQueue(chance=self.chance))
        self.lock = self.makeLock(self.lock.door)
        self.now, self.owed, self.next = 0.0, 0.0, 0.0
        self.opened: dict[str, float] = {}

    def check(self, key: Any, signature: bytes, data: bytes) -> bool:
        """Take the time of a check."""
        self.worked += self.COST
        return signature in self.good

    def forge(self) -> bytes:
        """Make a knock with the hint of Anna's key, and a signature that is not hers."""
        nonce = f"{self.chance.getrandbits(64):016x}"
        hint = hintOf(ANNA.public().blob(), nonce)
        text = statement(ANNA, stamp=TODAY * 1000, nonce=nonce, hint=hint).encode()
        return text + self.bad

    def honest(self) -> bytes:
        """Make a knock of Anna's."""
        datagram = self.forge()
        signature = self.bad[:20] + self.chance.randbytes(32) + self.bad[52:]
        self.good.add(signature)
        return datagram[:-83] + signature

    def run_(self, seconds: float, attack: Callable[[], Knock], due: dict[float, Knock]) -> None:
        """Run an attack for a while, and send some knocks at their times."""
        end = self.now + seconds
        while self.now < end:
            self.owed += self.RATE * self.STEP
            heard = [attack() for _ in range(int(self.owed))]
            self.owed -= len(heard)
            heard += [due.pop(time) for time in sorted(due) if time <= self.now]
            self.chance.shuffle(heard)
            for knock in heard:
                self.note(self.lock.knock(knock, self.now, TODAY + self.now))
            if self.now >= self.next:
                for result in self.checks.work(self.now, TODAY + self.now):
                    self.note(result)
                self.next = self.now + (self.checks.pause(self.now) or 0.0)
            self.now += self.STEP

    def note(self, result: Request | Refusal | None) -> None:
        """Note what has opened, and when."""
        if isinstance(result, Request):
            self.opened.setdefault(result.source, self.now)

    def measure(self, attack: Callable[[], Knock], source: str, pause: float = 1.0) -> list[float]:
        """Return how long after its first datagram each of twenty honest knocks opened the door."""
        self.run_(2.0, attack, {})
        took = []
        for _ in range(20):
            datagram, began = self.honest(), self.now
            self.opened.clear()
            due = {
                began + ROUND_PAUSE * round_ + at / 10_000: Knock(source, port, datagram)
                for round_ in range(ROUNDS)
                for at, port in enumerate(PORTS)
            }
            self.run_(pause, attack, due)
            took.append(self.opened.get(source, inf) - began)
        self.assertLess(self.worked, SHARE * self.now + SAVED + self.COST)
        return took

    def forging(self, sources: Callable[[], str], rounds: int = 1) -> Callable[[], Knock]:
        """Return an attack: a new forgery on all ports, so many times, then the next one."""
        queue: list[Knock] = []

        def attack() -> Knock:
            if not queue:
                datagram, source = self.forge(), sources()
                queue.extend(Knock(source, port, datagram) for port in PORTS * rounds)
            return queue.pop()

        return attack

    def test_victimsName(self) -> None:
        """
        The attacker sends 2,000 forgeries a second in the victim's name, with the victim's key.
        """
        took = self.measure(self.forging(lambda: ANN), ANN, 0.2)
        self.assertLess(max(took), 0.2)

    def test_allPaid(self) -> None:
        """The attacker sends each forgery as often as a client sends its knock."""
        took = self.measure(self.forging(lambda: ANN, ROUNDS), ANN, 0.2)
        self.assertLess(max(took), 0.2)

    def test_manySources(self) -> None:
        """The attacker sends from invented addresses."""
        numbers = iter(range(10**9))
        attack = self.forging(lambda: f"10.{next(numbers) % 250}.1.1", ROUNDS)
        self.assertLess(max(self.measure(attack, ANN, 0.2)), 0.2)

    def test_copiesOfTheKnock(self) -> None:
        """
        The attacker sees the honest statement, and sends it with other signatures before it has
        arrived on every port.
        """
        queue: list[Knock] = []
        self.latest, honest = self.forge(), self.honest

        def remember() -> bytes:
            self.latest = honest()
            return self.latest

        def attack() -> Knock:
            if not queue:
                copy = self.latest[:-63] + self.chance.randbytes(62) + b"\0"
                queue.extend(Knock(ANN, port, copy) for port in PORTS)
            return queue.pop()

        self.patch(self, "honest", remember)
        self.assertLess(max(self.measure(attack, ANN, 0.2)), 0.2)

    def test_fewNetworks(self) -> None:
        """
        At six times the rate, fully paid, an attacker can send more than can be checked. But with
        only a few networks he keeps nobody out of another network.
        """
        self.RATE = 60_000
        hosts = iter(range(10**9))
        attack = self.forging(lambda: f"2001:db8::{next(hosts) % 65_000:x}", ROUNDS)
        self.assertLess(max(self.measure(attack, ANN, 0.2)), 0.2)


class SearchTests(CheckTestCase):
    """
    A door with more keys than are compared: a search of five steps, which take a second each.
    """

    def setUp(self) -> None:
        """Give the door many keys, the last of which is Anna's."""
        super().setUp()
        self.patch(hints, "FEW", 2)
        self.patch(keytable, "AT_ONCE", 1)
        self.patch(keytable, "sha256", self.hash)
        lines = [publicLine(makeKey()) for _ in range(4)]
        self.keys = authorized(*lines, publicLine(ANNA, "anna"))
        self.hashed = self.ticks = 0

    def hash(self, data: bytes) -> Any:
        """Hash a key."""
        self.hashed += 1
        self.worked += 1.0
        return sha256(data)

    def tagged(self) -> bytes:
        """Return a knock of Anna's with a tag."""
        return seal(nonce=makeNonce(ANNA.public().blob(), TODAY * 1000))

    def test_sliced(self) -> None:
        """A search goes on beside everything else: each turn does a step of it."""
        datagram = seal()
        self.assertEqual(["-"] * 10, self.knock(datagram, *PORTS, *PORTS))
        self.assertEqual((0, 1), (self.hashed, len(self.lock)))
        at = 0.0
        for number in range(5):
            self.assertEqual((number, []), (self.hashed, [*self.checks.work(at, TODAY)]))
            self.assertEqual(["-"] * 5, self.knock(datagram))
            at = 1000.0 * (number + 1)
        self.assertEqual((5, ["open"]), (self.hashed, self.work(at)))
        self.assertEqual(["-"] * 5, self.knock(datagram))

    def test_recent(self) -> None:
        """A key that a search has found is found at once by its next knock, with one hash."""
        self.knock(seal())
        self.assertEqual(["open"], self.work())
        self.hashed = 0
        self.assertEqual("open", self.knock(seal(), at=1000.0)[-1])
        self.assertEqual(1, self.hashed)

    def test_forgedIsNotRecent(self) -> None:
        """Somebody who knows a key, but cannot seal with it, changes nothing of what is recent."""
        self.knock(forged())
        self.assertEqual([self.BAD], self.work())
        self.hashed = 0
        self.assertEqual("-", self.knock(seal(), at=1000.0)[-1])
        self.assertEqual(["open"], self.work(1000.0))
        self.assertEqual(5, self.hashed)

    def test_recentUnderAFlood(self) -> None:
        """While others search, a knock with a recent key waits like all."""
        self.knock(seal())
        self.work()
        self.knock(seal(key=EVE), at=1000.0)
        self.worked = 0.0
        self.assertEqual("-", self.knock(seal(), at=1000.0)[-1])
        self.assertEqual(0.0, self.worked)
        self.assertEqual(["its key is not known here", "open"], self.work(2000.0))

    def test_taggedFirst(self) -> None:
        """A knock with a tag is checked at once, although a search goes on."""
        self.hints.mayBindElsewhere()
        for _ in self.table.work(TODAY, 60.0):
            pass
        self.knock(seal(key=EVE))
        [*self.checks.work(0.0, TODAY)]
        self.assertEqual("open", self.knock(self.tagged(), at=1000.0)[-1])

    def test_share(self) -> None:
        """Searches take their own share only, and leave the rest to the others."""
        self.hints.mayBindElsewhere()
        for _ in self.table.work(TODAY, 60.0):
            pass
        self.patch(sealJudgeModule, "isGood", lambda *arguments: self.tick())
        for number in range(300):
            self.knock(seal(key=EVE, nonce=f"{number:016x}"))
            if number < 250:
                self.knock(self.tagged())
        self.worked, self.hashed, self.ticks = 0.0, 0, 0
        at = 0.0
        while at < 400:
            at += max(0.01, self.checks.pause(at) or 0.01)
            [*self.checks.work(at, TODAY)]
        self.assertLess(abs(SEARCH_SHARE - self.hashed / at), 0.03)
        self.assertLess(abs(SHARE - (self.hashed + self.ticks) / at), 0.05)

    def tick(self) -> bool:
        """Check a signature, in vain."""
        self.ticks += 1
        self.worked += 1.0
        return False

    def test_gone(self) -> None:
        """The search for a door that is gone ends."""
        self.knock(seal())
        [*self.checks.work(0.0, TODAY)]
        self.checks.keep(lambda lock: False)
        self.assertEqual([], self.work())

    def test_stale(self) -> None:
        """A knock whose time is over when its key is found opens nothing."""
        self.knock(seal())
        self.assertIn("the knock is old", self.work(at=61.0, today=TODAY + 61.0)[0])
