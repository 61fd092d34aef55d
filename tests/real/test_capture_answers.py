"""The answers of a knock port are those of a closed port of the same host, byte for byte."""

from tests.lab.answers import SILENT, answersTo, packetsTo
from tests.lab.case import PORT, SEQUENCE
from tests.lab.frames import Wire
from tests.lab.hosts import CLIENT4, CLIENT6, SERVER4, SERVER6
from tests.real.test_flood import FloodTestCase
from tests.real.test_tcpknocks import CAREFUL, DROPPING, MIXED, tcpDoor

ENDS = ((CLIENT4, SERVER4), (CLIENT6, SERVER6))
UDP_KNOCK, TCP_KNOCK, CLOSED = SEQUENCE[0], SEQUENCE[1], 16999
UNLIMITED = (
    "net.ipv4.icmp_ratemask=0",
    "net.ipv6.icmp.ratelimit=0",
    "net.ipv4.icmp_msgs_per_sec=100000",
    "net.ipv4.icmp_msgs_burst=100000",
)
INPUT = "add chain inet host input { type filter hook input priority 0; policy drop; }"
OUTPUT = "add chain inet host output { type filter hook output priority 0; policy drop; }"
NEIGHBORS = "meta l4proto ipv6-icmp icmpv6 type 133-136 accept"
REJECTING = (
    "add table inet host",
    INPUT,
    f"add rule inet host input tcp dport {PORT} accept",
    f"add rule inet host input {NEIGHBORS}",
    "add rule inet host input meta l4proto udp reject with icmpx type admin-prohibited",
    "add rule inet host input meta l4proto tcp reject with tcp reset",
)
REJECTING_NEW = (
    "add table inet host",
    INPUT,
    f"add rule inet host input {NEIGHBORS}",
    "add rule inet host input ct state established,related accept",
    "add rule inet host input ct state new reject",
)
"""It rejects what begins a connection, and drops the rest."""
ANSWERING = (
    "add table inet host",
    OUTPUT,
    f"add rule inet host output {NEIGHBORS}",
    "add rule inet host output ct state established,related accept",
)
"""It sends only what answers something, errors included."""
VALID = (
    "add table inet host",
    "add chain inet host output { type filter hook output priority 0; }",
    "add rule inet host output ct state invalid drop",
)


class AnswerTests(FloodTestCase):
    """On hosts with firewalls of many kinds."""

    listen = "capture"

    def setUp(self) -> None:
        """Have a wire from the client, and answers without a limit."""
        super().setUp()
        self.wire = Wire(self.client, self.server, "client")
        self.addCleanup(self.wire.close)
        for setting in UNLIMITED:
            self.server.run("sysctl", "-qw", setting)

    def checkAlike(self, *rules: str, payload: str = "", answered: bool = True) -> None:
        """
        Check that packets of all kinds get the same answers.

        @param rules: of the host's firewall.
        @param answered: whether some packets get an answer at all.
        """
        for rule in rules:
            self.server.run("nft", rule)
        self.controlled(tcpDoor(MIXED, payload))
        for source, target in ENDS:
            found = 0
            lists = [packetsTo(port, source, target) for port in (CLOSED, UDP_KNOCK, TCP_KNOCK)]
            for (name, closed), (_, udp), (_, tcp) in zip(*lists, strict=True):
                packets = {CLOSED: closed, UDP_KNOCK: udp, TCP_KNOCK: tcp}
                answers = self.askPorts(packets)
                if len(set(answers.values())) > 1:  # or one was late
                    answers = self.askPorts(packets, patience=1)
                self.assertEqual(1, len(set(answers.values())), (name, answers, target))
                found += bool(answers[CLOSED])
            self.assertEqual(answered, found > 0)

    def askPorts(
        self, packets: dict[int, bytes], patience: float = SILENT
    ) -> dict[int, tuple[bytes, ...]]:
        """Send a packet to each port, none of which was asked before; return the answers."""
        self.server.run("conntrack", "-F")
        return {
            port: answersTo(packet, port, self.client, self.wire, patience)
            for port, packet in packets.items()
        }

    def test_open(self) -> None:
        """A host without a firewall."""
        self.checkAlike()

    def test_anyPayload(self) -> None:
        """The same with a door that hears any datagram."""
        self.checkAlike(payload='payload = "any"')

    def test_dropping(self) -> None:
        """One that drops."""
        self.checkAlike(*DROPPING, answered=False)

    def test_rejecting(self) -> None:
        """One that rejects."""
        self.checkAlike(*REJECTING)

    def test_rejectingNew(self) -> None:
        """One that rejects what begins a connection."""
        self.checkAlike(*REJECTING_NEW)

    def test_careful(self) -> None:
        """One that looks at resets that leave it."""
        self.checkAlike(*CAREFUL)

    def test_valid(self) -> None:
        """One that sends nothing that connection tracking does not know."""
        self.checkAlike(*VALID)

    def test_answering(self) -> None:
        """One that sends only what answers something."""
        self.checkAlike(*ANSWERING)
