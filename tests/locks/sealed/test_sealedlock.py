"""Tests of L{pkdoors.locks.sealed.sealedlock}."""

import random
from collections.abc import Callable
from itertools import permutations
from math import inf
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.client._plan import ROUND_PAUSE, ROUNDS
from pkdoors.knocks.knock import Knock
from pkdoors.knocks.seal import hintOf, makeSignedData
from pkdoors.knocks.signatures import fingerprint, isGood, loadKey
from pkdoors.locks.lock import Refusal, Request
from pkdoors.locks.sealed import hints as hintsModule
from pkdoors.locks.sealed import sealedlock as sealedLockModule
from pkdoors.locks.sealed._queue import SealQueue
from pkdoors.locks.sealed.authorizedkeys import AuthorizedKey, parseAuthorizedKeys
from pkdoors.locks.sealed.checks import LATER, SAVED, SHARE, SealChecks
from pkdoors.locks.sealed.hints import HintIndex
from pkdoors.locks.sealed.replays import Notes, ReplayCache, hashKey
from pkdoors.locks.sealed.sealedlock import SealedLock
from pkdoors.model.doors import Door
from pkdoors.model.principal import Principal
from pkdoors.model.sequence import Sequence
from tests.fakes.doors import PORTS, makeDoor
from tests.fakes.log import useUTC
from tests.lab.sealing import SecurityKey, makeKey, publicLine, sealed, statement, withOtherNumber

ANN, BOB = "203.0.113.9", "2001:db8::7"
ANNA, EVE = makeKey(), makeKey()
WHO = Principal("anna", fingerprint(ANNA.public().blob()))
NAME = f"anna ({fingerprint(ANNA.public().blob())})"
TODAY = 1_800_000_000
STARTED = TODAY - 3600
A, B, C, D, E = PORTS


def authorized(*lines: str) -> list[AuthorizedKey]:
    """The keys of some lines, all of which must be right."""
    keys, complaints = parseAuthorizedKeys("\n".join(lines), "keys")
    assert not complaints, complaints
    return keys


def seal(sequence: tuple[int, ...] = PORTS, key: Any = ANNA, **fields: Any) -> bytes:
    """A knock of Anna's, made now; in C{ago} seconds before now."""
    stamp = TODAY * 1000 - round(1000 * fields.pop("ago", 0))
    return sealed(key, sequence, **({"stamp": stamp} | fields))


def forged() -> bytes:
    """A knock that Eve made, with the hint of Anna's key."""
    nonce = random.randbytes(8).hex()
    return seal(key=EVE, nonce=nonce, hint=hintOf(ANNA.public().blob(), nonce))


class SealedLockTestCase(SynchronousTestCase):
    """
    With a lock of five ports that Anna may open, 60 s of skew, and 30 s for all ports.

    @ivar looks: how often the keys were asked for: once for each seal that is checked.
    @ivar worked: processor time so far; nothing takes any unless a test says so.
    """

    def setUp(self) -> None:
        """Make the lock."""
        useUTC(self)
        self.keys = authorized(publicLine(ANNA, "anna"))
        self.looks = 0
        self.notes: list[tuple[str, str, int]] = []
        self.worked = 0.0
        self.hints = HintIndex(self.giveKeys)
        self.checks = SealChecks(lambda: self.worked)
        self.lock = self.makeLock(makeDoor(authorizedKeys="/keys"))

    def makeLock(self, door: Door, started: float = STARTED) -> SealedLock:
        """A lock of a daemon that has just been started."""
        self.seen = ReplayCache(started - TODAY, lambda *note: self.notes.append(note))
        return SealedLock(door, self.hints, self.seen, self.checks, {"default", "web"})

    def giveKeys(self) -> list[AuthorizedKey]:
        """Who may knock."""
        self.looks += 1
        return self.keys

    def allow(self, options: str) -> None:
        """Give Anna's key options."""
        self.keys = authorized(f"{options} {publicLine(ANNA, 'anna')}")

    def knock(
        self,
        datagram: bytes,
        *ports: int,
        source: str = ANN,
        at: float = 0.0,
        today: float = TODAY,
    ) -> list[str]:
        """
        Send a datagram to some ports at one moment. The outcome of each: C{"-"}, C{"open"} or the
        reason of the refusal.
        """
        return [self.outcome(Knock(source, port, datagram), at, today) for port in ports or PORTS]

    def outcome(self, knock: Knock, at: float = 0.0, today: float = TODAY) -> str:
        """What a knock came to, and that it is about the lock's door and the knock's source."""
        result = self.lock.knock(knock, at, today)
        if result is None:
            return "-"
        self.assertEqual((self.lock.door, knock.source), (result.door, result.source))
        return "open" if isinstance(result, Request) else result.reason

    def request(self, datagram: bytes) -> Request | Refusal | None:
        """What a knock on all ports yields."""
        for port in PORTS[:-1]:
            self.assertIsNone(self.lock.knock(Knock(ANN, port, datagram), 0.0, TODAY))
        return self.lock.knock(Knock(ANN, PORTS[-1], datagram), 0.0, TODAY)

    def assertRefused(self, reason: str, datagram: bytes, **when: Any) -> None:
        """Assert that a knock on all ports is refused with the last, that nothing comes of its
        copies, and that it does not count as seen."""
        self.assertEqual(["-", "-", "-", "-", reason], self.knock(datagram, **when))
        self.assertEqual(["-"] * 5, self.knock(datagram, **when))
        self.assertEqual([], self.notes)


