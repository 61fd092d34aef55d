"""nmap cannot tell knock ports from other ports if knocks are captured."""

import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable
from typing import ClassVar

from tests.lab.case import PORT, SEQUENCE, RealTestCase
from tests.lab.hosts import SERVER4, SERVER6

PORTS = sorted({*SEQUENCE, *range(17000, 17197)})
"""Two hundred ports or so, and the knock ports among them."""
SCANS = ("-sU", "-sS")
VERSIONS = ((SERVER4,), ("-6", SERVER6))
OPEN, DROPPING, REJECTING = "open", "dropping", "rejecting"
FIREWALLS = {
    OPEN: (),
    DROPPING: ("policy drop;", "tcp dport 2222 accept", "meta l4proto ipv6-icmp accept"),
    REJECTING: (
        "",
        "meta l4proto udp reject with icmpx type admin-prohibited",
        "tcp dport != 2222 reject with tcp reset",
    ),
}
"""The policy, and the rules."""

Answer = tuple[str, str]
"""The state of a port, and how nmap knows it."""


class ScanTests(RealTestCase):
    """All ports of a scan have the same answer, over IPv4 and IPv6."""

    listen = "capture"
    answers: ClassVar = {
        (OPEN, "-sU"): ("closed", "port-unreach"),
        (OPEN, "-sS"): ("closed", "reset"),
        (DROPPING, "-sU"): ("open|filtered", "no-response"),
        (DROPPING, "-sS"): ("filtered", "no-response"),
        (REJECTING, "-sU"): ("filtered", "admin-prohibited"),
        (REJECTING, "-sS"): ("closed", "reset"),
    }

    def begin(self, kind: str) -> None:
        """Start a daemon on a host with some firewall."""
        for version, key in ((4, "icmp_ratemask=0"), (6, "icmp.ratemask=0")):
            self.server.run("sysctl", "-qw", f"net.ipv{version}.{key}")
        policy, *rules = FIREWALLS[kind] or ("",)
        self.server.run("nft", "add table inet host")
        hook = "type filter hook input priority 0;"
        self.server.run("nft", f"add chain inet host input {{ {hook} {policy} }}")
        for rule in rules:
            self.server.run("nft", f"add rule inet host input {rule}")
        self.start()
        self.assertFalse(self.stranger.reaches(PORT))

    def scan(self, *options: str, ports: Iterable[int] = PORTS) -> dict[int, Answer]:
        """Return what nmap finds out about each port."""
        listing = ",".join(map(str, ports))
        # As fast as it can be: nothing is lost here.
        fast = ("--max-retries", "1", "--min-rate", "500", "--max-rtt-timeout", "200ms")
        command = ("nmap", "-n", "-Pn", *fast, "-oX", "-", "-p", listing, *options)
        root = ElementTree.fromstring(self.stranger.run(*command))
        found = {}
        for port in root.iter("port"):
            state = port.find("state")
            assert state is not None
            number = int(port.get("portid", "0"))
            found[number] = (state.get("state", ""), state.get("reason", ""))
        # Ports that are alike are left out of the list, and summed up.
        for extra in root.iter("extraports"):
            for reason in extra.iter("extrareasons"):
                answer = (extra.get("state", ""), reason.get("reason", ""))
                found.update(dict.fromkeys(_expand(reason.get("ports", listing)), answer))
        return found

    def checkAlike(self, kind: str) -> None:
        """Check that all ports of a host look the same."""
        self.begin(kind)
        for scan in SCANS:
            for version in VERSIONS:
                found = self.scan(scan, *version)
                self.assertEqual(sorted(found), PORTS)
                states = {_unify(answer) for answer in found.values()}
                self.assertEqual({self.answers[kind, scan]}, states, (scan, *version))

    def test_open(self) -> None:
        """On a host without a firewall of its own."""
        self.checkAlike(OPEN)

    def test_dropping(self) -> None:
        """On a host that drops."""
        self.checkAlike(DROPPING)

    def test_rejecting(self) -> None:
        """On a host that rejects."""
        self.checkAlike(REJECTING)


class SocketScanTests(ScanTests):
    """With sockets, the same scans find the knock ports, so what they do not find means a lot."""

    listen = "sockets"

    def test_open(self) -> None:
        """They are the only silent ones."""
        self.begin(OPEN)
        for version in VERSIONS:
            found = self.scan("-sU", *version)
            silent = {port for port, (state, _) in found.items() if state == "open|filtered"}
            self.assertEqual(set(SEQUENCE), silent)

    def test_rejecting(self) -> None:
        """The operator's firewall must let knocks in; then they are the only silent ones again."""
        self.begin(REJECTING)
        knocks = ", ".join(map(str, SEQUENCE))
        self.server.run("nft", f"insert rule inet host input udp dport {{ {knocks} }} accept")
        found = self.scan("-sU", SERVER4)
        silent = {port for port, (state, _) in found.items() if state == "open|filtered"}
        self.assertEqual(set(SEQUENCE), silent)


def _expand(ports: str) -> list[int]:
    """Return the ports of a list like C{1-3,7}."""
    found: list[int] = []
    for span in ports.split(","):
        first, _, last = span.partition("-")
        found += range(int(first), int(last or first) + 1)
    return found


def _unify(answer: Answer) -> Answer:
    """Return an answer with one name for what IPv4 and IPv6 have two for."""
    state, reason = answer
    names = {"admin-prohib": "admin-prohibited", "no-responses": "no-response", "resets": "reset"}
    names["port-unreaches"] = "port-unreach"
    return state, names.get(reason, reason)
