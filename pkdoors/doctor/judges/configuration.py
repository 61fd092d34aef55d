"""What the configuration asks for: the doors, their keys and hooks, the audit file."""

from pkdoors.doctor import _listeners, _setup, _trusted
from pkdoors.doctor._guard import judgeTrustedSets
from pkdoors.doctor.facts import Facts
from pkdoors.doctor.findings import OK, Finding
from pkdoors.doctor.judges.calling import Findings


def judgeNotes(facts: Facts) -> Findings:
    """Report the notes that reading the configuration has left."""
    return [Finding(OK, "configuration", note) for note in facts.config.notes]


def judgeFirewall(facts: Facts) -> Findings:
    """Report if the firewall that the configuration names does not fit this host."""
    if facts.isFirewalldThere is not None or not facts.mayNeedFirewalld:
        yield _setup.judgeFirewall(facts.config, facts.isFirewalldThere)


def judgeSequences(facts: Facts) -> Findings:
    """Judge how hard the sequences of plain doors are to guess."""
    for door in facts.config.doors:
        # With a seal, the key is the secret, and the sequence only a filter.
        if not door.authorizedKeys:
            yield from _setup.judgeSequence(door)
            yield from _setup.judgePayload(door)


def judgeTrusted(facts: Facts) -> Findings:
    """Judge the networks that each door trusts, in the configuration and in the guard."""
    doors = [door for door in facts.config.doors if door.trusted]
    if doors:
        interfaces = facts.sources.interfaces(), facts.sources.defaultInterfaces()
        for door in doors:
            yield from _trusted.judgeTrusted(door, *interfaces)
    if facts.tables is not None:
        yield from judgeTrustedSets(facts.tables, facts.config.doors, facts.daemon)


def judgeKeys(facts: Facts) -> Findings:
    """Judge the files of keys, and of revoked ones, and what the keys may open."""
    for path, keys in facts.keys.items():
        yield from _setup.judgeKeys(path, *keys, hasOthers=facts.hasOtherKeys(path))
    for path in facts.revokedFiles:
        yield _setup.judgeRevoked(path, *facts.sources.revoked(path))
    for door in facts.config.doors:
        if door.grants() and facts.keys.keys() >= set(door.authorizedKeys):
            yield _setup.judgeGrants(door, sum(map(facts.sources.prefixed, door.authorizedKeys)))


def judgeHooks(facts: Facts) -> Findings:
    """Report hooks that cannot run, or that others than root can change."""
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


def judgeAudit(facts: Facts) -> Findings:
    """Report if the audit file cannot be written."""
    path = facts.config.audit
    if path:
        yield _setup.judgeAudit(path, facts.sources.explainNotWritable(path))


def judgeIPv6(facts: Facts) -> Findings:
    """Report if this host has no IPv6."""
    interfaces = facts.config.interfaces
    if not interfaces or any(":" in address for address in interfaces):
        yield _setup.judgeIPv6(facts.sources.proc.hasIPv6())


def judgeAddresses(facts: Facts) -> Findings:
    """Report knock addresses that this host does not have."""
    for address in facts.config.interfaces:
        isReported = any(address in trouble for trouble in facts.troubles)
        if not isReported and not facts.sources.isThere(address):
            yield _listeners.reportMissing(address)
