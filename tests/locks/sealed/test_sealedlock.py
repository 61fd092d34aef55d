"""Tests of L{pkdoors.locks.sealed.sealedlock}: what opens the door, and the bound of the memory."""

import random
from collections.abc import Callable
from itertools import permutations

from pkdoors.knocks.knock import Knock
from pkdoors.knocks.seal import hintOf, makeSignedData
from pkdoors.knocks.signatures import loadKey
from pkdoors.locks.lock import Request
from pkdoors.locks.sealed.authorizedkeys import AuthorizedKey
from pkdoors.locks.sealed.checking.arrivals import MAX_PENDING, Arrivals
from pkdoors.model.sequence import Sequence
from tests.fakes.doors import PORTS, makeDoor
from tests.lab.sealing import SecurityKey, makeKey, publicLine, statement
from tests.locks.sealed.case import (
    ANN,
    ANNA,
    BOB,
    EVE,
    TODAY,
    WHO,
    A,
    B,
    C,
    D,
    E,
    SealedLockTestCase,
    authorized,
    seal,
)


class OpenTests(SealedLockTestCase):
    """
    What opens the door.
    """

    def test_opens(self) -> None:
        """The same datagram on all ports opens the door, with the last port."""
        self.assertEqual(["-", "-", "-", "-", "open"], self.knock(seal()))

    def test_anyOrder(self) -> None:
        """So it does in any order of the ports."""
        for ports in permutations(PORTS):
            self.assertEqual(["-", "-", "-", "-", "open"], self.knock(seal(), *ports), ports)

    def test_duplicates(self) -> None:
        """So it does if each arrives several times, and only once."""
        outcomes = self.knock(seal(), A, A, B, A, B, C, C, D, D, A, E, E, A, B, C, D, E)
        self.assertEqual(["-"] * 10 + ["open"] + ["-"] * 6, outcomes)

    def test_incomplete(self) -> None:
        """Without one of the ports nothing happens, however often the others come."""
        for missing in PORTS:
            ports = [port for port in PORTS if port != missing]
            self.assertEqual(["-"] * 12, self.knock(seal(), *ports, *ports, *ports))
        self.assertEqual((0, 5), (self.looks, len(self.lock)))

    def test_request(self) -> None:
        """
        A request has the door, the source and the key's owner, and no time if none was asked for.
        """
        self.assertEqual(
            Request(self.lock.door, ANN, 0, most=0.0, who=WHO, close=False), self.request(seal())
        )

    def test_keyOnTwoLines(self) -> None:
        """If a key is on several lines, the first one that allows the knock counts."""
        line = publicLine(ANNA, "anna")
        options = ('from="10.0.0.0/8"', 'max-open-for="10m"', 'max-open-for="20m"')
        self.keys = authorized(*(f"{each} {line}" for each in options))
        request = self.request(seal())
        assert isinstance(request, Request)
        self.assertEqual(600, request.most)

    def test_seconds(self) -> None:
        """A request has the time that was asked for, and the key's maximum."""
        self.allow('max-open-for="10m"')
        self.assertEqual(
            Request(self.lock.door, ANN, 900, most=600.0, who=WHO), self.request(seal(seconds=900))
        )

    def test_close(self) -> None:
        """A knock that asks to close gives a request to close."""
        self.assertEqual(
            Request(self.lock.door, ANN, 0, who=WHO, close=True), self.request(seal(close=True))
        )

    def test_again(self) -> None:
        """A client that opened the door can open it again at once, with a new knock."""
        for _ in range(3):
            self.assertEqual("open", self.knock(seal())[-1])

    def test_interleaved(self) -> None:
        """Several knocks at the same time all open the door, from one source and from two."""
        knocks = [(seal(), ANN), (seal(), ANN), (seal(), BOB)]
        outcomes = [self.knock(each, port, source=who) for port in PORTS for each, who in knocks]
        self.assertEqual([["-"]] * 12 + [["open"]] * 3, outcomes)

    def test_sourcesDoNotAddUp(self) -> None:
        """The datagrams of two sources do not add up."""
        datagram = seal()
        self.knock(datagram, A, B, C, D)
        self.assertEqual(["-"], self.knock(datagram, E, source=BOB))
        self.assertEqual(["open"], self.knock(datagram, E))

    def test_datagramsDoNotAddUp(self) -> None:
        """Two datagrams do not add up, even from the same key."""
        self.assertEqual(["-"] * 5, [self.knock(seal(), port)[0] for port in PORTS])

    def test_inTime(self) -> None:
        """All ports must have had the datagram within the time since the first."""
        datagram = seal()
        self.knock(datagram, A, B, C, D, at=100.0)
        self.assertEqual(["open"], self.knock(datagram, E, at=129.9))

    def test_tooLate(self) -> None:
        """After that time it is new again, and must arrive on all ports."""
        datagram = seal()
        self.knock(datagram, A, B, C, at=100.0)
        self.knock(datagram, D, at=129.0)
        self.assertEqual(["-"], self.knock(datagram, E, at=130.0))
        self.assertEqual(["-", "-", "-", "open"], self.knock(datagram, A, B, C, D, at=131.0))

    def test_repeatedPorts(self) -> None:
        """
        A port that the sequence repeats needs the datagram once; the seal has the whole sequence.
        """
        sequence = (A, B, A, C, A)
        self.lock = self.makeLock(makeDoor(sequence, authorizedKeys="/keys"))
        self.assertEqual(["-", "-", "open"], self.knock(seal(sequence), A, B, C))
        self.assertEqual("-", self.knock(seal((A, B, A, A, C)), A, B)[-1])
        self.assertIn("seal is bad", self.knock(seal((A, B, A, A, C)), A, B, C)[-1])

    def test_onePort(self) -> None:
        """A sequence with a single distinct port needs the datagram once."""
        sequence = (A,) * 5
        self.lock = self.makeLock(makeDoor(sequence, authorizedKeys="/keys"))
        self.assertEqual(["open", "-"], self.knock(seal(sequence), A, A))

    def test_kinds(self) -> None:
        """Each kind of key opens the door."""
        for kind in ("ecdsa256", "ecdsa384", "ecdsa521", "rsa2048"):
            key = makeKey(kind)
            self.keys = authorized(publicLine(key))
            self.assertEqual("open", self.knock(seal(key=key))[-1], kind)

    def test_securityKeys(self) -> None:
        """Security keys open it if they were touched."""
        for kind in ("ed25519", "ecdsa"):
            key = SecurityKey(kind)
            self.keys = [AuthorizedKey(loadKey(key.blob), key.blob)]
            for flags, outcome in ((1, "open"), (0, "its seal is bad: ")):
                nonce = f"{flags:016x}"
                hint = hintOf(key.blob, nonce)
                text = statement(ANNA, stamp=TODAY * 1000, nonce=nonce, hint=hint).encode()
                datagram = text + key.sign(makeSignedData(text, Sequence(PORTS)), flags)
                self.assertTrue(self.knock(datagram)[-1].startswith(outcome), kind)


