"""Which ports are forwarded, by the kernel's firewall. Pure."""

from functools import partial

from pkdoors.doctor.matching import Match, judge
from pkdoors.doctor.packets import Packet, nameOf
from pkdoors.doctor.ruleset import Chain, Expression, Ruleset

_TARGETS = {"DNAT", "REDIRECT"}


def isForwarded(ruleset: Ruleset, packet: Packet, version: int) -> bool:
    """
    Whether the port of a packet is forwarded to another, as Docker publishes ports: nobody on this
    host need listen on it.
    """
    hooked = ruleset.hooked("prerouting", version)
    tables = {chain.name[:2] for chain in hooked if chain.kind == "nat"}
    return any(
        _forwards(rule, ruleset, chain, packet)
        for chain in ruleset.chains.values()
        if chain.name[:2] in tables
        for rule in chain.rules
    )


def _forwards(rule: list[Expression], ruleset: Ruleset, chain: Chain, packet: Packet) -> bool:
    """A rule that has a port: one without would be for whole addresses."""
    if not any(map(_isTarget, rule)) or not any(map(_hasPort, rule)):
        return False
    elements = partial(ruleset.elements, chain.name)
    return all(judge(part, packet, elements) is not Match.NO for part in rule)


def _isTarget(part: Expression) -> bool:
    xt = part.get("xt")
    return "dnat" in part or "redirect" in part or (xt or {}).get("name") in _TARGETS


def _hasPort(part: Expression) -> bool:
    return "match" in part and nameOf(part["match"]["left"]).endswith(" dport")
