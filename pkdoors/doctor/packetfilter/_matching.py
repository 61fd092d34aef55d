"""
Whether a condition of a firewall rule is met by a packet that has not come yet. Pure.

Of such a packet some things are known, its protocol and port, and others are not, as its source.
So there are more answers than yes and no.
"""

import operator
from collections.abc import Callable, Iterator
from enum import IntEnum
from typing import Any

from pkdoors.doctor.packetfilter._elements import Elements
from pkdoors.doctor.packetfilter.packets import Packet, nameOf
from pkdoors.doctor.packetfilter.ruleset import Expression


class Match(IntEnum):
    """
    @cvar NO: it is not met.
    @cvar SOME: it is met by some packets, and most are unlike those: of a source, above a rate, ...
    @cvar UNSURE: it cannot be told.
    @cvar YES: it is met.
    """

    NO = 0
    SOME = 1
    UNSURE = 2
    YES = 3


FindElements = Callable[[Any], Elements]
"""Gives the elements of what is on the right of a condition, C{"@name"} of a set or a value."""

_NARROW = {
    *("payload ip saddr", "payload ip6 saddr", "payload ether saddr", "payload th sport"),
    *("payload tcp sport", "payload udp sport", "ct status", "ct helper", "meta pkttype"),
    *("fib saddr", "exthdr", "ip option", "tcp option"),
}
"""What is met by some only, where a rule asks for a value of it."""
_NARROW_MATCHES = {
    *("conntrack", "state", "recent", "limit", "hashlimit", "connlimit", "set", "mac", "iprange"),
    *("rpfilter", "rt", "hl", "icmp", "icmp6"),
}
"""So with iptables' own matches, which nft does not tell more of than their name. conntrack: what
it lets in was begun before, what it drops is broken."""
_ORDERS = {"<": operator.lt, ">": operator.gt, "<=": operator.le, ">=": operator.ge}
_INTERFACES = ("meta iif", "meta iifname", "meta oif", "meta oifname")


def judge(expression: Expression, packet: Packet, elements: FindElements) -> Match | None:
    """
    Whether a packet meets a condition; L{None} where the expression is none.
    """
    ((kind, body),) = expression.items()
    if kind == "match":
        return _judge(body["op"], body["left"], packet, elements(body["right"]))
    if kind in ("limit", "quota", "ct count"):
        return Match.SOME
    if kind == "xt":
        return _xt(body)
    return None


def _xt(body: Any) -> Match | None:
    if not isinstance(body, dict):  # of an old library, which does not tell it
        return Match.UNSURE
    if body.get("type") != "match":
        return None
    if body["name"] == "comment":
        return Match.YES
    return Match.SOME if body["name"] in _NARROW_MATCHES else Match.UNSURE


def _judge(op: str, left: Any, packet: Packet, right: Elements) -> Match:
    if _isOfAnother(left, packet):
        return Match.NO
    met = _isMet(op, left, packet, right)
    if met is not None:
        return Match.YES if met else Match.NO
    return Match.UNSURE if op == "!=" else doubt(left)


def doubt(left: Any) -> Match:
    """What can be told where a rule asks for a value that is not known of the packet."""
    return Match.SOME if _NARROW.intersection(map(nameOf, partsOf(left))) else Match.UNSURE


def _isOfAnother(left: Any, packet: Packet) -> bool:
    """A rule on a TCP port does not see UDP, and so on."""
    return any(packet.lacks(nameOf(each)) for each in partsOf(left))


def _isMet(op: str, left: Any, packet: Packet, right: Elements) -> bool | None:
    if op in _ORDERS:
        values = packet.values(left)
        return None if values is None else all(_ORDERS[op](each, right[0]) for each in values)
    found = _hasFlags(packet, left, right) if "&" in left else isAmong(packet, left, right)
    return found if found is None or op != "!=" else not found


def _hasFlags(packet: Packet, left: Any, right: Elements) -> bool | None:
    """Whether C{tcp flags & (fin | syn) == syn}, with any flags; L{None} for other sums."""
    values, mask = packet.values(left), left["&"][1]
    if values is None or isinstance(mask, int):
        return None
    return values.intersection([mask] if isinstance(mask, str) else mask) == set(right) - {0}


def isAmong(packet: Packet, left: Any, elements: Elements) -> bool | None:
    """Whether what a packet has is one of some elements; L{None}: that cannot be told."""
    if _isOfAnother(left, packet):
        return False
    facts = [packet.values(each) for each in partsOf(left)]
    if facts == [None]:
        return _isForeign(left, elements)
    candidates = elements.near(facts[0]) if len(facts) == 1 else elements
    answers = {_equals(facts, element) for element in candidates}
    return True if True in answers else None if None in answers else False


def _isForeign(left: Any, elements: Elements) -> bool | None:
    """The interface is not known, but it is not loopback."""
    isLoopback = bool(elements) and all(each == "lo" for each in elements)
    return False if nameOf(left) in _INTERFACES and isLoopback else None


def _equals(facts: list[frozenset[Any] | None], element: Any) -> bool | None:
    items = element["concat"] if isinstance(element, dict) and "concat" in element else [element]
    pairs = zip(facts, items, strict=False)
    found = [None if values is None else _isOneOf(values, item) for values, item in pairs]
    return False if False in found else None if None in found else True


def _isOneOf(values: frozenset[Any], item: Any) -> bool | None:
    if item == "*":  # the last entry of a map, for all else
        return True
    if not isinstance(item, dict):
        return item in values
    if "range" not in item:
        return None
    first, last = item["range"]
    return any(isinstance(each, int) and first <= each <= last for each in values)


def partsOf(left: Any) -> Iterator[Any]:
    """The parts of a concatenation, or the only one."""
    yield from left["concat"] if isinstance(left, dict) and "concat" in left else [left]
