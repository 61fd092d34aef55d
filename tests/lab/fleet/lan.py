"""
Hosts on one network, joined by a switch.

::

    engine 10.30.0.1 ----+
    edge1  10.30.0.11 ---+--- switch ---+--- client 10.30.0.101, fd30::101
    web1   10.30.0.21 ---+              +--- stranger ...
"""

import os
from contextlib import ExitStack
from itertools import count
from pathlib import Path

from tests.lab.hosts import Host, ip

_serial = count()


class Lan:
    """
    A network: 10.NUMBER.0.0/24 and fdNUMBER::/64.

    A host on it has one address of each family, which end with the same number. Hosts may be on
    several networks.
    """

    def __init__(self, folder: Path, number: int) -> None:
        self._folder = folder
        self._number = number
        self._stack = ExitStack()
        self._switch = self.makeHost("switch")
        for command in ("add lan type bridge", "set lan up"):
            self._switch.run("ip", "link", *command.split())

    def makeHost(self, role: str) -> Host:
        """Make a host, which is on no network yet and ends with this one."""
        host = Host(f"pkd-{os.getpid()}-l{self._number}-{next(_serial)}-{role}", self._folder)
        self._stack.callback(host.close)
        return host

    def add(self, role: str, last: int) -> Host:
        """Make a host on this network."""
        host = self.makeHost(role)
        self.join(host, last)
        return host

    def join(self, host: Host, last: int) -> None:
        """Put a host on this network, at the addresses that end with a number."""
        near, far = f"lan{self._number}", f"port{last}"
        switch = ("-n", self._switch.name, "link")
        ip(*switch, "add", far, "type", "veth", "peer", "name", near, "netns", host.name)
        ip(*switch, "set", far, "master", "lan", "up")
        host.run("ip", "address", "add", f"{self.address(last)}/24", "dev", near)
        host.run("ip", "address", "add", f"{self.address6(last)}/64", "dev", near, "nodad")
        host.run("ip", "link", "set", near, "up")

    def address(self, last: int) -> str:
        """Return an IPv4 address on this network."""
        return f"10.{self._number}.0.{last}"

    def address6(self, last: int) -> str:
        """Return an IPv6 address on this network."""
        return f"fd{self._number}::{last}"

    def part(self, last: int) -> None:
        """
        Part a host from this network silently: what it sends disappears, and nobody is told.
        """
        self._switch.run("ip", "link", "set", f"port{last}", "nomaster")

    def rejoin(self, last: int) -> None:
        """Put a parted host back."""
        self._switch.run("ip", "link", "set", f"port{last}", "master", "lan")

    def close(self) -> None:
        """End the hosts."""
        self._stack.close()
