"""
Whether a packet that has not come yet meets a condition of a firewall rule. Pure.

Some facts about such a packet are known, its protocol and port, and others are not, such as its
source. So there are more answers than yes and no.
"""

import operator
from collections.abc import Callable, Iterator
from enum import IntEnum
from typing import Any

from pkdoors.doctor.packetfilter._elements import Elements
from pkdoors.doctor.packetfilter.packets import Packet, getName
from pkdoors.doctor.packetfilter.ruleset import Expression


class Match(IntEnum):
    """
    @cvar NO: the packet does not meet the condition.
    @cvar HOSTS: only packets from single addresses do.
    @cvar NETWORKS: only those from some networks, or from addresses in a set.
    @cvar SOME: only a few others do: those above a rate, of a kind, ...
    @cvar UNSURE: it is unknown whether it does.
    @cvar YES: it does.
    """

    NO = 0
    HOSTS = 1
    NETWORKS = 2
    SOME = 3
    UNSURE = 4
    YES = 5


FindElements = Callable[[Any], Elements]
"""Returns the elements on the right side of a condition, C{"@name"} of a set or a value."""

_SOURCES = {"payload ip saddr", "payload ip6 saddr", "payload ether saddr"}
_NARROW = {
    "payload th sport",
    "payload tcp sport",
    "payload udp sport",
    "ct status",
    "ct helper",
    "meta pkttype",
    "fib saddr",
    "exthdr",
    "ip option",
    "tcp option",
}
"""A rule that asks for a value of these is met by a few packets only."""
_NARROW_MATCHES = {
    "conntrack",
    "state",
    "recent",
    "limit",
    "hashlimit",
    "connlimit",
    "set",
    "mac",
    "iprange",
    "rpfilter",
    "rt",
    "hl",
    "icmp",
    "icmp6",
}
"""The same for iptables' own matches, of which nft shows the name only. conntrack: it lets in what
was begun before, and drops what is broken."""
_MANY = 256
"""So many single addresses are as good as a network."""
_ORDERS = {"<": operator.lt, ">": operator.gt, "<=": operator.le, ">=": operator.ge}
_INTERFACES = ("meta iif", "meta iifname", "meta oif", "meta oifname")


def judge(expression: Expression, packet: Packet, elements: FindElements) -> Match | None:
    """
    Return whether a packet meets a condition; L{None} if the expression is not a condition.
    """
    ((kind, body),) = expression.items()
    if kind == "match":
        return _judgeMatch(body["op"], body["left"], packet, elements(body["right"]))
    if kind in ("limit", "quota", "ct count"):
        return Match.SOME
    if kind == "xt":
        return _judgeXt(body)
    return None


def _judgeXt(body: Any) -> Match | None:
    if not isinstance(body, dict):  # an old library does not show it
        return Match.UNSURE
    if body.get("type") != "match":
        return None
    if body["name"] == "comment":
        return Match.YES
    return Match.SOME if body["name"] in _NARROW_MATCHES else Match.UNSURE


def _judgeMatch(op: str, left: Any, packet: Packet, right: Elements) -> Match:
    if _isOfAnother(left, packet):
        return Match.NO
    met = _isMet(op, left, packet, right)
    if met is not None:
        return Match.YES if met else Match.NO
    if op == "!=":
        return Match.UNSURE
    return Match.HOSTS if _isOfHosts(left, right) else judgeUnknown(left)


def _isOfHosts(left: Any, right: Elements) -> bool:
    """Return whether a condition asks for a few single addresses that packets come from."""
    isSource = getName(left) in _SOURCES
    return isSource and len(right) < _MANY and all(isinstance(item, str) for item in right)


def judgeUnknown(left: Any) -> Match:
    """Return the answer for a rule that asks for an unknown value of the packet."""
    asked = {*map(getName, splitParts(left))}
    if asked & _SOURCES:
        return Match.NETWORKS
    return Match.SOME if asked & _NARROW else Match.UNSURE


def _isOfAnother(left: Any, packet: Packet) -> bool:
    """Return whether an expression is about other packets: a rule on a TCP port ignores UDP."""
    return any(packet.lacks(getName(part)) for part in splitParts(left))


def _isMet(op: str, left: Any, packet: Packet, right: Elements) -> bool | None:
    if op in _ORDERS:
        values = packet.values(left)
        return None if values is None else all(_ORDERS[op](value, right[0]) for value in values)
    found = _hasFlags(packet, left, right) if "&" in left else isAmong(packet, left, right)
    return found if found is None or op != "!=" else not found


def _hasFlags(packet: Packet, left: Any, right: Elements) -> bool | None:
    """Return whether C{tcp flags & (fin | syn) == syn}, with any flags; L{None} for other sums."""
    values, mask, wanted = packet.values(left), {*_flags(left["&"][1])}, {*_flags(right)}
    if values is None or not all(isinstance(flag, str) for flag in mask):
        return None
    return values & mask == wanted - {0}


def _flags(value: Any) -> Iterator[Any]:
    """Yield the flags in a sum, a list or since nft 1.1 C{{"|": [...]}}; L{None} for all else."""
    parts = value.get("|") if isinstance(value, dict) else value
    if isinstance(parts, list | tuple):
        for part in parts:
            yield from _flags(part)
    else:
        yield parts


def isAmong(packet: Packet, left: Any, elements: Elements) -> bool | None:
    """Return whether a packet's value is one of some elements; L{None} if that is unknown."""
    if _isOfAnother(left, packet):
        return False
    facts = [packet.values(part) for part in splitParts(left)]
    if facts == [None]:
        return _isForeign(left, elements)
    # A set may be very large: without an index, a check of many ports would take minutes.
    candidates = elements.near(facts[0]) if len(facts) == 1 else elements
    answers = {_equals(facts, element) for element in candidates}
    return True if True in answers else None if None in answers else False


def _isForeign(left: Any, elements: Elements) -> bool | None:
    """Return whether an unknown value is one of some elements: the interface is not loopback."""
    isLoopback = bool(elements) and all(element == "lo" for element in elements)
    return False if getName(left) in _INTERFACES and isLoopback else None


def _equals(facts: list[frozenset[Any] | None], element: Any) -> bool | None:
    items = element["concat"] if isinstance(element, dict) and "concat" in element else [element]
    pairs = zip(facts, items, strict=False)
    found = [None if values is None else _isOneOf(values, item) for values, item in pairs]
    return False if False in found else None if None in found else True


def _isOneOf(values: frozenset[Any], item: Any) -> bool | None:
    if item == "*":  # the last entry of a map, for all other values
        return True
    if not isinstance(item, dict):
        return item in values
    if "range" not in item:
        return None
    first, last = item["range"]
    return any(isinstance(value, int) and first <= value <= last for value in values)


def splitParts(left: Any) -> Iterator[Any]:
    """Yield the parts of a concatenation, or the only one."""
    yield from left["concat"] if isinstance(left, dict) and "concat" in left else [left]
