"""What other people's tables in the kernel's firewall do with packets to the ports. Pure."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from pkdoors.doctor._daemon import NOT_BEFORE
from pkdoors.doctor.findings import ERROR, INFO, OK, WARNING, Finding
from pkdoors.doctor.packetfilter.openers import Opener, findOpener
from pkdoors.doctor.packetfilter.packets import Packet, newPacket, newRefusal
from pkdoors.doctor.packetfilter.ruleset import Name, Ruleset
from pkdoors.doctor.packetfilter.verdicts import Fate, findFilterFates
from pkdoors.firewall.firewalld.zones import Zone
from pkdoors.firewall.guard.capture import PLACE
from pkdoors.firewall.guard.guard import HANDOVER, TABLE
from pkdoors.model.ports import PortRange

IN = ("prerouting", "input")
"""The hooks that packets to this host pass, after C{ingress}."""

_QUIET = """add an input chain with policy drop, or
`nft 'table inet quiet { chain out { type filter hook output priority 0; oif lo accept;
icmp type destination-unreachable icmp code 3 drop;
icmpv6 type destination-unreachable icmpv6 code 4 drop; }; }'`"""
_TRAP = (
    ". Its rule for them accepts only tracked packets (state NEW), and the guard takes knocks out "
    "of connection tracking"
)
_REVEALS = "so a scan finds the knock ports by their silence"
_OURS = (TABLE, HANDOVER)


@dataclass(frozen=True)
class Tables:
    """
    All tables of the kernel.

    @ivar versions: 4, and 6 if this host has IPv6.
    """

    ruleset: Ruleset
    versions: tuple[int, ...] = (4, 6)

    @cached_property
    def guard(self) -> Ruleset:
        """Our own tables: while one replaces the other, a drop in either counts."""
        return self.ruleset.only(lambda table: table in _OURS)

    @cached_property
    def foreign(self) -> Ruleset:
        """The tables that are not ours."""
        return self.ruleset.only(lambda table: table not in _OURS)

    @cached_property
    def others(self) -> Ruleset:
        """The tables that are neither ours nor firewalld's, which is judged by its zones."""
        return self.foreign.only(lambda table: not table.startswith("firewalld"))


def findFates(
    ruleset: Ruleset, packet: Packet, version: int, hooks: Iterable[str]
) -> Iterator[Fate]:
    """Yield what the chains at some hooks do with a packet."""
    for hook in hooks:
        yield from findFilterFates(ruleset, packet, version, hook)


def judgeDrops(
    tables: Tables,
    ports: PortRange,
    effect: str,
    hooks: Iterable[str] = IN,
    isKept: bool = True,
    isGuarded: bool = True,
) -> Iterator[Finding]:
    """
    Report other tables that drop packets to a protected port.

    @param ports: its first and its last stand for all of a range.
    @param effect: what follows from it.
    @param isKept: see L{_Drop.report}, and C{isGuarded}.
    """
    for port in sorted({ports.first, ports.last}):
        for drop in _findDrops(tables, ports.protocol, [port], hooks):
            subject = f"{port}/{ports.protocol}"
            yield drop.report(tables, ports.protocol, subject, "it", effect, isKept, isGuarded)


def judgeKnockDrops(
    tables: Tables,
    knocks: Sequence[int],
    isCaptured: bool = False,
    isKept: bool = True,
) -> Iterator[Finding]:
    """
    Report other tables that drop knocks: one finding for all ports with the same remedy.

    @param knocks: the knock ports, sorted.
    @param isCaptured: whether the guard hears them, so that only chains before it matter.
    @param isKept: see L{_Drop.report}.
    """
    effect = "knocks do not reach pkdoors"
    if isCaptured:
        first = tables.ruleset.first(*PLACE)
        tables, effect = Tables(first, tables.versions), "pkdoors does not hear them"
    for drop in _findDrops(tables, "udp", knocks, IN, isTracked=False):
        count = len(drop.ports)
        subject, what = f"{drop.ports[0]}/udp", "it"
        if count > 1:
            subject, what = "knock ports", f"datagrams to {count} of {len(knocks)} knock ports"
        yield drop.report(tables, "udp", subject, what, effect, isKept)


Chains = tuple[tuple[Name, tuple[int, ...]], ...]
"""Chains, each with the versions of IP whose packets it drops."""


