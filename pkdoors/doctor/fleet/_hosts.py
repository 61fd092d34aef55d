"""The hosts of a fleet: which are up, how far they have read, and their clocks. Pure."""

from collections.abc import Iterator, Sequence

from pkdoors.config.config import FLEET_NAME
from pkdoors.doctor.findings import ERROR, INFO, OK, WARNING, Finding
from pkdoors.doctor.fleet.facts import UNIT, FleetFacts
from pkdoors.fleet.overview.sentences import (
    CLOCK,
    describeClock,
    describeDown,
    describeDropped,
    describeUnread,
    nameHosts,
)
from pkdoors.fleet.overview.survey import HostReport, Survey
from pkdoors.util.durations import formatDuration, formatLength

_HOSTS = "fleet"


def judgeHosts(facts: FleetFacts, survey: Survey) -> Iterator[Finding]:
    """Yield what is found about the hosts."""
    up = [report for report in survey.hosts if report.presence is not None]
    others = [report for report in survey.hosts if report.name != facts.fleet.host]
    for report in others:
        yield from _judgeHost(report)
    yield from _judgeReading(up)
    for report in up:
        yield from _judgeSpeed(report)
    yield from _judgeUnknown(facts, up)
    for report in others:
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
        remedy = (
            f"`systemctl status pkdoors {UNIT}` there; if it is gone for good, remove it from "
            f"hosts in {FLEET_NAME}"
        )
        yield Finding(WARNING, _HOSTS, describeDown(report.name), remedy)
    elif presence.troubles:
        text = f"{report.name}: {presence.troubles[0]}"
        yield Finding(WARNING, _HOSTS, text, "`pkdoors check` there")


def _judgeReading(up: Sequence[HostReport]) -> Iterator[Finding]:
    """Report streams that nobody reads, or that some hosts do not read."""
    readers = {report.name: {*report.log} - {*report.unread()} for report in up}
    alone = [
        host for host in readers if len(up) > 1 and not any(map({host}.issubset, readers.values()))
    ]
    for host in alone:
        text = f"nobody reads the stream of {host}: knocks at {host} open nothing elsewhere"
        yield Finding(WARNING, _HOSTS, text, f"add {host} to hosts in fleet.toml on the others")
    for report in up:
        if unread := [host for host in report.unread() if host not in alone]:
            text = describeUnread(report.name, unread)
            remedy = f"add {nameHosts(unread)} to hosts in fleet.toml on {report.name}"
            yield Finding(WARNING, _HOSTS, text, remedy)


def _judgeSpeed(report: HostReport) -> Iterator[Finding]:
    """Report a host that is too slow, or was."""
    if behind := report.worst():
        text = (
            f"{report.name} is {formatLength(behind)} behind: knocks and orders arrive late there"
        )
        yield Finding(WARNING, _HOSTS, text, f"`journalctl -u {UNIT}` there")
    if report.presence is not None and report.presence.dropped:
        text = describeDropped(report.name, report.presence.dropped)
        yield Finding(INFO, _HOSTS, text, "nothing needs to be done, unless that goes on")


def _judgeUnknown(facts: FleetFacts, up: Sequence[HostReport]) -> Iterator[Finding]:
    """Report hosts that others read, and this one does not know."""
    found = {host for report in up if report.presence for host in report.presence.hosts}
    if unknown := sorted(found - {*facts.fleet.hosts}):
        text = f"other hosts read the streams of {nameHosts(unknown)}, and this one does not"
        yield Finding(
            WARNING, _HOSTS, text, f"add what belongs to the fleet to hosts in {facts.file}"
        )


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
        harm = "its openings end too early" if ahead > 0 else "its openings end too late"
        if abs(ahead) > most / 2:
            harm += ", and it refuses knocks as too old or too new"
        level = ERROR if abs(ahead) > most / 2 else WARNING
        yield Finding(
            level,
            "clocks",
            f"{describeClock(host, ahead)}: {harm}",
            f"set up time synchronization on {host}",
        )
    if not wrong:
        yield Finding(
            OK, "clocks", f"as far as the hosts report, all agree within {formatDuration(CLOCK)}"
        )