class OpenTests(SealedLockTestCase):
    """
    What opens.
    """

    def test_opens(self) -> None:
        """The same datagram on all ports opens, with the last of them."""
        self.assertEqual(["-", "-", "-", "-", "open"], self.knock(seal()))

    def test_anyOrder(self) -> None:
        """It does in whatever order they come."""
        for ports in permutations(PORTS):
            self.assertEqual(["-", "-", "-", "-", "open"], self.knock(seal(), *ports), ports)

    def test_duplicates(self) -> None:
        """It does where each comes several times, and opens once."""
        outcomes = self.knock(seal(), A, A, B, A, B, C, C, D, D, A, E, E, A, B, C, D, E)
        self.assertEqual(["-"] * 10 + ["open"] + ["-"] * 6, outcomes)

    def test_incomplete(self) -> None:
        """Without any one of the ports nothing happens, however often the others come."""
        for missing in PORTS:
            ports = [port for port in PORTS if port != missing]
            self.assertEqual(["-"] * 12, self.knock(seal(), *ports, *ports, *ports))
        self.assertEqual((0, 5), (self.looks, len(self.lock)))

    def test_request(self) -> None:
        """A request tells door, source, and whose key it was; no time was asked for."""
        self.assertEqual(
            Request(self.lock.door, ANN, 0, most=0.0, who=WHO, close=False), self.request(seal())
        )

    def test_keyOnTwoLines(self) -> None:
        """Of a key that is on several lines, the first that allows the knock counts."""
        line = publicLine(ANNA, "anna")
        options = ('from="10.0.0.0/8"', 'max-open="10m"', 'max-open="20m"')
        self.keys = authorized(*(f"{each} {line}" for each in options))
        request = self.request(seal())
        assert isinstance(request, Request)
        self.assertEqual(600, request.most)

    def test_seconds(self) -> None:
        """A time that was asked for is in it, and the most that the key may have."""
        self.allow('max-open="10m"')
        self.assertEqual(
            Request(self.lock.door, ANN, 900, most=600.0, who=WHO), self.request(seal(seconds=900))
        )

    def test_close(self) -> None:
        """Who asks to close gets a request to close."""
        self.assertEqual(
            Request(self.lock.door, ANN, 0, who=WHO, close=True), self.request(seal(close=True))
        )

    def test_again(self) -> None:
        """Who opened can open again at once, with a new knock."""
        for _ in range(3):
            self.assertEqual("open", self.knock(seal())[-1])

    def test_interleaved(self) -> None:
        """Several knocks at the same time all open, from one source and from two."""
        knocks = [(seal(), ANN), (seal(), ANN), (seal(), BOB)]
        outcomes = [self.knock(each, port, source=who) for port in PORTS for each, who in knocks]
        self.assertEqual([["-"]] * 12 + [["open"]] * 3, outcomes)

    def test_sourcesDoNotAddUp(self) -> None:
        """What one source has sent is nothing for another."""
        datagram = seal()
        self.knock(datagram, A, B, C, D)
        self.assertEqual(["-"], self.knock(datagram, E, source=BOB))
        self.assertEqual(["open"], self.knock(datagram, E))

    def test_datagramsDoNotAddUp(self) -> None:
        """Nor is what one datagram has reached for another, be it from the same key."""
        self.assertEqual(["-"] * 5, [self.knock(seal(), port)[0] for port in PORTS])

    def test_inTime(self) -> None:
        """All ports must have had it within the time from the first."""
        datagram = seal()
        self.knock(datagram, A, B, C, D, at=100.0)
        self.assertEqual(["open"], self.knock(datagram, E, at=129.9))

    def test_tooLate(self) -> None:
        """Later it is a first one again, and opens with all of them."""
        datagram = seal()
        self.knock(datagram, A, B, C, at=100.0)
        self.knock(datagram, D, at=129.0)
        self.assertEqual(["-"], self.knock(datagram, E, at=130.0))
        self.assertEqual(["-", "-", "-", "open"], self.knock(datagram, A, B, C, D, at=131.0))

    def test_repeatedPorts(self) -> None:
        """A port that the sequence has twice needs it once; the seal has the whole sequence."""
        sequence = (A, B, A, C, A)
        self.lock = self.makeLock(makeDoor(sequence, authorizedKeys="/keys"))
        self.assertEqual(["-", "-", "open"], self.knock(seal(sequence), A, B, C))
        self.assertEqual("-", self.knock(seal((A, B, A, A, C)), A, B)[-1])
        self.assertIn("seal is not good", self.knock(seal((A, B, A, A, C)), A, B, C)[-1])

    def test_onePort(self) -> None:
        """A sequence of one port alone is asked once."""
        sequence = (A,) * 5
        self.lock = self.makeLock(makeDoor(sequence, authorizedKeys="/keys"))
        self.assertEqual(["open", "-"], self.knock(seal(sequence), A, A))

    def test_kinds(self) -> None:
        """Each kind of key opens."""
        for kind in ("ecdsa256", "ecdsa384", "ecdsa521", "rsa2048"):
            key = makeKey(kind)
            self.keys = authorized(publicLine(key))
            self.assertEqual("open", self.knock(seal(key=key))[-1], kind)

    def test_securityKeys(self) -> None:
        """So do security keys, where they were touched."""
        for kind in ("ed25519", "ecdsa"):
            key = SecurityKey(kind)
            self.keys = [AuthorizedKey(loadKey(key.blob), key.blob)]
            for flags, outcome in ((1, "open"), (0, "its seal is not good: ")):
                nonce = f"{flags:016x}"
                hint = hintOf(key.blob, nonce)
                text = statement(ANNA, stamp=TODAY * 1000, nonce=nonce, hint=hint).encode()
                datagram = text + key.sign(makeSignedData(text, Sequence(PORTS)), flags)
                self.assertTrue(self.knock(datagram)[-1].startswith(outcome), kind)


