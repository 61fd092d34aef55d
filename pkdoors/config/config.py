"""What the operator wants, checked and in one value."""

from collections.abc import Callable
from dataclasses import dataclass

from pkdoors.model.doors import Door

CONF_FILE = "/etc/pkdoors/pkdoors.toml"
"""Where the daemon's configuration is, unless something else is said."""
MAX_CONF = 1 << 19
"""Bytes of that file: a thousand doors have half of it. The daemon hears no knock while it reads
it, which takes half a second at most."""
KEYS_FILE = "/etc/pkdoors/authorized_keys"
"""Where the keys for sealed knocks are, unless something else is said."""
ADMIN_SOCKET = "/run/pkdoors/admin.sock"
"""Where the daemon listens for its operator, unless something else is said."""

SEED_NAME = ".port_knocker.toml"
"""The configuration of port-knocking-doors in the home of who runs it."""
SEED_FILE = "/etc/port_knocker.toml"
"""The configuration of port-knocking-doors for the whole host."""

FIREWALLS = ("auto", "nftables", "firewalld", "dry-run")


@dataclass(frozen=True, slots=True)
class Config:
    """
    @ivar firewall: one of L{FIREWALLS}.
    @ivar zone: firewalld's zone for everything; empty for the zone of each client.
    @ivar interfaces: local addresses to listen on; empty for every IPv4 and every IPv6 address.
    @ivar admin: the path of the admin socket; empty for none.
    @ivar audit: the path of the audit file; empty for none.
    @ivar logKnocks: whether each datagram is logged.
    @ivar notes: what the operator should know of the configuration, a sentence each.
    """

    doors: tuple[Door, ...]
    firewall: str = "auto"
    zone: str = ""
    interfaces: tuple[str, ...] = ()
    admin: str = ADMIN_SOCKET
    audit: str = ""
    logKnocks: bool = False
    notes: tuple[str, ...] = ()

    def chosenFirewall(self, isFirewalldThere: Callable[[], bool | None]) -> str:
        """
        The firewall that the daemon takes: for C{auto} firewalld where it runs, else nftables.

        @param isFirewalldThere: asked only where it matters.
        """
        if self.firewall != "auto":
            return self.firewall
        return "firewalld" if isFirewalldThere() else "nftables"
