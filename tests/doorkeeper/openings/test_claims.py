"""Tests of L{pkdoors.doorkeeper.openings.claims}: what several principals have earned there."""

import random
from dataclasses import replace
from ipaddress import ip_address

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.doorkeeper.openings.claims import MAX_CLAIMS, Claims, addClaim, dropClaims, moveClaims
from pkdoors.locks.lock import Request
from pkdoors.model.doors import Opening
from pkdoors.model.principal import OPERATOR, Principal
from tests.doorkeeper.case import ANN, KeeperTestCase
from tests.fakes.doors import makeDoor

KEYS = [Principal(f"key {number}", f"SHA256:{number}") for number in range(MAX_CLAIMS + 4)]
DOOR = makeDoor()
STEPS = 4000


def opening(who: Principal, deadline: float) -> Opening:
    """Return an opening."""
    return Opening(DOOR, ip_address(ANN), deadline, who)


class ClaimsTests(SynchronousTestCase):
    """
    Tests of the functions.
    """

    def deadlines(self, claims: Claims) -> list[tuple[str, float]]:
        """Return whose they are, and until when."""
        return [(claim.who.name, claim.deadline) for claim in claims]

    def test_bound(self) -> None:
        """Their number is bounded; the longest ones stay."""
        claims: Claims = ()
        for number, key in enumerate(KEYS, 1):
            claims = addClaim(claims, opening(OPERATOR, 100), opening(key, number), 0)
        self.assertEqual(MAX_CLAIMS, len(claims))
        self.assertEqual(("key 19", 20), self.deadlines(claims)[-1])

    def test_dropped(self) -> None:
        """Only what is to be dropped is dropped."""
        claims = (opening(KEYS[0], 5), opening(OPERATOR, 6))
        self.assertEqual(
            [("the operator", 6)],
            self.deadlines(dropClaims(claims, lambda claim: claim.who is KEYS[0])),
        )

    def test_moved(self) -> None:
        """A reload shortens them; none of them lets in more connections than it may."""
        claims = (opening(KEYS[0], 5), opening(KEYS[1], 60))
        moved = moveClaims(claims, replace(DOOR, openFor=7), 30)
        self.assertEqual([("key 0", 5), ("key 1", 30)], self.deadlines(moved))
        self.assertEqual({7}, {claim.door.openFor for claim in moved})
        self.assertEqual((), moveClaims(claims, makeDoor(once=True), 30))


class ModelTests(KeeperTestCase):
    """
    Any order of requests.
    """

    def test_model(self) -> None:
        """The opening lasts as long as the longest that somebody earned and did not close."""
        chance = random.Random(5)
        earned: dict[Principal, float] = {}
        for _ in range(STEPS):
            kind, who = chance.choice("ooooccctx"), chance.choice([*KEYS[:4], OPERATOR])
            now = self.clock.seconds()
            if kind == "o":
                seconds = chance.choice([1, 5, 10, 20, 60, 300])
                self.keeper.request(Request(self.door, ANN, seconds, who=who))
                earned[who] = max(earned.get(who, 0), now + seconds)
            elif kind == "c" and who != OPERATOR:
                self.keeper.request(Request(self.door, ANN, 0, who=who, close=True))
                earned.pop(who, None)
            elif kind == "x" and chance.random() < 0.2:
                self.keeper.close([(self.door.name, ip_address(ANN))], OPERATOR)
                earned.clear()
            elif kind == "t":
                self.clock.advance(chance.choice([0.5, 1, 3, 7, 30]))
            self.clock.pump([0, 0])
            now = self.clock.seconds()
            earned = {key: until for key, until in earned.items() if until > now}
            expected = {ANN: max(earned.values())} if earned else {}
            self.assertEqual(expected, self.firewall.open_())