class JunkTests(SealedLockTestCase):
    """
    What others send, also in the source's own name: it takes nothing away.
    """

    def between(self, junk: Callable[[], bytes]) -> None:
        """Assert that a knock opens, with junk from its source on every port in between."""
        datagram = seal()
        for port in PORTS:
            outcome = self.knock(datagram, port)
            for each in PORTS:
                self.lock.knock(Knock(ANN, each, junk()), 0.0, TODAY)
        self.assertEqual(["open"], outcome)

    def test_plainKnocks(self) -> None:
        """Plain knocks are nothing here, right or wrong."""
        self.between(lambda: b"knock\n")
        self.assertEqual(["-"] * 5, self.knock(b"knock\n"))

    def test_noKnocks(self) -> None:
        """Other datagrams are nothing at all, and take no memory."""
        for datagram in (b"", b"\0" * 100, b"pkdoors1", b"pkdoors2 " + 90 * b"x", seal()[1:]):
            self.assertEqual(["-"] * 5, self.knock(datagram))
        self.assertEqual(0, len(self.lock))

    def test_malformed(self) -> None:
        """Malformed ones are refused, one by one, and take no memory."""
        reason = "its statement is malformed"
        self.assertEqual([reason] * 5, self.knock(b"pkdoors1 nonsense\n"))
        self.assertEqual(0, len(self.lock))
        self.between(lambda: b"pkdoors1 nonsense\n")

    def test_badSeals(self) -> None:
        """Knocks with bad seals are."""
        self.between(lambda: seal(key=EVE))

    def test_oneBadSeal(self) -> None:
        """One with a bad seal is, again and again."""
        bad = seal(key=EVE)
        self.between(lambda: bad)

    def test_changed(self) -> None:
        """Copies of the very knock with a byte changed are, wherever that is."""
        datagram = seal()
        self.knock(datagram, A, B)
        for at in range(len(datagram)):
            changed = datagram[:at] + bytes([datagram[at] ^ 1]) + datagram[at + 1 :]
            self.assertNotIn("open", self.knock(changed, at=at / 100))
        self.assertEqual(["-", "-", "open"], self.knock(datagram, C, D, E, at=3.0))

    def test_cutOff(self) -> None:
        """So are those that are cut off, or longer."""
        datagram = seal()
        for length in range(len(datagram)):
            self.assertNotIn("open", self.knock(datagram[:length], at=length / 100))
        self.assertNotIn("open", self.knock(datagram + b"\0", at=5.0))
        self.assertEqual("open", self.knock(datagram, at=5.0)[-1])

    def test_storm(self) -> None:
        """
        Whatever the network does with a knock, and whatever is spoofed meanwhile, it opens as soon
        as every port had it, and once.
        """
        random_ = random.Random(20261109)
        for round_ in range(100):
            good, bad = seal(), seal(key=EVE)
            ports = [*PORTS, *random_.choices(PORTS, k=5)]
            junk = [(random_.choice((bad, b"pkdoors1 x\n", b"knock\n")), port) for port in PORTS]
            random_.shuffle(sent := [*((good, port) for port in ports), *junk])
            missing = set(PORTS)
            for datagram, port in sent:
                isLast = datagram == good and missing == {port}
                missing -= {port} if datagram == good else set()
                self.assertEqual(isLast, self.knock(datagram, port, at=round_) == ["open"])


