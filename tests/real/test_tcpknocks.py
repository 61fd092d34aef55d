"""Knocks over TCP, from the clients that people have, and what must never count as one."""

import re
import socket
from contextlib import closing
from typing import ClassVar

from tests.lab import frames
from tests.lab.case import KNOCKS, PORT, SEQUENCE
from tests.lab.controlled import SSH, door
from tests.lab.frames import Wire
from tests.lab.hosts import BIN, CLIENT4, CLIENT6, SERVER4, SERVER6, STRANGER4
from tests.lab.synflood import SynFlood
from tests.real import test_capture
from tests.real.test_flood import MANY, FloodTestCase

ADDRESSES = (SERVER4, SERVER6)
TCP = socket.IPPROTO_TCP
MIXED = (SEQUENCE[0], f"{SEQUENCE[1]}/tcp", f"{SEQUENCE[2]}/tcp", SEQUENCE[3], f"{SEQUENCE[4]}/tcp")
ALL_TCP = tuple(f"{port}/tcp" for port in SEQUENCE)


def tcpDoor(sequence: tuple[int | str, ...] = ALL_TCP, more: str = "", name: str = "ssh") -> str:
    """Return a door with TCP ports in its sequence."""
    listed = ", ".join(f'"{port}"' for port in sequence)
    return f'[doors.{name}]\nsequence = [{listed}]\nports = [{PORT}]\nopen_for = "1m"\n{more}\n'


OURS = (str(BIN / "pkdoors"), "knock", "-m")


def mask(head: bytes) -> bytes:
    """Return an IP header without its checksum, or of its flow label only whether it has one."""
    if head[0] >> 4 == 4:
        return head[:10] + head[12:]
    label = int.from_bytes(head[1:4]) & 0xFFFFF
    return bytes([head[0], head[1] & 0xF0, label > 0]) + head[4:]


DROPPING = (
    "add table inet host",
    "add chain inet host input { type filter hook input priority 0; policy drop; }",
    f"add rule inet host input tcp dport {PORT} accept",
    "add rule inet host input meta l4proto ipv6-icmp accept",
)
REJECTING = (
    "add table inet host",
    "add chain inet host input { type filter hook input priority 0; }",
    f"add rule inet host input tcp dport {PORT} accept",
    "add rule inet host input meta l4proto tcp reject with tcp reset",
)
CAREFUL = (
    "add table inet host",
    "add chain inet host input { type filter hook input priority 0; policy drop; }",
    "add chain inet host output { type filter hook output priority 0; }",
    "add rule inet host output ct state established,related accept",
    "add rule inet host output tcp flags rst counter drop",
    "add rule inet host input ct state established,related accept",
    "add rule inet host input ct state invalid drop",
    f"add rule inet host input tcp dport {PORT} accept",
    "add rule inet host input meta l4proto ipv6-icmp accept",
    "add rule inet host input meta l4proto tcp accept",
)
"""A host with a firewall for what leaves it, too: a reset must belong to a connection."""


class TcpTestCase(FloodTestCase):
    """With a daemon that captures knocks."""

    listen = "capture"

    def setUp(self) -> None:
        """Have a wire from the client."""
        super().setUp()
        self.wire = Wire(self.client, self.server, "client")
        self.addCleanup(self.wire.close)

    def segment(self, port: int, address: str = SERVER4, source: str = "", **how: object) -> bytes:
        """Return a packet with a TCP segment from the client."""
        source = source or (CLIENT6 if ":" in address else CLIENT4)
        ends = frames.packed(source) + frames.packed(address)
        body = frames.tcp(ends, port, **how)  # type: ignore[arg-type]
        make = frames.ip6 if ":" in address else frames.ip4
        return make(source, address, TCP, body)

    def checkOpens(self, *command: str, address: str = SERVER4) -> None:
        """Check that a command of the client's opens the door, which was closed before."""
        self.assertFalse(self.client.reaches(PORT, address))
        self.client.status(*command)
        self.assertTrue(self.client.comesToReach(PORT, address), command)

    def close(self, address: str) -> None:
        """Close the door for the client."""
        self.curl(f"/openings?source={CLIENT6 if ':' in address else CLIENT4}", "-X", "DELETE")
        self.comes(lambda: not self.openings())


