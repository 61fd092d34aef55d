"""C{pkdoors release} while a daemon runs that owns the guard."""

import signal
import time

from tests.lab.case import PORT, SEQUENCE, RealTestCase
from tests.lab.hosts import BIN, Daemon, eventually

USUAL = "/run/pkdoors/admin.sock"


class RunningTests(RealTestCase):
    """It asks the daemon."""

    def daemonAtTheUsualPlace(self) -> Daemon:
        """Start it with its admin socket at the default place."""
        return self.start("--admin", USUAL, openFor="1h")

    def hasTable(self) -> bool:
        """Return whether there is a guard."""
        return "pkdoors" in self.server.run("nft", "list", "tables")

    def test_asks(self) -> None:
        """
        The daemon removes everything of its own from the firewall and ends in order, so nothing is
        put back; others' rules stay.
        """
        self.server.run("nft", "add table inet mine; add chain inet mine c { counter; }")
        before = self.server.run("nft", "list", "ruleset")
        daemon = self.daemonAtTheUsualPlace()
        self.client.send(SEQUENCE)
        self.assertTrue(daemon.says("opened door"))
        status, output = self.server.status(str(BIN / "pkdoors"), "release")
        self.assertEqual(status, 0, output)
        self.assertIn("removed from nftables: the table inet pkdoors", output)
        self.assertTrue(eventually(lambda: daemon.process.popen.poll() is not None))
        self.assertEqual(daemon.process.popen.returncode, -signal.SIGTERM, daemon.log())
        time.sleep(0.5)  # in which something would be put back
        self.assertEqual(self.server.run("nft", "list", "ruleset"), before)
        self.assertTrue(self.stranger.reaches(PORT))

    def test_killed(self) -> None:
        """If the daemon was killed, the command removes what is left."""
        daemon = self.daemonAtTheUsualPlace()
        daemon.process.popen.kill()
        daemon.process.popen.wait()
        self.assertTrue(self.hasTable())
        self.assertFalse(self.stranger.reaches(PORT))
        status, output = self.server.status(str(BIN / "pkdoors"), "release")
        self.assertEqual(status, 0, output)
        self.assertFalse(self.hasTable())
        self.assertTrue(self.stranger.reaches(PORT))
