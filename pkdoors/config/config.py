"""What the operator wants, checked and in one value."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pkdoors.model.doors import MAX_OPENINGS, Door

if TYPE_CHECKING:
    from pkdoors.config.fleet import FleetConfig

CONF_FILE = "/etc/pkdoors/pkdoors.toml"
"""The daemon's configuration, unless the command line names another file."""
MAX_CONF = 1 << 23
"""Bytes of that file: ten thousand doors with all their settings take half of it."""
KEYS_FILE = "/etc/pkdoors/authorized_keys"
REVOKED_FILE = "/etc/pkdoors/revoked_keys"
"""The keys for sealed knocks, unless the operator chooses another file."""
ADMIN_SOCKET = "/run/pkdoors/admin.sock"
"""The socket on which the daemon listens for its operator, unless the configuration names one."""

FLEET_NAME = "fleet.toml"
"""The fleet's configuration, beside that of the daemon unless this names another path."""

SEED_NAME = ".port_knocker.toml"
"""The configuration of port-knocking-doors in the home of the user that runs it."""
SEED_FILE = "/etc/port_knocker.toml"
"""The configuration of port-knocking-doors for the whole host."""

LISTENING = ("auto", "capture", "sockets")
FIREWALLS = ("auto", "nftables", "firewalld", "dry-run")


@dataclass(frozen=True, slots=True)
class Config:
    """
    A configuration.

    @ivar firewall: one of L{FIREWALLS}.
    @ivar zone: firewalld's zone for everything; empty for the zone of each client.
    @ivar interfaces: local addresses to listen on; empty for every IPv4 and every IPv6 address.
    @ivar admin: the path of the admin socket; empty for none.
    @ivar audit: the path of the audit file; empty for none.
    @ivar logKnocks: whether each datagram is logged.
    @ivar notes: what the operator should know about the configuration, a sentence each.
    @ivar maxOpenings: how many openings there may be at a time, of all doors.
    @ivar listen: one of L{LISTENING}: whether the kernel's packet log hears the knocks, or sockets.
    @ivar fleetFile: the path of the fleet's configuration; empty for L{FLEET_NAME} beside the file
        of this one.
    @ivar fleet: what it says; L{None} if no door is one of the fleet.
    """

    doors: tuple[Door, ...]
    firewall: str = "auto"
    zone: str = ""
    interfaces: tuple[str, ...] = ()
    admin: str = ADMIN_SOCKET
    audit: str = ""
    logKnocks: bool = False
    notes: tuple[str, ...] = ()
    listen: str = "auto"
    maxOpenings: int = MAX_OPENINGS
    fleetFile: str = ""
    fleet: "FleetConfig | None" = None

    def chooseFirewall(self, isFirewalldThere: Callable[[], bool | None]) -> str:
        """
        Return the firewall that the daemon uses: for C{auto}, firewalld if it runs, otherwise
        nftables.

        @param isFirewalldThere: called only if the answer matters.
        """
        if self.firewall != "auto":
            return self.firewall
        return "firewalld" if isFirewalldThere() else "nftables"
