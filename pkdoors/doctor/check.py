"""C{pkdoors check}: finds what is wrong on this host, and changes nothing."""

from collections.abc import Callable, Iterable, Iterator

from pkdoors.config.changes import REFUSED, WOULD_REFUSE
from pkdoors.doctor import _listeners, _setup, _tables, _tracking, _trusted, _zones
from pkdoors.doctor._daemon import judgeRunning, reportNotAtBoot, reportOutdated, reportTrouble
from pkdoors.doctor._guard import (
    isGuardedForwards,
    isInGrace,
    judgeClosed,
    judgeGuard,
    judgeTrustedSets,
    reportGrace,
)
from pkdoors.doctor.facts import Facts
from pkdoors.doctor.findings import AS_ROOT, OK, Finding, fromFailure
from pkdoors.doctor.packetfilter import forwards
from pkdoors.doctor.packetfilter.iptables import selectUnclear
from pkdoors.doctor.packetfilter.savedrules import judgeSavedFiles
from pkdoors.doctor.packetfilter.verdicts import Fate
from pkdoors.model.ports import PortRange

Findings = Iterable[Finding]

SCANNED = range(61_000, 65_536)
"""Where a free UDP port is looked for, to see what happens to datagrams to such a port."""


def checkHost(facts: Facts) -> Iterator[Finding]:
    """Yield everything that is found, good and bad. That only root may look is one cause, however
    many judges have met it."""
    isTold = False
    for subject, judge in _JUDGES:
        for finding in _call(judge, subject, facts):
            if finding.remedy != AS_ROOT:
                yield finding
            elif not isTold:
                isTold = True
                yield finding


def _call(
    judge: Callable[..., Findings], subject: str, facts: Facts, *ports: PortRange
) -> Findings:
    """Return the findings of a judge, after those about facts that could not be read for it."""
    try:
        findings = list(judge(facts, *ports))
    except Exception as error:
        findings = [fromFailure(subject, error)]
    return [*facts.newFailures(), *findings]


def _judgeNotes(facts: Facts) -> Findings:
    return [Finding(OK, "configuration", note) for note in facts.config.notes]


def _judgePrivilege(facts: Facts) -> Findings:
    if facts.mayAdminister is not None:
        yield _setup.judgePrivilege(facts.mayAdminister)


def _judgeFirewall(facts: Facts) -> Findings:
    if facts.isFirewalldThere is not None or not facts.mayNeedFirewalld:
        yield _setup.judgeFirewall(facts.config, facts.isFirewalldThere)


def _judgeDaemon(facts: Facts) -> Findings:
    if facts.daemon.isKnown:
        yield judgeRunning(facts.daemon)
    # A service that has never run is to be tried first: `pkdoors keep` enables it then.
    if facts.startsAtBoot is False and facts.daemon.process is not None:
        yield reportNotAtBoot(facts.isOnTrial)
    unusable = [path for path in facts.keyFiles if not facts.keys.get(path, (0,))[0]]
    for trouble in facts.troubles:
        # The keys are judged below, with the remedy.
        if not any(path in trouble for path in unusable):
            yield reportTrouble(trouble, facts.daemon)


def _judgeSequences(facts: Facts) -> Findings:
    for door in facts.config.doors:
        # With a seal, the key is the secret, and the sequence only a filter.
        if not door.authorizedKeys:
            yield from _setup.judgeSequence(door)
            yield from _setup.judgePayload(door)


def _judgeTrusted(facts: Facts) -> Findings:
    doors = [door for door in facts.config.doors if door.trusted]
    if doors:
        interfaces = facts.sources.interfaces(), facts.sources.defaultInterfaces()
        for door in doors:
            yield from _trusted.judgeTrusted(door, *interfaces)
    if facts.tables is not None:
        yield from judgeTrustedSets(facts.tables, facts.config.doors, facts.daemon)


def _judgeKeys(facts: Facts) -> Findings:
    for path, keys in facts.keys.items():
        yield from _setup.judgeKeys(path, *keys, hasOthers=facts.hasOtherKeys(path))
    for path in _listRevokedFiles(facts):
        yield _setup.judgeRevoked(path, *facts.sources.revoked(path))
    for door in facts.config.doors:
        if door.grants() and facts.keys.keys() >= set(door.authorizedKeys):
            yield _setup.judgeGrants(door, sum(map(facts.sources.prefixed, door.authorizedKeys)))


