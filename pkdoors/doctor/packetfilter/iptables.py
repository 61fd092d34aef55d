"""
The rules of iptables, from the output of C{iptables-save}. nft does not show their matches, and of
the old iptables nothing at all. Pure.
"""

import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from pkdoors.doctor.packetfilter._iptablesrule import translateRule
from pkdoors.doctor.packetfilter.ruleset import Chain, Name, Ruleset

LEGACY = "legacy "
"""The beginning of what the old iptables' tables are called here: it may have the same names."""
PRIORITIES = {"raw": -300, "mangle": -150, "nat": -100, "filter": 0, "security": 50}
"""The tables, and when the kernel calls their chains; for C{nat}, when that matters here."""
HOOKS = ("PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING")
_FORWARDING = ("DNAT", "REDIRECT")
_STRANGE = (LookupError, ValueError)
"""The errors from a rule that is not as iptables prints rules today."""


@dataclass(frozen=True, slots=True)
class SavedTables:
    """
    What C{iptables-save} or one of its kind has printed.

    @ivar family: C{"ip"} or C{"ip6"}.
    @ivar isLegacy: whether it was the old iptables.
    """

    family: str
    isLegacy: bool
    text: str


def hasMatches(ruleset: Ruleset) -> bool:
    """Return whether some rules have matches of iptables, of which nft shows only the name."""
    rules = (rule for chain in ruleset.chains.values() for rule in chain.rules)
    return any("xt" in part for rule in rules for part in rule)


def withIptables(ruleset: Ruleset, saved: Iterable[SavedTables]) -> Ruleset:
    """Return a ruleset in which the rules of iptables are readable, and the old ones are, too."""
    chains = dict(ruleset.chains)
    for tables in saved:
        for chain in readChains(tables):
            known = chains.get(chain.name)
            if tables.isLegacy:
                chains[chain.name] = chain
            elif known is not None and len(known.rules) == len(chain.rules):
                chains[chain.name] = replace(known, rules=chain.rules)
    return Ruleset(chains, ruleset.sets)


def selectUnclear(ruleset: Ruleset, tables: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """
    Yield those of the old iptables' tables that could not be read, or that forward ports, which the
    guard does not see.

    @param tables: each with the command that shows it.
    """
    for table, command in tables:
        name = ("ip6" if command.startswith("ip6") else "ip", f"{LEGACY}{table}")
        chains = [chain for chain in ruleset.chains.values() if chain.name[:2] == name]
        parts = (part for chain in chains for rule in chain.rules for part in rule)
        if not chains or any((part.get("xt") or {}).get("name") in _FORWARDING for part in parts):
            yield table, command


def readChains(saved: SavedTables) -> Iterator[Chain]:
    """Yield the chains; those with a rule that cannot be read are left out."""
    for table, lines in _splitTables(saved.text):
        name = f"{LEGACY if saved.isLegacy else ''}{table}"
        chains: dict[str, Chain] = {}
        for line in lines:
            if line.startswith(":"):
                chain, policy = line[1:].split()[:2]
                chains[chain] = _makeChain((saved.family, name, chain), table, policy)
            elif line.startswith("-A "):
                _readRule(line, chains, saved.family)
        yield from chains.values()


def _splitTables(text: str) -> Iterator[tuple[str, list[str]]]:
    for part in f"\n{text}".split("\n*")[1:]:
        table, *lines = part.splitlines()
        yield table.strip(), lines


def _readRule(line: str, chains: dict[str, Chain], family: str) -> None:
    name = line.split()[1]
    try:
        words = shlex.split(line)[2:]
        if name in chains:
            chains[name].rules.append(translateRule(words, family, chains))
    except _STRANGE:
        del chains[name]


def _makeChain(name: Name, table: str, policy: str) -> Chain:
    if name[2] not in HOOKS:
        return Chain(name, "", "", "accept", [])
    kind = "nat" if table == "nat" else "filter"
    return Chain(name, name[2].lower(), kind, policy.lower(), [], PRIORITIES.get(table, 0))
