"""What the real tests have in common."""

import json
import os
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest import TestResult

from twisted.trial.itrial import IReporter
from twisted.trial.unittest import SynchronousTestCase

from tests.lab.failures import LogReporter, readLogs
from tests.lab.firewalld import Firewalld
from tests.lab.hosts import SERVER4, Daemon, Network, Process, eventually

SEQUENCE = (17001, 17203, 17005, 17404, 17002, 17009)
KNOCKS = ",".join(map(str, SEQUENCE))
PORT = 2222
"""The protected port."""


class HostsTestCase(SynchronousTestCase):
    """
    Hosts of the test's own.

    @ivar folder: all of its hosts see this one.
    """

    folder: Path

    if os.getuid() != 0:
        skip = "real tests make network namespaces: run them as root (sudo script/test)"

    def run(self, result: TestResult | None = None) -> TestResult | None:
        """Run the test. If it fails, show what its programs wrote."""
        super().run(LogReporter(IReporter(result), lambda: readLogs(self.folder)))
        return result

    def setUp(self) -> None:
        """Make the folder."""
        # Not mktemp(): the path of a D-Bus socket has at most 107 bytes.
        folder = TemporaryDirectory(prefix="pkdoors-")
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)


class RealTestCase(HostsTestCase):
    """
    A server, a client and a stranger for each test.

    @cvar firewall: C{"nftables"} or C{"firewalld"}; the latter is started.
    @cvar listen: how the daemon hears knocks. The variable C{PKDOORS_TEST_LISTEN} changes that for
        all tests that do not name one of the ways.
    """

    firewall = "nftables"
    listen = os.environ.get("PKDOORS_TEST_LISTEN", "sockets")

    def setUp(self) -> None:
        """Make the hosts."""
        super().setUp()
        self.network = Network(self.folder)
        self.addCleanup(self.network.__exit__)
        self.server, self.client = self.network.server, self.network.client
        self.stranger = self.network.stranger
        if self.firewall == "firewalld":
            self.firewalld = Firewalld(self.server)

    def start(self, *options: str, ports: str = str(PORT), openFor: str = "1h") -> Daemon:
        """Start the daemon on the server, with a program that listens on the protected port."""
        self.server.serve(PORT)
        return self.daemon(*options, ports=ports, openFor=openFor)

    def daemon(self, *options: str, ports: str = str(PORT), openFor: str = "1h") -> Daemon:
        """Start the daemon, alone."""
        return Daemon(
            self.server,
            "--magic-seq",
            KNOCKS,
            "--ports",
            ports,
            "--open-for",
            openFor,
            "--firewall",
            self.firewall,
            "--listen",
            self.listen,
            *options,
        )

    def heardPorts(self) -> set[int]:
        """Return the ports on which knocks are heard, by sockets or in the packet log."""
        if self.listen == "sockets":
            lines = self.server.run("ss", "-Hlun").splitlines()
            return {int(line.split()[3].rpartition(":")[2]) for line in lines}
        listing = self.server.run("nft", "-j", "list", "set", "inet", "pkdoors", "knocks")
        (found,) = (item["set"] for item in json.loads(listing)["nftables"] if "set" in item)
        return set(found.get("elem", ()))

    def isOwned(self) -> bool:
        """Return whether the daemon owns the guard, so that nobody else can change it."""
        _, listing = self.server.status("nft", "list table inet pkdoors")
        return "owner" in listing

    def disturb(self, daemon: Daemon | Process, change: str) -> None:
        """
        Change nftables as somebody else would, and wait until the guard is healed. One that belongs
        to the daemon is left alone, or the kernel refuses the change.
        """
        if self.isOwned():
            status, output = self.server.status("nft", change)
            if status:
                self.assertIn("not permitted", output)
            self.assertTrue(self.isOwned())
            return
        before = daemon.log().count("restored the rules of pkdoors in nftables")
        self.server.run("nft", change)

        def isHealed() -> bool:
            return daemon.log().count("restored the rules of pkdoors in nftables") > before

        self.assertTrue(eventually(isHealed), daemon.log())


class SshTestCase(RealTestCase):
    """
    With sshd and ssh.

    @cvar moreForSshd: lines of sshd's configuration.
    @cvar penalties: how sshd penalizes addresses, if it can.
    """

    moreForSshd = ""
    penalties = "no"

    def canPenalize(self) -> bool:
        """Return whether this sshd can refuse an address for a while (PerSourcePenalties)."""
        version = self.server.status("ssh", "-V")[1].removeprefix("OpenSSH_").partition("p")[0]
        return tuple(map(int, version.split("."))) >= (9, 8)

    def sshd(self) -> None:
        """Start sshd on the server, for root with a key of the client's."""
        for name in ("host", "user"):
            key = str(self.folder / name)
            self.server.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key)
        more = self.moreForSshd
        if self.canPenalize():  # or it drops the next connections of a test that may not get in
            more += f"PerSourcePenalties {self.penalties}\n"
        (self.folder / "sshd_config").write_text(
            f"HostKey {self.folder}/host\nAuthorizedKeysFile {self.folder}/user.pub\n"
            "StrictModes no\nUsePAM no\nPermitRootLogin prohibit-password\nPidFile none\n"
            f"Subsystem sftp internal-sftp\n{more}"
        )
        self.server.run("mkdir", "-p", "/run/sshd")  # where sshd puts its unprivileged half
        sshd = self.server.spawn(
            "/usr/sbin/sshd", "-D", "-e", "-f", str(self.folder / "sshd_config")
        )
        self.assertTrue(sshd.says("Server listening on :: port 22"), sshd.log())

    def sshOptions(self, patience: int = 60) -> tuple[str, ...]:
        """Return the options with which ssh, scp and the like get in."""
        return (
            "-F",
            "none",
            "-i",
            str(self.folder / "user"),
            "-o",
            "BatchMode=yes",
            "-o",
            f"ConnectTimeout={patience}",
            "-o",
            "StrictHostKeyChecking=no",
            "-o",
            f"UserKnownHostsFile={self.folder}/known",
        )

    def sshCommand(self, command: str, patience: int = 60) -> tuple[str, ...]:
        """Return the command line of ssh."""
        return ("ssh", *self.sshOptions(patience), f"root@{SERVER4}", command)

    def ssh(self, command: str) -> tuple[int, str]:
        """Run a command on the server over ssh; return its status and output."""
        return self.client.status(*self.sshCommand(command))

    def isShut(self) -> bool:
        """Return whether ssh gets no answer."""
        status, output = self.client.status(*self.sshCommand("true", 1))
        return status == 255 and "timed out" in output