class RefusalTests(SealedLockTestCase):
    """
    What does not open, and what the operator hears of it.
    """

    def test_otherDoor(self) -> None:
        """A knock for a door that nobody has here is refused at every port."""
        reason = (
            "it is for a door 'attic', and this one is called default: knock with --door default"
        )
        self.assertEqual([reason] * 5, self.knock(seal(door="attic")))
        self.assertEqual((0, 0), (len(self.lock), self.looks))

    def test_knownDoor(self) -> None:
        """One for another door of this daemon is none of this one's business."""
        self.assertEqual(["-"] * 5, self.knock(seal(door="web")))
        self.assertEqual((0, 0), (len(self.lock), self.looks))

    def test_old(self) -> None:
        """A time that is too far back is refused, and the reason has the skew."""
        self.assertRefused(
            "its time is 61 s behind this host's, 60 s are allowed: "
            "the knocker's clock is behind, or the knock is old",
            seal(ago=61),
        )

    def test_ahead(self) -> None:
        """So is one that is too far ahead."""
        self.assertRefused(
            "its time is 3600 s ahead of this host's, 60 s are allowed: "
            "this host's clock is behind, or the knocker's is ahead",
            seal(ago=-3600),
        )

    def test_inSkew(self) -> None:
        """Up to the skew that is allowed it is none, be it the door's own."""
        for ago in (60, 0, -60):
            self.assertEqual("open", self.knock(seal(ago=ago))[-1])
        for past in (60.001, -60.001):
            self.assertTrue(self.knock(seal(ago=past))[-1].startswith("its time is 60 s "))
        self.lock = self.makeLock(makeDoor(authorizedKeys="/keys", clockSkew=300.0))
        self.assertEqual("open", self.knock(seal(ago=299))[-1])
        self.assertIn(", 300 s are allowed", self.knock(seal(ago=301))[-1])

    def test_absurdTime(self) -> None:
        """The farthest time there is breaks nothing, and makes no long number."""
        for stamp, way in ((999_999_999_999_999, "ahead of"), (1, "behind")):
            reason = self.knock(seal(stamp=stamp))[-1]
            self.assertIn(f"its time is more than a day {way} this host's, 60 s are", reason)

    def test_beforeTheStart(self) -> None:
        """A knock that is older than the daemon is refused: the last one may have heard it."""
        self.lock = self.makeLock(self.lock.door, started=TODAY - 5)
        self.assertEqual("open", self.knock(seal(ago=5))[-1])
        self.notes.clear()
        self.assertRefused("it is older than this daemon: a new one will do", seal(ago=5.001))

    def test_bound(self) -> None:
        """A knock that is bound to an address opens for that one alone."""
        self.assertEqual("open", self.knock(seal(bind=ANN))[-1])
        self.assertEqual("open", self.knock(seal(bind=BOB), source=BOB)[-1])
        self.notes.clear()
        self.assertRefused(f"it is bound to {BOB}, and comes from elsewhere", seal(bind=BOB))

    def test_unknownKey(self) -> None:
        """A key that is not in the file is refused."""
        self.assertRefused("its key is not known here", seal(key=EVE))

    def test_nobody(self) -> None:
        """Where nobody may knock nobody opens."""
        self.keys = []
        self.assertRefused("its key is not known here", seal())

    def test_forged(self) -> None:
        """One that has the hint of a key, and the seal of another, is refused."""
        nonce = "0123456789abcdef"
        forged = seal(key=EVE, nonce=nonce, hint=hintOf(ANNA.public().blob(), nonce))
        self.assertRefused(
            "its seal is not good: made by another key, or for another sequence", forged
        )

    def test_otherStatement(self) -> None:
        """A seal is for the statement that was made, not for one with more seconds."""
        datagram = seal(seconds=60)
        self.assertIn("seal is not good", self.knock(datagram.replace(b" 60 ", b" 600 "))[-1])

    def test_otherSequence(self) -> None:
        """And for the sequence, which is not sent: not for its ports in another order."""
        self.assertRefused(
            "its seal is not good: made by another key, or for another sequence",
            seal(PORTS[::-1]),
        )

    def test_expired(self) -> None:
        """A key whose time is over is refused, and the reason names it."""
        self.allow('expiry-time="20270101Z"')
        self.assertRefused(f"the key of {NAME} expired 2027-01-01 00:00", seal())

    def test_notYetExpired(self) -> None:
        """Its time is judged by the time of day."""
        self.allow('expiry-time="20270116Z"')
        self.assertEqual("open", self.knock(seal())[-1])

    def test_notForThisDoor(self) -> None:
        """So is one for other doors."""
        self.allow('doors="web"')
        self.assertRefused(f"the key of {NAME} is not for this door", seal())

    def test_notFromHere(self) -> None:
        """And one for other sources."""
        self.allow('from="10.0.0.0/8"')
        self.assertRefused(f"the key of {NAME} may not knock from here (from=)", seal())

    def test_optionsAreNoOracle(self) -> None:
        """Without the key nobody learns what it may: the seal comes first."""
        self.allow('doors="web"')
        self.assertIn("seal is not good", self.knock(seal(PORTS[::-1]))[-1])

    def test_keysChange(self) -> None:
        """Who may knock is judged when every port had it."""
        datagram = seal()
        self.knock(datagram, A, B, C, D)
        self.keys = []
        self.assertEqual(["its key is not known here"], self.knock(datagram, E))

    def test_sameHint(self) -> None:
        """Where two keys have one hint by chance, the right one is found, and is who it was."""
        self.patch(hintsModule, "HINT_DIGITS", 0)
        self.keys = authorized(publicLine(EVE, "eve"), publicLine(ANNA, "anna"))
        result = self.request(seal())
        assert isinstance(result, Request)
        self.assertEqual(NAME, str(result.who))


