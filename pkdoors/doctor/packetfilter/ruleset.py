"""
All tables of the kernel's firewall, read from the output of C{nft -j list ruleset};
C{libnftables-json(5)}. Pure.
"""

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from pkdoors.doctor.packetfilter._elements import Elements

Name = tuple[str, str, str]
"""Family, table, and the name of a chain or set in that table."""

Expression = Mapping[str, Any]
"""A part of a rule: a condition, a verdict, ..."""


@dataclass(frozen=True, slots=True)
class Chain:
    """
    @ivar hook: where the kernel calls it; empty for a chain that only other chains call.
    @ivar kind: C{"filter"}, C{"nat"} or C{"route"}, if it has a hook.
    @ivar policy: what happens to packets that no rule decides about.
    @ivar rules: each a list of its parts.
    @ivar priority: the kernel calls chains with a low one first; if it has a hook.
    """

    name: Name
    hook: str
    kind: str
    policy: str
    rules: list[list[Expression]]
    priority: int = 0

    def __str__(self) -> str:
        return " ".join(self.name)


class Ruleset:
    """
    @ivar chains: by their names.
    @ivar sets: the elements of each set, and the pairs of each map.
    """

    def __init__(self, chains: Mapping[Name, Chain], sets: Mapping[Name, list[Any]]) -> None:
        self.chains = chains
        self.sets = {name: Elements(items) for name, items in sets.items()}
        self._hooked = {chain.name: chain for chain in chains.values() if chain.hook}
        self._unnamed: dict[int, Elements] = {}

    def hooked(self, hook: str, version: int = 0) -> Collection[Chain]:
        """
        Return the chains that the kernel calls at a hook.

        @param version: 4 or 6 for those that see IPv4, or IPv6; 0 for all.
        """
        # Only at the hook "ingress" does a table of the family netdev see what comes to this host.
        families = {"inet", "ip", "ip6", "netdev"} - {{4: "ip6", 6: "ip"}.get(version, "")}
        found = (chain for chain in self._hooked.values() if chain.hook == hook)
        return [chain for chain in found if chain.name[0] in families]

    def elements(self, user: Name, right: Any) -> Elements:
        """
        Return the elements that a rule compares with.

        @param user: the rule's chain.
        @param right: the right side in the rule: a value, an unnamed set, or C{"@name"} of a set.
        """
        if isinstance(right, str) and right.startswith("@"):
            found = self.sets.get((*user[:2], right[1:]))
            return Elements([{"unknown": right}]) if found is None else found
        if isinstance(right, dict) and "set" in right:
            right = right["set"]
        if not isinstance(right, list):
            return Elements([right])
        # The list is part of a rule, which lives as long as this object: so its identity is a key.
        if id(right) not in self._unnamed:
            self._unnamed[id(right)] = Elements(map(_simplify, right))
        return self._unnamed[id(right)]

    def only(self, isMeant: Callable[[str], bool]) -> "Ruleset":
        """Return only the tables whose names are meant."""
        return Ruleset(
            {name: chain for name, chain in self.chains.items() if isMeant(name[1])},
            {name: items for name, items in self.sets.items() if isMeant(name[1])},
        )

    def first(self, hook: str, priority: int) -> "Ruleset":
        """
        Return only what the kernel calls before a chain: the chains at the hook C{ingress}, and at
        the chain's own hook those up to its priority. Which one of two with the same priority is
        called first depends on when they were made, which we do not know.
        """
        meant = {
            name: chain
            for name, chain in self.chains.items()
            if chain.hook in ("", "ingress") or (chain.hook == hook and chain.priority <= priority)
        }
        return Ruleset(meant, self.sets)


def readRuleset(listing: str) -> Ruleset:
    """
    Read all tables.

    @raise LookupError: the listing is not what libnftables prints; or L{TypeError}, L{ValueError}.
    """
    chains: dict[Name, Chain] = {}
    sets: dict[Name, list[Any]] = {}
    for item in json.loads(listing)["nftables"]:
        ((kind, body),) = item.items()
        if kind == "chain":
            chains[_getName(body, "name")] = _readChain(body)
        elif kind == "rule":
            chains[_getName(body, "chain")].rules.append(body.get("expr", []))
        elif kind in ("set", "map"):
            sets[_getName(body, "name")] = [_simplify(item) for item in body.get("elem", [])]
    return Ruleset(chains, sets)


def _getName(body: Mapping[str, Any], key: str) -> Name:
    return body["family"], body["table"], body[key]


def _readChain(body: Mapping[str, Any]) -> Chain:
    hook, kind = body.get("hook", ""), body.get("type", "")
    policy, priority = body.get("policy", "accept"), body.get("prio", 0)
    return Chain(_getName(body, "name"), hook, kind, policy, [], priority)


def _simplify(element: Any) -> Any:
    """Return an element, or the key of a map's pair, without its timeout and comment."""
    if isinstance(element, list):
        return [_simplify(element[0]), *element[1:]]
    return element["elem"]["val"] if isinstance(element, dict) and "elem" in element else element
