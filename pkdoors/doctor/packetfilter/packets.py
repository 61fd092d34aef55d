"""Packets that have not come yet, and what is known about them. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_NUMBERS = {"icmp": 1, "tcp": 6, "udp": 17, "ipv6-icmp": 58}
"""The numbers that nft shows on a host without names for protocols."""

Values = frozenset[Any]
"""All names that nft may have for the one value of a packet."""
_NOTHING: Values = frozenset()


@dataclass(frozen=True, slots=True)
class Packet:
    """
    @ivar facts: what is known, by L{getName} the expression for it.
    @ivar headers: the protocols whose headers it has; it has no others.
    """

    facts: Mapping[str, Values]
    headers: frozenset[str]

    def values(self, expression: Any) -> Values | None:
        """Return its value for an expression; L{None} if that is unknown."""
        return self.facts.get(getName(expression))

    def lacks(self, name: str) -> bool:
        """Return whether an expression is about a header that it does not have."""
        kind, _, rest = name.partition(" ")
        return kind == "payload" and rest.partition(" ")[0] not in self.headers


def newPacket(protocol: str, port: int, version: int, isTracked: bool = True) -> Packet:
    """
    Return the first packet of a client, to a port of this host, over IPv4 or IPv6.

    @param isTracked: whether the kernel tracks it; the guard exempts knocks from tracking.
    """
    headers = {protocol, "th"}
    facts: dict[str, Values] = {f"payload {name} dport": frozenset({port}) for name in headers}
    facts["payload tcp flags"] = frozenset({"syn"})
    facts["ct state"] = frozenset({"new" if isTracked else "untracked"})
    facts["fib type"] = frozenset({"local"})
    return _makePacket(protocol, version, facts, headers)


def withoutDNAT(packet: Packet) -> Packet:
    """Return a packet with the knowledge that no DNAT has changed it."""
    facts = {**packet.facts, "ct status": _NOTHING, "ct direction": frozenset({"original"})}
    return Packet(facts, packet.headers)


def newTranslated(protocol: str, wanted: int, version: int) -> Packet:
    """
    Return the first packet of a connection after DNAT, to some unprotected port.

    @param wanted: the port that the client sent it to.
    """
    packet = newPacket(protocol, 0, version)
    facts = {
        **packet.facts,
        "ct status": frozenset({"dnat"}),
        "ct direction": frozenset({"original"}),
        "ct proto-dst": frozenset({wanted}),
    }
    return Packet(facts, packet.headers)


def newAnswer(protocol: str, port: int, version: int) -> Packet:
    """Return a packet that a service of this host sends from its port."""
    headers = {protocol, "th"}
    facts: dict[str, Values] = {f"payload {name} sport": frozenset({port}) for name in headers}
    return _makePacket(protocol, version, facts, headers)


def newRefusal(version: int) -> Packet:
    """Return the answer of the kernel to a datagram to a free UDP port."""
    icmp = "icmp" if version == 4 else "icmpv6"
    unreachable = "port-unreachable"
    facts = {
        f"payload {icmp} type": frozenset({"destination-unreachable"}),
        f"payload {icmp} code": frozenset({unreachable, 3 if version == 4 else 4}),
        "ct state": frozenset({"related"}),
    }
    protocol = "icmp" if version == 4 else "ipv6-icmp"
    return _makePacket(protocol, version, facts, {icmp})


def _makePacket(protocol: str, version: int, facts: dict[str, Values], headers: set[str]) -> Packet:
    ip, field = ("ip", "protocol") if version == 4 else ("ip6", "nexthdr")
    names = frozenset({protocol, _NUMBERS[protocol]})
    facts = {
        **facts,
        "meta l4proto": names,
        "meta nfproto": frozenset({f"ipv{version}"}),
        "meta protocol": frozenset({ip}),
        f"payload {ip} {field}": names,
    }
    return Packet(facts, frozenset({*headers, ip, "ether"}))


def getName(expression: Any) -> str:
    """Return a short name for what an expression asks of a packet, as C{"payload tcp dport"}."""
    if not isinstance(expression, dict):
        return ""
    ((kind, body),) = expression.items()
    if kind == "payload" and "protocol" in body:
        return f"payload {body['protocol']} {body['field']}"
    if kind in ("meta", "ct"):
        return f"{kind} {body['key']}"
    if kind == "fib":
        return "fib saddr" if "saddr" in body["flags"] else f"fib {body['result']}"
    return getName(body[0]) if kind == "&" else str(kind)
