"""What is measured: pkdoors, and what it has in common with L{bench.others}."""

import signal
from abc import ABC, abstractmethod
from collections.abc import Sequence
from ipaddress import IPv4Address
from typing import NamedTuple

from bench.generator import badSeals
from pkdoors.client._plan import Sending, planPlain, planSealed
from pkdoors.model.sequence import Sequence as Ports
from tests.lab.hosts import Daemon, Host, Process
from tests.lab.sealing import makeKey, publicLine, sealed

SEQUENCE = (17001, 17203, 17005, 17404, 17002, 17309, 17107, 17208)
PROTECTED = 2222
OPEN_FOR = 30
"""Seconds that a door stays open."""

_PORTS = ",".join(map(str, SEQUENCE))


class Junk(NamedTuple):
    """What an attacker sends: a kind of the generator's, and payloads of its own."""

    kind: str
    payloads: Sequence[bytes] = ()


class Rival(ABC):
    """
    One of those that are measured, on a host of its own.

    @cvar about: what it is, in a few words.
    @cvar ports: where it listens.
    @cvar patience: seconds that it may take to open.
    @ivar process: the daemon; L{None} where there is none.
    """

    about = ""
    ports: Sequence[int] = SEQUENCE
    patience = 1.0
    process: Process | None = None

    def __init__(self, server: Host) -> None:
        self.server = server

    def start(self, openFor: int = OPEN_FOR) -> None:
        """
        Begin with an empty firewall, and nothing remembered.

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
        """The administrator's own rules, for C{nft -f}."""
        return ""

    def loadFirewall(self) -> None:
        """What the administrator does after a change of the rules, and a boot does."""
        file = self.server.folder / "admin.nft"
        file.write_text(f"flush ruleset\n{self.firewall()}")
        self.server.run("nft", "-f", str(file))

    def knock(self, source: IPv4Address, interval: float) -> list[Sending]:
        """
        The shortest knock that opens for an address.

        @param interval: seconds between two of its datagrams, where their order matters.
        """
        return list(planPlain(Ports(SEQUENCE), b"knock\n", interval))

    def attempt(self, source: IPv4Address, interval: float) -> list[Sending]:
        """All that its own client sends to open."""
        return self.knock(source, interval)

    def wrong(self) -> Junk:
        """Well-formed knocks that open nothing."""
        return Junk("random")

    def first(self) -> Junk:
        """Well-formed beginnings of knocks, which have to be remembered."""
        return Junk("first")


class PkDoors(Rival):
    """C{twistd pkdoors} on the nftables firewall."""

    about = "plain knocks, nftables"
    options: Sequence[str] = ()

    def firewall(self) -> str:
        """Something that is not pkdoors' own, which guards by itself."""
        return """table inet admin {
            chain input { type filter hook input priority filter; policy accept; }
        }"""

    def launch(self) -> None:
        """Start it."""
        options = f"--firewall=nftables --open-for={self.openFor}s --ports={PROTECTED}"
        self.process = Daemon(
            self.server, *options.split(), f"--magic-seq={_PORTS}", *self.options
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
        """One datagram to all ports, at once."""
        datagram = sealed(self._key, SEQUENCE, bind=str(source))
        return [Sending(0.0, port, datagram) for port in SEQUENCE]

    def attempt(self, source: IPv4Address, interval: float) -> list[Sending]:
        """The same, three times."""
        return list(planSealed(Ports(SEQUENCE), [sealed(self._key, SEQUENCE, bind=str(source))]))

    def wrong(self) -> Junk:
        """In the name of the key that opens, but not signed by it."""
        return Junk("sealed", badSeals(self._key, SEQUENCE))

    first = wrong
