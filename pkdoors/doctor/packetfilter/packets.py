"""Packets that have not come yet, and what is known of them. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_NUMBERS = {"icmp": 1, "tcp": 6, "udp": 17, "ipv6-icmp": 58}
"""What nft shows on a host without names for protocols."""

Values = frozenset[Any]
"""What nft may call the one value that a packet has."""
_NOTHING: Values = frozenset()


@dataclass(frozen=True, slots=True)
class Packet:
    """
    @ivar facts: what is known, by L{nameOf} the expression for it.
    @ivar headers: the protocols that it has a header of; it has none of others.
    """

    facts: Mapping[str, Values]
    headers: frozenset[str]

    def values(self, expression: Any) -> Values | None:
        """What it has for an expression; L{None} where that is not known."""
        return self.facts.get(nameOf(expression))

    def lacks(self, name: str) -> bool:
        """Whether an expression is of a header that it does not have."""
        kind, _, rest = name.partition(" ")
        return kind == "payload" and rest.partition(" ")[0] not in self.headers


def newPacket(protocol: str, port: int, version: int, isTracked: bool = True) -> Packet:
    """
    A first packet from outside, to a port of this host, over IPv4 or IPv6.

    @param isTracked: whether the kernel tracks it; knocks are taken out of that.
    """
    headers = {protocol, "th"}
    facts: dict[str, Values] = {f"payload {each} dport": frozenset({port}) for each in headers}
    facts["payload tcp flags"] = frozenset({"syn"})
    facts["ct state"] = frozenset({"new" if isTracked else "untracked"})
    facts["fib type"] = frozenset({"local"})
    return _packet(protocol, version, facts, headers)


def untranslated(packet: Packet) -> Packet:
    """Return a packet as it is if no DNAT has changed it."""
    facts = {**packet.facts, "ct status": _NOTHING, "ct direction": frozenset({"original"})}
    return Packet(facts, packet.headers)


def translated(protocol: str, wanted: int, version: int) -> Packet:
    """
    Return the first packet of a connection after DNAT, to some port that nobody protects.

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


def answer(protocol: str, port: int, version: int) -> Packet:
    """Return what a service of this host sends from its port."""
    headers = {protocol, "th"}
    facts: dict[str, Values] = {f"payload {each} sport": frozenset({port}) for each in headers}
    return _packet(protocol, version, facts, headers)


def refusal(version: int) -> Packet:
    """What the kernel answers for a UDP port on which nobody listens."""
    icmp = "icmp" if version == 4 else "icmpv6"
    unreachable = "port-unreachable"
    facts = {
        f"payload {icmp} type": frozenset({"destination-unreachable"}),
        f"payload {icmp} code": frozenset({unreachable, 3 if version == 4 else 4}),
        "ct state": frozenset({"related"}),
    }
    protocol = "icmp" if version == 4 else "ipv6-icmp"
    return _packet(protocol, version, facts, {icmp})


def _packet(protocol: str, version: int, facts: dict[str, Values], headers: set[str]) -> Packet:
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


def nameOf(expression: Any) -> str:
    """A short name for what an expression asks a packet for, C{"payload tcp dport"}."""
    if not isinstance(expression, dict):
        return ""
    ((kind, body),) = expression.items()
    if kind == "payload" and "protocol" in body:
        return f"payload {body['protocol']} {body['field']}"
    if kind in ("meta", "ct"):
        return f"{kind} {body['key']}"
    if kind == "fib":
        return "fib saddr" if "saddr" in body["flags"] else f"fib {body['result']}"
    return nameOf(body[0]) if kind == "&" else str(kind)
