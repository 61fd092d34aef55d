"""A test case with a sealed lock, and the knocks for it."""

import random
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.knocks.knock import Knock
from pkdoors.knocks.seal import hintOf
from pkdoors.knocks.wire import fingerprint
from pkdoors.locks._sealedknocks import SealedKnocks
from pkdoors.locks.lock import Refusal, Request
from pkdoors.locks.sealed.authorizedkeys import AuthorizedKey
from pkdoors.locks.sealed.checking.arrivals import Arrivals
from pkdoors.locks.sealed.checking.checks import SealChecks
from pkdoors.locks.sealed.hints import HintIndex
from pkdoors.locks.sealed.keylines import parseAuthorizedKeys
from pkdoors.locks.sealed.keytable import KeyTable
from pkdoors.locks.sealed.replays import ReplayCache
from pkdoors.locks.sealed.sealedlock import SealedLock
from pkdoors.model.doors import Door
from pkdoors.model.principal import Principal
from tests.fakes.doors import PORTS, makeDoor
from tests.fakes.log import useUTC
from tests.lab.sealing import makeKey, publicLine, sealed

ANN, BOB = "203.0.113.9", "2001:db8::7"
ANNA, EVE = makeKey(), makeKey()
WHO = Principal("anna", fingerprint(ANNA.public().blob()))
NAME = f"anna ({fingerprint(ANNA.public().blob())})"
TODAY = 1_800_000_000
STARTED = TODAY - 3600
A, B, C, D, E = PORTS


def authorized(*lines: str) -> list[AuthorizedKey]:
    """Return the keys of some lines, which must all be valid."""
    keys, complaints = parseAuthorizedKeys("\n".join(lines), "keys")
    assert not complaints, complaints
    return keys


def seal(sequence: tuple[int, ...] = PORTS, key: Any = ANNA, **fields: Any) -> bytes:
    """Make a knock of Anna's, now or C{ago} seconds before now."""
    stamp = TODAY * 1000 - round(1000 * fields.pop("ago", 0))
    return sealed(key, sequence, **({"stamp": stamp} | fields))


def forged() -> bytes:
    """Make a knock by Eve with the hint of Anna's key."""
    nonce = random.randbytes(8).hex()
    return seal(key=EVE, nonce=nonce, hint=hintOf(ANNA.public().blob(), nonce))


class SealedLockTestCase(SynchronousTestCase):
    """
    A test with a lock of five ports that Anna may open, 60 s of skew, and 30 s for all ports.

    @ivar looks: how often the lock asked for the keys: once for each seal that it checks.
    @ivar worked: processor time so far; nothing takes any unless a test says so.
    """

    def setUp(self) -> None:
        """Make the lock."""
        useUTC(self)
        self.keys = authorized(publicLine(ANNA, "anna"))
        self.looks = 0
        self.notes: list[tuple[str, str, int]] = []
        self.worked = 0.0
        self.table = KeyTable(self.giveKeys)
        self.hints = HintIndex([self.table])
        self.checks = SealChecks(lambda: self.worked)
        self.arrivals = Arrivals()
        self.lock = self.makeLock(makeDoor(authorizedKeys="/keys"))

    def makeLock(self, door: Door, started: float = STARTED) -> SealedLock:
        """Make a lock of a daemon that has just started."""
        self.seen = ReplayCache(started - TODAY, lambda *note: self.notes.append(note))
        return SealedLock(door, self.hints, self.seen, self.checks, self.arrivals)

    def giveKeys(self) -> list[AuthorizedKey]:
        """Return the keys that may knock."""
        self.looks += 1
        return self.keys

    def allow(self, options: str) -> None:
        """Give options to Anna's key."""
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
        Send a datagram to some ports at the same time. Return the outcome of each: C{"-"},
        C{"open"} or the reason of the refusal.
        """
        return [self.outcome(Knock(source, port, datagram), at, today) for port in ports or PORTS]

    def outcome(self, knock: Knock, at: float = 0.0, today: float = TODAY) -> str:
        """
        Return the outcome of a knock, and check that it is about the lock's door and the source.
        """
        result = SealedKnocks([self.lock]).hear(knock, at, today)
        if result is None:
            return "-"
        self.assertEqual((self.lock.door, knock.source), (result.door, result.source))
        return "open" if isinstance(result, Request) else result.reason

    def request(self, datagram: bytes) -> Request | Refusal | None:
        """Return the result of a knock on all ports."""
        for port in PORTS[:-1]:
            self.assertIsNone(self.lock.knock(Knock(ANN, port, datagram), 0.0, TODAY))
        return self.lock.knock(Knock(ANN, PORTS[-1], datagram), 0.0, TODAY)

    def assertRefused(self, reason: str, datagram: bytes, **when: Any) -> None:
        """Assert that a knock on all ports is refused at the last one, that its copies have no
        result, and that it is not remembered."""
        self.assertEqual(["-", "-", "-", "-", reason], self.knock(datagram, **when))
        self.assertEqual(["-"] * 5, self.knock(datagram, **when))
        self.assertEqual([], self.notes)
