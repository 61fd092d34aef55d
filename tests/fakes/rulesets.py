"""Listings of nft as JSON."""

import json
from collections.abc import Mapping
from typing import Any


def makeListing(
    *rules: list[Any],
    chain: str = "inet filter input",
    policy: str = "accept",
    kind: str = "filter",
    hook: str = "input",
    priority: int = 0,
    chains: Mapping[str, list[list[Any]]] | None = None,
    sets: Mapping[str, list[Any]] | None = None,
) -> dict[str, list[Any]]:
    """
    What C{nft -j list ruleset} prints of one table.

    @param rules: those of the chain that the kernel calls at the hook.
    @param chains: other chains of the table, and their rules.
    @param sets: the elements of its sets, and the pairs of its maps.
    """
    family, table, name = chain.split()
    where = {"family": family, "table": table}
    called = {"hook": hook, "type": kind, "prio": priority, "policy": policy}
    everyRule = {**(chains or {}), name: rules}
    items: list[dict[str, Any]] = [
        {"metainfo": {"json_schema_version": 1}},
        {"table": {"family": family, "name": table, "handle": 1}},
        {"chain": {**where, "name": name, "handle": 2, **called}},
        *({"chain": {**where, "name": each, "handle": 3}} for each in chains or ()),
        *({"set": {**where, "name": each, "elem": found}} for each, found in (sets or {}).items()),
    ]
    for each, found in everyRule.items():
        items += ({"rule": {**where, "chain": each, "expr": rule}} for rule in found)
    return {"nftables": items}


def joinListings(*listings: dict[str, list[Any]]) -> str:
    """Return the text of several tables of L{makeListing} together."""
    return json.dumps({"nftables": [item for each in listings for item in each["nftables"]]})


def condition(field: str, right: Any, op: str = "==") -> dict[str, Any]:
    """Return a condition: C{"tcp dport"}, C{"meta l4proto"}, ... compared with something."""
    return {"match": {"op": op, "left": expression(field), "right": right}}


def expression(field: str) -> dict[str, Any]:
    """Return the left side of a condition; fields with dots between are a concatenation."""
    if " . " in field:
        return {"concat": [expression(each) for each in field.split(" . ")]}
    kind, key = field.split()
    if kind in ("meta", "ct"):
        return {kind: {"key": key}}
    if kind == "fib":
        return {"fib": {"result": key.partition("/")[0], "flags": [key.partition("/")[2]]}}
    return {"payload": {"protocol": kind, "field": key}}


ACCEPT: dict[str, Any] = {"accept": None}

DROP: dict[str, Any] = {"drop": None}

REJECT: dict[str, Any] = {"reject": {"type": "icmpx", "expr": "port-unreachable"}}
