"""
The rich rules that pkdoors puts into firewalld's zones, written as firewalld itself writes them
(C{firewalld.richlanguage(5)}), so that they compare equal when read back.

Each has a priority that nobody else has a reason to take, so that ours are known by it. It is
positive: rules that deny come before it, so that a ban stays a ban.
"""

import re
from collections.abc import Iterable

from pkdoors.model.addresses import Address
from pkdoors.model.ports import PortRange

KNOCK_PRIORITY = 31_337
"""The rules that let knocks in."""
MAX_DOORS = 500
"""Doors that have priorities of their own; firewalld's go to 32767."""

_PRIORITY = re.compile(r'rule priority="([0-9]{1,5})" ')
_TO_ALL = re.compile(
    r'rule(?: priority="[^"]*")?(?: family="[^"]*")?(?: source address="(?:0\.0\.0\.0|::)/0")?'
    r'(?: port port="(?P<port>[^"]*)" protocol="(?P<protocol>[^"]*)"'
    r'| service name="(?P<service>[^"]*)"| protocol value="(?P<every>tcp|udp)")?'
    r"(?: (?:log|audit)\b.*)? accept"
)


def parseOpenToAll(rule: str) -> tuple[str, str, str] | None:
    """
    What somebody's rule opens to everybody, whatever the source.

    @return: port or range, protocol, and service: the first two, or the last, or none of them
        where it opens everything; L{None} where it opens nothing, or only for some.
    """
    match = _TO_ALL.match(rule)
    if match is None or isKnockRule(rule):
        return None
    if match["every"]:
        return "1-65535", match["every"], ""
    return match["port"] or "", match["protocol"] or "", match["service"] or ""


def knockRule(port: int) -> str:
    """The rule that lets knocks on a port in, from everybody."""
    return f'rule priority="{KNOCK_PRIORITY}" port port="{port}" protocol="udp" accept'


def isKnockRule(rule: str) -> bool:
    """Whether a rule is one of L{knockRule}."""
    return rule.startswith(f'rule priority="{KNOCK_PRIORITY}" port ')


def isOpeningRule(rule: str) -> bool:
    """Whether a rule is one of L{openingRules}."""
    return isOurs(rule) and not isKnockRule(rule)


def isOurs(rule: str) -> bool:
    """Whether a rule is one of ours, of whatever daemon."""
    match = _PRIORITY.match(rule)
    return match is not None and 0 <= int(match[1]) - KNOCK_PRIORITY <= 2 * MAX_DOORS


def openingPriorities(number: int) -> tuple[int, int]:
    """
    The priorities of the rules of a door's openings. Each door has its own, because two doors may
    protect the same port. Two, because adding a rule again keeps its old timeout: an opening is
    extended by adding the same rule at the other priority, and only then removing the first.

    @param number: which of the doors it is, from 0.
    """
    first = KNOCK_PRIORITY + 1 + 2 * (number % MAX_DOORS)
    return first, first + 1


def openingRules(source: Address, ports: Iterable[PortRange], priority: int) -> tuple[str, ...]:
    """The rules that open ports for an address, one for each range."""
    return tuple(
        f'rule priority="{priority}" family="ipv{source.version}" source address="{source}" '
        f'port port="{each.span}" protocol="{each.protocol}" accept'
        for each in ports
    )
