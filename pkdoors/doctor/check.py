"""C{pkdoors check}: finds what is wrong on this host, and changes nothing."""

from collections.abc import Callable, Iterator

from pkdoors.doctor.facts import Facts
from pkdoors.doctor.findings import AS_ROOT, Finding
from pkdoors.doctor.judges import configuration, host, knocks, protected, service
from pkdoors.doctor.judges.calling import Findings, collectFindings


def checkHost(facts: Facts) -> Iterator[Finding]:
    """
    Yield all findings, good and bad. That only root may look is reported once, however many judges
    need root.
    """
    isTold = False
    for subject, judge in _JUDGES:
        for finding in collectFindings(judge, subject, facts):
            if finding.remedy != AS_ROOT:
                yield finding
            elif not isTold:
                isTold = True
                yield finding


_JUDGES: tuple[tuple[str, Callable[[Facts], Findings]], ...] = (
    ("configuration", configuration.judgeNotes),
    ("privilege", service.judgePrivilege),
    ("firewall", configuration.judgeFirewall),
    ("daemon", service.judgeDaemon),
    ("sequence", configuration.judgeSequences),
    ("trusted", configuration.judgeTrusted),
    ("keys", configuration.judgeKeys),
    ("service", service.judgeServiceFiles),
    ("code", service.judgeCode),
    ("hooks", configuration.judgeHooks),
    ("audit", configuration.judgeAudit),
    ("IPv6", configuration.judgeIPv6),
    ("interfaces", configuration.judgeAddresses),
    ("tracking", host.judgeTracking),
    ("SYN cookies", host.judgeCookies),
    ("saved rules", host.judgeSaved),
    ("iptables", host.judgeLegacy),
    ("guard", host.judgeGuard),
    ("nftables.service", host.judgeNftablesService),
    ("fleet", host.judgeFleet),
    ("daemon", service.judgeFile),
    ("protected ports", protected.judgeProtected),
    ("forwards", protected.judgeOffloading),
    ("knock ports", knocks.judgeKnockPorts),
    ("knock ports", knocks.judgeKnocks),
    ("scans", knocks.judgeScans),
)
"""Each judge, and the subject of the finding if the judge itself fails."""
