"""The soak in small, and that it notices what is wrong."""

import os
import signal
import sys
from unittest import SkipTest

from tests import ROOT
from tests.lab.case import RealTestCase
from tests.soak.checker import Checker
from tests.soak.world import STRANGERS, World


class SoakTests(RealTestCase):
    """Tests with nftables."""

    def test_steps(self) -> None:
        """A few steps succeed, and are counted."""
        options = ("--steps", "8", "--seed", "2", "--minutes", "2", "--firewall", self.firewall)
        status, output = self.server.status(
            sys.executable, "-m", "tests.soak", *options, PYTHONPATH=str(ROOT)
        )
        self.assertEqual(status, 0, output)
        self.assertRegex(output, "8 steps in .* 0 violations")

    def makeWorld(self) -> tuple[World, Checker]:
        """Return the world of the soak, in which everything is as expected."""
        world = World(self.network, self.firewall)
        self.addCleanup(world.close)
        checker = Checker(world)
        self.assertEqual(checker.awaitAgreement() or checker.tryDoors(), "")
        if self.isOwned():
            raise SkipTest("nobody but the daemon can change its guard")
        return world, checker

    def test_stranger(self) -> None:
        """A stranger who gets in is noticed, both in the kernel and at the door."""
        world, checker = self.makeWorld()
        self.hold(world)
        port = world.gates["ssh"].port
        element = f"{{ {STRANGERS[0]} . {port} timeout 1h }}"
        self.server.run("nft", f"add element inet pkdoors tcp_open4 {element}")
        self.assertIn(
            "the kernel has openings that are not allowed, or too long: ssh for 10.9.2.2",
            checker.awaitAgreement(),
        )
        self.assertEqual(checker.tryDoors(), "got in without an opening: ssh for 10.9.2.2")

    def test_noGuard(self) -> None:
        """Strangers who get in because the guard is missing are noticed."""
        world, checker = self.makeWorld()
        self.hold(world)
        self.server.run("nft", "delete table inet pkdoors")
        self.assertIn("got in without an opening:", checker.tryDoors())

    def hold(self, world: World) -> None:
        """Suspend the daemon, so that it repairs nothing."""
        assert world.daemon
        process = world.daemon.process.popen.pid
        os.kill(process, signal.SIGSTOP)
        self.addCleanup(os.kill, process, signal.SIGCONT)
