"""
How the guard writes knocks into the kernel's packet log, so that no port needs a socket. Pure.

The rules come before every filter of the host, before connection tracking, and before the kernel
checks where a packet came from. So they check that themselves. A knock then continues, tracked like
a packet to any other port, so the host's other filters treat it and its answer alike. Behind all of
them, a last rule answers as the kernel answers for a closed port. Without that rule, a local
program that binds a knock port would get the knocks, and a scan would find that port.

This host may itself send from a port that is a knock port, or translate somebody's address to one:
answers to that must arrive, so the last rules let them in. But nothing that looks like a knock
answers anybody.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pkdoors.firewall.guard.limits import LOCAL_CHAIN
from pkdoors.firewall.guard.trusted import NAME_BYTES
from pkdoors.firewall.netlink.packetlog import COPIED
from pkdoors.knocks.knock import MAX_PLAIN
from pkdoors.knocks.seal import MAX_SIGNATURE, MAX_STATEMENT
from pkdoors.model.doors import Door, listKnockPorts, listTcpKnockPorts

CLOSED_CHAIN = "knock_closed"
HEARD_CHAIN = "knock_heard"
PLACE = "prerouting", -305
"""The hook and the priority (C{raw - 5}) of the chain that hears knocks."""
LAST_CHAINS = {CLOSED_CHAIN: "type filter hook input priority 1000; policy accept;"}
"""A base chain behind those of all firewalls."""
JUNK = "KnockJunk"
"""The counter of datagrams to knock ports that are not knocks; no door's name has a capital."""
KNOCK_SETS = ("PlainKnocks", "SealedKnocks", "AnyKnocks", "TcpKnocks")
SETS = {
    # Without timeouts they would be bitmaps, which the kernel searches for each new element.
    **dict.fromkeys(KNOCK_SETS, "type inet_service; flags timeout;"),
    **dict.fromkeys(("StrictKnocks", "LooseKnocks"), "type ifname;"),
}
"""The ports of plain and of sealed knocks, of those with any payload and of those over TCP; and the
interfaces that accept a packet only if its answer would leave by the same one."""

_UDP_HEADER = 8
_SHORTEST_SEALED = 52  # with the UDP header, as in L{pkdoors.knockports.filters}
_ENDS = b" \t\r\n"  # one of them follows "knock", if anything does
_SHORT = "udp length {length} @th,64,40 {begin:#x} udp dport @PlainKnocks"
# A SYN, with the flags of ECN or without.
_TCP = (
    "knock_ports tcp flags & (fin|syn|rst|psh|ack|urg) == syn tcp dport @TcpKnocks "
    "fib daddr type local goto knock_sources"
)
# What is tracked fills no table: the kernel keeps an entry only once all rules have let its packet
# in, and the last one does not. A datagram that connection tracking cannot read, with bytes behind
# its end say, gets no entry, and only the kernel itself answers it. Nobody answers the others.
_ODD = f"""
{CLOSED_CHAIN} udp dport @knocks ct state invalid accept
{CLOSED_CHAIN} meta nfproto ipv6 udp dport @knocks udp checksum 0 drop
"""
_REJECT = "reject with icmpx type port-unreachable"
# If no program listens, the kernel's own reset is the same as that of every other closed port; ours
# has another flow label over IPv6. Each socket is transparent or not, so these two rules mean that
# there is one.
# This host may use the number for connections that it begins, and perhaps nobody tracks them, or
# somebody has flushed the table. All their segments have ACK or RST. Nobody gets in by such a
# segment: for a program that only listens, the kernel answers as for a closed port.
_TCP_CLOSED = f"""
{CLOSED_CHAIN} tcp dport != @TcpKnocks accept
{CLOSED_CHAIN} tcp flags & (rst|ack) != 0x0 accept
{CLOSED_CHAIN} socket transparent 0 reject with tcp reset
{CLOSED_CHAIN} socket transparent 1 reject with tcp reset
"""
_PLAIN = "udp length {length} @th,64,48 {begin:#x} udp dport @PlainKnocks"
_SEALED = "udp length {length} @th,64,72 {begin:#x} udp dport @SealedKnocks"
_SOURCES = f"""
knock_sources iif "lo" goto {LOCAL_CHAIN}
knock_sources fib saddr type != unicast accept
knock_sources meta nfproto ipv4 iifname {{strict}} fib saddr . iif oif missing accept
"""


