"""
The guard: who owns its table, where the table comes from, and whether it keeps ports closed. Pure.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pkdoors.doctor._daemon import Daemon
from pkdoors.doctor._tables import IN, Tables, findFates
from pkdoors.doctor.findings import ERROR, INFO, OK, WARNING, Finding
from pkdoors.doctor.packetfilter.packets import Packet, newPacket, newTranslated, withoutDNAT
from pkdoors.doctor.packetfilter.ruleset import Ruleset
from pkdoors.firewall.firewalld.zones import Zone
from pkdoors.firewall.guard.guard import HANDOVER, TABLE
from pkdoors.firewall.guard.trusted import isTrustedSet, nameTrusted, spellTrusted, trustedSets
from pkdoors.model.doors import Door
from pkdoors.model.ports import PortRange

MAX_SAMPLES = 256
"""Ports of a range that are looked at: a guard has all of a range, or nothing of it."""
_BEHIND_DNAT = ("input", "forward")
"""The hooks that packets pass after DNAT."""
_GRACES = {(TABLE, f"grace{version}") for version in (4, 6)}
_UNTRUSTED = frozenset({"an interface that no door trusts"})
_SUBJECT = "guard"


@dataclass(frozen=True, slots=True)
class GuardState:
    """
    What the kernel reports about our table.

    @ivar isThere: whether there is a table with our name.
    @ivar isOurs: whether it is a guard of this version.
    @ivar isOfThisBoot: whether its openings were granted in this boot, and in this very table.
    @ivar isOwned: whether a living process owns it.
    @ivar isLasting: whether it has or had an owner, and outlives that.
    @ivar canBeOwned: whether kernel and nft can give it an owner.
    @ivar captured: the knock ports whose datagrams it writes into the kernel's packet log; L{None}
        if it does not do that.
    @ivar isHandingOver: whether the table that guards during a replacement is there, and stays.
    """

    isThere: bool = True
    isOurs: bool = True
    isOfThisBoot: bool = True
    isOwned: bool = False
    isLasting: bool = False
    canBeOwned: bool = False
    isHandingOver: bool = False
    captured: frozenset[int] | None = None


def judgeGuard(state: GuardState, daemon: Daemon) -> Iterator[Finding]:
    """Report who can take the guard away, and what is wrong with it as a whole. Whether it keeps
    each port closed is another question; see L{judgeClosed}."""
    restart = f"restart the daemon: {daemon.restart()}"
    if state.isThere and not state.isOurs:
        text = f"another version of pkdoors, or another program, made the table inet {TABLE}"
        yield Finding(WARNING, _SUBJECT, text, restart)
    elif state.isThere and not state.isOfThisBoot:
        text = (
            f"the table inet {TABLE} was loaded from a saved ruleset: clients whose openings were "
            "saved with it can get in"
        )
        yield Finding(ERROR, _SUBJECT, text, restart)
    elif state.isThere:
        yield _judgeOwner(state, daemon)
    if state.isHandingOver:
        yield _reportLeftBehind(state, daemon)


def _judgeOwner(state: GuardState, daemon: Daemon) -> Finding:
    if daemon.process is None:
        return _judgeWithoutDaemon(state, daemon)
    if state.isOwned:
        text = "the daemon owns its table: no other program can flush or change it"
        return Finding(OK, _SUBJECT, text)
    risk = (
        "a flush of nftables by another program opens the protected ports for some milliseconds, "
        "until the daemon puts the guard back"
    )
    if state.isLasting or state.canBeOwned:
        text = f"the running daemon does not own its table, although it could: {risk}"
        return Finding(WARNING, _SUBJECT, text, f"restart the daemon: {daemon.restart()}")
    remedy = "to prevent that, use Linux 6.9 and nft 1.1, or later"
    return Finding(INFO, _SUBJECT, risk, remedy)


def _judgeWithoutDaemon(state: GuardState, daemon: Daemon) -> Finding:
    if state.isOwned:
        text = f"a process that is not the daemon owns the table inet {TABLE}"
        remedy = f"end it (`nft list table inet {TABLE}` names it), then {daemon.remedy()}"
        return Finding(WARNING, _SUBJECT, text, remedy)
    text = (
        "the daemon has ended and left its guard: the protected ports stay closed only until a "
        "program flushes nftables"
    )
    return Finding(WARNING, _SUBJECT, text, daemon.remedy())


def _reportLeftBehind(state: GuardState, daemon: Daemon) -> Finding:
    text = (
        f"a daemon ended while it replaced its guard, and left the table inet {HANDOVER}: it keeps "
        "ports closed that the daemon opens"
    )
    command = f"`nft delete table inet {HANDOVER}`"
    remedy = command if state.isThere and state.isOurs else daemon.remedy()
    return Finding(WARNING, _SUBJECT, text, remedy)


def isGuarded(tables: Tables, ports: PortRange) -> bool:
    """Return whether our own table keeps all of these ports closed to clients that connect to
    them directly, and are not trusted."""
    return all(
        _isDropped(tables, withoutDNAT(newPacket(ports.protocol, port, version)), version, IN)
        for port in _pickSamples(ports)
        for version in tables.versions
    )


def isGuardedForwards(tables: Tables, ports: PortRange) -> bool:
    """Return whether our own table keeps them closed even if DNAT sends packets elsewhere."""
    protocol = ports.protocol
    for port in _pickSamples(ports):
        for version in tables.versions:
            # The previous version's guard drops packets before DNAT.
            before = withoutDNAT(newPacket(protocol, port, version))
            after = newTranslated(protocol, port, version)
            if not _isDropped(tables, before, version, IN[:1]) and not all(
                _isDropped(tables, after, version, [hook]) for hook in _BEHIND_DNAT
            ):
                return False
    return True


def judgeTrustedSets(tables: Tables, doors: Iterable[Door], daemon: Daemon) -> Iterator[Finding]:
    """Report that the guard trusts others than the configuration does: somebody changed that
    without a reload."""
    ruleset = tables.guard
    present = {
        nameTrusted(name, str(element["concat"][0]))
        for (_, table, name), elements in ruleset.sets.items()
        if table == TABLE and isTrustedSet(name)
        for element in elements
        if isinstance(element, dict) and element.get("concat")
    }
    wanted = {
        nameTrusted(name, spellTrusted(name, key))
        for name, trusted in trustedSets(doors).items()
        for key in trusted.keys
    }
    still, notYet = ", ".join(sorted(present - wanted)), ", ".join(sorted(wanted - present))
    if still:
        text = f"the guard still trusts {still}, which the configuration does not"
        yield Finding(ERROR, "trusted", text, daemon.remedy())
    if notYet and (TABLE in {table for _, table, _ in ruleset.chains}):
        text = f"the guard does not trust {notYet} yet"
        yield Finding(WARNING, "trusted", text, daemon.remedy())


def isInGrace(tables: Tables, ports: PortRange) -> bool:
    """Return whether our own table will keep these ports closed when their grace is over: they are
    protected for the first time, and the guard still spares their users."""
    sets = tables.ruleset.sets
    after = {name: [] if name[1:] in _GRACES else found for name, found in sets.items()}
    return isGuarded(Tables(Ruleset(tables.ruleset.chains, after), tables.versions), ports)


def _pickSamples(ports: PortRange) -> Iterable[int]:
    step = max(1, (ports.last - ports.first) // MAX_SAMPLES)
    return {*range(ports.first, ports.last, step), ports.last}


def _isDropped(tables: Tables, packet: Packet, version: int, hooks: Iterable[str]) -> bool:
    facts = {**packet.facts, "meta iifname": _UNTRUSTED}
    fates = findFates(tables.guard, Packet(facts, packet.headers), version, hooks)
    return any(fate.verdict in ("drop", "reject") and not fate.mayBeAccepted() for fate in fates)


def judgeClosed(
    ports: PortRange,
    isGuarded: bool,
    isLost: bool,
    zones: Iterable[Zone] | None,
    daemon: Daemon,
    isForwardGuarded: bool = True,
    hasFriends: bool = False,
) -> Finding:
    """
    Return what keeps protected ports closed.

    @param isGuarded: whether the guard does.
    @param isForwardGuarded: whether the guard does so behind DNAT, too.
    @param isLost: whether other tables do.
    @param hasFriends: whether these let in some addresses.
    @param zones: firewalld's; L{None} if it does not run.
    """
    if isGuarded:
        if isForwardGuarded:
            return Finding(OK, str(ports), "the guard keeps it closed")
        text = (
            "the guard lacks rules: it does not close the port to connections that port forwarding "
            "(DNAT) sends elsewhere"
        )
        return Finding(ERROR, str(ports), text, f"restart the daemon: {daemon.restart()}")
    level, text = _judgeOpen(ports, zones)
    if isLost:
        friends = ", except from some addresses" if hasFriends else ""
        level = WARNING
        text = f"only other tables keep it closed{friends}: the guard does not cover it"
    return Finding(level, str(ports), text, daemon.remedy())


def reportGrace(ports: PortRange) -> Finding:
    """Report a UDP port that is protected for the first time."""
    text = (
        "everybody can still reach it until udp_grace is over: it is protected for the first time, "
        "and this host did not track who uses it"
    )
    remedy = 'wait; to avoid this, set udp_grace = "0" before the first start'
    return Finding(WARNING, str(ports), text, remedy)


def _judgeOpen(ports: PortRange, zones: Iterable[Zone] | None) -> tuple[str, str]:
    """Return level and text for a port that the guard does not keep closed."""
    if zones is None:
        return ERROR, "everybody can reach it: the guard is missing, or does not cover it"
    for zone in zones:
        for exposure in zone.exposing(ports):
            place = f"firewalld's zone {zone.name} ({exposure.what})"
            return ERROR, f"everybody can reach it in {place}, and the guard does not cover it"
    text = "only firewalld keeps it closed, and only if it is not forwarded: no guard covers it"
    return WARNING, text
