"""The rest of the host: the guard, connection tracking, other people's rules, and the fleet."""

from pkdoors.doctor import _guard, _setup, _tracking
from pkdoors.doctor.facts import Facts
from pkdoors.doctor.judges.calling import Findings
from pkdoors.doctor.packetfilter.iptables import selectUnclear
from pkdoors.doctor.packetfilter.savedrules import judgeSavedFiles


def judgeGuard(facts: Facts) -> Findings:
    """Judge the guard's table in the kernel."""
    return () if facts.guard is None else _guard.judgeGuard(facts.guard, facts.daemon)


def judgeNftablesService(facts: Facts) -> Findings:
    """Report if a restart of nftables.service removes the guard."""
    isOn = facts.sources.isOn("nftables.service")
    isRunning = facts.daemon.process is not None
    files = facts.sources.nftablesFiles()
    return _setup.judgeNftablesService(files, isOn, isRunning, facts.isOwned)


def judgeTracking(facts: Facts) -> Findings:
    """Report whether connection tracking has room."""
    tracked = facts.sources.proc.countTracked()
    if tracked is not None:
        yield _setup.judgeTracking(*tracked)


def judgeCookies(facts: Facts) -> Findings:
    """Report if the kernel begins connections for ACKs without a recent SYN."""
    return _tracking.judgeCookies(facts.sources.proc.readCookies(), facts.ports)


def judgeSaved(facts: Facts) -> Findings:
    """Report rules in other programs' files that open a port before the daemon runs."""
    return judgeSavedFiles(facts.sources.savedFiles())


def judgeLegacy(facts: Facts) -> Findings:
    """Report rules of the old iptables, which nftables does not show."""
    if facts.tables is None:
        return ()
    return _setup.judgeLegacy(selectUnclear(facts.tables.ruleset, facts.legacyTables))


def judgeFleet(facts: Facts) -> Findings:
    """Judge the fleet as this host sees it, if it belongs to one."""
    fleet, ask = facts.config.fleet, facts.sources.engine
    if fleet is None or ask is None:
        return ()
    from pkdoors.doctor.fleet.gathering import gatherFleet
    from pkdoors.doctor.fleet.judging import judgeFleet

    file = facts.fleetFiles[0]
    doors, sources = facts.config.doors, facts.sources
    return judgeFleet(
        gatherFleet(fleet, file, ask(fleet), doors, sources.operators, sources.isFleetOn)
    )