class ClientTests(TcpTestCase):
    """Debian's knock, nc, and our own client, on hosts that answer and on hosts that do not."""

    def checkClients(self) -> None:
        """Check every client over IPv4 and IPv6."""
        for address in ADDRESSES:
            six = ["-6"] if ":" in address else ["-4"]
            mixed = [str(port).replace("/", ":") for port in MIXED]
            for command in (
                ["knock", *six, address, *(f"{port}:tcp" for port in SEQUENCE)],
                [*OURS, ",".join(ALL_TCP), address],
            ):
                self.checkOpens(*command, address=address)
                self.close(address)
            self.write(tcpDoor(MIXED, 'payload = "any"'))
            self.reload()
            knockd = [port if ":" in port else f"{port}:udp" for port in mixed]
            for command in (
                ["knock", *six, address, *knockd],
                [*OURS, ",".join(map(str, MIXED)), address],
                [*OURS, ",".join(mixed), address],
            ):
                self.checkOpens(*command, address=address)
                self.close(address)
            self.write(tcpDoor())
            self.reload()

    def checkNc(self, *wait: str) -> None:
        """Check nc, one port after the other."""
        for address in ADDRESSES:
            text = "; ".join(f"nc -z {' '.join(wait)} {address} {port}" for port in SEQUENCE)
            self.checkOpens("sh", "-c", text, address=address)

    def test_open(self) -> None:
        """On a host without a firewall, which answers with a reset."""
        self.controlled(tcpDoor())
        self.checkClients()
        self.checkNc()

    def test_dropping(self) -> None:
        """On a host that drops, and that lets nothing of TCP in but the protected port."""
        for command in DROPPING:
            self.server.run("nft", command)
        self.controlled(tcpDoor())
        self.checkClients()
        self.checkNc("-w", "1")

    def test_withoutPrivilege(self) -> None:
        """Our client needs no privilege, and does not wait for an answer."""
        for command in DROPPING:
            self.server.run("nft", command)
        self.controlled(tcpDoor())
        unprivileged = ("setpriv", "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs")
        self.checkOpens(*unprivileged, *OURS, ",".join(ALL_TCP), SERVER4)

    def test_wait(self) -> None:
        """C{--wait} and C{connect} work with it."""
        self.controlled(tcpDoor())
        command = [*OURS, ",".join(ALL_TCP), "--wait", str(PORT)]
        output = self.client.run(*command, SERVER4)
        self.assertIn(f"{PORT}/tcp of {SERVER4} opened", output)


class BesideTests(test_capture.BesideTests):
    """The same firewalls, with knocks over TCP."""

    door = tcpDoor()

    def opensOver(self, address: str) -> bool:
        """Return whether the client's knock over TCP opens the door for the client."""
        self.client.status(*OURS, ",".join(ALL_TCP), address)
        return self.client.comesToReach(PORT, address)


