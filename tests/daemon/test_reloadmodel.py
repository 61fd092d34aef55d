"""Tests of L{pkdoors.daemon.reload}: random requests, failures and reloads."""

import random
from dataclasses import replace
from ipaddress import ip_address

from pkdoors.errors import FirewallError
from pkdoors.model.principal import OPERATOR
from pkdoors.model.sequence import Sequence
from tests.daemon.reloadcase import ANN, BOB, NO, SSH, WEB, ReloadTestCase
from tests.fakes.doors import parse
from tests.lab.properties import ordinarily

STEPS = ordinarily(500, 3000)


class ModelTests(ReloadTestCase):
    """
    Random requests, failures and reloads.
    """

    refusing = False

    CONFIGS = (
        (SSH, WEB),
        (SSH,),
        (WEB,),
        (WEB, SSH),
        (replace(SSH, ports=parse("2222")), WEB),
        (replace(SSH, openFor=3.0, maxOpenFor=3.0), WEB),
        (replace(SSH, sequence=Sequence((6, 7, 8, 9, 10))),),
    )

    def setUp(self) -> None:
        """Begin with nothing granted."""
        super().setUp()
        self.random = random.Random(20261123)
        self.granted: dict[tuple[str, str], float] = {}

    def step(self) -> None:
        """Let somebody knock, close or reload, and let time pass."""
        now = self.reactor.seconds()
        if self.random.random() < 0.6:
            door = self.random.choice(self.keeper.doors)
            source, seconds = self.random.choice((ANN, BOB)), self.random.choice((1, 5, 30))
            key = (door.name, source)
            self.granted[key] = max(self.granted.get(key, 0.0), now + door.grant(seconds))
            self.request(door, source, seconds)
        if self.random.random() < 0.1:
            self.keeper.close([("ssh", ip_address(ANN))], OPERATOR)
            self.assertNotIn(("ssh", ANN), self.isClosable())
        if self.random.random() < 0.2:
            done = self.begin(*self.random.choice(self.CONFIGS))
            done.addErrback(lambda failure: failure.trap(FirewallError))
        most = {door.name: now + door.maxOpenFor for door in self.guard.guarded}
        self.assertEqual(self.keeper.doors, self.guard.guarded)
        for key, end in self.guard.doorsOpen().items():
            self.assertLessEqual(end, min(most[key[0]], self.granted[key]))
        self.reactor.advance(self.random.choice((0.0, 0.1, 1.0, 5.0)))

    def isClosable(self) -> dict[tuple[str, str], float]:
        """Check what is open in the guard, unless that refuses to close at this moment."""
        return {} if self.refusing else self.guard.doorsOpen()

    def end(self) -> None:
        """Let everything work again, until all times are over."""
        for firewall in (self.guard, self.outer):
            firewall.failures, firewall.holding = [], False
            firewall.answerAll()
        self.reactor.pump([60.0] * 5)
        self.assertGone()
        self.assertEqual(self.keeper.doors, self.outer.guarded)

    def test_refusing(self) -> None:
        """
        Whatever is requested and reloaded while firewalls refuse now and then, the guard opens no
        door that does not exist, and none longer than it was ever granted; in the end nothing is
        left.
        """
        self.refusing = True
        for _ in range(STEPS):
            for firewall in (self.guard, self.outer):
                firewall.failures = [NO] if self.random.random() < 0.2 else []
            self.step()
        self.end()

    def test_hanging(self) -> None:
        """The same holds while firewalld hangs now and then; the guard then closes at once."""
        for _ in range(STEPS):
            self.outer.holding = self.random.random() < 0.5
            self.outer.hasBegun = self.random.random() < 0.5
            if self.random.random() < 0.5:
                self.outer.answerAll()
            self.step()
        self.end()

    def test_all(self) -> None:
        """The same holds while they do all of that."""
        self.refusing = True
        for _ in range(STEPS):
            self.outer.holding = self.random.random() < 0.3
            self.outer.hasBegun = self.random.random() < 0.5
            if self.random.random() < 0.5:
                self.outer.answerAll()
            for firewall in (self.guard, self.outer):
                firewall.failures = [NO] if self.random.random() < 0.2 else []
            self.step()
        self.end()
