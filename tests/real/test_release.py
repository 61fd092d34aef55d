"""C{pkdoors release}."""

import signal

from tests.lab.case import KNOCKS, PORT, SEQUENCE, RealTestCase
from tests.lab.hosts import BIN, Daemon

PKDOORS = str(BIN / "pkdoors")


class NftablesTests(RealTestCase):
    """Tests of what is in the kernel."""

    def release(self, *options: str) -> tuple[int, str]:
        """Run it on the server; return status and output."""
        return self.server.status(PKDOORS, "release", *options)

    def test_removes(self) -> None:
        """It removes everything that a daemon left, and nothing else, and prints that."""
        self.server.run("nft", "add table inet mine; add chain inet mine c { counter; }")
        before = self.server.run("nft", "list", "ruleset")
        daemon = self.start(openFor="1h")
        self.client.send(SEQUENCE)
        self.assertTrue(daemon.says("opened door"))
        daemon.stop()
        status, output = self.release()
        self.assertEqual(status, 0, output)
        words = "removed from nftables: the table inet pkdoors, with the guard and 1 opening"
        self.assertIn(words, output)
        self.assertEqual(self.server.run("nft", "list", "ruleset"), before)
        self.assertTrue(self.stranger.reaches(PORT))

    def test_nothing(self) -> None:
        """If there is nothing to remove, it says so."""
        self.assertEqual(self.release(), (0, "there is nothing of pkdoors in the firewall\n"))

    def test_running(self) -> None:
        """It asks a running daemon to end, and that ends; nothing comes back."""
        daemon = self.start()
        status, output = self.release()
        self.assertEqual(status, 0, output)
        self.assertIn(f"ended the daemon (process {daemon.process.popen.pid})", output)
        self.assertEqual(daemon.process.popen.wait(), -signal.SIGTERM)
        self.assertTrue(self.stranger.reaches(PORT))

    def test_stopped(self) -> None:
        """A daemon that cannot end now is left alone, and so is its guard."""
        daemon = self.start()
        daemon.process.popen.send_signal(signal.SIGSTOP)
        self.addCleanup(daemon.process.popen.send_signal, signal.SIGCONT)
        status, output = self.release()
        self.assertEqual(status, 1)
        self.assertIn("does not end: stop it, then try again", output)
        self.assertFalse(self.stranger.reaches(PORT))


class NoPrivilegeTests(RealTestCase):
    """Tests with a user who is not root."""

    def test_sentence(self) -> None:
        """It says to be root, and nothing about a daemon."""
        nobody = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
        status, output = self.server.status(*nobody, PKDOORS, "release")
        self.assertEqual(status, 1)
        self.assertIn("run as root", output)
        self.assertNotIn("--force", output)


class FirewalldTests(RealTestCase):
    """Tests of what is in firewalld."""

    firewall = "firewalld"

    def test_removes(self) -> None:
        """It removes knock ports and openings from all zones, and also those made permanent."""
        self.firewalld.cmd("--permanent", "--add-rich-rule", "rule service name=http accept")
        self.firewalld.cmd("--reload")
        before = self.firewalld.cmd("--list-all-zones")
        permanent = self.firewalld.cmd("--permanent", "--list-all-zones")
        daemon = Daemon(self.server, "-m", KNOCKS, "-p", str(PORT), "-t", "1h")
        self.client.send(SEQUENCE)
        self.assertTrue(daemon.says("opened door"))
        daemon.stop(signal.SIGKILL)  # or it would remove them from the permanent rules itself
        self.firewalld.cmd("--runtime-to-permanent")
        status, output = self.server.status(PKDOORS, "release")
        self.assertEqual(status, 0, output)
        self.assertIn("removed from firewalld, zone public: rule priority", output)
        self.assertIn("removed from firewalld, zone public, permanent: rule priority", output)
        self.assertEqual(self.firewalld.cmd("--list-all-zones"), before)
        self.assertEqual(self.firewalld.cmd("--permanent", "--list-all-zones"), permanent)