class CountTests(TcpTestCase):
    """What counts as a knock, and how often."""

    def hears(self, *packets: bytes) -> int:
        """Return how many knocks are heard of some packets."""
        before = self.heard()
        self.wire.send(packets)
        self.client.send([SEQUENCE[-1]])
        self.comes(lambda: self.heard() > before)  # that one is
        return self.heard() - before - 1

    doors: ClassVar = (tcpDoor(), door("web", (*SEQUENCE[-1:], 19001, 19003, 19002, 19005), 2223))

    def test_flags(self) -> None:
        """Only a bare SYN counts, with the flags of ECN or without."""
        self.controlled(*self.doors)
        for address in ADDRESSES:
            bad = [flags for flags in range(256) if flags & 0x3F != 2]
            packets = [self.segment(SEQUENCE[0], address, flags=flags) for flags in bad]
            self.assertEqual(0, self.hears(*packets))
            for flags in (0xC2, 0x02):  # the same SYN, without ECN when it is sent again
                packet = self.segment(SEQUENCE[0], address, flags=flags)
                self.assertEqual(int(flags == 0xC2), self.hears(packet))

    def test_data(self) -> None:
        """A SYN with data does not count."""
        self.controlled(*self.doors)
        for address in ADDRESSES:
            self.assertEqual(0, self.hears(self.segment(SEQUENCE[0], address, data=b"data")))
            self.assertEqual(
                0, self.hears(self.segment(SEQUENCE[0], address, flags=0x18, data=b"x"))
            )

    def test_checksum(self) -> None:
        """A segment with a wrong checksum does not count."""
        self.controlled(*self.doors)
        packet = self.segment(SEQUENCE[0])
        self.assertEqual(0, self.hears(packet[:-4] + b"\1\2" + packet[-2:]))
        self.assertEqual(1, self.hears(packet))

    def test_sentAgain(self) -> None:
        """A SYN that is sent again, however late and often, changes nothing."""
        self.controlled(*self.doors)
        for address in ADDRESSES:
            for count in range(1, len(SEQUENCE) + 1):
                again = [self.segment(each, address) for each in SEQUENCE[:count]]
                self.assertEqual(1, self.hears(*again[::-1], *again, *again))
            self.assertTrue(self.client.comesToReach(PORT, address))

    def test_udpIsAnother(self) -> None:
        """The same number over UDP is another port."""
        self.controlled(tcpDoor())
        self.client.send(SEQUENCE)
        self.client.run(*OURS, KNOCKS, SERVER4)
        self.assertFalse(self.client.reaches(PORT))
        self.assertEqual(0, self.heard())

    def test_spoofed(self) -> None:
        """A source that rp_filter refuses does not count, nor does one that cannot be."""
        for name in ("all", "client", "stranger"):
            self.server.run("sysctl", "-qw", f"net.ipv4.conf.{name}.rp_filter=1")
        self.controlled(*self.doors)
        for source in (STRANGER4, "127.0.0.1", SERVER4, "224.0.0.1", "10.9.1.255"):
            self.assertEqual(0, self.hears(self.segment(SEQUENCE[0], source=source)), source)

    def test_limit(self) -> None:
        """One source cannot send more than the door takes; both protocols count together."""
        self.controlled(tcpDoor(MIXED, "knock_rate = 100\nknock_burst = 100"))
        packets = [self.segment(SEQUENCE[1])] * 400
        self.wire.send(packets)
        self.comes(lambda: self.dropped()["limit"] >= 250)

    def test_flood(self) -> None:
        """A flood of SYNs to the first knock port, over IPv4 and IPv6, keeps nobody out."""
        # The usual limit lets through more than a busy machine can hear.
        self.controlled(tcpDoor(more="knock_rate = 100\nknock_burst = 100"))
        flood = SynFlood(self.network, SEQUENCE[0])
        try:
            self.comes(lambda: self.dropped()["limit"] > MANY)
            for address in ADDRESSES:
                self.checkOpens(*OURS, ",".join(ALL_TCP), address, address=address)
            self.assertFalse(self.stranger.reaches(PORT))
        finally:
            self.assertEqual(0, flood.stop().answered)

    def test_localService(self) -> None:
        """A program that listens on a knock port gets no connection, and C{check} says so."""
        self.server.serve(SEQUENCE[2])
        self.controlled(tcpDoor(), more='listen = "capture"')
        for address in ADDRESSES:
            self.assertFalse(self.stranger.reaches(SEQUENCE[2], address))
        _, output = self.server.status(str(BIN / "pkdoors"), "check", "-c", str(self.file))
        self.assertRegex(output, rf"{SEQUENCE[2]}/tcp .*listens on it and gets nothing")
        self.assertTrue(self.opens_())

    def opens_(self) -> bool:
        """Return whether the client's knock opens the door."""
        self.client.run(*OURS, ",".join(ALL_TCP), SERVER4)
        return self.client.comesToReach(PORT)

    def test_untracked(self) -> None:
        """A flood of SYNs leaves nothing in the kernel's table of connections."""
        self.controlled(tcpDoor())
        before = self.tracked()
        self.client.run(*OURS, ",".join(ALL_TCP), SERVER4)
        self.assertTrue(self.client.comesToReach(PORT))
        self.assertLessEqual(self.tracked(), before + 2)