@dataclass(frozen=True, slots=True)
class Capture:
    """
    How knocks are captured.

    @ivar group: the group of the packet log that the daemon has bound.
    @ivar hearsAll: whether every datagram to a knock port is logged, not only those that look like
        a knock.
    @ivar strict: the interfaces whose C{rp_filter} is strict. The packet log comes before the
        kernel applies that, so a rule does the same.
    @ivar loose: all other interfaces, if those that appear later are strict; otherwise L{None}.
    """

    group: int
    hearsAll: bool = False
    strict: tuple[str, ...] = ()
    loose: tuple[str, ...] | None = None

    def rules(self, limits: Iterable[str], hearsTcp: bool) -> Iterator[str]:
        """
        Yield the rules.

        @param limits: those that limit one source, each with its chain in front.
        @param hearsTcp: whether there are knock ports over TCP.
        """
        yield _TCP
        yield "knock_ports meta l4proto != udp accept"
        yield "knock_ports udp dport != @knocks accept"
        yield "knock_ports fib daddr type != local accept"
        yield from (f"knock_ports {rule} goto knock_sources" for rule in _payloads())
        yield "knock_ports udp dport @AnyKnocks goto knock_sources"
        yield (
            "knock_ports goto knock_sources"
            if self.hearsAll
            else f"knock_ports counter name {JUNK}"
        )
        strict = "@StrictKnocks" if self.loose is None else "!= @LooseKnocks"
        yield from _SOURCES.format(strict=strict).strip().split("\n")
        yield from limits
        yield "knock_sources goto knock_heard"
        yield f"{HEARD_CHAIN} log group {self.group} snaplen {COPIED}"
        yield from _ODD.strip().split("\n")
        yield from (f"{CLOSED_CHAIN} {rule} {_REJECT}" for rule in _payloads())
        yield f"{CLOSED_CHAIN} udp dport @knocks ct direction reply accept"
        yield f"{CLOSED_CHAIN} udp dport @knocks {_REJECT}"
        if hearsTcp:  # kernels without nft_socket can hear the others
            yield from _TCP_CLOSED.strip().split("\n")

    def elements(self, doors: Iterable[Door]) -> Iterator[tuple[str, list[bytes]]]:
        """Yield the keys of the elements of L{SETS}."""
        doors = list(doors)
        sealed = [door for door in doors if door.authorizedKeys]
        every = [door for door in doors if door.hearsAny]
        # Plain knocks are heard everywhere: where they open nothing, the log says so.
        found = (*map(listKnockPorts, (doors, sealed, every)), listTcpKnockPorts(doors))
        for name, ports in zip(KNOCK_SETS, found, strict=True):
            yield name, [port.to_bytes(2) for port in ports]
        for name, interfaces in (("StrictKnocks", self.strict), ("LooseKnocks", self.loose or ())):
            yield name, [each.encode().ljust(NAME_BYTES, b"\0") for each in interfaces]


def _payloads() -> Iterator[str]:
    """Yield conditions: each is met by datagrams that look like a knock."""
    # The filter of a socket checks the last byte, too: here the daemon does.
    yield _SHORT.format(length=_UDP_HEADER + 5, begin=int.from_bytes(b"knock"))
    longer = f"{_UDP_HEADER + 6}-{_UDP_HEADER + MAX_PLAIN}"
    for end in _ENDS:
        yield _PLAIN.format(length=longer, begin=int.from_bytes(b"knock%c" % end))
    most = _UDP_HEADER + MAX_STATEMENT + MAX_SIGNATURE
    begin = int.from_bytes(b"pkdoors1 ")
    yield _SEALED.format(length=f"{_SHORTEST_SEALED}-{most}", begin=begin)
