"""The service: whether it runs, what it may read, whose code it runs, which file it has read."""

from pkdoors.config.changes import REFUSED, WOULD_REFUSE
from pkdoors.doctor import _setup
from pkdoors.doctor._daemon import (
    judgeRunning,
    reportNotAtBoot,
    reportOutdated,
    reportTrouble,
    reportUnread,
)
from pkdoors.doctor.facts import Facts
from pkdoors.doctor.judges.calling import Findings


def judgePrivilege(facts: Facts) -> Findings:
    """Report whether this process may see and change the firewall."""
    if facts.mayAdminister is not None:
        yield _setup.judgePrivilege(facts.mayAdminister)


def judgeDaemon(facts: Facts) -> Findings:
    """Report whether the daemon runs, also after a boot, and what it itself complains of."""
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


def judgeServiceFiles(facts: Facts) -> Findings:
    """Report files that the service must read and cannot."""
    if facts.isService:
        paths = [*facts.keyFiles, *facts.revokedFiles]
        files = [("configuration", facts.conf), *(("keys", path) for path in paths)]
        files += [("fleet", path) for path in facts.fleetFiles]
        for subject, path in files:
            if _cannotRead(facts, path):
                yield _setup.reportUnreadable(subject, path)
        for path in facts.fleetServiceFiles:
            if not facts.sources.mayFleetService("-r", path):
                yield _setup.reportUnreadable("fleet process", path)


def judgeCode(facts: Facts) -> Findings:
    """Report if anybody but root can change the code that the service runs."""
    if facts.isService:
        flaw = facts.sources.findCodeFlaw()
        yield _setup.judgeCode(*(flaw.why, flaw.remedy) if flaw else ("", ""))


def judgeFile(facts: Facts) -> Findings:
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
    elif not facts.config.admin and facts.isUnread:
        yield reportUnread(facts.daemon)


def _cannotRead(facts: Facts, path: str) -> bool:
    """Return whether the service cannot read a file that it must read."""
    return facts.isService and not facts.sources.mayService("-r", path)
