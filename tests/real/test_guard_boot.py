"""
An opening belongs to one boot of the machine and to its own deadline, whatever is loaded again.

Another boot is another boot id, which the daemon finds in its mount namespace.
"""

import re
import signal
import time
import uuid

from tests.lab.case import PORT
from tests.lab.controlled import SSH, ControlledTestCase
from tests.lab.flows import drain
from tests.lab.hosts import BIN, CLIENT4, CLIENT6, SERVER6, Daemon, Process, eventually

BOOT_ID = "/proc/sys/kernel/random/boot_id"
CONFIGURATION = "/etc/nftables.conf"
"""The files of nftables.service on Debian and Arch."""
LATE = 1.5
"""Seconds from its deadline until an opening must have ended."""


class _BootCase(ControlledTestCase):
    """A ruleset that is saved and loaded."""

    def save(self, *options: str) -> None:
        """Save the ruleset, as distributions recommend."""
        self.saved = self.folder / "nftables.conf"
        text = self.server.run("nft", *options, "list", "ruleset")
        self.saved.write_text(f"#!/usr/sbin/nft -f\nflush ruleset\n{text}")

    def mounted(self, what: str, where: str, *argv: str) -> tuple[str, ...]:
        """Return a command line that sees one file in another's place."""
        script = f'mount --bind {what} {where}\nexec "$@"'
        return ("unshare", "-m", "--propagation", "private", "sh", "-euc", script, "sh", *argv)

    def controlledInNextBoot(self) -> Process:
        """Start the daemon as if the machine had booted."""
        other = self.folder / "boot_id"
        other.write_text(f"{uuid.uuid4()}\n")
        daemon = self.server.spawn(
            *self.mounted(str(other), BOOT_ID, str(BIN / "twistd"), "-n", "--pidfile=", "pkdoors"),
            *f"-c {self.file} --admin {self.socket}".split(),
        )
        self.assertTrue(daemon.says("AdminSite starting"), daemon.log())
        return daemon

    def lose(self, daemon: Daemon) -> None:
        """End the daemon, and lose the ruleset, as if the machine were switched off."""
        daemon.stop(signal.SIGKILL)
        self.server.run("nft", "flush", "ruleset")
        self.assertTrue(self.stranger.comesToReach(PORT))
        drain(self.listeners[PORT])  # otherwise these would be sessions that go on


class SavedTests(_BootCase):
    """A ruleset that was saved while a door was open."""

    def test_otherBoot(self) -> None:
        """
        If it is loaded at the next boot, it opens nothing once the daemon runs, and nothing is
        taken over.
        """
        for options in ((), ("-s",)):
            with self.subTest(options):
                daemon = self.controlled(SSH)
                self.open(CLIENT4)
                self.open(CLIENT6)
                session = self.client.connect(PORT)
                self.save(*options)
                session.close()
                self.lose(daemon)
                self.server.run("nft", "-f", str(self.saved))
                after = self.controlledInNextBoot()
                self.assertFalse(self.client.reaches(PORT) or self.client.reaches(PORT, SERVER6))
                self.assertFalse(self.stranger.reaches(PORT))
                self.assertEqual((self.openings(), self.inKernel()), (set(), set()))
                self.assertNotIn("took over", after.log())
                self.assertNotRegex(
                    self.server.run("nft", "list", "table", "inet", "pkdoors"),
                    re.escape(CLIENT4),
                    "a session of another boot",
                )
                after.stop()
                self.server.status(str(BIN / "pkdoors"), "release")

    def test_sameBoot(self) -> None:
        """If it is loaded again in the same boot, no opening gets time back."""
        daemon = self.controlled(SSH)
        self.open(CLIENT4, seconds=7)
        deadline = time.monotonic() + 7
        self.save("-s")
        self.lose(daemon)
        time.sleep(max(0, deadline - 3.5 - time.monotonic()))
        self.server.run("nft", "-f", str(self.saved))
        self.controlled(SSH)
        while time.monotonic() < deadline + LATE:
            time.sleep(0.1)
        self.assertFalse(self.client.reaches(PORT))
        self.assertEqual((self.openings(), self.inKernel()), (set(), set()))

    def test_nextDaemon(self) -> None:
        """In the same boot the next daemon takes over the openings, as usual."""
        daemon = self.controlled(SSH)
        self.open(CLIENT4)
        daemon.stop(signal.SIGKILL)
        daemon = self.controlled(SSH)
        self.assertIn("took over", daemon.log())
        self.assertTrue(self.client.reaches(PORT))


class CheckTests(_BootCase):
    """The findings of C{pkdoors check}."""

    def check(self, *mount: str) -> str:
        """Return its findings."""
        argv = (str(BIN / "pkdoors"), "check", "--conf", str(self.file))
        return self.server.status(*(self.mounted(*mount, *argv) if mount else argv))[1]

    def test_saved(self) -> None:
        """A saved ruleset that contains our table is an error; the finding names the file."""
        self.controlled(SSH)
        self.assertNotIn(CONFIGURATION, self.check())
        self.save()
        lines = self.check(str(self.saved), CONFIGURATION).splitlines()
        found = [each for each in lines if CONFIGURATION in each]
        self.assertTrue(found, lines)
        self.assertTrue(found[0].startswith("ERROR"), found)

    def test_cookies(self) -> None:
        """
        SYN cookies that are always on let the answer to an old SYN begin a connection: a warning.
        """
        self.controlled(SSH)
        self.assertNotIn("tcp_syncookies", self.check())
        self.server.run("sysctl", "-qw", "net.ipv4.tcp_syncookies=2")
        self.assertTrue(eventually(lambda: "syncookies" in self.check(), 1))
