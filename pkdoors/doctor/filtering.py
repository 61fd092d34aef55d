"""What the tables of the kernel's firewall do with the ports: the guard, and others. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

from pkdoors.doctor.findings import ERROR, INFO, OK, WARNING, Finding
from pkdoors.doctor.packets import Packet, newPacket, refusal, translated, untranslated
from pkdoors.doctor.ruleset import Name, Ruleset
from pkdoors.doctor.verdicts import Fate, fatesOf
from pkdoors.doctor.zoning import Zone
from pkdoors.guard import HANDOVER, TABLE
from pkdoors.ports import PortRange

MAX_SAMPLES = 256
"""Ports of a range that are looked at: a guard has all of a range, or nothing of it."""
IN = ("prerouting", "input")
"""The hooks that packets to this host pass."""
_BEHIND_DNAT = ("input", "forward")

_QUIET = """an input chain with policy drop, or
`nft 'table inet quiet { chain out { type filter hook output priority 0; oif lo accept;
icmp type destination-unreachable icmp code 3 drop;
icmpv6 type destination-unreachable icmpv6 code 4 drop; }; }'`"""


_OURS = (TABLE, HANDOVER)


@dataclass(frozen=True)
class Tables:
    """
    All tables of the kernel.

    @ivar versions: 4, and 6 where this host has IPv6.
    """

    ruleset: Ruleset
    versions: tuple[int, ...] = (4, 6)

    @cached_property
    def guard(self) -> Ruleset:
        """Our own tables: while one replaces the other, a drop in either counts."""
        return self.ruleset.only(lambda table: table in _OURS)

    @cached_property
    def foreign(self) -> Ruleset:
        """What is not ours."""
        return self.ruleset.only(lambda table: table not in _OURS)

    @cached_property
    def others(self) -> Ruleset:
        """What is neither ours nor firewalld's: its zones tell of that."""
        return self.foreign.only(lambda table: not table.startswith("firewalld"))


def isGuarded(tables: Tables, ports: PortRange) -> bool:
    """Return whether our own table keeps all of these ports closed to clients that connect to
    them directly."""
    return all(
        _isDropped(tables, untranslated(newPacket(ports.protocol, port, version)), version, IN)
        for port in _samples(ports)
        for version in tables.versions
    )


def isGuardedForwards(tables: Tables, ports: PortRange) -> bool:
    """Return whether our own table keeps them closed where DNAT leads elsewhere, too."""
    protocol = ports.protocol
    for port in _samples(ports):
        for version in tables.versions:
            # A guard of the version before drops packets before DNAT.
            first = untranslated(newPacket(protocol, port, version))
            after = translated(protocol, port, version)
            if not _isDropped(tables, first, version, IN[:1]) and not all(
                _isDropped(tables, after, version, [hook]) for hook in _BEHIND_DNAT
            ):
                return False
    return True


def _samples(ports: PortRange) -> Iterable[int]:
    step = max(1, (ports.last - ports.first) // MAX_SAMPLES)
    return {*range(ports.first, ports.last, step), ports.last}


def _isDropped(tables: Tables, packet: Packet, version: int, hooks: Iterable[str]) -> bool:
    fates = _fates(tables.guard, packet, version, hooks)
    return any(fate.verdict in ("drop", "reject") and not fate.mayBeAccepted() for fate in fates)


def lost(
    tables: Tables,
    ports: PortRange,
    why: str,
    hooks: Iterable[str] = IN,
    isTracked: bool = True,
) -> Iterator[Finding]:
    """
    Where other tables drop what is for a port.

    @param ports: its first and its last stand for all of a range.
    @param why: what follows from it.
    @param isTracked: see L{newPacket}.
    """
    others = tables.others
    found: dict[tuple[int, bool, str], dict[Name, list[int]]] = {}
    for version in tables.versions:
        for port in sorted({ports.first, ports.last}):
            packet = newPacket(ports.protocol, port, version, isTracked)
            for fate in _fates(others, packet, version, hooks):
                if fate.mayBeLost():
                    name, isSure = fate.chain.name, fate.isLost()
                    remedy = _opening(others, name, port, ports.protocol, isSure)
                    # ufw has a table for each family, and one remedy for both.
                    chains = found.setdefault((port, isSure, remedy), {})
                    chains.setdefault(name, []).append(version)
    for (port, isSure, remedy), chains in found.items():
        versions = {version for each in chains.values() for version in each}
        family = "" if versions == set(tables.versions) else f" over IPv{versions.pop()}"
        dropped = f"{'is' if isSure else 'may be'} dropped{family}"
        text = f"it {dropped} by the firewall ({', '.join(map(' '.join, chains))}): {why}"
        yield Finding(ERROR if isSure else WARNING, f"{port}/{ports.protocol}", text, remedy)


def isLost(tables: Tables, ports: PortRange, hooks: Iterable[str] = IN) -> bool:
    """Whether other tables drop all that is for a port, over IPv4 and IPv6."""
    others = tables.others
    return all(
        any(fate.isLost() for fate in _fates(others, packet, version, hooks))
        for version in tables.versions
        for port in {ports.first, ports.last}
        for packet in [newPacket(ports.protocol, port, version)]
    )


def _fates(ruleset: Ruleset, packet: Packet, version: int, hooks: Iterable[str]) -> Iterator[Fate]:
    for hook in hooks:
        yield from fatesOf(ruleset, packet, version, hook)


def _opening(ruleset: Ruleset, name: Name, port: int, protocol: str, isSure: bool) -> str:
    """How to have a chain let a port in, with the program that has made it."""
    family, table, chain = name
    if any(each[:2] == name[:2] and each[2].startswith("ufw") for each in ruleset.chains):
        return f"`ufw allow {port}/{protocol}`"
    if not isSure:
        return f"see whether it lets the port in: `nft list chain {' '.join(name)}`"
    if (table, chain) == ("filter", "INPUT"):
        program = "ip6tables" if family == "ip6" else "iptables"
        return f"`{program} -I INPUT -p {protocol} --dport {port} -j ACCEPT`, and have that saved"
    command = f"nft insert rule {' '.join(name)} {protocol} dport {port} accept"
    return f"`{command}`, and the same in the file that it comes from"


def silence(tables: Tables, port: int, zones: Iterable[Zone]) -> Finding:
    """
    Whether this host is silent where nobody listens, so that a scan does not tell knock ports.

    @param port: a UDP port that nobody has.
    @param zones: firewalld's, if it runs.
    """
    others, targets = tables.others, {zone.name: zone.target for zone in zones}
    isLoud = any(not _isSilent(others, port, version) for version in tables.versions)
    loudZones = [name for name, target in targets.items() if target != "DROP"]
    if not isLoud or (targets and not loudZones):
        return Finding(OK, "scans", "who scans the UDP ports cannot tell the knock ports")
    text = "other UDP ports are rejected, so that a scan finds the knock ports by their silence"
    if not loudZones:
        return Finding(INFO, "scans", text, _QUIET)
    command = f"firewall-cmd --permanent --zone={loudZones[0]} --set-target=DROP"
    text = f"firewalld's zone {loudZones[0]} rejects other UDP ports, {text.partition(', ')[2]}"
    return Finding(INFO, "scans", text, f"`{command} && firewall-cmd --reload`")


def _isSilent(ruleset: Ruleset, port: int, version: int) -> bool:
    comes = _fates(ruleset, newPacket("udp", port, version), version, IN)
    goes = _fates(ruleset, refusal(version), version, ["output"])
    return any(fate.verdict == "drop" for fate in (*comes, *goes))
