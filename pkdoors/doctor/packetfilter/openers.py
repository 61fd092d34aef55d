"""Commands that have other people's firewalls let ports in. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from shlex import quote

from pkdoors.doctor.packetfilter.ruleset import Name, Ruleset

_MANY = 15
"""Ports in one rule of iptables, and so of ufw."""


@dataclass(frozen=True, slots=True)
class Opener:
    """
    A program, and where its rule belongs.

    @ivar tool: C{"ufw"}, C{"iptables"} or C{"nft"}; empty if the operator has to look first.
    @ivar chain: the chain that drops; for ufw, which has one for each family, C{None}.
    """

    tool: str
    chain: Name | None

    def remedy(self, ports: Sequence[int], protocol: str) -> str:
        """Return how to let ports in, with a command for as many as it can take."""
        if self.tool == "ufw":
            spans = (",".join(map(str, each)) for each in _portions(ports))
            return "\n".join(f"`ufw allow {span}/{protocol}`" for span in spans)
        family, table, name = self.chain or ("", "", "")
        where = f"{family} {table} {name}"
        if not self.tool:
            return f"see whether it lets them in: `nft list chain {where}`"
        if self.tool == "nft":
            span = str(ports[0]) if len(ports) == 1 else f"{{ {', '.join(map(str, ports))} }}"
            rule = f"insert rule {where} {protocol} dport {span} accept"
            command = rule if len(ports) == 1 else quote(rule)
            return f"`nft {command}`, and the same in the file that it comes from"
        program = "ip6tables" if family == "ip6" else "iptables"
        commands = (
            f"`{program} -I INPUT -p {protocol} {_iptablesMatch(each)} -j ACCEPT`"
            for each in _portions(ports)
        )
        return "\n".join(commands) + ", and have that saved"


def openerFor(ruleset: Ruleset, chain: Name, isSure: bool) -> Opener:
    """
    Return the program that has made a chain.

    @param isSure: whether it drops for certain: else somebody must look first.
    """
    if any(each[:2] == chain[:2] and each[2].startswith("ufw") for each in ruleset.chains):
        return Opener("ufw", None)
    if not isSure:
        return Opener("", chain)
    return Opener("iptables" if chain[1:] == ("filter", "INPUT") else "nft", chain)


def _portions(ports: Sequence[int]) -> Iterator[list[int]]:
    rest = iter(ports)
    while portion := list(islice(rest, _MANY)):
        yield portion


def _iptablesMatch(ports: Sequence[int]) -> str:
    if len(ports) == 1:
        return f"--dport {ports[0]}"
    return f"-m multiport --dports {','.join(map(str, ports))}"
