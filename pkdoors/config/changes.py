"""What differs between two configurations, for people. Pure."""

from collections.abc import Iterator

from pkdoors.config.config import Config
from pkdoors.config.settings import DOOR_SETTINGS
from pkdoors.model.doors import Door

FIXED = ("firewall", "zone", "admin")
"""What cannot be changed while the daemon runs."""


def fixedChanges(before: Config, after: Config) -> list[str]:
    """Which of L{FIXED} differ."""
    return [name for name in FIXED if getattr(before, name) != getattr(after, name)]


def changesOf(before: Config, after: Config) -> list[str]:
    """What changed, half a sentence each. No value is told: one of them is a secret."""
    found = list(_doorChanges(before, after))
    found += [
        f"{name} changed"
        for name in ("interfaces", "audit")
        if getattr(before, name) != getattr(after, name)
    ]
    return found


def _doorChanges(before: Config, after: Config) -> Iterator[str]:
    old = {door.name: door for door in before.doors}
    new = {door.name: door for door in after.doors}
    yield from (f"door {door} is gone" for name, door in old.items() if name not in new)
    for name, door in new.items():
        if name not in old:
            yield f"door {door} is new"
        elif old[name] != door:
            yield f"door {door} changed: {', '.join(_keys(old[name], door))}"


def _keys(before: Door, after: Door) -> Iterator[str]:
    for each in DOOR_SETTINGS:
        if getattr(before, each.field) != getattr(after, each.field):
            yield each.key