class JunkTests(SealedLockTestCase):
    """
    What others send, even in the source's own name: it spoils nothing.
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
        """Plain knocks mean nothing here, right or wrong."""
        self.between(lambda: b"knock\n")
        self.assertEqual(["-"] * 5, self.knock(b"knock\n"))

    def test_noKnocks(self) -> None:
        """Other datagrams mean nothing, and take no memory."""
        for datagram in (b"", b"\0" * 100, b"pkdoors1", b"pkdoors2 " + 90 * b"x", seal()[1:]):
            self.assertEqual(["-"] * 5, self.knock(datagram))
        self.assertEqual(0, len(self.lock))

    def test_malformed(self) -> None:
        """Malformed datagrams are refused, one by one, and take no memory."""
        reason = "its statement is malformed"
        self.assertEqual([reason] * 5, self.knock(b"pkdoors1 nonsense\n"))
        self.assertEqual(0, len(self.lock))
        self.between(lambda: b"pkdoors1 nonsense\n")

    def test_badSeals(self) -> None:
        """Knocks with bad seals are refused."""
        self.between(lambda: seal(key=EVE))

    def test_oneBadSeal(self) -> None:
        """The same knock with a bad seal is refused, again and again."""
        bad = seal(key=EVE)
        self.between(lambda: bad)

    def test_changed(self) -> None:
        """Copies of the knock with a changed byte are refused, whichever byte it is."""
        datagram = seal()
        self.knock(datagram, A, B)
        for at in range(len(datagram)):
            changed = datagram[:at] + bytes([datagram[at] ^ 1]) + datagram[at + 1 :]
            self.assertNotIn("open", self.knock(changed, at=at / 100))
        self.assertEqual(["-", "-", "open"], self.knock(datagram, C, D, E, at=3.0))

    def test_cutOff(self) -> None:
        """Copies that are cut off, or longer, are refused."""
        datagram = seal()
        for length in range(len(datagram)):
            self.assertNotIn("open", self.knock(datagram[:length], at=length / 100))
        self.assertNotIn("open", self.knock(datagram + b"\0", at=5.0))
        self.assertEqual("open", self.knock(datagram, at=5.0)[-1])

    def test_storm(self) -> None:
        """
        Whatever the network does with a knock, and whatever is spoofed meanwhile, it opens the door
        as soon as every port had it, and only once.
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