def _listRevokedFiles(facts: Facts) -> list[str]:
    return sorted({door.revokedKeys for door in facts.config.doors} - {""})


def _judgeServiceFiles(facts: Facts) -> Findings:
    """Report files that the service must read and cannot."""
    if facts.isService:
        paths = [*facts.keyFiles, *_listRevokedFiles(facts)]
        files = [("configuration", facts.conf), *(("keys", path) for path in paths)]
        files += [("fleet", path) for path in facts.fleetFiles]
        for subject, path in files:
            if _cannotRead(facts, path):
                yield _setup.reportUnreadable(subject, path)
        for path in facts.fleetServiceFiles:
            if not facts.sources.mayFleetService("-r", path):
                yield _setup.reportUnreadable("fleet process", path)


def _cannotRead(facts: Facts, path: str) -> bool:
    """Return whether the service cannot read a file that it must read."""
    return facts.isService and not facts.sources.mayService("-r", path)


def _judgeCode(facts: Facts) -> Findings:
    if facts.isService:
        flaw = facts.sources.findCodeFlaw()
        yield _setup.judgeCode(*(flaw.why, flaw.remedy) if flaw else ("", ""))


def _judgeHooks(facts: Facts) -> Findings:
    for door in facts.config.doors:
        for key, command in door.hooks().items():
            program = command[0]
            trouble = facts.sources.explainNotRunnable(program)
            if not trouble and facts.isService and not facts.sources.mayService("-x", program):
                trouble = "may not be run by the service's user"
            flaw = facts.sources.findHookFlaw(command)
            if flaw is not None and not trouble:
                yield _setup.reportDistrusted(door, key, flaw.why, flaw.remedy)
            else:
                yield _setup.judgeHook(door, key, program, trouble)


def _judgeAudit(facts: Facts) -> Findings:
    path = facts.config.audit
    if path:
        yield _setup.judgeAudit(path, facts.sources.explainNotWritable(path))


def _judgeIPv6(facts: Facts) -> Findings:
    interfaces = facts.config.interfaces
    if not interfaces or any(":" in address for address in interfaces):
        yield _setup.judgeIPv6(facts.sources.proc.hasIPv6())


def _judgeAddresses(facts: Facts) -> Findings:
    for address in facts.config.interfaces:
        isReported = any(address in trouble for trouble in facts.troubles)
        if not isReported and not facts.sources.isThere(address):
            yield _listeners.reportMissing(address)


def _judgeTracking(facts: Facts) -> Findings:
    tracked = facts.sources.proc.countTracked()
    if tracked is not None:
        yield _setup.judgeTracking(*tracked)


def _judgeCookies(facts: Facts) -> Findings:
    return _tracking.judgeCookies(facts.sources.proc.readCookies(), facts.ports)


def _judgeSaved(facts: Facts) -> Findings:
    return judgeSavedFiles(facts.sources.savedFiles())


def _judgeFleet(facts: Facts) -> Findings:
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


def _judgeLegacy(facts: Facts) -> Findings:
    if facts.tables is None:
        return ()
    return _setup.judgeLegacy(selectUnclear(facts.tables.ruleset, facts.legacyTables))


def _judgeGuard(facts: Facts) -> Findings:
    return () if facts.guard is None else judgeGuard(facts.guard, facts.daemon)


def _judgeNftablesService(facts: Facts) -> Findings:
    isOn = facts.sources.isOn("nftables.service")
    isRunning = facts.daemon.process is not None
    files = facts.sources.nftablesFiles()
    return _setup.judgeNftablesService(files, isOn, isRunning, facts.isOwned)


def _judgeFile(facts: Facts) -> Findings:
    """Report once that a running daemon has not read the current file, and not for each port."""
    # The daemon itself knows better why it does not listen than that it has another sequence.
    deaf = () if facts.troubles else facts.deaf
    if any(trouble.startswith(REFUSED) for trouble in facts.troubles):
        return  # the cause is known
    pending = facts.pending
    if pending and pending[0].startswith(WOULD_REFUSE) and _cannotRead(facts, facts.conf):
        pending = ()  # likewise
    if deaf or facts.unguarded or pending:
        yield reportOutdated(facts.daemon, deaf, facts.unguarded, facts.knocks, pending)


def _judgeProtected(facts: Facts) -> Findings:
    """Return what is found about each protected port, port by port."""
    for ports in facts.ports:
        for judge in (_judgeClosed, _judgeListener, _judgeForeignRules):
            yield from _call(judge, str(ports), facts, ports)


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
    """Return what other people's rules do with a protected port."""
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


