"""Many doors: what a daemon needs for them, and what it refuses."""

import os

from tests.lab.case import PORT, SEQUENCE
from tests.lab.controlled import SSH, ControlledTestCase
from tests.lab.hosts import BIN, Daemon
from tests.lab.manydoors import writeDoors
from tests.lab.traffic.prober import knocking

MANY = writeDoors(120)
"""720 knock ports."""
LIMIT = 700
"""Descriptors: too few for a socket over IPv4 and one over IPv6 for each of those."""


class DescriptorTests(ControlledTestCase):
    """The number of open files and sockets, if knocks are heard by sockets."""

    listen = "sockets"

    def countDescriptors(self, daemon: Daemon) -> int:
        """Return how many descriptors a daemon has."""
        return len(os.listdir(f"/proc/{daemon.process.popen.pid}/fd"))

    def limit(self, daemon: Daemon) -> None:
        """Let a daemon have no more than L{LIMIT}."""
        pid = str(daemon.process.popen.pid)
        self.server.run("prlimit", f"--nofile={LIMIT}:{LIMIT}", "--pid", pid)

    def assertExplained(self, text: str) -> None:
        """Assert that a text names the limit and both ways out."""
        self.assertIn(f"this process may open {LIMIT} files", text)
        for remedy in ("LimitNOFILE=", "ulimit -n", 'listen = "capture"'):
            self.assertIn(remedy, text)

    def test_reload(self) -> None:
        """
        If a reload would need more sockets than there may be, nothing changes: neither rules nor
        sockets, and clients go on knocking.
        """
        daemon = self.controlled(SSH)
        self.limit(daemon)
        before = self.server.run("nft", "list", "ruleset"), self.heardPorts()
        self.write(SSH, MANY)
        _, sentence = self.refused("/reload", "-X", "POST")
        self.assertExplained(sentence)
        after = self.server.run("nft", "list", "ruleset"), self.heardPorts()
        self.assertEqual(before, after)
        self.client.send(SEQUENCE)
        self.assertTrue(self.client.comesToReach(PORT), daemon.log())

    def test_start(self) -> None:
        """At the start nothing is touched, either: neither firewall nor knock ports."""
        self.write(SSH, MANY)
        command = f"ulimit -n {LIMIT}; exec {BIN}/twistd -n --pidfile= pkdoors -c {self.file}"
        status, output = self.server.status("sh", "-c", f"{command} --listen sockets")
        self.assertEqual(1, status, output)
        self.assertExplained(output)
        self.assertEqual("", self.server.run("nft", "list", "ruleset"))
        self.assertTrue(self.stranger.reaches(PORT))


class CapturedTests(DescriptorTests):
    """With knocks that are captured."""

    listen = "capture"

    def test_reload(self) -> None:
        """However many doors there are, the daemon has the same descriptors."""
        daemon = self.controlled(SSH)
        self.limit(daemon)
        self.reload()
        before = self.countDescriptors(daemon)
        self.write(SSH, MANY)
        self.assertEqual(120, len(self.reload()))
        # A connection of the operator's may not be closed yet.
        self.assertLessEqual(abs(self.countDescriptors(daemon) - before), 3)

    def test_start(self) -> None:
        """It has as few after a start: no knock port has a socket."""
        daemon = self.controlled(SSH, MANY)
        self.assertLess(self.countDescriptors(daemon), 40)


class MeanwhileTests(ControlledTestCase):
    """Clients that knock while a configuration with many doors is read and put in place."""

    def test_knocks(self) -> None:
        """All of them get in, each from an address of its own, and nobody else does."""
        daemon = self.controlled(SSH, MANY)
        with knocking(self.network, SEQUENCE, PORT) as times:
            for number in range(6):
                self.write(SSH, writeDoors(120, isChanged=number % 2 == 0))
                self.assertEqual(1, len(self.reload()))
        self.assertGreater(len(times), 6)
        self.assertNotIn(None, times, daemon.log())
        self.assertFalse(self.stranger.reaches(PORT))
