"""
Two gateways with one address: openings are at both, so a client gets in after the address moved.

The last test shows which connections go on, as C{docs/fleet.md} has it in a table.
"""

import time

from tests.lab.fleet.fleet import CLIENT, STRANGER
from tests.lab.fleet.pair import STRICT, PairTestCase
from tests.lab.hosts import eventually

QUIET = 0.5
"""Seconds after which neither end has anything to acknowledge any more."""


class PairTests(PairTestCase):
    """
    An address that moves.
    """

    def knock(self) -> None:
        """Open for the client, at the address that moves, and wait until both gateways are open."""
        self.members["edge1"].knock(self.client, self.fleet.seal())
        for name in self.names:
            self.assertTrue(self.fleet.comesToBeOpen(name), self.fleet.logs())

    def test_moves(self) -> None:
        """
        After the address moved, the client that knocked before connects without another knock, for
        no longer than before, and nobody else does.
        """
        self.knock()
        self.assertTrue(eventually(self.reaches))
        source = self.lan.address(CLIENT)
        first, second = (self.fleet.untils(name)[source] for name in self.names)
        self.assertTrue(-1 < first - second < 10, (first, second))
        self.moveTo("edge2")
        self.assertTrue(eventually(self.reaches))
        self.assertFalse(self.stranger.reaches(2222, self.shared))
        self.members["edge1"].stop()
        self.members["edge2"].knock(self.stranger, self.fleet.seal(STRANGER))
        self.assertTrue(self.stranger.comesToReach(2222, self.shared))

    def test_connections(self) -> None:
        """
        Without conntrackd, a forwarded connection goes on if the client sends next, and no rule
        wants state; with it, all go on while the door is open. After that, none does.
        """
        self.knock()
        self.assertTrue(eventually(self.reaches))

        def move(first: str, isStuck: bool = False) -> None:
            self.moveTo("edge1")
            with self.talk() as talk:
                self.assertTrue(talk.goesOn("client") and talk.goesOn("service"))
                time.sleep(QUIET)
                if self.syncing:
                    self.assertTrue(self.knows("edge2", talk))
                self.moveTo("edge2")
                goesOn = talk.isStuck if isStuck else talk.goesOn
                self.assertTrue(goesOn(first), (first, self.syncing))

        self.syncing = False
        move("client")
        move("service", isStuck=True)
        self.addRules("edge2", STRICT)
        move("client", isStuck=True)
        self.startConntrackd()
        self.syncing = True
        move("client")
        move("service")
        self.moveTo("edge1")
        with self.talk() as talk:
            self.assertTrue(self.knows("edge2", talk))
            for member in self.members.values():
                member.ask("DELETE", "/openings")
            self.assertTrue(talk.goesOn("client"))
            self.moveTo("edge2")
            self.assertTrue(talk.isStuck("client"))
