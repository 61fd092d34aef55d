"""The soak, in small; and that it sees what is wrong."""

import os
import signal
import sys

from tests import ROOT
from tests.lab.case import RealTestCase
from tests.soak.eyes import Eyes
from tests.soak.world import STRANGERS, World


class SoakTests(RealTestCase):
    """With nftables."""

    def test_steps(self) -> None:
        """A few steps go well, and are counted."""
        options = ("--steps", "8", "--seed", "2", "--minutes", "2", "--firewall", self.firewall)
        status, output = self.server.status(
            *(sys.executable, "-m", "tests.soak", *options), PYTHONPATH=str(ROOT)
        )
        self.assertEqual(status, 0, output)
        self.assertRegex(output, "8 steps in .* 0 violations")

    def watched(self) -> tuple[World, Eyes]:
        """The world of the soak, with all as it has to be."""
        world = World(self.network, self.firewall)
        self.addCleanup(world.close)
        eyes = Eyes(world)
        self.assertEqual(eyes.settled() or eyes.strangersIn(), "")
        return world, eyes

    def test_stranger(self) -> None:
        """Somebody who is in and may not be is seen, in the kernel and at the door."""
        world, eyes = self.watched()
        self.hold(world)
        element = f"{{ {STRANGERS[0]} timeout 1h }}"
        self.server.run("nft", f"add element inet pkdoors ssh_open4 {element}")
        self.assertIn(
            "the kernel lets in who may not come in, or for too long: ssh for 10.9.2.2",
            eyes.settled(),
        )
        self.assertEqual(eyes.strangersIn(), "got in, and may not: ssh for 10.9.2.2")

    def test_noGuard(self) -> None:
        """So is it where there is no guard."""
        world, eyes = self.watched()
        self.hold(world)
        self.server.run("nft", "delete table inet pkdoors")
        self.assertIn("got in, and may not:", eyes.strangersIn())

    def hold(self, world: World) -> None:
        """Stop the daemon, so that it mends nothing."""
        assert world.daemon
        process = world.daemon.process.popen.pid
        os.kill(process, signal.SIGSTOP)
        self.addCleanup(os.kill, process, signal.SIGCONT)
