"""The protected ports: whether they are closed, who listens there, and what foreign rules do."""

from pkdoors.doctor import _listeners, _tables, _tracking, _zones
from pkdoors.doctor._guard import isGuardedForwards, isInGrace, judgeClosed, reportGrace
from pkdoors.doctor.facts import Facts
from pkdoors.doctor.judges.calling import Findings, collectFindings
from pkdoors.doctor.packetfilter import forwards
from pkdoors.doctor.packetfilter.verdicts import Fate
from pkdoors.model.ports import PortRange


def judgeProtected(facts: Facts) -> Findings:
    """Judge each protected port, port by port."""
    for ports in facts.ports:
        for judge in (_judgeClosed, _judgeListener, _judgeForeignRules):
            yield from collectFindings(judge, str(ports), facts, ports)


def _judgeClosed(facts: Facts, ports: PortRange) -> Findings:
    tables = facts.tables
    if tables is None or not facts.areZonesKnown or ports not in facts.isGuarded:
        return
    isGuarded = facts.isGuarded[ports]
    if not isGuarded and isInGrace(tables, ports):
        yield reportGrace(ports)
    elif ports not in facts.unguarded:
        hooks = facts.hooks(ports)
        isLost = _tables.isLost(tables, ports, hooks, Fate.isLostToMost)
        hasFriends = isLost and not _tables.isLost(tables, ports, hooks)
        isForwardGuarded = isGuarded and isGuardedForwards(tables, ports)
        yield judgeClosed(
            ports, isGuarded, isLost, facts.zones, facts.daemon, isForwardGuarded, hasFriends
        )
    if isGuarded and facts.zones and facts.usesFirewalld and not facts.startsAtBoot:
        yield from _zones.judgeExposure(ports, facts.zones)


def _judgeListener(facts: Facts, ports: PortRange) -> Findings:
    if facts.sockets is not None:
        isForwarded = facts.isForwarded.get(ports, False)
        yield _listeners.judgeListener(ports, facts.listening, isForwarded)


def _judgeForeignRules(facts: Facts, ports: PortRange) -> Findings:
    """Judge what other people's rules do with a protected port."""
    tables = facts.tables
    if tables is None:
        return
    yield from _tables.judgeDrops(
        tables,
        ports,
        "a knock opens nothing",
        facts.hooks(ports),
        facts.isKept,
        facts.isGuarded.get(ports, False),
    )
    isForwarded = facts.isForwarded.get(ports, False)
    yield from _tracking.judgeUntracked(
        tables.foreign, ports, tables.versions, facts.cut, isForwarded
    )
    yield from forwards.judgeRedirects(tables.foreign, ports, tables.versions, facts.isReachable)


def judgeOffloading(facts: Facts) -> Findings:
    """Report flow tables that carry packets past the guard."""
    tables = facts.tables
    if tables is not None and forwards.hasFlowtable(tables.foreign):
        for ports in facts.cut:
            yield from forwards.judgeOffloading(tables.foreign, ports, tables.versions)