def _judgeOffloading(facts: Facts) -> Findings:
    tables = facts.tables
    if tables is not None and forwards.hasFlowtable(tables.foreign):
        for ports in facts.cut:
            yield from forwards.judgeOffloading(tables.foreign, ports, tables.versions)


def _judgeKnockPorts(facts: Facts) -> Findings:
    if not (facts.knocks or facts.tcpKnocks):
        yield _listeners.NONE_HERE
        return
    if facts.knockSockets is None:
        return
    udp, owners = facts.knockSockets
    if not facts.mayAdminister and any(socket.inode not in owners for socket in udp):
        raise PermissionError  # only root sees whose sockets these are
    if facts.captured is not None:
        if not facts.deaf:
            if facts.knocks:
                yield from _listeners.judgeCaptured(facts.knocks, udp, owners, facts.daemon)
            yield from _judgeTcpKnockPorts(facts)
        return
    yield from _listeners.judgeKnockPorts(
        facts.knocks, udp, owners, facts.daemon, facts.config.interfaces, bool(facts.deaf)
    )


def _judgeTcpKnockPorts(facts: Facts) -> Findings:
    if facts.tcpKnocks and facts.tcpKnockSockets is not None:
        yield from _listeners.judgeCaptured(
            facts.tcpKnocks, *facts.tcpKnockSockets, facts.daemon, "tcp"
        )


def _judgeKnocks(facts: Facts) -> Findings:
    """Report knocks that do not reach the daemon."""
    isCaptured = facts.captured is not None  # before nearly all firewalls
    if facts.tables is not None:
        yield from _tables.judgeKnockDrops(facts.tables, facts.knocks, isCaptured, facts.isKept)
        ports = {"udp": facts.knocks, "tcp": facts.tcpKnocks}
        ruleset, versions = facts.tables.foreign, facts.tables.versions
        yield from forwards.judgeForwardedKnocks(ruleset, ports, versions, isCaptured)
    if facts.zones is None:
        return
    if isCaptured:
        if not facts.usesFirewalld:
            yield from _judgeZonesBeside((), facts)
    elif facts.usesFirewalld:
        deaf = set(facts.deaf)
        heard = [port for port in facts.knocks if port not in deaf]
        yield from _zones.judgeKnockRules(heard, facts.zones, facts.daemon)
    else:
        yield from _judgeZonesBeside(facts.knocks, facts)


def _judgeZonesBeside(knocks: Iterable[int], facts: Facts) -> Findings:
    return _zones.judgeZonesBeside(
        knocks,
        facts.ports,
        facts.zones or (),
        facts.isKept,
        lambda ports: facts.isGuarded.get(ports, False),
    )


def _judgeScans(facts: Facts) -> Findings:
    if facts.captured is not None or not facts.knocks:
        yield _tables.HIDDEN
        return
    if facts.tables is not None and facts.sockets is not None and facts.areZonesKnown:
        taken = {*facts.knocks, *(socket.port for socket in facts.sockets["udp"])}
        free = next(port for port in SCANNED if port not in taken)
        yield _tables.judgeScans(facts.tables, free, facts.zones or ())


_JUDGES: tuple[tuple[str, Callable[[Facts], Findings]], ...] = (
    ("configuration", _judgeNotes),
    ("privilege", _judgePrivilege),
    ("firewall", _judgeFirewall),
    ("daemon", _judgeDaemon),
    ("sequence", _judgeSequences),
    ("trusted", _judgeTrusted),
    ("keys", _judgeKeys),
    ("service", _judgeServiceFiles),
    ("code", _judgeCode),
    ("hooks", _judgeHooks),
    ("audit", _judgeAudit),
    ("IPv6", _judgeIPv6),
    ("interfaces", _judgeAddresses),
    ("tracking", _judgeTracking),
    ("SYN cookies", _judgeCookies),
    ("saved rules", _judgeSaved),
    ("iptables", _judgeLegacy),
    ("guard", _judgeGuard),
    ("nftables.service", _judgeNftablesService),
    ("fleet", _judgeFleet),
    ("daemon", _judgeFile),
    ("protected ports", _judgeProtected),
    ("forwards", _judgeOffloading),
    ("knock ports", _judgeKnockPorts),
    ("knock ports", _judgeKnocks),
    ("scans", _judgeScans),
)
"""Each judge, and the subject of the finding if the judge itself fails."""
