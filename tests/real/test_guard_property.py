"""
Every state of connection tracking, every TCP flag byte and every kind of client, over IPv4 and
IPv6.

The kernel's decision about each of some 17,000 packets is compared with a model.
"""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from tests.lab.case import PORT
from tests.lab.conntrack import STATES, ConntrackTable, Flow
from tests.lab.controlled import ControlledTestCase, door
from tests.lab.flows import beginMany
from tests.lab.hosts import (
    CLIENT4,
    CLIENT6,
    SERVER4,
    SERVER6,
    STRANGER4,
    STRANGER6,
    eventually,
)
from tests.lab.segments import ACK, RST, SYN, send

STRANGER, KNOWN, OPEN = "stranger", "known", "open"
"""
A client that was never let in; one with a session whose door has closed; and one whose door is
open.
"""
SOURCES = {
    (STRANGER, 4): STRANGER4,
    (STRANGER, 6): STRANGER6,
    (KNOWN, 4): CLIENT4,
    (KNOWN, 6): CLIENT6,
    (OPEN, 4): "10.9.1.3",
    (OPEN, 6): "fd09:1::3",
}
TARGETS = {4: SERVER4, 6: SERVER6}
UNTRACKED = "no entry"
FIRST_PORT = 10_000

# Counts packets that arrive before the guard, and notes those that have passed it. They go no
# further, so no answer changes a state.
_ARRIVED = f"""
table inet probe {{
    counter arrived {{ }}
    chain before {{
        type filter hook prerouting priority raw - 100; policy accept;
        tcp dport {PORT} counter name arrived
    }}
}}
"""
_PASSED = f"""
table inet probe {{
    set passed4 {{ type ipv4_addr . inet_service; flags dynamic; size 65536; }}
    set passed6 {{ type ipv6_addr . inet_service; flags dynamic; size 65536; }}
    chain after {{
        type filter hook input priority 100; policy accept;
        tcp dport {PORT} add @passed4 {{ ip saddr . tcp sport }}
        tcp dport {PORT} add @passed6 {{ ip6 saddr . tcp sport }}
        tcp dport {PORT} drop
    }}
}}
"""


@dataclass(frozen=True, slots=True)
class Packet:
    """A packet that is sent, on a flow of its own."""

    who: str
    state: str
    flags: int
    flow: Flow

    def __str__(self) -> str:
        return f"{self.flow.source} ({self.who}), {self.state}, flags {self.flags:#04x}"


def packets() -> Iterator[Packet]:
    """Return all packets."""
    for (who, version), source in SOURCES.items():
        for number, state in enumerate((UNTRACKED, *STATES)):
            for flags in range(256):
                port = FIRST_PORT + number * 256 + flags
                yield Packet(who, state, flags, Flow(source, port, TARGETS[version], PORT))


class KeepTests(ControlledTestCase):
    """A door that keeps sessions."""

    policy = "keep"

    def mustPass(self, packet: Packet) -> bool | None:
        """
        Return what the model says: a packet that begins a connection needs an open door; any other
        needs an open door, too, or a session that was let in.

        @return: None if it does not matter.
        """
        if packet.who == OPEN:
            return True
        begins = packet.flags & (SYN | ACK) == SYN
        return packet.who == KNOWN and not begins

    def test_everything(self) -> None:
        """No packet is wrongly let in, and none is wrongly kept out."""
        for version, length in ((4, 24), (6, 64)):
            address = f"{SOURCES[OPEN, version]}/{length}"
            nodad = ("nodad",) if version == 6 else ()
            self.client.run("ip", "address", "add", address, "dev", "server", *nodad)
        self.controlled(door("ssh", more=f'sessions = "{self.policy}"\n'))
        everything = list(packets())
        self.letInAndClose([each.flow for each in everything if each.who == KNOWN])
        for version in TARGETS:
            self.open(SOURCES[OPEN, version])
        table = ConntrackTable(self.server)
        table.switchOn()
        table.flush()
        table.insert((each.flow, each.state) for each in everything if each.state != UNTRACKED)
        wrong = self.passed(everything)
        self.assertEqual(wrong, [], "\n".join(wrong))

    def letInAndClose(self, flows: list[Flow]) -> None:
        """Begin a session on each flow through the open door; then close the door."""
        for version in TARGETS:
            self.open(SOURCES[KNOWN, version])
        beginMany(self.client, self.listeners[PORT], flows)
        self.ask("/openings", "-X", "DELETE")
        for target in TARGETS.values():
            self.assertTrue(eventually(lambda: not self.client.reaches(PORT, target)))  # noqa: B023

    def passed(self, everything: list[Packet]) -> list[str]:
        """Send all packets, and describe those that the kernel treated wrongly."""
        self.server.run("nft", _ARRIVED + _PASSED)
        sent = sum(
            send(
                host,
                [
                    (each.flow, each.flags)
                    for each in everything
                    if (each.who == STRANGER) == isStranger
                ],
            )
            for host, isStranger in ((self.stranger, True), (self.client, False))
        )
        self.assertTrue(eventually(lambda: self.arrived() >= sent), (self.arrived(), sent))
        passed = self.noted(4) | self.noted(6)
        wrong = []
        for packet in everything:
            isIn = (packet.flow.source, packet.flow.sourcePort) in passed
            must = self.mustPass(packet)
            if must is not None and isIn != must:
                wrong.append((packet, "in" if isIn else "out"))
        counts = Counter((way, each.who, each.state) for each, way in wrong)
        return [f"wrongly {way}: {n} of {who}, {state}" for (way, who, state), n in counts.items()]

    def arrived(self) -> int:
        """Return the number of packets that came as far as the guard."""
        listing = self.server.run("nft", "-j", "list", "counter", "inet", "probe", "arrived")
        (counter,) = (
            each["counter"] for each in json.loads(listing)["nftables"] if "counter" in each
        )
        return int(counter["packets"])

    def noted(self, version: int) -> set[tuple[str, int]]:
        """Return the source address and the port of the packets that passed the guard."""
        listing = self.server.run("nft", "-j", "list", "set", "inet", "probe", f"passed{version}")
        (noted,) = (each["set"] for each in json.loads(listing)["nftables"] if "set" in each)
        elements = (each.get("elem", each) for each in noted.get("elem", []))
        return {tuple(each.get("val", each)["concat"]) for each in elements}


class CutTests(KeepTests):
    """A door that cuts sessions."""

    policy = "cut"

    def mustPass(self, packet: Packet) -> bool | None:
        """
        Return what the model says: only packets that an open door lets in pass. But a reset may
        pass, because the client's own reset answers whatever the server sends when the session is
        cut; it begins nothing.
        """
        if packet.who == OPEN:
            return True
        return None if packet.flags & (RST | SYN) == RST else False