class OnceTests(SealedLockTestCase):
    """
    A knock opens once.
    """

    REASON = "this knock was seen before"

    def test_sameSource(self) -> None:
        """Sent again it is a copy; when those are forgotten, it was seen before."""
        datagram = seal()
        self.knock(datagram)
        self.assertEqual(["-"] * 5, self.knock(datagram, at=29.9))
        self.assertEqual(["-"] * 4 + [self.REASON], self.knock(datagram, at=30.0))

    def test_otherSource(self) -> None:
        """Sent by somebody else it was seen before."""
        datagram = seal()
        self.knock(datagram)
        self.assertEqual(["-"] * 4 + [self.REASON], self.knock(datagram, source=BOB))
        self.assertEqual(1, len(self.notes))

    def test_otherCopies(self) -> None:
        """Another seal over the same nonce was seen before, whatever it asks for."""
        nonce = "0123456789abcdef"
        self.assertEqual("open", self.knock(seal(nonce=nonce))[-1])
        self.assertEqual(self.REASON, self.knock(seal(nonce=nonce, seconds=900))[-1])
        self.assertEqual(self.REASON, self.knock(seal(nonce=nonce, ago=1))[-1])

    def test_otherKey(self) -> None:
        """The same nonce of another key was not."""
        nonce = "0123456789abcdef"
        self.keys = authorized(publicLine(ANNA), publicLine(EVE))
        self.assertEqual("open", self.knock(seal(nonce=nonce))[-1])
        self.assertEqual("open", self.knock(seal(nonce=nonce, key=EVE))[-1])

    def test_sameHint(self) -> None:
        """Nor can it be used again where another key has its hint."""
        self.patch(hintsModule, "HINT_DIGITS", 0)
        self.keys = authorized(publicLine(EVE, "eve"), publicLine(ANNA, "anna"))
        datagram = seal()
        self.assertEqual("open", self.knock(datagram)[-1])
        self.assertEqual(self.REASON, self.knock(datagram, source=BOB)[-1])

    def test_noLongerRemembered(self) -> None:
        """What is no longer remembered of a key opens nothing; a newer knock does."""
        key = hashKey(ANNA.public().blob())
        self.seen.learn(Notes({key: (TODAY - 1) * 1000}))
        reason = "this key has opened too much meanwhile: a new knock will do"
        self.assertEqual(reason, self.knock(seal(ago=1))[-1])
        self.assertEqual("open", self.knock(seal(ago=0.999))[-1])

    def test_closing(self) -> None:
        """To close counts once, too: or who listened could close what is opened later."""
        datagram = seal(close=True)
        self.knock(datagram)
        self.assertEqual(self.REASON, self.knock(datagram, at=30.0)[-1])

    def test_noted(self) -> None:
        """What opens is noted, before it does, and only that."""
        nonce = "0123456789abcdef"
        self.knock(seal(key=EVE))
        self.knock(seal(nonce=nonce, ago=1))
        self.assertTrue(self.seen.has(ANNA.public().blob(), nonce))
        self.assertEqual([(TODAY - 1) * 1000], [stamp for _, _, stamp in self.notes])

    def test_cannotBeUsedUp(self) -> None:
        """Who overhears a bound knock and sends it first does not use it up."""
        bound = seal(bind=ANN)
        self.knock(bound, source=BOB)
        self.assertEqual("open", self.knock(bound)[-1])

    def test_cannotBeUsedUpFrom(self) -> None:
        """Nor does who sends it from where its key may not knock."""
        self.allow(f'from="{ANN}"')
        datagram = seal()
        self.assertIn("may not knock from here", self.knock(datagram, source=BOB)[-1])
        self.assertEqual("open", self.knock(datagram)[-1])

    def test_restart(self) -> None:
        """The next daemon refuses it, because it is older than that."""
        datagram = seal()
        self.knock(datagram)
        self.lock = self.makeLock(self.lock.door, started=TODAY + 1)
        reason = "it is older than this daemon: a new one will do"
        self.assertEqual(reason, self.knock(datagram, today=TODAY + 1)[-1])

    def test_restartAhead(self) -> None:
        """Where its maker's clock is ahead it is not, but the next daemon knows of it."""
        datagram = seal(ago=-30)
        self.assertEqual("open", self.knock(datagram)[-1])
        self.lock = self.makeLock(self.lock.door, started=TODAY + 1)
        self.seen.learn(Notes(seen=self.notes))
        self.assertEqual(self.REASON, self.knock(datagram, today=TODAY + 1)[-1])
        self.lock = self.makeLock(self.lock.door, started=TODAY + 1)
        self.assertEqual("open", self.knock(datagram, today=TODAY + 1)[-1])  # this is what for

    def test_sharedPorts(self) -> None:
        """Two doors with the same ports hear all, and each knock opens the one it is for."""
        first = self.lock
        door = makeDoor(ports="443", name="web", authorizedKeys="/keys")
        second = SealedLock(door, self.hints, self.seen, self.checks, {"default", "web"})
        for name, expected in (("default", ["open", "-"]), ("web", ["-", "open"])):
            datagram, outcomes = seal(door=name), []
            for self.lock in (first, second):
                outcomes.append(self.knock(datagram)[-1])
            self.assertEqual(expected, outcomes)


