"""What somebody else removes from the firewall comes back by itself."""

import signal
import time

from tests.lab.case import KNOCKS, PORT, SEQUENCE, RealTestCase
from tests.lab.hosts import BIN, CLIENT4, STRANGER4, Daemon, eventually


class NftablesTests(RealTestCase):
    """The guard in the kernel."""

    def opened(self, openFor: str = "1h") -> Daemon:
        """Start a daemon whose door is open for the client."""
        daemon = self.start(openFor=openFor)
        self.client.send(SEQUENCE)
        self.assertTrue(self.client.comesToReach(PORT))
        return daemon

    def isBack(self) -> bool:
        """Return whether the door is open for the client, and for nobody else."""
        healed = eventually(lambda: CLIENT4 in self.server.run("nft", "list", "ruleset"))
        return bool(healed) and self.client.reaches(PORT) and not self.stranger.reaches(PORT)

    def test_flush(self) -> None:
        """A flush of everything, as in a restart of nftables.service, is a non-event."""
        daemon = self.opened()
        self.disturb(daemon, "flush ruleset")
        self.assertTrue(self.isBack())
        self.assertEqual("nft changed the guard" in daemon.log(), not self.isOwned())

    def test_deletions(self) -> None:
        """So is the loss of our table, of a rule or set, or of an element."""
        daemon = self.opened()
        for deletion in (
            "delete table inet pkdoors",
            "flush chain inet pkdoors going_on",
            "flush map inet pkdoors tcp_doors",
            f"delete element inet pkdoors tcp_open4 {{ {CLIENT4} . {PORT} }}",
        ):
            with self.subTest(deletion):
                self.disturb(daemon, deletion)
                self.assertTrue(self.isBack())
                time.sleep(1)  # after which the next loss is logged, too
        self.assertEqual(daemon.log().count("opened door"), 1)

    def test_deadlineStays(self) -> None:
        """A restored opening ends when it would have ended."""
        self.opened(openFor="6s")
        began = time.monotonic()
        while time.monotonic() < began + 3:
            self.server.run("nft", "flush", "ruleset")
            time.sleep(0.2)
        self.assertTrue(eventually(lambda: not self.client.reaches(PORT)))

    def test_loop(self) -> None:
        """A flush in a loop causes few lines in the log, and the guard is back at the end of it."""
        daemon = self.opened()
        began = time.monotonic()
        self.server.run("sh", "-c", "for each in $(seq 200); do nft flush ruleset; done")
        self.assertTrue(self.isBack())
        lines = daemon.log().count("changed the guard")
        self.assertLess(lines, 3 * (2 + time.monotonic() - began))  # three kinds, one a second

    def test_container(self) -> None:
        """So it is in a container, where the kernel knows a process by another number."""
        self.server.serve(PORT)
        daemon = self.server.spawn(
            "unshare",
            "--pid",
            "--fork",
            "--mount-proc",
            "--kill-child",
            str(BIN / "twistd"),
            "-n",
            "--pidfile=",
            "pkdoors",
            "-m",
            KNOCKS,
            "-p",
            str(PORT),
            "-t",
            "1h",
        )
        self.addCleanup(daemon.stop, signal.SIGKILL)  # unshare heeds no other signal
        self.assertTrue(daemon.says("guarding door"), daemon.log())
        self.client.send(SEQUENCE)
        self.assertTrue(daemon.says("opened door"))
        self.server.run("nft", "flush", "ruleset")
        isOwned = self.isOwned()
        self.assertTrue(isOwned or daemon.says("nft changed the guard"))
        time.sleep(1)
        self.assertTrue(self.isBack())
        self.assertEqual(daemon.log().count("changed the guard"), int(not isOwned), daemon.log())

    def test_ownChangesAreNone(self) -> None:
        """The daemon's own changes, and others' changes elsewhere, cause no healing."""
        daemon = self.opened(openFor="1s")
        self.server.run("nft", "add table inet mine; add chain inet mine c; delete table inet mine")
        self.assertTrue(daemon.says("closed door"))
        self.assertNotIn("changed the guard", daemon.log())


class CapturedTests(NftablesTests):
    """The guard that hears the knocks, too."""

    listen = "capture"


