"""Who is in where, on all hosts together. Pure."""

from dataclasses import dataclass

from pkdoors.admin.records import OpeningRecord
from pkdoors.fleet.overview.survey import Survey


@dataclass(frozen=True, slots=True)
class SharedOpening:
    """
    Who is in where: an opening, and the hosts that have it.

    @ivar left: the seconds that it has left, on the host on which it lasts longest.
    @ivar hosts: those that have it.
    @ivar lacking: the hosts that are up and have such a door, but not the opening.
    """

    opening: OpeningRecord
    left: float
    hosts: tuple[str, ...]
    lacking: tuple[str, ...]


def mergeOpenings(survey: Survey) -> list[SharedOpening]:
    """Return the openings of all hosts, sorted by deadline; those of several hosts are one."""
    found: dict[tuple[str, str], list[tuple[str, OpeningRecord]]] = {}
    doors: dict[str, list[str]] = {}
    for report in survey.hosts:
        if report.presence is None:
            continue
        for door in report.presence.doors:
            doors.setdefault(door, []).append(report.name)
        for opening in report.presence.openings:
            found.setdefault((opening.door, opening.source), []).append((report.name, opening))
    merged = []
    for (door, _), pairs in found.items():
        longest = max((opening for _, opening in pairs), key=lambda each: each.until)
        left = longest.until.timestamp() - survey.time
        if left > 0:
            hosts = tuple(dict.fromkeys(host for host, _ in pairs))
            lacking = tuple(host for host in doors.get(door, ()) if host not in hosts)
            merged.append(SharedOpening(longest, left, hosts, lacking))
    return sorted(merged, key=lambda each: each.left)