class CheckTests(SealedLockTestCase):
    """
    Which signatures are checked, where each check takes a second of processor time.
    """

    BAD = "its seal is not good: made by another key, or for another sequence"

    def setUp(self) -> None:
        """Count the checks."""
        super().setUp()
        self.checked = 0
        self.patch(sealedLockModule, "isGood", self.check)

    def check(self, *arguments: Any) -> bool:
        """Check a signature."""
        self.checked += 1
        self.worked += 1.0
        return isGood(*arguments)

    def work(self, at: float = 0.0, today: float = TODAY) -> list[str]:
        """What comes of those that wait, one after the other, when there is time for them all."""
        outcomes = []
        while (pause := self.checks.pause(at)) is not None:
            at += pause
            for result in self.checks.work(at, today):
                outcomes.append("open" if isinstance(result, Request) else result.reason)
        return outcomes

    def test_waits(self) -> None:
        """What cannot be checked at once is later; for its copies nothing comes of it twice."""
        datagram = seal()
        self.assertEqual(self.BAD, self.knock(forged())[-1])
        self.assertEqual(["-"] * 10, self.knock(datagram, *PORTS, *PORTS))
        self.assertEqual((1, 1), (self.checked, len(self.lock) - 1))
        self.assertEqual(["open"], self.work())
        self.assertEqual(["-"] * 5, self.knock(datagram))

    def test_allDoors(self) -> None:
        """All doors have one budget."""
        door = makeDoor(ports="443", name="web", authorizedKeys="/keys")
        ssh, web = self.lock, SealedLock(door, self.hints, self.seen, self.checks)
        self.knock(forged())
        self.lock = web
        self.assertEqual(["-"] * 5, self.knock(seal(door="web")))
        self.assertEqual((1, 1), (len(ssh), len(web)))
        self.assertEqual(["open"], self.work())

    def test_noQuotaBySource(self) -> None:
        """Whoever sends in somebody's name uses up nothing of his, in whatever number."""
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
        """What no key here can have made is not: its hint says so."""
        for _ in range(50):
            self.knock(seal(key=EVE))
        self.assertEqual(0, self.checked)

    def test_incompleteIsFree(self) -> None:
        """What did not come to every port costs nothing."""
        for _ in range(50):
            self.knock(forged(), A, B, C, D)
        self.assertEqual((0, 0), (self.looks, self.checked))

    def test_refusedEarlierIsFree(self) -> None:
        """Nor does what is refused before any key is looked at."""
        for _ in range(9):
            for fields in ({"ago": 61}, {"bind": BOB}, {"door": "attic"}):
                self.knock(seal(key=EVE, **fields))
            self.knock(seal()[:-1] + b"\xff")
            self.knock(b"pkdoors1 default and so on\n")
        self.assertEqual((0, 0, 0), (self.looks, self.checked, self.checks.count(self.lock)))

    def test_stampRunsOut(self) -> None:
        """What waits until its stamp is too old opens nothing."""
        self.knock(forged())
        self.knock(seal(ago=59))
        (reason,) = self.work(today=TODAY + 2)
        self.assertIn("its time is 61 s behind", reason)

    def test_spentBefore(self) -> None:
        """Datagrams that came before every port had it count for its turn, too."""
        self.knock(forged())
        self.knock(seal(), A, B, C, D, A, B, C, D, E)
        self.knock(forged())
        self.assertEqual(["open", self.BAD], self.work())

    def test_spentTooMuch(self) -> None:
        """More than the client sends do not count."""
        self.knock(forged())
        self.knock(forged(), *[A] * 100, *PORTS)
        self.knock(seal(), *PORTS * 3)
        self.assertEqual(["open", self.BAD], self.work())

    def test_keyIsTakenAway(self) -> None:
        """Who may knock is judged when it is checked."""
        self.knock(forged())
        self.knock(seal())
        self.keys = []
        self.assertEqual(["its key is not known here"], self.work())

    def test_twoWait(self) -> None:
        """Of a knock that two sources have sent, and that both wait, one opens."""
        self.knock(forged())
        datagram = seal()
        for source in (ANN, BOB):
            self.knock(datagram, source=source)
        self.assertEqual(["open", "this knock was seen before"], self.work())

    def test_locksGone(self) -> None:
        """What waits for a lock that is gone opens nothing."""
        self.knock(forged())
        self.knock(seal())
        self.checks.keep(lambda lock: lock is not self.lock)
        self.assertEqual([], self.work())

    def test_gaveWay(self) -> None:
        """Where too many wait, the one that gave way is told of, with its own source."""
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
        A changed copy of an ECDSA seal, with n - s in place of s, is a good signature too; it opens
        nothing, because the nonce was seen, and where it comes first the seal itself opens nothing.
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
    What attackers send at their best, on five ports, to a lock whose checks take 0.6 ms each: an
    ECDSA key with P-521, and 256 keys to find it among. So 833 a second can be checked.
    """

    COST = 0.0006
    RATE = 10_000
    STEP = 0.001
    """Seconds from one turn to the next."""

    def setUp(self) -> None:
        """Have checks that cost what they cost there, and take no time here."""
        super().setUp()
        self.good: set[bytes] = set()
        self.patch(sealedLockModule, "isGood", self.check)
        self.chance = random.Random(20261127)
        self.bad = seal()[-83:]
        self.checks = SealChecks(lambda: self.worked, SealQueue(chance=self.chance))
        self.lock = self.makeLock(self.lock.door)
        self.now, self.owed, self.next = 0.0, 0.0, 0.0
        self.opened: dict[str, float] = {}

    def check(self, key: Any, signature: bytes, data: bytes) -> bool:
        """Take the time that a check takes."""
        self.worked += self.COST
        return signature in self.good

    def forge(self) -> bytes:
        """A knock with the hint of Anna's key, and a signature that is not hers."""
        nonce = f"{self.chance.getrandbits(64):016x}"
        hint = hintOf(ANNA.public().blob(), nonce)
        text = statement(ANNA, stamp=TODAY * 1000, nonce=nonce, hint=hint).encode()
        return text + self.bad

    def honest(self) -> bytes:
        """A knock of Anna's."""
        datagram = self.forge()
        signature = self.bad[:20] + self.chance.randbytes(32) + self.bad[52:]
        self.good.add(signature)
        return datagram[:-83] + signature

    def run_(self, seconds: float, attack: Callable[[], Knock], due: dict[float, Knock]) -> None:
        """Have an attack go on, and send some knocks at their times."""
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
        """How long after its first datagram each of twenty honest knocks opened."""
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
        """An attack: a new forgery on all ports, so many times, then the next."""
        queue: list[Knock] = []

        def attack() -> Knock:
            if not queue:
                datagram, source = self.forge(), sources()
                queue.extend(Knock(source, port, datagram) for port in PORTS * rounds)
            return queue.pop()

        return attack

    def test_victimsName(self) -> None:
        """In the victim's name, with the victim's key: 2,000 forgeries a second."""
        took = self.measure(self.forging(lambda: ANN), ANN, 0.2)
        self.assertLess(max(took), 0.2)

    def test_allPaid(self) -> None:
        """So, too, if each forgery is sent as often as the honest knock is."""
        took = self.measure(self.forging(lambda: ANN, ROUNDS), ANN, 0.2)
        self.assertLess(max(took), 0.2)

    def test_manySources(self) -> None:
        """And from made-up addresses."""
        numbers = iter(range(10**9))
        attack = self.forging(lambda: f"10.{next(numbers) % 250}.1.1", ROUNDS)
        self.assertLess(max(self.measure(attack, ANN, 0.2)), 0.2)

    def test_copiesOfTheKnock(self) -> None:
        """
        The attacker sees the honest statement, and sends it with other signatures, before it has
        come to every port.
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
        At six times the rate, fully paid, more can be sent than checked; but who has only a few
        networks keeps nobody out of another one.
        """
        self.RATE = 60_000
        hosts = iter(range(10**9))
        attack = self.forging(lambda: f"2001:db8::{next(hosts) % 65_000:x}", ROUNDS)
        self.assertLess(max(self.measure(attack, ANN, 0.2)), 0.2)


