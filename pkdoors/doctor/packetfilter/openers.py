"""Commands that let ports in through other people's firewalls. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from shlex import quote

from pkdoors.doctor.packetfilter.ruleset import Name, Ruleset

_MANY = 15
"""The most ports that one rule of iptables, and so of ufw, can have."""


@dataclass(frozen=True, slots=True)
class Opener:
    """
    The program that manages a firewall, and the place for its rule.

    @ivar tool: C{"ufw"}, C{"iptables"} or C{"nft"}; empty if the operator must look first.
    @ivar chain: the chain that drops; C{None} for ufw, which has one for each family.
    """

    tool: str
    chain: Name | None

    def remedy(self, ports: Sequence[int], protocol: str) -> str:
        """Return how to let ports in: a command for as many ports as one command can take."""
        if self.tool == "ufw":
            spans = (",".join(map(str, portion)) for portion in _splitPorts(ports))
            return "\n".join(f"`ufw allow {span}/{protocol}`" for span in spans)
        family, table, name = self.chain or ("", "", "")
        where = f"{family} {table} {name}"
        if not self.tool:
            return f"check if it lets them in: `nft list chain {where}`"
        if self.tool == "nft":
            span = str(ports[0]) if len(ports) == 1 else f"{{ {', '.join(map(str, ports))} }}"
            rule = f"insert rule {where} {protocol} dport {span} accept"
            command = rule if len(ports) == 1 else quote(rule)
            return f"`nft {command}`, and add the rule to the file that the chain comes from"
        program = "ip6tables" if family == "ip6" else "iptables"
        commands = (
            f"`{program} -I INPUT -p {protocol} {_makeIptablesMatch(portion)} -j ACCEPT`"
            for portion in _splitPorts(ports)
        )
        return "\n".join(commands) + ", and save the rules"


def findOpener(ruleset: Ruleset, chain: Name, isSure: bool) -> Opener:
    """
    Return the program that made a chain.

    @param isSure: whether the chain drops for certain; if not, somebody must look first.
    """
    if any(name[:2] == chain[:2] and name[2].startswith("ufw") for name in ruleset.chains):
        return Opener("ufw", None)
    if not isSure:
        return Opener("", chain)
    return Opener("iptables" if chain[1:] == ("filter", "INPUT") else "nft", chain)


def _splitPorts(ports: Sequence[int]) -> Iterator[list[int]]:
    rest = iter(ports)
    while portion := list(islice(rest, _MANY)):
        yield portion


def _makeIptablesMatch(ports: Sequence[int]) -> str:
    if len(ports) == 1:
        return f"--dport {ports[0]}"
    return f"-m multiport --dports {','.join(map(str, ports))}"
