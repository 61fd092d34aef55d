"""A rival in a comparison; and pkdoors itself, with plain and with sealed knocks."""

import signal
from abc import ABC, abstractmethod
from collections.abc import Sequence
from ipaddress import IPv4Address
from typing import NamedTuple

from bench.common import KNOCKS, PROTECTED, SEQUENCE
from pkdoors.client.core.plan import Sending, planPlain, planSealed
from pkdoors.model.sequence import Sequence as Ports
from tests.lab.hosts import Daemon, Host, Process
from tests.lab.sealing import makeKey, publicLine, sealed
from tests.lab.traffic.generator import spoilSeals

OPEN_FOR = 30
"""Seconds that a door stays open."""


class Junk(NamedTuple):
    """What an attacker sends: one of the generator's kinds, and payloads in place of the kind's."""

    kind: str
    payloads: Sequence[bytes] = ()


class Rival(ABC):
    """
    One of the programs that are compared, on a host of its own.

    @cvar about: what it is, in a few words.
    @cvar ports: the ports that it listens on.
    @cvar patience: seconds that it may take to open.
    @ivar process: the daemon; L{None} if there is none.
    """

    about = ""
    ports: Sequence[int] = SEQUENCE
    patience = 1.0
    process: Process | None = None

    def __init__(self, server: Host) -> None:
        self.server = server

    def start(self, openFor: int = OPEN_FOR) -> None:
        """
        Start with an empty firewall, and no memory of earlier knocks.

        @param openFor: seconds that a door stays open.
        """
        self.openFor = openFor
        self.loadFirewall()
        self.launch()

    def stop(self, with_: signal.Signals = signal.SIGTERM) -> None:
        """End the daemon."""
        if self.process:
            self.process.stop(with_)

    @abstractmethod
    def launch(self) -> None:
        """Start the daemon, and wait until it listens."""

    def firewall(self) -> str:
        """Return the administrator's own rules, for C{nft -f}."""
        return ""

    def loadFirewall(self) -> None:
        """Load the rules, as the administrator does after a change, and as a boot does."""
        file = self.server.folder / "admin.nft"
        file.write_text(f"flush ruleset\n{self.firewall()}")
        self.server.run("nft", "-f", str(file))

    def knock(self, source: IPv4Address, interval: float) -> list[Sending]:
        """
        Return the shortest knock that opens for an address.

        @param interval: seconds between two of its datagrams, if their order matters.
        """
        return list(planPlain(Ports(SEQUENCE), b"knock\n", interval).sendings)

    def attempt(self, source: IPv4Address, interval: float) -> list[Sending]:
        """Return everything that its own client sends to open."""
        return self.knock(source, interval)

    def wrong(self) -> Junk:
        """Return well-formed knocks that open nothing."""
        return Junk("random")

    def first(self) -> Junk:
        """Return well-formed beginnings of knocks, which the daemon must remember."""
        return Junk("first")


class PkDoors(Rival):
    """C{twistd pkdoors} on the nftables firewall."""

    about = "plain knocks, nftables"
    options: Sequence[str] = ()

    def firewall(self) -> str:
        """Return rules that guard nothing: pkdoors adds its own."""
        return """table inet admin {
            chain input { type filter hook input priority filter; policy accept; }
        }"""

    def launch(self) -> None:
        """Start C{twistd}."""
        options = f"--firewall=nftables --open-for={self.openFor}s --ports={PROTECTED}"
        self.process = Daemon(
            self.server, *options.split(), f"--magic-seq={KNOCKS}", *self.options
        ).process


class Sealed(PkDoors):
    """The same with sealed knocks."""

    about = "sealed knocks (Ed25519), nftables"

    def __init__(self, server: Host) -> None:
        super().__init__(server)
        self._key = makeKey()
        keys = server.folder / "authorized_keys"
        keys.write_text(publicLine(self._key))
        self.options = [f"--authorized-keys={keys}"]

    def knock(self, source: IPv4Address, interval: float) -> list[Sending]:
        """Return one datagram for all ports, without a pause."""
        datagram = sealed(self._key, SEQUENCE, bind=str(source))
        return [Sending(0.0, port, datagram) for port in SEQUENCE]

    def attempt(self, source: IPv4Address, interval: float) -> list[Sending]:
        """Return the same, three times."""
        datagram = sealed(self._key, SEQUENCE, bind=str(source))
        return list(planSealed(Ports(SEQUENCE), [datagram]).sendings)

    def wrong(self) -> Junk:
        """Return knocks that name the right key, but are not signed by it."""
        return Junk("sealed", spoilSeals(self._key, SEQUENCE))

    first = wrong
