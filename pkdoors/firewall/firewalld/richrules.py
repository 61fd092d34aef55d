"""
The rich rules that pkdoors adds to firewalld's zones. They are written as firewalld itself writes
them (C{firewalld.richlanguage(5)}), so they compare equal when they are read back.

Our rules are recognized by a priority that nobody else has a reason to use. It is positive: rules
that deny come before it, so a ban stays a ban.
"""

import re
from collections.abc import Iterable

from pkdoors.model.ports import PortRange
from pkdoors.model.sources import Network, Source

KNOCK_PRIORITY = 31_337
"""The priority of the rules that let knocks in."""
MAX_DOORS = 500
"""Doors with priorities of their own; firewalld allows priorities up to 32767."""
TRUSTED_PRIORITY = KNOCK_PRIORITY + 2 * MAX_DOORS + 1
"""The priority of the rules that let trusted networks and interfaces in."""

_PRIORITY = re.compile(r'rule priority="([0-9]{1,5})" ')
_TO_ALL = re.compile(
    r'rule(?: priority="[^"]*")?(?: family="[^"]*")?(?: source address="(?:0\.0\.0\.0|::)/0")?'
    r'(?: port port="(?P<port>[^"]*)" protocol="(?P<protocol>[^"]*)"'
    r'| service name="(?P<service>[^"]*)"| protocol value="(?P<every>tcp|udp)")?'
    r"(?: (?:log|audit)\b.*)? accept"
)


def parseOpenToAll(rule: str) -> tuple[str, str, str] | None:
    """
    Return what somebody's rule opens to every source.

    @return: the port or range, the protocol, and the service: either the first two or the last are
        given, or none if the rule opens everything; L{None} if it opens nothing, or only to some
        sources.
    """
    match = _TO_ALL.match(rule)
    if match is None or isOurs(rule):
        return None
    if match["every"]:
        return "1-65535", match["every"], ""
    return match["port"] or "", match["protocol"] or "", match["service"] or ""


def knockRule(port: int) -> str:
    """Return the rule that lets everybody's knocks on a port in."""
    return f'rule priority="{KNOCK_PRIORITY}" port port="{port}" protocol="udp" accept'


def isKnockRule(rule: str) -> bool:
    """Return whether a rule comes from L{knockRule}."""
    return rule.startswith(f'rule priority="{KNOCK_PRIORITY}" port ')


def trustedRules(network: Network | None, ports: Iterable[PortRange]) -> tuple[str, ...]:
    """
    Return the rules that let a trusted network through to some ports.

    @param network: L{None} for everybody in a zone: a rule cannot name an interface, but the guard
        can.
    """
    source = ""
    if network is not None:
        address = str(network).removesuffix(f"/{network.max_prefixlen}")
        source = f'family="ipv{network.version}" source address="{address}" '
    return tuple(
        f'rule priority="{TRUSTED_PRIORITY}" {source}port port="{ranges.span}" '
        f'protocol="{ranges.protocol}" accept'
        for ranges in ports
    )


def isTrustedRule(rule: str) -> bool:
    """Return whether a rule comes from L{trustedRules}."""
    return rule.startswith(f'rule priority="{TRUSTED_PRIORITY}" ')


def isOpeningRule(rule: str) -> bool:
    """Return whether a rule comes from L{openingRules}."""
    return isOurs(rule) and not isKnockRule(rule) and not isTrustedRule(rule)


def isOurs(rule: str) -> bool:
    """Return whether a rule is ours, from this or an earlier daemon."""
    match = _PRIORITY.match(rule)
    return match is not None and KNOCK_PRIORITY <= int(match[1]) <= TRUSTED_PRIORITY


def openingPriorities(number: int) -> tuple[int, int]:
    """
    Return the two priorities of the rules of a door's openings. Each door has its own, because two
    doors may protect the same port. There are two, because a rule that is added again keeps its old
    timeout: an opening is extended by adding the same rule at the other priority, and only then
    removing the first.

    @param number: the number of the door, from 0.
    """
    first = KNOCK_PRIORITY + 1 + 2 * (number % MAX_DOORS)
    return first, first + 1


def openingRules(source: Source, ports: Iterable[PortRange], priority: int) -> tuple[str, ...]:
    """Return the rules that open ports for an address or a network, one for each range."""
    return tuple(
        f'rule priority="{priority}" family="ipv{source.version}" source address="{source}" '
        f'port port="{ranges.span}" protocol="{ranges.protocol}" accept'
        for ranges in ports
    )