class MemoryTests(SealedLockTestCase):
    """
    The bound of the table, here four datagrams, and which go first.
    """

    def setUp(self) -> None:
        """Lower the bound."""
        self.patch(sealedLockModule, "MAX_PENDING", 4)
        super().setUp()

    def flood(self, count: int, *ports: int, source: str = ANN) -> None:
        """Junk of the right form on some ports, each of it another."""
        for number in range(count):
            junk = statement(EVE, stamp=TODAY * 1000, nonce=f"{number:016x}").encode() + b"x"
            self.knock(junk, *ports, source=source)

    def test_bound(self) -> None:
        """However many come, only so many are remembered."""
        self.flood(100, A)
        self.assertEqual(4, len(self.lock))

    def test_defaultBound(self) -> None:
        """Unless something else is said, 16384 are."""
        self.patch(sealedLockModule, "MAX_PENDING", 16_384)
        self.lock = self.makeLock(self.lock.door)
        self.flood(16_500, A)
        self.assertEqual(16_384, len(self.lock))

    def test_furthestStay(self) -> None:
        """A flood on one port, or on two, takes nothing from what more ports have had."""
        first, second = seal(), seal()
        self.knock(first, A, B, C)
        self.knock(second, D, E, A, B)
        self.flood(100, A)
        self.flood(100, E, D, source=BOB)
        self.assertEqual(["-", "open"], self.knock(first, D, E))
        self.assertEqual(["open"], self.knock(second, C))

    def test_oldestGo(self) -> None:
        """Of those that one port has had the oldest go first."""
        first, second = seal(), seal()
        self.knock(first, A)
        self.knock(second, A)
        self.flood(3, B)
        self.assertEqual(["-"] * 3 + ["open"], self.knock(second, B, C, D, E))
        self.assertNotIn("open", self.knock(first, B, C, D, E))

    def test_floodFurther(self) -> None:
        """A flood on two ports, too, pushes out nobody who begins."""
        datagram = seal()
        self.knock(datagram, A)
        self.flood(100, A, B)
        self.assertEqual(["-"] * 3 + ["open"], self.knock(datagram, B, C, D, E))

    def test_closedCasesGo(self) -> None:
        """Before them go those whose case is closed; they are not opened by a second time."""
        waiting, done = seal(), seal()
        self.knock(waiting, A)
        self.knock(done)
        self.flood(3, A)
        self.assertEqual(["-"] * 3 + ["open"], self.knock(waiting, B, C, D, E))
        self.assertEqual("this knock was seen before", self.knock(done, source=ANN)[-1])

    def test_forgotten(self) -> None:
        """Those whose time is over are forgotten when another comes."""
        self.flood(3, A)
        self.knock(seal(), at=29.9)
        self.assertEqual(4, len(self.lock))
        self.knock(seal(), A, at=31.0)
        self.assertEqual(2, len(self.lock))
