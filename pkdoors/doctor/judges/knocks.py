"""The knock ports: whether knocks reach the daemon, and what a scan of the ports shows."""

from collections.abc import Iterable

from pkdoors.doctor import _listeners, _tables, _zones
from pkdoors.doctor.facts import Facts
from pkdoors.doctor.judges.calling import Findings
from pkdoors.doctor.packetfilter import forwards

SCANNED = range(61_000, 65_536)
"""Where a free UDP port is looked for, to see what happens to datagrams to such a port."""


def judgeKnockPorts(facts: Facts) -> Findings:
    """Report knock ports that the daemon does not hear."""
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


def judgeKnocks(facts: Facts) -> Findings:
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


def judgeScans(facts: Facts) -> Findings:
    """Report what a scan of the ports shows."""
    if facts.captured is not None or not facts.knocks:
        yield _tables.HIDDEN
        return
    if facts.tables is not None and facts.sockets is not None and facts.areZonesKnown:
        taken = {*facts.knocks, *(socket.port for socket in facts.sockets["udp"])}
        free = next(port for port in SCANNED if port not in taken)
        yield _tables.judgeScans(facts.tables, free, facts.zones or ())
