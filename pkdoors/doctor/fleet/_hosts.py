"""The hosts of a fleet: which are up, how far they have read, and their clocks. Pure."""

from collections.abc import Iterable, Iterator

from pkdoors.adminclient.messages import formatLength
from pkdoors.doctor.findings import ERROR, INFO, OK, WARNING, Finding
from pkdoors.doctor.fleet.facts import UNIT, FleetFacts
from pkdoors.fleet.overview.statusview import CLOCK, nameHosts
from pkdoors.fleet.overview.survey import HostReport, Survey

_HOSTS = "fleet"


def judgeHosts(facts: FleetFacts, survey: Survey) -> Iterator[Finding]:
    """Yield what is found about the hosts."""
    up = [report for report in survey.hosts if report.presence is not None]
    for report in survey.hosts:
        if report.name != facts.fleet.host:
            yield from _judgeHost(report)
    yield from _judgeReading(facts, up)
    for report in up:
        yield from _judgeDoors(facts, report)
    versions = {report.presence.version for report in up if report.presence}
    if len(versions) > 1:
        text = f"the hosts have different versions of pkdoors: {', '.join(sorted(versions))}"
        yield Finding(INFO, _HOSTS, text, "update them one by one")
    if len(up) == len(survey.hosts):
        yield Finding(OK, _HOSTS, f"all {len(up)} hosts are up")


def _judgeHost(report: HostReport) -> Iterator[Finding]:
    """Judge another host."""
    presence = report.presence
    if report.trouble:
        text, _, remedy = report.trouble.partition(": ")
        yield Finding(WARNING, _HOSTS, f"{report.name}: {text}", remedy)
    elif presence is None:
        text = f"{report.name} has not reported for 30 s: it is down, or cannot reach the engine"
        remedy = (
            f"`systemctl status pkdoors {UNIT}` there; if it is gone for good, remove it from hosts"
        )
        yield Finding(WARNING, _HOSTS, text, remedy)
        return
    elif presence.troubles:
        text = f"{report.name}: {presence.troubles[0]}"
        yield Finding(WARNING, _HOSTS, text, "`pkdoors check` there")


def _judgeReading(facts: FleetFacts, up: Iterable[HostReport]) -> Iterator[Finding]:
    """Report streams that hosts do not read, or not fast enough."""
    for report in up:
        unread = report.unread()
        if unread:
            text = (
                f"{report.name} does not read what {nameHosts(unread)} hears: knocks there open "
                f"nothing on {report.name}"
            )
            remedy = f"add them to hosts in the fleet.toml of {report.name}, and reload there"
            yield Finding(WARNING, _HOSTS, text, remedy)
        behind = report.worst()
        if behind:
            text = (
                f"{report.name} is {formatLength(behind)} behind: knocks and orders open late there"
            )
            yield Finding(WARNING, _HOSTS, text, f"`journalctl -u {UNIT}` there")
        if report.presence is not None and report.presence.dropped:
            count = report.presence.dropped
            text = (
                f"{report.name} could not pass on {count:,} knock{'s' * (count != 1)} since its "
                "fleet process started, because too many waited for the engine"
            )
            yield Finding(INFO, _HOSTS, text, "nothing needs to be done, unless that goes on")


def _judgeDoors(facts: FleetFacts, report: HostReport) -> Iterator[Finding]:
    """Report a door that another host lacks: its knocks open nothing there."""
    if report.presence is None or report.name == facts.fleet.host:
        return
    lacking = [door for door in facts.doors if door not in report.presence.doors]
    if lacking:
        doors = ", ".join(lacking)
        text = f"{report.name} has no fleet door {doors}: knocks for it open nothing there"
        yield Finding(INFO, _HOSTS, text, f"if they must, add the door on {report.name}")


def judgeClocks(facts: FleetFacts, survey: Survey) -> Iterator[Finding]:
    """Yield which clocks are wrong."""
    most = facts.clockSkew or 60.0
    own = survey.own - survey.time
    wrong = {facts.fleet.host: own} if abs(own) > CLOCK else {}
    for report in survey.hosts:
        ahead = report.clockAhead(survey.time)
        if abs(ahead) > CLOCK and report.name != facts.fleet.host:
            wrong[report.name] = ahead
    for host, ahead in wrong.items():
        how = "ahead of" if ahead > 0 else "behind"
        text = f"the clock of {host} is {formatLength(abs(ahead))} or more {how} the engine's"
        harm = "its openings end too early" if ahead > 0 else "its openings end too late"
        if abs(ahead) > most / 2:
            harm += ", and it refuses knocks as too old or too new"
        level = ERROR if abs(ahead) > most / 2 else WARNING
        yield Finding(level, "clocks", f"{text}: {harm}", f"set up time synchronization on {host}")
    if not wrong:
        yield Finding(OK, "clocks", f"all differ by less than {CLOCK:g} s, as far as it shows")