class ScanTests(TcpTestCase):
    """No scan tells a knock port from another port of the host."""

    KINDS = ("-sS", "-sF", "-sN", "-sX", "-sA", "-sM", "-sW")

    def checkScans(self, *rules: str) -> None:
        """Check that all ports look alike to nmap."""
        for command in rules:
            self.server.run("nft", command)
        self.controlled(tcpDoor())
        for address in ADDRESSES:
            for kind in self.KINDS:
                six = ["-6"] if ":" in address else []
                output = self.stranger.run(
                    "nmap",
                    *six,
                    "-n",
                    "-Pn",
                    kind,
                    "-T5",
                    "--max-retries",
                    "1",
                    "--reason",
                    "-vv",
                    "-p17000-17099,17200-17209,17400-17409",
                    "-oG",
                    "-",
                    address,
                )
                found = {}
                for port, state in re.findall(r"(\d+)/([a-z|]+)/tcp", output):
                    found[int(port)] = state
                listed = {found.get(port, "-") for port in SEQUENCE}
                others = {found.get(port, "-") for port in (17010, 17050, 17201, 17409)}
                self.assertEqual((1, listed), (len(others), others), (kind, address, output))

    def test_open(self) -> None:
        """On a host without a firewall."""
        self.checkScans()

    def test_dropping(self) -> None:
        """On a host that drops."""
        self.checkScans(*DROPPING)

    def test_rejecting(self) -> None:
        """On a host that rejects."""
        self.checkScans(*REJECTING)

    def answer(self, port: int, address: str, flags: int) -> bytes:
        """Return what the server sends back, without what differs for each packet."""
        family = 0x86DD if ":" in address else 0x0800
        with self.client.inside():
            sniffer = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(family))
        with closing(sniffer):
            sniffer.bind(("server", family))
            sniffer.settimeout(0.3)
            self.wire.send([self.segment(port, address, flags=flags)])
            wanted = port.to_bytes(2) + (4444).to_bytes(2)
            begin = 40 if ":" in address else 20
            try:
                while True:
                    packet = sniffer.recv(2000)
                    if packet[begin : begin + 4] == wanted and packet[begin + 13] & 4:
                        return mask(packet[:begin]) + packet[begin + 4 : begin + 16]
            except TimeoutError:
                return b""

    def checkAnswers(self, flags: int, *rules: str) -> None:
        """Check that the answers of a knock port and of another one are the same bytes."""
        for command in rules:
            self.server.run("nft", command)
        self.controlled(tcpDoor())
        for address in ADDRESSES:
            knock = self.answer(SEQUENCE[0], address, flags)
            self.assertEqual(self.answer(SEQUENCE[0] + 1000, address, flags), knock, address)
            self.assertTrue(knock or rules)

    def test_bytesSyn(self) -> None:
        """The answer to a SYN."""
        self.checkAnswers(2)

    def test_bytesAck(self) -> None:
        """The answer to an ACK."""
        self.checkAnswers(0x10)

    def test_bytesFin(self) -> None:
        """The answer to a FIN."""
        self.checkAnswers(1)

    def test_bytesCareful(self) -> None:
        """The answer to a SYN, through a firewall that looks at what leaves the host."""
        self.checkAnswers(2, *CAREFUL)


class LifeTests(TcpTestCase):
    """Refusals, reloads, and floods."""

    def test_sockets(self) -> None:
        """Without capture the door is refused in one line, and nothing is touched."""
        command = (str(BIN / "twistd"), "-n", "--pidfile=", "pkdoors")
        for options, words in (
            (("--listen", "sockets"), "sockets cannot hear its knocks over TCP"),
            (("--firewall", "dry-run", "--listen", "capture"), "a dry run, which has no rules"),
            (("--listen", "capture", "-k", "/etc/keys"), "a sealed knock is a datagram"),
        ):
            knocks = ("-m", ",".join(ALL_TCP), "-p", str(PORT))
            status, output = self.server.status(*command, *knocks, *options)
            self.assertEqual(2, status, output)
            self.assertIn(words, output)
            self.assertEqual(1, len(output.strip().splitlines()), output)
            _, listing = self.server.status("nft", "list table inet pkdoors")
            self.assertNotIn("chain", listing)

    def test_reload(self) -> None:
        """A reload brings TCP ports and takes them away; the daemon that has sockets refuses."""
        self.controlled(SSH)
        self.write(tcpDoor())
        self.assertEqual(["door ssh (2222/tcp) changed: sequence"], self.reload())
        self.checkOpens(*OURS, ",".join(ALL_TCP), SERVER4)
        self.close(SERVER4)
        self.write(SSH)
        self.reload()
        self.client.run(*OURS, ",".join(ALL_TCP), SERVER4)
        self.assertFalse(self.client.reaches(PORT))
        self.assertTrue(self.opens())

    def test_reloadSockets(self) -> None:
        """A daemon that has sockets refuses TCP ports, and goes on as before."""
        self.listen = "sockets"
        self.controlled(SSH)
        self.write(tcpDoor())
        status, line = self.refused("/reload", "-X", "POST")
        self.assertEqual(409, status, line)
        self.assertIn("sockets cannot hear its knocks over TCP", line)
        self.assertTrue(self.opens())

    def test_healed(self) -> None:
        """After somebody's flush, knocks are heard as before."""
        daemon = self.controlled(tcpDoor())
        self.disturb(daemon, "flush ruleset")
        self.checkOpens(*OURS, ",".join(ALL_TCP), SERVER4)

    def test_kill(self) -> None:
        """After kill -9 a new daemon hears, and the opening is still there."""
        daemon = self.controlled(tcpDoor())
        self.checkOpens(*OURS, ",".join(ALL_TCP), SERVER4)
        daemon.process.popen.kill()
        daemon.process.popen.wait()
        self.assertTrue(self.client.reaches(PORT))
        self.controlled(tcpDoor())
        self.assertEqual({("ssh", CLIENT4)}, self.openings())
        self.checkOpens(*OURS, ",".join(ALL_TCP), SERVER6, address=SERVER6)
