"""Commands that let ports in through other people's firewalls, in the tool that made them. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from shlex import quote

from pkdoors.doctor.packetfilter.iptables import HOOKS, LEGACY, PRIORITIES
from pkdoors.doctor.packetfilter.ruleset import Name, Ruleset
from pkdoors.host.iptables import PROGRAMS

_TAKE_BACK = "; ufw saves that at once: if you do not keep pkdoors, take it back"
_MANY = 15
"""The most ports that one rule of iptables, and so of ufw, can have."""


@dataclass(frozen=True, slots=True)
class Opener:
    """
    The program that manages a firewall, and the place for its rule.

    @ivar tool: C{"ufw"}, C{"iptables"} or C{"nft"}.
    @ivar chain: the chain that drops; without its family for iptables, which has one chain for
        each; L{None} for ufw.
    @ivar isSure: whether the chain drops for certain; if not, the operator must look first.
    """

    tool: str
    chain: Name | None
    isSure: bool = True

    def remedy(
        self,
        ports: Sequence[int],
        protocol: str,
        families: Iterable[str] = (),
        isKept: bool = True,
    ) -> str:
        """
        Return how to let ports in: a command for as many ports as one command can take.

        @param families: those of the chains that drop, for iptables.
        @param isKept: whether the guard stays. If it may be gone soon, no rule must outlive it.
        """
        if self.chain is None:
            spans = (",".join(map(str, portion)) for portion in _splitPorts(ports))
            command = _quoteAll(f"ufw allow {span}/{protocol}" for span in spans)
            return f"{command}{'' if isKept else _TAKE_BACK}"
        chains = [self.chain]
        if self.tool == "iptables":
            chains = [(family, *self.chain[1:]) for family in sorted(families)]
        if not self.isSure:
            return f"check if it lets them in: {_quoteAll(map(showChain, chains))}"
        if self.tool == "nft":
            span = str(ports[0]) if len(ports) == 1 else f"{{ {', '.join(map(str, ports))} }}"
            rule = f"insert rule {' '.join(self.chain)} {protocol} dport {span} accept"
            command = rule if len(ports) == 1 else quote(rule)
            lasting = "add the rule to the file that the chain comes from"
            return f"`nft {command}`{_makeLast(lasting, isKept)}"
        commands = (
            f"{_makeProgram(chain)} -I {chain[2]} -p {protocol} {_makeMatch(portion)} -j ACCEPT"
            for chain in chains
            for portion in _splitPorts(ports)
        )
        return f"{_quoteAll(commands)}{_makeLast('save the rules', isKept)}"


def findOpener(ruleset: Ruleset, chain: Name, isSure: bool) -> Opener:
    """
    Return the program that made a chain.

    @param isSure: see L{Opener}.
    """
    if any(name[:2] == chain[:2] and name[2].startswith("ufw") for name in ruleset.chains):
        return Opener("ufw", None)
    if _isOfIptables(chain):
        return Opener("iptables", ("", *chain[1:]), isSure)
    return Opener("nft", chain, isSure)


def _makeLast(command: str, isKept: bool) -> str:
    """Return how a rule comes back at the next boot."""
    return f", and {command}" if isKept else f"; {command} only once you keep pkdoors"


def showChain(chain: Name) -> str:
    """Return the command that shows a chain, or its table, in the tool that made it."""
    if _isOfIptables(chain):
        return f"{_makeProgram(chain)} -S {chain[2]}"
    return f"nft list chain {' '.join(chain)}"


def _isOfIptables(chain: Name) -> bool:
    family, table, name = chain
    return family in PROGRAMS and table.removeprefix(LEGACY) in PRIORITIES and name in HOOKS


def _makeProgram(chain: Name) -> str:
    """Return iptables, with the option for its table."""
    family, table, _ = chain
    name = table.removeprefix(LEGACY)
    program = PROGRAMS[family] + ("-legacy" if table != name else "")
    return program if name == "filter" else f"{program} -t {name}"


def _quoteAll(commands: Iterable[str]) -> str:
    """Return several commands as one."""
    return f"`{' && '.join(commands)}`"


def _splitPorts(ports: Sequence[int]) -> Iterator[list[int]]:
    rest = iter(ports)
    while portion := list(islice(rest, _MANY)):
        yield portion


def _makeMatch(ports: Sequence[int]) -> str:
    if len(ports) == 1:
        return f"--dport {ports[0]}"
    return f"-m multiport --dports {','.join(map(str, ports))}"