class MemoryTests(SealedLockTestCase):
    """
    The bound of the table, here four datagrams, and which of them give way.
    """

    def setUp(self) -> None:
        """Lower the bound."""
        super().setUp()
        self.limit(4)

    def limit(self, count: int) -> None:
        """Make a lock with another bound."""
        self.arrivals = Arrivals(count)
        self.lock = self.makeLock(self.lock.door)

    def flood(self, count: int, *ports: int, source: str = ANN) -> None:
        """Send junk of the right form to some ports, each a different datagram."""
        for number in range(count):
            junk = statement(EVE, stamp=TODAY * 1000, nonce=f"{number:016x}").encode() + b"x"
            self.knock(junk, *ports, source=source)

    def test_bound(self) -> None:
        """However many datagrams come, only so many are remembered."""
        self.flood(100, A)
        self.assertEqual(4, len(self.lock))

    def test_defaultBound(self) -> None:
        """By default, 16384 are remembered."""
        self.limit(MAX_PENDING)
        self.flood(16_500, A)
        self.assertEqual(16_384, len(self.lock))

    def test_furthestStay(self) -> None:
        """A flood on one port, or on two, does not affect datagrams that more ports have had."""
        first, second = seal(), seal()
        self.knock(first, A, B, C)
        self.knock(second, D, E, A, B)
        self.flood(100, A)
        self.flood(100, E, D, source=BOB)
        self.assertEqual(["-", "open"], self.knock(first, D, E))
        self.assertEqual(["open"], self.knock(second, C))

    def test_oldestGo(self) -> None:
        """Of the datagrams that one port has had, the oldest gives way."""
        first, second = seal(), seal()
        self.knock(first, A)
        self.knock(second, A)
        self.flood(3, B)
        self.assertEqual(["-"] * 3 + ["open"], self.knock(second, B, C, D, E))
        self.assertNotIn("open", self.knock(first, B, C, D, E))

    def test_floodFurther(self) -> None:
        """A flood on two ports pushes out no datagram that begins."""
        datagram = seal()
        self.knock(datagram, A)
        self.flood(100, A, B)
        self.assertEqual(["-"] * 3 + ["open"], self.knock(datagram, B, C, D, E))

    def test_closedCasesGo(self) -> None:
        """Datagrams that were judged give way before these, and do not open a second time."""
        waiting, done = seal(), seal()
        self.knock(waiting, A)
        self.knock(done)
        self.flood(3, A)
        self.assertEqual(["-"] * 3 + ["open"], self.knock(waiting, B, C, D, E))
        self.assertEqual("this knock was seen before", self.knock(done, source=ANN)[-1])

    def test_forgotten(self) -> None:
        """Datagrams whose time is over are forgotten when another one comes."""
        self.flood(3, A)
        self.knock(seal(), at=29.9)
        self.assertEqual(4, len(self.lock))
        self.knock(seal(), A, at=31.0)
        self.assertEqual(2, len(self.lock))
