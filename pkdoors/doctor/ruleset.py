"""
All tables of the kernel's firewall, read from what C{nft -j list ruleset} prints;
C{libnftables-json(5)}. Pure.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Name = tuple[str, str, str]
"""Family, table, and the name of a chain or set in it."""

Expression = Mapping[str, Any]
"""One of the parts that rules are made of: a condition, a verdict, ..."""


@dataclass(frozen=True, slots=True)
class Chain:
    """
    @ivar hook: where the kernel calls it; empty for a chain that only others call.
    @ivar kind: C{"filter"}, C{"nat"} or C{"route"}, with a hook.
    @ivar policy: what becomes of packets that its rules say nothing about.
    @ivar rules: each a list of its parts.
    """

    name: Name
    hook: str
    kind: str
    policy: str
    rules: list[list[Expression]]

    def __str__(self) -> str:
        return " ".join(self.name)


@dataclass(frozen=True, slots=True)
class Ruleset:
    """
    @ivar sets: the elements of each set, and the pairs of each map.
    """

    chains: Mapping[Name, Chain]
    sets: Mapping[Name, list[Any]]

    def hooked(self, hook: str, version: int = 0) -> Iterator[Chain]:
        """
        The chains that the kernel calls at a hook.

        @param version: those that see IPv4, or IPv6, only.
        """
        families = {"inet", "ip", "ip6"} - {{4: "ip6", 6: "ip"}.get(version, "")}
        for chain in self.chains.values():
            if chain.hook == hook and chain.name[0] in families:
                yield chain

    def elements(self, user: Name, right: Any) -> list[Any]:
        """
        What a rule compares with.

        @param user: the rule's chain.
        @param right: as the rule has it: a value, an unnamed set, or C{"@name"} of a set.
        """
        if isinstance(right, str) and right.startswith("@"):
            return self.sets.get((*user[:2], right[1:]), [{"unknown": right}])
        if isinstance(right, dict) and "set" in right:
            right = right["set"]
        return [_plain(each) for each in right] if isinstance(right, list) else [right]

    def only(self, isMeant: Callable[[str], bool]) -> "Ruleset":
        """The tables with some names."""
        chains = {name: chain for name, chain in self.chains.items() if isMeant(name[1])}
        return Ruleset(chains, self.sets)


def readRuleset(listing: str) -> Ruleset:
    """
    Read all tables.

    @raise LookupError: the listing is not as libnftables makes it; or L{TypeError}, L{ValueError}.
    """
    chains: dict[Name, Chain] = {}
    sets: dict[Name, list[Any]] = {}
    for item in json.loads(listing)["nftables"]:
        ((kind, body),) = item.items()
        if kind == "chain":
            chains[_name(body, "name")] = _chain(body)
        elif kind == "rule":
            chains[_name(body, "chain")].rules.append(body.get("expr", []))
        elif kind in ("set", "map"):
            sets[_name(body, "name")] = [_plain(each) for each in body.get("elem", [])]
    return Ruleset(chains, sets)


def _name(body: Mapping[str, Any], key: str) -> Name:
    return body["family"], body["table"], body[key]


def _chain(body: Mapping[str, Any]) -> Chain:
    hook, kind = body.get("hook", ""), body.get("type", "")
    return Chain(_name(body, "name"), hook, kind, body.get("policy", "accept"), [])


def _plain(element: Any) -> Any:
    """An element without its timeout and comment; of a map's pair, the key."""
    if isinstance(element, list):
        return [_plain(element[0]), *element[1:]]
    return element["elem"]["val"] if isinstance(element, dict) and "elem" in element else element
