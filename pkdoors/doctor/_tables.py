"""What the tables of the kernel's firewall do with the ports: the guard, and others. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from pkdoors.doctor.findings import ERROR, INFO, OK, WARNING, Finding
from pkdoors.doctor.packetfilter.openers import Opener, openerFor
from pkdoors.doctor.packetfilter.packets import Packet, newPacket, refusal, translated, untranslated
from pkdoors.doctor.packetfilter.ruleset import Name, Ruleset
from pkdoors.doctor.packetfilter.verdicts import Fate, fatesOf
from pkdoors.firewall.firewalld.zones import Zone
from pkdoors.firewall.guard.guard import HANDOVER, TABLE
from pkdoors.model.ports import PortRange

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


_GRACES = {(TABLE, f"grace{version}") for version in (4, 6)}


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


def isInGrace(tables: Tables, ports: PortRange) -> bool:
    """Return whether our own table will keep these ports closed when their grace is over: they are
    protected for the first time, and whoever uses them is spared."""
    sets = tables.ruleset.sets
    after = {name: [] if name[1:] in _GRACES else found for name, found in sets.items()}
    return isGuarded(Tables(Ruleset(tables.ruleset.chains, after), tables.versions), ports)


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
    tables: Tables, ports: PortRange, why: str, hooks: Iterable[str] = IN
) -> Iterator[Finding]:
    """
    Where other tables drop what is for a protected port.

    @param ports: its first and its last stand for all of a range.
    @param why: what follows from it.
    """
    for port in sorted({ports.first, ports.last}):
        for loss in _losses(tables, ports.protocol, [port], hooks):
            yield loss.finding(tables, ports.protocol, f"{port}/{ports.protocol}", "it", why)


def lostKnocks(tables: Tables, knocks: Sequence[int]) -> Iterator[Finding]:
    """
    Where other tables drop knocks: one finding for all ports with the same remedy.

    @param knocks: the knock ports, sorted.
    """
    why = "knocks do not reach pkdoors"
    for loss in _losses(tables, "udp", knocks, IN, isTracked=False):
        count = len(loss.ports)
        subject, what = f"{loss.ports[0]}/udp", "it"
        if count > 1:
            subject, what = "knock ports", f"datagrams to {count} of {len(knocks)} knock ports"
        yield loss.finding(tables, "udp", subject, what, why)


Chains = tuple[tuple[Name, tuple[int, ...]], ...]
"""Chains, each with the versions of IP of whose packets something becomes there."""


@dataclass(frozen=True, slots=True)
class _Loss:
    """
    Ports that chains drop.

    @ivar isSure: whether they do, or only may.
    """

    ports: list[int]
    isSure: bool
    opener: Opener
    chains: Chains

    def finding(self, tables: Tables, protocol: str, subject: str, what: str, why: str) -> Finding:
        """Return what is to be told of it."""
        versions = {version for _, each in self.chains for version in each}
        family = "" if versions == set(tables.versions) else f" over IPv{min(versions)}"
        verb = "may be" if not self.isSure else "is" if what == "it" else "are"
        chains = ", ".join(" ".join(name) for name, _ in self.chains)
        text = f"{what} {verb} dropped{family} by the firewall ({chains}): {why}"
        remedy = self.opener.remedy(self.ports, protocol)
        return Finding(ERROR if self.isSure else WARNING, subject, text, remedy)


def _losses(
    tables: Tables,
    protocol: str,
    ports: Iterable[int],
    hooks: Iterable[str],
    isTracked: bool = True,
) -> Iterator[_Loss]:
    found: dict[tuple[bool, Opener, Chains], list[int]] = {}
    for port in ports:
        # ufw has a table for each family, and one remedy for both.
        ways: dict[tuple[bool, Opener], dict[Name, list[int]]] = {}
        for version in tables.versions:
            packet = newPacket(protocol, port, version, isTracked)
            for fate in _fates(tables.others, packet, version, hooks):
                if fate.mayBeLost():
                    name, isSure = fate.chain.name, fate.isLost()
                    chains = ways.setdefault((isSure, openerFor(tables.others, name, isSure)), {})
                    chains.setdefault(name, []).append(version)
        for (isSure, opener), chains in ways.items():
            places = tuple((name, tuple(versions)) for name, versions in chains.items())
            found.setdefault((isSure, opener, places), []).append(port)
    for (isSure, opener, places), lostPorts in found.items():
        yield _Loss(lostPorts, isSure, opener, places)


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
