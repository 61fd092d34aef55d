"""Tests of L{pkdoors.locks.sealed.sealedlock}: what does not open the door, and why."""

from pkdoors.knocks.seal import hintOf
from pkdoors.locks.lock import Request
from pkdoors.locks.sealed import keytable
from pkdoors.locks.sealed.replays import Notes, nameKey
from tests.fakes.doors import PORTS, makeDoor
from tests.lab.sealing import publicLine
from tests.locks.sealed.case import (
    ANN,
    ANNA,
    BOB,
    EVE,
    NAME,
    TODAY,
    A,
    B,
    C,
    D,
    E,
    SealedLockTestCase,
    authorized,
    seal,
)


class RefusalTests(SealedLockTestCase):
    """
    What does not open the door, and what the operator hears about it.
    """

    def test_otherDoor(self) -> None:
        """A knock for a door that does not exist here is refused at every port."""
        reason = (
            "it is for a door 'attic', but this door is called default: knock with --door default"
        )
        self.assertEqual([reason] * 5, self.knock(seal(door="attic")))
        self.assertEqual((0, 0), (len(self.lock), self.looks))

    def test_old(self) -> None:
        """A stamp that is too old is refused, and the reason has the skew."""
        self.assertRefused(
            "its time is 1m1s behind this host's, at most 1m is allowed: "
            "the knocker's clock is behind, or the knock is old",
            seal(ago=61),
        )

    def test_ahead(self) -> None:
        """A stamp that is too far ahead is refused."""
        self.assertRefused(
            "its time is 1h ahead of this host's, at most 1m is allowed: "
            "this host's clock is behind, or the knocker's is ahead",
            seal(ago=-3600),
        )

    def test_inSkew(self) -> None:
        """A stamp within the skew is accepted, even if the door has its own skew."""
        for ago in (60, 0, -60):
            self.assertEqual("open", self.knock(seal(ago=ago))[-1])
        for past in (60.001, -60.001):
            self.assertTrue(self.knock(seal(ago=past))[-1].startswith("its time is 1m "))
        self.lock = self.makeLock(makeDoor(authorizedKeys="/keys", clockSkew=300.0))
        self.assertEqual("open", self.knock(seal(ago=299))[-1])
        self.assertIn(", at most 5m is allowed", self.knock(seal(ago=301))[-1])

    def test_absurdTime(self) -> None:
        """An absurd stamp breaks nothing, and the reason has no long number."""
        for stamp, way in ((999_999_999_999_999, "ahead of"), (1, "behind")):
            reason = self.knock(seal(stamp=stamp))[-1]
            self.assertIn(f"its time is more than a day {way} this host's, at most 1m is", reason)

    def test_beforeTheStart(self) -> None:
        """A knock older than the daemon is refused: an earlier daemon may have heard it."""
        self.lock = self.makeLock(self.lock.door, started=TODAY - 5)
        self.assertEqual("open", self.knock(seal(ago=5))[-1])
        self.notes.clear()
        self.assertRefused("it is older than this daemon: knock again", seal(ago=5.001))

    def test_bound(self) -> None:
        """A knock that is bound to an address opens only for that address."""
        self.assertEqual("open", self.knock(seal(bind=ANN))[-1])
        self.assertEqual("open", self.knock(seal(bind=BOB), source=BOB)[-1])
        self.notes.clear()
        self.assertRefused(f"it is bound to {BOB}, but comes from elsewhere", seal(bind=BOB))

    def test_unknownKey(self) -> None:
        """A key that is not in the file is refused."""
        self.assertRefused("its key is not known here", seal(key=EVE))

    def test_nobody(self) -> None:
        """Without any keys nobody gets in."""
        self.keys = []
        self.assertRefused("its key is not known here", seal())

    def test_forged(self) -> None:
        """A knock with the hint of one key, and the seal of another, is refused."""
        nonce = "0123456789abcdef"
        forged = seal(key=EVE, nonce=nonce, hint=hintOf(ANNA.public().blob(), nonce))
        self.assertRefused("its seal is bad: made by another key, or for another sequence", forged)

    def test_otherStatement(self) -> None:
        """A seal is for its own statement, not for one with more seconds."""
        datagram = seal(seconds=60)
        self.assertIn("seal is bad", self.knock(datagram.replace(b" 60 ", b" 600 "))[-1])

    def test_otherSequence(self) -> None:
        """A seal is for its own sequence, which is not sent: not for its ports in another order."""
        self.assertRefused(
            "its seal is bad: made by another key, or for another sequence",
            seal(PORTS[::-1]),
        )

    def test_expired(self) -> None:
        """A key that has expired is refused, and the reason names it."""
        self.allow('expiry-time="20270101Z"')
        self.assertRefused(f"the key of {NAME} expired 2027-01-01 00:00", seal())

    def test_notYetExpired(self) -> None:
        """The time of day decides whether a key has expired."""
        self.allow('expiry-time="20270116Z"')
        self.assertEqual("open", self.knock(seal())[-1])

    def test_notForThisDoor(self) -> None:
        """A key for other doors is refused."""
        self.allow('doors="web"')
        self.assertRefused(f"the key of {NAME} is not for this door", seal())

    def test_notFromHere(self) -> None:
        """A key for other sources is refused."""
        self.allow('from="10.0.0.0/8"')
        self.assertRefused(f"the key of {NAME} may not knock from here (from=)", seal())

    def test_optionsAreNoOracle(self) -> None:
        """Nobody without the key learns its options: the seal is checked first."""
        self.allow('doors="web"')
        self.assertIn("seal is bad", self.knock(seal(PORTS[::-1]))[-1])

    def test_keysChange(self) -> None:
        """The keys that count are those when every port has had the knock."""
        datagram = seal()
        self.knock(datagram, A, B, C, D)
        self.keys = []
        self.assertEqual(["its key is not known here"], self.knock(datagram, E))

    def test_sameHint(self) -> None:
        """If two keys have the same hint by chance, the right one is found, and named."""
        self.patch(keytable, "HINT_DIGITS", 0)
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
        """A knock that is sent again is a copy; when copies are forgotten, it is remembered."""
        datagram = seal()
        self.knock(datagram)
        self.assertEqual(["-"] * 5, self.knock(datagram, at=29.9))
        self.assertEqual(["-"] * 4 + [self.REASON], self.knock(datagram, at=30.0))

    def test_otherSource(self) -> None:
        """A knock that another source sends again is remembered."""
        datagram = seal()
        self.knock(datagram)
        self.assertEqual(["-"] * 4 + [self.REASON], self.knock(datagram, source=BOB))
        self.assertEqual(1, len(self.notes))

    def test_otherCopies(self) -> None:
        """Another seal over the same nonce is refused, whatever it asks for."""
        nonce = "0123456789abcdef"
        self.assertEqual("open", self.knock(seal(nonce=nonce))[-1])
        self.assertEqual(self.REASON, self.knock(seal(nonce=nonce, seconds=900))[-1])
        self.assertEqual(self.REASON, self.knock(seal(nonce=nonce, ago=1))[-1])

    def test_otherKey(self) -> None:
        """The same nonce of another key is accepted."""
        nonce = "0123456789abcdef"
        self.keys = authorized(publicLine(ANNA), publicLine(EVE))
        self.assertEqual("open", self.knock(seal(nonce=nonce))[-1])
        self.assertEqual("open", self.knock(seal(nonce=nonce, key=EVE))[-1])

    def test_sameHint(self) -> None:
        """A knock cannot be used again if another key has the same hint."""
        self.patch(keytable, "HINT_DIGITS", 0)
        self.keys = authorized(publicLine(EVE, "eve"), publicLine(ANNA, "anna"))
        datagram = seal()
        self.assertEqual("open", self.knock(datagram)[-1])
        self.assertEqual(self.REASON, self.knock(datagram, source=BOB)[-1])

    def test_noLongerRemembered(self) -> None:
        """Knocks that are no longer remembered open nothing; a newer knock does."""
        key = nameKey(ANNA.public().blob())
        self.seen.learn(Notes({key: (TODAY - 1) * 1000}))
        reason = "this key has opened too often meanwhile: knock again"
        self.assertEqual(reason, self.knock(seal(ago=1))[-1])
        self.assertEqual("open", self.knock(seal(ago=0.999))[-1])

    def test_closing(self) -> None:
        """A knock that closes counts, too, or an eavesdropper could close a later opening."""
        datagram = seal(close=True)
        self.knock(datagram)
        self.assertEqual(self.REASON, self.knock(datagram, at=30.0)[-1])

    def test_noted(self) -> None:
        """A knock that opens is noted, before it opens; no other is."""
        nonce = "0123456789abcdef"
        self.knock(seal(key=EVE))
        self.knock(seal(nonce=nonce, ago=1))
        self.assertTrue(self.seen.has(ANNA.public().blob(), nonce))
        self.assertEqual([(TODAY - 1) * 1000], [stamp for _, _, stamp in self.notes])

    def test_cannotBeUsedUp(self) -> None:
        """An eavesdropper who sends a bound knock first does not use it up."""
        bound = seal(bind=ANN)
        self.knock(bound, source=BOB)
        self.assertEqual("open", self.knock(bound)[-1])

    def test_cannotBeUsedUpFrom(self) -> None:
        """Nor does somebody who sends it from a source that the key does not allow."""
        self.allow(f'from="{ANN}"')
        datagram = seal()
        self.assertIn("may not knock from here", self.knock(datagram, source=BOB)[-1])
        self.assertEqual("open", self.knock(datagram)[-1])

    def test_restart(self) -> None:
        """The next daemon refuses the knock, because it is older than the daemon."""
        datagram = seal()
        self.knock(datagram)
        self.lock = self.makeLock(self.lock.door, started=TODAY + 1)
        reason = "it is older than this daemon: knock again"
        self.assertEqual(reason, self.knock(datagram, today=TODAY + 1)[-1])

    def test_restartAhead(self) -> None:
        """
        If the sender's clock is ahead it is not older, but the next daemon remembers the knock.
        """
        datagram = seal(ago=-30)
        self.assertEqual("open", self.knock(datagram)[-1])
        self.lock = self.makeLock(self.lock.door, started=TODAY + 1)
        self.seen.learn(Notes(seen=self.notes))
        self.assertEqual(self.REASON, self.knock(datagram, today=TODAY + 1)[-1])
        self.lock = self.makeLock(self.lock.door, started=TODAY + 1)
        self.assertEqual(
            "open", self.knock(datagram, today=TODAY + 1)[-1]
        )  # this is why notes exist
