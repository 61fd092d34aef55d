"""Tests of L{pkdoors.firewall.netlink.flows}."""

import sys
from ipaddress import IPv4Address, IPv6Address

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from pkdoors.firewall.netlink.flows import (
    Flow,
    Tracked,
    isOn,
    parseFlow,
    readSocketFlows,
    readTracked,
)
from pkdoors.model.ports import parsePortRanges
from tests.fakes.doors import flow
from tests.firewall.netlink.test_dump import VERSIONS, recorded
from tests.lab.conntracking import Entry, answerOf
from tests.lab.garbage import spoiled
from tests.lab.properties import PROPERTY

HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid\n"
REST = (
    " 00000000:00000000 02:000A7214 00000000     0        0 2466 2 0000000000000000 20 4 30 10 -1"
)
# 203.0.113.9:40001 and 2001:db8::7:40002, as a little-endian kernel prints them.
ANN, EVE = "097100CB:9C41", "B80D0120000000000000000007000000:9C42"
HERE, HERE6 = "0100000A:0016", "B80D0120000000000000000001000000:0016"
OF_ANN = flow("203.0.113.9", sourcePort=40001)


def line(local: str, remote: str, state: str = "01") -> str:
    """Return a line of the kernel's."""
    return f"   0: {local} {remote} {state}{REST}\n"


class FlowTests(SynchronousTestCase):
    """
    Tests of L{Flow.key} and L{parseFlow}.
    """

    def test_key(self) -> None:
        """The key consists of the fields of a client's packet, each padded to 4 bytes."""
        self.assertEqual(bytes.fromhex("cb007109 0a000001 9c410000 00160000"), OF_ANN.key)
        self.assertEqual(40, len(flow("2001:db8::7").key))

    def test_back(self) -> None:
        """A key can be parsed again."""
        numbers = st.integers(0, 65535)
        # Not L{st.ip_addresses}, which takes a second to begin.
        v4 = st.integers(0, 2**32 - 1).map(IPv4Address)
        v6 = st.integers(0, 2**128 - 1).map(IPv6Address)

        @PROPERTY
        @given(
            st.tuples(v4, v4) | st.tuples(v6, v6),
            numbers,
            numbers,
            st.sampled_from(("tcp", "udp")),
        )
        def check(ends: tuple[object, object], one: int, other: int, protocol: str) -> None:
            flow = Flow(protocol, *ends, one, other)  # type: ignore[arg-type]
            self.assertEqual(flow, parseFlow(protocol, flow.key))

        check()


class FlowsOfSocketsTests(SynchronousTestCase):
    """
    Tests of L{readSocketFlows}.
    """

    if sys.byteorder != "little":
        skip = "the examples are of a little-endian machine"

    def flows(self, *lines: str, ports: str = "22") -> list[Tracked]:
        """Return the connections that are found."""
        return list(readSocketFlows(HEAD + "".join(lines), parsePortRanges(ports)))

    def test_IPv4(self) -> None:
        """A connection is found, with both ends."""
        self.assertEqual([Tracked(OF_ANN, 22)], self.flows(line(HERE, ANN)))
        self.assertEqual([Tracked(OF_ANN, 22)], self.flows(line(HERE, ANN), ports="20-30"))

    def test_IPv6(self) -> None:
        """A connection over IPv6 is found, too."""
        expected = flow("2001:db8::7", sourcePort=40002)
        self.assertEqual([Tracked(expected, 22)], self.flows(line(HERE6, EVE)))

    def test_mapped(self) -> None:
        """A connection over IPv4 to a program that listens on IPv6 counts as IPv4."""
        here, ann = (f"0000000000000000FFFF0000{address}" for address in (HERE, ANN))
        self.assertEqual([Tracked(OF_ANN, 22)], self.flows(line(here, ann)))

    def test_states(self) -> None:
        """
        Connections that can still carry data are found, even if one end has closed; no others are.
        """
        for number in range(1, 13):
            found = self.flows(line(HERE, ANN, f"{number:02X}"))
            self.assertEqual(number in (1, 4, 5, 8, 9, 11), bool(found), number)

    def test_others(self) -> None:
        """Connections to another port, or of another protocol, are not found."""
        self.assertEqual([], self.flows(line(HERE, ANN), ports="23,22/udp"))
        self.assertEqual([], self.flows())


class TrackedInTests(SynchronousTestCase):
    """
    Tests of L{readTracked}.
    """

    def test_recorded(self) -> None:
        """The kernel's answer is parsed, including redirected connections and answered UDP."""
        expected = {
            Tracked(flow(host, port, number, protocol, host), wanted)
            for host in ("127.0.0.1", "::1")
            for protocol, number, wanted, port in (
                ("tcp", 40001, 2222, 2222),
                ("tcp", 40002, 8022, 2222),
                ("udp", 50820, 51820, 51820),
            )
        }
        for version in VERSIONS:
            self.assertEqual(expected, set(readTracked(recorded(version)["conntrack"])))

    def test_forwarded(self) -> None:
        """A flow is as the guard sees it after DNAT, and comes with the port that was asked for."""
        for begun, behind in (
            (flow(port=8022), flow(port=22, address="10.0.0.7")),
            (flow("2001:db8::7", 8022), flow("2001:db8::7", address="2001:db8::77")),
        ):
            found = list(readTracked(answerOf([Entry(begun, behind)])))
            self.assertEqual([Tracked(behind, 8022)], found)

    def test_states(self) -> None:
        """TCP counts only while it is established: an attacker's SYN makes an entry, too."""
        for state in range(12):
            found = list(readTracked(answerOf([Entry(OF_ANN, OF_ANN, state=state)])))
            self.assertEqual(state == 3, bool(found), state)

    def test_unanswered(self) -> None:
        """A flow that nobody answered is not a connection."""
        udp = flow(port=53, protocol="udp")
        self.assertEqual([], list(readTracked(answerOf([Entry(udp, udp, isAnswered=False)]))))
        self.assertEqual([Tracked(udp, 53)], list(readTracked(answerOf([Entry(udp, udp)]))))

    def test_garbage(self) -> None:
        """Whatever the answer, nothing is raised, and each flow has two valid ends."""
        for kind, body in recorded(VERSIONS[0])["conntrack"]:
            for broken in spoiled(body):
                for found in readTracked([(kind, broken)]):
                    self.assertEqual(found.flow, parseFlow(found.flow.protocol, found.flow.key))


class IsOnTests(SynchronousTestCase):
    """
    Tests of L{isOn}.
    """

    def test_ports(self) -> None:
        """Both protocol and number must match a range."""
        ports = parsePortRanges("22,6000-6010,53/udp")
        for protocol, port, expected in (
            ("tcp", 22, True),
            ("tcp", 6010, True),
            ("udp", 53, True),
            ("udp", 22, False),
            ("tcp", 6011, False),
            ("tcp", 53, False),
        ):
            self.assertIs(expected, isOn(ports, protocol, port))
