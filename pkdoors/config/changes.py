"""What differs between two configurations, for people. Pure."""

from collections.abc import Iterator
from dataclasses import replace

from pkdoors.config.config import Config
from pkdoors.config.settings import DAEMON_SETTINGS, DOOR_SETTINGS
from pkdoors.model.doors import Door

RESTART = "restart it, with `systemctl restart pkdoors` if it is a service"
"""The remedy if a setting cannot change while the daemon runs."""
NEEDS_RESTART = "which needs a restart"
"""How a change of such a setting ends."""
REFUSED = "the last reload was refused, so the configuration from before is in place"
WOULD_REFUSE = "a reload would be refused"
"""How the sentences about refused reloads begin; a colon and the reason follow."""


def findFixedChanges(before: Config, after: Config) -> list[str]:
    """Return the keys that differ although they cannot change while the daemon runs."""
    return [key for key, isFixed in _compareDaemon(before, after) if isFixed]


def describeChanges(before: Config, after: Config) -> list[str]:
    """Return what changed, half a sentence each. No value is shown: one of them is a secret."""
    found = list(_compareDoors(before, after))
    found += [f"{key} changed" for key, isFixed in _compareDaemon(before, after) if not isFixed]
    return found


def keepDoors(before: Config, after: Config) -> Config:
    """
    Return the second configuration with the door objects of the first, if they are equal: that
    takes less memory, and others see at once that nothing has changed.
    """
    old = {door.name: door for door in before.doors}
    doors = tuple(
        same if (same := old.get(door.name)) == door and same else door for door in after.doors
    )
    return replace(after, doors=doors)


def findNewDoors(before: Config, after: Config) -> list[Door]:
    """Return the doors that are new, or differ."""
    old = {door.name: door for door in before.doors}
    return [door for door in after.doors if old.get(door.name) != door]


def _compareDaemon(before: Config, after: Config) -> Iterator[tuple[str, bool]]:
    for setting in DAEMON_SETTINGS:
        # What only an option can set cannot change: the command line stays as it was.
        if setting.key and getattr(before, setting.field) != getattr(after, setting.field):
            yield setting.key, setting.isFixed
    if before.fleet != after.fleet:
        yield "the fleet's configuration", False


def _compareDoors(before: Config, after: Config) -> Iterator[str]:
    old = {door.name: door for door in before.doors}
    new = {door.name: door for door in after.doors}
    yield from (f"door {door} is gone" for name, door in old.items() if name not in new)
    for name, door in new.items():
        if name not in old:
            yield f"door {door} is new"
        elif old[name] != door:
            yield f"door {door} changed: {', '.join(_changedKeys(old[name], door))}"


def _changedKeys(before: Door, after: Door) -> Iterator[str]:
    for setting in DOOR_SETTINGS:
        if getattr(before, setting.field) != getattr(after, setting.field):
            yield setting.key
