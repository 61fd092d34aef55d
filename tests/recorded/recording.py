"""
Records what this host's kernel answers about a guard that this host's nft has put in place, for
C{tests/firewall/netlink/test_dump.py}. In a network namespace of its own::

    unshare -n python -m tests.recorded.recording > tests/recorded/nft-1.0.6.json
"""

import json
import socket
import subprocess
import sys
from contextlib import ExitStack
from ipaddress import ip_address

from pkdoors.firewall.guard.guard import TABLE, Guard
from pkdoors.firewall.netlink.dump import (
    askChains,
    askCounters,
    askElements,
    askRules,
    askSets,
    askTable,
)
from pkdoors.firewall.netlink.flows import askConntrack
from pkdoors.firewall.netlink.library import Library
from pkdoors.firewall.netlink.messages import attribute, iterAttributes
from pkdoors.firewall.nftables.table import GuardTable
from pkdoors.model.doors import Door, Opening
from pkdoors.model.ports import PortRange, parsePortRanges
from pkdoors.model.principal import OPERATOR, Principal
from pkdoors.model.sequence import Sequence
from tests.fakes.doors import flow

ORIGIN = "11111111-2222-3333-4444-555555555555"
DOORS = (
    Door("ssh", Sequence((17001, 17203, 17005, 17404, 17002)), parsePortRanges("22,6000-6010")),
    Door("vpn", Sequence((1, 2, 3, 4, 5)), parsePortRanges("51820/udp,65535/udp"), knockRate=0),
)
OPENINGS = [
    Opening(DOORS[0], ip_address("203.0.113.9"), 30.0, Principal("anna@laptop", "SHA256:abc")),
    Opening(DOORS[0], ip_address("203.0.113.10"), 600.0),
    Opening(DOORS[1], ip_address("2001:db8::7"), 60.0, OPERATOR),
]
FLOWS = {
    "sessions4": {flow().key: 100.0},
    "udpidle6_180000ms_43200000ms": {flow("2001:db8::7", 51820, protocol="udp").key: 60.0},
}
GRACE = {PortRange("udp", 51820, 51820): 30.0}
EXPRESSIONS = 4  # NFTA_RULE_EXPRESSIONS: long, and read by nobody here

QUESTIONS = {
    "table": askTable(TABLE),
    "chains": askChains(TABLE),
    "rules": askRules(TABLE),
    "sets": askSets(TABLE),
    "counters": askCounters(TABLE),
    **{
        name: askElements(TABLE, name)
        for name in (
            "about",
            "tcp_ports",
            "udp_ports",
            "tcp_doors",
            "grace4",
            "tcp_ranges",
            "tcp_spans",
            "openings4",
            "openings6",
            "tcp_open4",
            "sessions4",
            "udpidle6_180000ms_43200000ms",
            "udp_open4_180000ms_43200000ms",
        )
    },
}


def record() -> dict[str, list[tuple[int, str]]]:
    """Put a guard in place, and return the answers: kind, and attributes in hexadecimal digits."""
    library = Library()
    isOwned = library.canOwn()
    table = GuardTable(library, isOwned, lambda: 0.0, lambda: 500.0)
    table.boot = ORIGIN
    table.replace(Guard(DOORS, grace=GRACE, graceVersions=(4,)), OPENINGS, FLOWS)
    found = {name: library.kernel.dump(question) for name, question in QUESTIONS.items()}
    return {
        name: [
            (kind, (_without(body, EXPRESSIONS) if name == "rules" else body).hex())
            for kind, body in answer
        ]
        for name, answer in found.items()
    }


_TRACKING = """
add table inet tracking
add chain inet tracking output { type nat hook output priority -100; }
add rule inet tracking output tcp dport 8022 redirect to :2222
add chain inet tracking input { type filter hook input priority 0; }
add rule inet tracking input ct state new accept
"""


def recordConntrack() -> list[tuple[int, str]]:
    """Connect to this host in several ways, and return what is tracked then."""
    subprocess.run(("ip", "link", "set", "lo", "up"), check=True)
    library = Library()
    library.run(_TRACKING)
    with ExitStack() as held:
        for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
            server = held.enter_context(socket.socket(family, socket.SOCK_STREAM))
            server.bind((host, 2222))
            server.listen()
            for port, ours in ((2222, 40001), (8022, 40002)):
                client = held.enter_context(socket.socket(family, socket.SOCK_STREAM))
                client.bind((host, ours))
                client.connect((host, port))
            for port, isAnswered in ((51820, True), (51821, False)):
                ends = [socket.socket(family, socket.SOCK_DGRAM) for _ in range(2)]
                for end, readNumber in zip(ends, (port, port - 1000), strict=True):
                    held.enter_context(end).bind((host, readNumber))
                ends[1].sendto(b"ask", (host, port))
                if isAnswered:
                    ends[0].sendto(b"answer", (host, port - 1000))
        return [(kind, body.hex()) for kind, body in library.kernel.dump(askConntrack())]


def _without(body: bytes, unwanted: int) -> bytes:
    return b"".join(
        attribute(kind, content) for kind, content in iterAttributes(body) if kind != unwanted
    )


if __name__ == "__main__":
    json.dump({**record(), "conntrack": recordConntrack()}, sys.stdout, indent=0)
    print()
