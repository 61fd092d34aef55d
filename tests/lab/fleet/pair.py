"""Two gateways with one address that moves between them, before a host with a service."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager

from tests.lab.case import PORT
from tests.lab.fleet.case import FleetTestCase
from tests.lab.fleet.lan import Lan
from tests.lab.hosts import PATIENCE, Process, eventually

INSIDE, SHARED, SERVICE = 31, 5, 21
"""The number of the network behind the gateways, and the last numbers of the address that moves
and of the service's."""
STUCK = 2.0
"""Seconds in which a lost segment is sent three times."""
STRICT = (
    "add rule ip others through ct state established accept\n"
    "add rule ip others through ct state invalid drop\n"
    "add rule ip others through ct state new tcp flags & (fin|syn|rst|ack) != syn drop\n"
)
"""The rules of a firewall that lets nothing go on that it does not know."""

_FORWARDING = """
add table ip others
add chain ip others before {{ type nat hook prerouting priority dstnat; }}
add rule ip others before ip daddr {shared} tcp dport {port} dnat to {service}:22
add chain ip others through {{ type filter hook forward priority 0; }}
"""
_CONNTRACKD = """
Sync {{
    Mode FTFW {{
        DisableExternalCache on
    }}
    UDP {{
        IPv4_address {here}
        IPv4_Destination_Address {there}
        Port 3780
        Interface {device}
        Checksum on
    }}
}}
General {{
    HashSize 8192
    HashLimit 65536
    LogFile on
    LockFile /run/lock/conntrackd.lock
    UNIX {{
        Path /run/conntrackd.ctl
    }}
    NetlinkBufferSize 2097152
    NetlinkBufferSizeMaxGrowth 8388608
    Filter From Userspace {{
        Protocol Accept {{
            TCP
        }}
        Address Ignore {{
            IPv4_address 127.0.0.1
            IPv4_address {here}
            IPv4_address {there}
        }}
    }}
}}
"""


class Talk:
    """
    A client's connection to the service, with both ends.

    @ivar port: the client's.
    """

    def __init__(self, client: socket.socket, service: socket.socket) -> None:
        self._ends = {"client": client, "service": service}
        self.port = client.getsockname()[1]

    def goesOn(self, first: str, patience: float = PATIENCE) -> bool:
        """Send from one end, then from the other; return whether both arrive."""
        ends = [self._ends[first], *(end for name, end in self._ends.items() if name != first)]
        try:
            for sender, receiver in (ends, ends[::-1]):
                sender.sendall(b"?")
                receiver.settimeout(patience)
                if receiver.recv(1) != b"?":
                    return False
        except OSError:
            return False
        return True

    def isStuck(self, first: str) -> bool:
        """Return whether nothing arrives that one end sends, or nothing of what the other does."""
        return not self.goesOn(first, STUCK)

    def close(self) -> None:
        """Close both ends, without a word to the other one."""
        for end in self._ends.values():
            end.close()


class PairTestCase(FleetTestCase):
    """
    Gateways C{edge1} and C{edge2}. What clients send to the protected port of the address that
    moves is forwarded to the service.
    """

    names = ("edge1", "edge2")

    def setUp(self) -> None:
        """Make the network behind the gateways."""
        super().setUp()
        self.inside = Lan(self.folder, INSIDE)
        self.addCleanup(self.inside.close)
        self.service = self.inside.add("service", SERVICE)
        self.listening = self.service.serve(22)
        self.shared = self.lan.address(SHARED)
        self._ways = {"lan30": self.shared, f"lan{INSIDE}": self.inside.address(SHARED)}
        for last, member in enumerate(self.members.values(), 11):
            self.inside.join(member.host, last)
            member.host.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
            self.addRules(member.name, _FORWARDING)
        self.moveTo("edge1")
        self.service.run("ip", "route", "add", "default", "via", self.inside.address(SHARED))

    def addRules(self, name: str, rules: str) -> None:
        """Add rules to the firewall of a gateway's own."""
        service = self.inside.address(SERVICE)
        text = rules.format(shared=self.shared, port=PORT, service=service)
        self.members[name].host.run("nft", text)

    def moveTo(self, name: str) -> None:
        """Let a gateway have the address, on both networks, and the other one not."""
        for member in self.members.values():
            change = "add" if member.name == name else "delete"
            for device, address in self._ways.items():
                member.host.status("ip", "address", change, f"{address}/24", "dev", device)
        for host in (self.client, self.stranger, self.service):
            host.run("ip", "neighbour", "flush", "all")  # as VRRP's announcement would do

    def reaches(self) -> bool:
        """Return whether the client reaches the service at the address that moves."""
        return self.client.reaches(PORT, self.shared)

    @contextmanager
    def talk(self) -> Iterator[Talk]:
        """Connect the client to the service."""
        with self.client.inside():
            client = socket.create_connection((self.shared, PORT), 60)
        self.listening.settimeout(60)
        port = client.getsockname()[1]
        while (service := self.listening.accept()[0]).getpeername()[1] != port:
            service.close()  # an earlier try to connect
        talk = Talk(client, service)
        try:
            yield talk
        finally:
            talk.close()

    def startConntrackd(self) -> list[Process]:
        """Let the gateways tell each other of connections."""
        started = []
        for name, (here, there) in {"edge1": (11, 12), "edge2": (12, 11)}.items():
            file = self.folder / f"conntrackd-{name}.conf"
            file.write_text(
                _CONNTRACKD.format(
                    here=self.inside.address(here),
                    there=self.inside.address(there),
                    device=f"lan{INSIDE}",
                )
            )
            process = self.members[name].host.spawn("conntrackd", "-C", str(file))
            self.assertTrue(process.says("initialization completed"), process.log())
            started.append(process)
        return started

    def knows(self, name: str, talk: Talk) -> bool:
        """Wait until a gateway's connection tracking knows a connection; return whether it did."""
        host, port = self.members[name].host, talk.port

        def isThere() -> bool:
            return f"sport={port} " in host.run("conntrack", "-L", "-p", "tcp")

        return bool(eventually(isThere))