@dataclass(frozen=True, slots=True)
class _Drop:
    """
    Ports whose packets some chains drop.

    @ivar isTrap: whether they would come through if they were tracked.
    @ivar hasFriends: whether a rule lets packets from single addresses in.
    """

    ports: list[int]
    opener: Opener
    chains: Chains
    isTrap: bool
    hasFriends: bool

    def report(
        self,
        tables: Tables,
        protocol: str,
        subject: str,
        what: str,
        effect: str,
        isKept: bool = True,
        isGuarded: bool = True,
    ) -> Finding:
        """
        Return the finding about it.

        @param isKept: whether the guard stays.
        @param isGuarded: whether it keeps closed what the remedy opens.
        """
        versions = {version for _, found in self.chains for version in found}
        family = "" if versions == set(tables.versions) else f" over IPv{min(versions)}"
        isSure = self.opener.isSure
        verb = "drops" if isSure else "may drop"
        chains = ", ".join(" ".join(name) for name, _ in self.chains)
        friends = ", except from the addresses that its rules name" if self.hasFriends else ""
        text = f"the firewall {verb} {what}{family}{friends} ({chains}): {effect}"
        if self.isTrap:
            text += _TRAP
        families = {name[0] for name, _ in self.chains}
        remedy = self.opener.remedy(self.ports, protocol, families, isKept)
        if isSure and not isGuarded:
            remedy = f"{NOT_BEFORE}: {remedy}"
        return Finding(ERROR if isSure else WARNING, subject, text, remedy)


def _findDrops(
    tables: Tables,
    protocol: str,
    ports: Iterable[int],
    hooks: Iterable[str],
    isTracked: bool = True,
) -> Iterator[_Drop]:
    # The administrator wants one command for all ports, not a finding for each.
    found: dict[tuple[Opener, Chains, bool, bool], list[int]] = {}
    for port in ports:
        # ufw and iptables have a table for each family, and one remedy for both.
        dropping: dict[Opener, dict[Name, list[int]]] = {}
        traps: set[Opener] = set()
        partial: set[Opener] = set()
        for version in tables.versions:
            packet = newPacket(protocol, port, version, isTracked)
            for fate in findFates(tables.others, packet, version, ("ingress", *hooks)):
                if fate.mayBeLost():
                    name = fate.chain.name
                    # A chain at ingress is for one of the interfaces.
                    isSure = fate.isLostToStrangers() and fate.chain.hook != "ingress"
                    opener = findOpener(tables.others, name, isSure)
                    dropping.setdefault(opener, {}).setdefault(name, []).append(version)
                    if isSure and not fate.isLost():
                        partial.add(opener)
                    if not isTracked and isSure and _passes(tables, protocol, port, fate, version):
                        traps.add(opener)
        for opener, chains in dropping.items():
            places = tuple((name, tuple(versions)) for name, versions in chains.items())
            key = opener, places, opener in traps, opener in partial
            found.setdefault(key, []).append(port)
    for (opener, places, isTrap, hasFriends), droppedPorts in found.items():
        yield _Drop(droppedPorts, opener, places, isTrap, hasFriends)


def _passes(tables: Tables, protocol: str, port: int, lost: Fate, version: int) -> bool:
    """Return whether a chain that drops untracked packets to a port lets tracked ones in."""
    fates = findFates(tables.others, newPacket(protocol, port, version), version, [lost.chain.hook])
    return any(fate.chain.name == lost.chain.name and not fate.mayBeLost() for fate in fates)


def isLost(
    tables: Tables,
    ports: PortRange,
    hooks: Iterable[str] = IN,
    isMeant: Callable[[Fate], bool] = Fate.isLost,
) -> bool:
    """
    Return whether other tables drop all packets to a port, over IPv4 and IPv6.

    @param isMeant: returns whether a fate counts as a drop.
    """
    return all(
        any(isMeant(fate) for fate in findFates(tables.others, packet, version, hooks))
        for version in tables.versions
        for port in {ports.first, ports.last}
        for packet in [newPacket(ports.protocol, port, version)]
    )


HIDDEN = Finding(OK, "scans", "a scan of the UDP ports does not reveal the knock ports")


def judgeScans(tables: Tables, port: int, zones: Iterable[Zone]) -> Finding:
    """
    Return whether free ports of this host are silent, so that a scan does not reveal the knock
    ports.

    @param port: a free UDP port.
    @param zones: firewalld's, if it runs.
    """
    others, targets = tables.others, {zone.name: zone.target for zone in zones}
    isLoud = any(not _isSilent(others, port, version) for version in tables.versions)
    loudZones = [name for name, target in targets.items() if target != "DROP"]
    if not isLoud or (targets and not loudZones):
        return HIDDEN
    if not loudZones:
        text = f"this host rejects datagrams to other UDP ports, {_REVEALS}"
        return Finding(INFO, "scans", text, _QUIET)
    command = f"firewall-cmd --permanent --zone={loudZones[0]} --set-target=DROP"
    text = f"firewalld's zone {loudZones[0]} rejects datagrams to other UDP ports, {_REVEALS}"
    return Finding(INFO, "scans", text, f"`{command} && firewall-cmd --reload`")


def _isSilent(ruleset: Ruleset, port: int, version: int) -> bool:
    incoming = findFates(ruleset, newPacket("udp", port, version), version, IN)
    outgoing = findFates(ruleset, newRefusal(version), version, ["output"])
    return any(fate.verdict == "drop" for fate in (*incoming, *outgoing))
