"""Which program runs for an event, with which variables, and whether it can."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pkdoors.events.event import CLOSED, GUESSING, OPENED, REFUSED, USED, Event, fields
from pkdoors.files.access import explainNotRunnable, findHookFlaw
from pkdoors.model.doors import Door
from pkdoors.util.oneline import oneLine

MAX_VALUE = 1024
"""Characters of a variable for a hook: knockers and comments of keys influence them."""
FIXED = {
    b"PATH": b"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    b"LANG": b"C.UTF-8",
}
"""The environment of a hook, beside the event. It gets nothing of the daemon's own environment: the
secret sequence may be in there."""

_KEYS = {
    OPENED: "on_open",
    **dict.fromkeys((CLOSED, USED), "on_close"),
    **dict.fromkeys((REFUSED, GUESSING), "on_refuse"),
}


@dataclass(frozen=True, slots=True)
class Hook:
    """
    A program to run.

    @ivar title: for people: what it is, and for which event.
    @ivar door: the name of its door.
    @ivar isRefusal: whether it reports a knock that opened nothing.
    """

    command: tuple[str, ...]
    title: str
    environment: Mapping[bytes, bytes]
    door: str
    isRefusal: bool


def findHook(event: Event) -> Hook | None:
    """Return the hook that an event's door has for it; L{None} if there is none."""
    door = event.door
    if door is None:
        return None
    key = _KEYS.get(event.kind, "")
    command = door.hooks().get(key)
    if command is None:
        return None
    source = f" for {event.source}" if event.source else ""
    title = f"{key} of door {door.name}{source} ({command[0]})"
    return Hook(command, title, makeEnvironment(event), door.name, key == "on_refuse")


def checkHooks(doors: Iterable[Door]) -> list[str]:
    """Return why hooks of doors cannot run now, or must not, a sentence for each hook."""
    reasons: dict[tuple[str, ...], str] = {}  # many doors may have the same hook
    troubles = []
    for door in doors:
        for key, command in door.hooks().items():
            if command not in reasons:
                reasons[command] = _checkHook(command)
            if reasons[command]:
                troubles.append(f"{key} of door {door.name} {reasons[command]}")
    return troubles


def _checkHook(command: Sequence[str]) -> str:
    """Return why a hook cannot run, or must not, as the end of a sentence; empty if it can."""
    if trouble := explainNotRunnable(command[0]):
        return f"cannot be run: {command[0]} {trouble}"
    flaw = findHookFlaw(command)
    return f"is not run, because others decide what it does: {flaw}" if flaw else ""


def makeEnvironment(event: Event) -> dict[bytes, bytes]:
    """Return an event as variables: C{PKDOORS_} and the keys of L{fields}, in capitals."""
    values = fields(event) | {
        "ports": ",".join(map(str, event.door.ports if event.door else ())),
        "seconds": round(event.seconds),  # shells have no fractions
    }
    own = {
        f"PKDOORS_{key.upper()}".encode(): oneLine(str(value), MAX_VALUE).encode()
        for key, value in values.items()
    }
    return FIXED | own
