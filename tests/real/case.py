"""What the real tests have in common."""

import os
from pathlib import Path
from tempfile import TemporaryDirectory

from twisted.trial.unittest import SynchronousTestCase

from tests.real.hosts import Daemon, Firewalld, Network

SEQUENCE = (17001, 17203, 17005, 17404, 17002, 17009)
KNOCKS = ",".join(map(str, SEQUENCE))
PORT = 2222
"""The protected port."""


class RealTestCase(SynchronousTestCase):
    """
    A server, a client and a stranger for each test.

    @cvar firewall: C{"nftables"} or C{"firewalld"}; the latter is started.
    """

    firewall = "nftables"

    if os.getuid() != 0:
        skip = "real tests make network namespaces: run them as root (sudo script/test)"

    def setUp(self) -> None:
        """Make the hosts."""
        # Not mktemp(): the path of a D-Bus socket has at most 107 bytes.
        folder = TemporaryDirectory(prefix="pkdoors-")
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.network = Network(self.folder)
        self.addCleanup(self.network.__exit__)
        self.server, self.client = self.network.server, self.network.client
        self.stranger = self.network.stranger
        if self.firewall == "firewalld":
            self.firewalld = Firewalld(self.server)

    def start(self, *options: str, ports: str = str(PORT), openFor: str = "2s") -> Daemon:
        """Start the daemon on the server, with a program that listens on the protected port."""
        self.server.serve(PORT)
        return self.daemon(*options, ports=ports, openFor=openFor)

    def daemon(self, *options: str, ports: str = str(PORT), openFor: str = "2s") -> Daemon:
        """Start the daemon, alone."""
        return Daemon(
            self.server,
            *("--magic-seq", KNOCKS, "--ports", ports, "--open-for", openFor),
            *("--firewall", self.firewall, *options),
        )
