"""
The rich rules that pkdoors puts into firewalld's zones, written as firewalld itself writes them
(C{firewalld.richlanguage(5)}), so that they compare equal when read back.

Each has a priority that nobody else has a reason to take, so that ours are known by it. It is
positive: rules that deny come before it, so that a ban stays a ban.
"""

import re
from collections.abc import Iterable

from pkdoors.doors import Address
from pkdoors.ports import PortRange

KNOCK_PRIORITY = 31_337
"""The rules that let knocks in."""
OPENING_PRIORITIES = (31_338, 31_339)
"""The rules of openings. Two, because adding a rule again keeps its old timeout: an opening is
extended by adding the same rule at the other priority, and only then removing the first."""

_TO_ALL = re.compile(
    r'rule(?: priority="[^"]*")?(?: family="[^"]*")?(?: source address="(?:0\.0\.0\.0|::)/0")?'
    r'(?: port port="(?P<port>[^"]*)" protocol="(?P<protocol>[^"]*)"'
    r'| service name="(?P<service>[^"]*)"| protocol value="(?P<every>tcp|udp)")?'
    r"(?: (?:log|audit)\b.*)? accept"
)


def openToAll(rule: str) -> tuple[str, str, str] | None:
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
    ours = (KNOCK_PRIORITY, *OPENING_PRIORITIES)
    return rule.startswith(tuple(f'rule priority="{priority}" ' for priority in ours))


def openingRules(source: Address, ports: Iterable[PortRange], priority: int) -> tuple[str, ...]:
    """The rules that open ports for an address, one for each range."""
    return tuple(
        f'rule priority="{priority}" family="ipv{source.version}" source address="{source}" '
        f'port port="{each.span}" protocol="{each.protocol}" accept'
        for each in ports
    )