class FirewalldTests(RealTestCase):
    """firewalld's zones."""

    firewall = "firewalld"

    def opened(self) -> Daemon:
        """Start a daemon whose door is open for the client."""
        daemon = self.start(openFor="1h")
        self.client.send(SEQUENCE)
        self.assertTrue(self.client.comesToReach(PORT))
        return daemon

    def test_reload(self) -> None:
        """A reload is a non-event: the opening is there again, and knocks are heard."""
        daemon = self.opened()
        self.firewalld.cmd("--reload")
        self.assertTrue(
            daemon.says("firewalld was reloaded: restored the rules of pkdoors in firewalld")
        )
        self.assertTrue(self.client.comesToReach(PORT))
        self.stranger.send(SEQUENCE)
        self.assertTrue(self.stranger.comesToReach(PORT))

    def test_restart(self) -> None:
        """So is a restart of firewalld, in order or after a kill."""
        daemon = self.opened()
        for end in (signal.SIGTERM, signal.SIGKILL):
            with self.subTest(end):
                self.firewalld.process.stop(end)
                self.assertTrue(daemon.says("firewalld went away"))
                self.firewalld.start()
                self.assertTrue(self.client.comesToReach(PORT))
                self.assertFalse(self.stranger.reaches(PORT))
        self.stranger.send(SEQUENCE)
        self.assertTrue(self.stranger.comesToReach(PORT))

    def test_timerOutlivesReload(self) -> None:
        """
        A timer that firewalld keeps over a reload ends no opening: if the client knocks before and
        after the reload, the same rule is there again, for longer.
        """
        daemon = self.start(openFor="10s")
        began = time.monotonic()

        def knock(at: float) -> None:
            time.sleep(max(0.0, began + at - time.monotonic()))
            self.client.send(SEQUENCE)
            self.assertTrue(self.client.comesToReach(PORT))

        knock(0)
        knock(1)  # its rule has a timer that ends at 11
        self.firewalld.cmd("--reload")
        self.assertTrue(daemon.says("restored the rules of pkdoors in firewalld"))
        knock(9)  # the same rule again, until 19
        time.sleep(max(0.0, began + 14 - time.monotonic()))
        self.assertTrue(self.client.reaches(PORT), daemon.log())

    def test_knockMeanwhile(self) -> None:
        """A knock while firewalld is away is not lost, and the log is not filled meanwhile."""
        daemon = self.opened()
        self.firewalld.process.stop()
        self.assertTrue(daemon.says("firewalld went away: cannot restore"), daemon.log())
        self.stranger.send(SEQUENCE)
        self.assertTrue(daemon.says(f"cannot open door default ({PORT}/tcp) for {STRANGER4}"))
        time.sleep(4)
        self.assertNotIn(f"opened door default ({PORT}/tcp) for {STRANGER4}", daemon.log())
        self.assertEqual(daemon.log().count("firewalld does not answer"), 2, daemon.log())
        self.firewalld.start()
        self.assertTrue(daemon.says(f"opened door default ({PORT}/tcp) for {STRANGER4}"))
        self.assertTrue(self.stranger.comesToReach(PORT))
        self.assertTrue(self.client.comesToReach(PORT))

    def test_busGone(self) -> None:
        """
        The end of the system's D-Bus is reported, and when it is back, everything is restored.
        """
        daemon = self.opened()
        self.firewalld.bus.stop(signal.SIGKILL)
        self.assertTrue(daemon.says("the system's D-Bus went away: cannot restore"))
        self.firewalld.process.stop()
        self.firewalld.startBus()
        self.firewalld.start()
        self.assertTrue(daemon.says("restored the rules of pkdoors in firewalld"))
        self.assertTrue(self.client.reaches(PORT))
        self.stranger.send(SEQUENCE)
        self.assertTrue(self.stranger.comesToReach(PORT))

    def test_guard(self) -> None:
        """A flush of nftables removes firewalld's rules, too; the guard is back at once."""
        daemon = self.opened()
        self.disturb(daemon, "flush ruleset")
        self.assertTrue(self.client.reaches(PORT))
        self.assertFalse(self.stranger.reaches(PORT))
        self.firewalld.process.stop()
        self.firewalld.start()
        self.assertTrue(self.client.comesToReach(PORT))
        self.assertFalse(self.stranger.reaches(PORT))

    def test_busy(self) -> None:
        """While firewalld hangs, the guard is healed all the same."""
        daemon = self.opened()
        self.firewalld.process.popen.send_signal(signal.SIGSTOP)
        self.addCleanup(self.firewalld.process.popen.send_signal, signal.SIGCONT)
        self.stranger.send(SEQUENCE)  # the call for this hangs
        self.disturb(daemon, "delete table inet pkdoors")
        self.assertTrue(eventually(lambda: CLIENT4 in self.server.run("nft", "list", "ruleset")))
        self.assertTrue(self.client.reaches(PORT))


class SavedTests(RealTestCase):
    """C{firewall-cmd --runtime-to-permanent} while a door is open."""

    firewall = "firewalld"

    def permanent(self) -> str:
        """Return the permanent configuration."""
        return self.firewalld.cmd("--permanent", "--list-all-zones")

    def test_saved(self) -> None:
        """The open door does not become permanent, but stays open; others' rules are saved."""
        before = self.permanent()
        daemon = self.start(openFor="1h")
        self.client.send(SEQUENCE)
        self.assertTrue(self.client.comesToReach(PORT))
        self.firewalld.cmd("--add-service=http")
        self.firewalld.cmd("--runtime-to-permanent")
        self.assertTrue(daemon.says("rules of pkdoors permanent in firewalld's zone public"))
        self.assertTrue(eventually(lambda: "3133" not in self.permanent()), self.permanent())
        self.firewalld.cmd("--permanent", "--remove-service=http")
        self.assertEqual(without(self.permanent(), "target:"), without(before, "target:"))
        self.assertTrue(self.client.reaches(PORT))
        self.server.run(
            str(BIN / "pkdoors"), "close", "--all", "--admin", f"{self.folder}/admin.sock"
        )
        self.assertTrue(daemon.says("closed door"))
        self.assertFalse(self.client.reaches(PORT))
        self.firewalld.cmd("--reload")
        self.assertFalse(self.client.reaches(PORT))

    def test_atStart(self) -> None:
        """Rules that were saved while no daemon ran are removed at the next start."""
        daemon = self.start(openFor="1h")
        self.client.send(SEQUENCE)
        self.assertTrue(self.client.comesToReach(PORT))
        daemon.stop(signal.SIGKILL)
        self.firewalld.cmd("--runtime-to-permanent")
        self.assertIn("31338", self.permanent())
        daemon = Daemon(self.server, "-m", KNOCKS, "-p", str(PORT))
        self.assertTrue(daemon.says("rules of pkdoors permanent in firewalld's zone public"))
        self.assertNotIn("3133", self.permanent())
        self.assertTrue(self.client.reaches(PORT))


def without(text: str, word: str) -> list[str]:
    """Return the lines of a text that do not contain a word."""
    return [line for line in text.splitlines() if word not in line]
