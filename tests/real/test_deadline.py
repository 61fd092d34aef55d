"""A door never outlives its deadline, whatever dies, and is not closed before it."""

import re
import signal
import sys
import time

from tests import ROOT
from tests.lab.case import KNOCKS, PORT, SEQUENCE, RealTestCase
from tests.lab.hosts import CLIENT4, Daemon, eventually

LATE = 1.0
"""Seconds after its deadline by which an opening must have ended."""


class DeadlineTests(RealTestCase):
    """Deadlines with the kernel's nftables."""

    def opened(self, openFor: str) -> tuple[Daemon, float]:
        """
        Start a daemon and open its door for the client. Return it with the opening's deadline.
        """
        daemon = self.start(openFor=openFor)
        self.client.send(SEQUENCE)
        deadline = time.monotonic() + float(openFor.removesuffix("s"))
        self.assertTrue(self.client.comesToReach(PORT))
        return daemon, deadline

    def assertEnds(self, deadline: float) -> None:
        """Assert that the door is open until the deadline, and closed to others all the while."""
        while time.monotonic() < deadline - 2:
            self.assertTrue(self.client.reaches(PORT))
            self.assertFalse(self.stranger.reaches(PORT))
        while time.monotonic() < deadline + LATE:
            time.sleep(0.05)
        self.assertFalse(self.client.reaches(PORT))
        self.assertFalse(self.stranger.reaches(PORT))

    def left(self) -> float:
        """Return the seconds that the kernel's own timer leaves to the client's opening."""
        listing = self.server.run("nft", "list", "set", "inet", "pkdoors", "tcp_open4")
        expires = re.search(rf"{CLIENT4} .*expires (?:(\d+)s)?(?:(\d+)ms)?", listing)
        assert expires, listing
        return int(expires[1] or 0) + int(expires[2] or 0) / 1000

    def test_killed(self) -> None:
        """
        If the daemon is killed, the opening ends in time, and the port stays closed to others.
        """
        daemon, deadline = self.opened("6s")
        daemon.stop(signal.SIGKILL)
        self.assertEnds(deadline)

    def test_stopped(self) -> None:
        """The same holds if the daemon ends in order."""
        daemon, deadline = self.opened("6s")
        daemon.stop()
        self.assertEnds(deadline)

    def test_takeOver(self) -> None:
        """
        The next daemon takes over the openings, logs them, opens nothing twice, and closes in time.
        """
        self.server.serve(PORT)
        for end in (signal.SIGTERM, signal.SIGKILL):
            with self.subTest(end):
                daemon = self.daemon(openFor="20s")
                self.client.send(SEQUENCE)
                self.assertTrue(self.client.comesToReach(PORT))
                began = time.monotonic()
                rules = self.rules()
                time.sleep(1.5)
                daemon.stop(end)
                daemon = self.daemon(openFor="20s")
                line = rf"took over door default \({PORT}/tcp\) for {CLIENT4} until .* \((\d+)s\)"
                left = re.search(line, daemon.log())
                self.assertTrue(left and 1 <= int(left[1]) <= 18, daemon.log())
                self.assertTrue(self.client.reaches(PORT))
                self.assertFalse(self.stranger.reaches(PORT))
                self.assertBecomes(rules)
                self.assertTrue(daemon.says(f"closed door default ({PORT}/tcp) for {CLIENT4}"))
                self.assertFalse(self.client.reaches(PORT))
                self.assertGreater(time.monotonic() - began, 18)
                self.assertEqual(self.rules(), "")
                daemon.stop()

    def rules(self) -> str:
        """Return the openings in the firewall, without times."""
        listing = self.server.run("nft", "list", "set", "inet", "pkdoors", "tcp_open4")
        return "\n".join(re.findall(rf"\b{CLIENT4}\b", listing))

    def assertBecomes(self, rules: str) -> None:
        """Assert that the openings in the firewall become the given ones."""
        eventually(lambda: self.rules() == rules)
        self.assertEqual(self.rules(), rules)

    def test_otherDoor(self) -> None:
        """An opening whose door no longer exists is closed."""
        daemon, _ = self.opened("600s")
        daemon.stop()
        daemon = self.daemon(ports=f"{PORT},2223")
        self.assertFalse(self.client.reaches(PORT))
        self.assertBecomes("")

    def test_clockIsSet(self) -> None:
        """
        Setting the clock an hour back or forward neither prolongs nor shortens an opening; the
        kernel's own timer decides.
        """
        self.server.serve(PORT)
        process = self.server.spawn(
            sys.executable,
            "-m",
            "tests.lab.clockwork",
            "-n",
            "--pidfile=",
            "pkdoors",
            "-m",
            KNOCKS,
            "-p",
            str(PORT),
            "-t",
            "10s",
            "-f",
            self.firewall,
            "--admin",
            "off",
            PYTHONPATH=str(ROOT),
        )
        self.assertTrue(process.says("guarding door"), process.log())
        forward, back = signal.SIGUSR1, signal.SIGUSR2
        for way, wrong in ((forward, "+3600"), (back, "+0")):
            with self.subTest(wrong):
                self.client.send(SEQUENCE)
                deadline = time.monotonic() + 10
                self.assertTrue(self.client.comesToReach(PORT))
                process.popen.send_signal(way)
                self.assertTrue(process.says(f"the clock is {wrong} s wrong"))
                time.sleep(1)
                self.assertTrue(self.client.reaches(PORT))
                left = self.left()
                self.assertTrue(abs(deadline - time.monotonic() - left) < LATE, left)
                self.assertEnds(deadline)
                self.assertTrue(process.says("closed door"))


class FirewalldDeadlineTests(DeadlineTests):
    """Deadlines with firewalld before the guard."""

    firewall = "firewalld"

    def rules(self) -> str:
        """Return the openings in both firewalls."""
        zone = re.sub('priority="[0-9]*"', "", self.firewalld.cmd("--list-rich-rules"))
        return "\n".join([super().rules(), *re.findall(f".*{CLIENT4}.*", zone)]).strip()

    def test_firewalldKilled(self) -> None:
        """If firewalld is killed, the opening ends in time, and the port stays closed to others."""
        _, deadline = self.opened("6s")
        self.firewalld.process.stop(signal.SIGKILL)
        self.assertEnds(deadline)

    def test_firewalldStopped(self) -> None:
        """The same holds if firewalld ends in order, and takes all its rules with it."""
        _, deadline = self.opened("6s")
        self.firewalld.process.stop()
        self.assertEnds(deadline)

    def test_allKilled(self) -> None:
        """The same holds if both of them and the bus are killed."""
        daemon, deadline = self.opened("6s")
        for process in (self.firewalld.process, self.firewalld.bus, daemon.process):
            process.stop(signal.SIGKILL)
        self.assertEnds(deadline)
