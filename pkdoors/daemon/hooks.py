"""Programs of the operator's that are told of what happens at a door."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger

from pkdoors.daemon._hookprocess import HookRun
from pkdoors.daemon.component import Component
from pkdoors.events.event import CLOSED, GUESSING, OPENED, REFUSED, Event, fields
from pkdoors.files.access import explainNotRunnable, findHookFlaw
from pkdoors.files.trust import Flaw
from pkdoors.model.doors import Door
from pkdoors.util.oneline import oneLine

MAX_AT_ONCE = 16
"""Hooks that run at a time: a flood of refusals must not fill the host with processes."""
MAX_WAITING = 256
"""Hooks that wait for their turn; more would tell of what is long over."""
MAX_VALUE = 1024
"""Characters of a variable for a hook: knockers and keys' comments have a say in them."""
COUNT_EVERY = 10.0
"""Seconds between two lines about hooks that were left out."""
PATIENCE = 3.0
"""Seconds that hooks may still run when the daemon stops; systemd waits 90."""

# setsid(1), of util-linux or busybox: Twisted can start no program in a session of its own. It
# becomes the program, so that the reactor never waits for that to be loaded, from wherever.
SETSID = "setsid"
FIXED = {
    b"PATH": b"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    b"LANG": b"C.UTF-8",
}
"""What a hook finds beside the event. Of the daemon's own environment it gets nothing: the secret
sequence may be in there."""

_KEYS = {OPENED: "on_open", CLOSED: "on_close", REFUSED: "on_refuse", GUESSING: "on_refuse"}


@dataclass(frozen=True, slots=True)
class Hook:
    """
    What is to be run.

    @ivar title: for people, what it is and for which event.
    """

    command: tuple[str, ...]
    title: str
    environment: Mapping[bytes, bytes]


def hookFor(event: Event) -> Hook | None:
    """The hook that the event's door has for it; L{None} where there is none."""
    door = event.door
    if door is None:
        return None
    key = _KEYS.get(event.kind, "")
    command = door.hooks().get(key)
    if command is None:
        return None
    whom = f" for {event.source}" if event.source else ""
    title = f"{key} of door {door.name}{whom} ({command[0]})"
    return Hook(command, title, environmentOf(event))


def unfitHooks(door: Door) -> list[str]:
    """The hooks of a door that cannot be run as things are, or may not, a sentence each."""
    return [each for key, command in door.hooks().items() for each in _unfit(door, key, command)]


def _unfit(door: Door, key: str, command: Sequence[str]) -> Iterator[str]:
    trouble = explainNotRunnable(command[0])
    if trouble:
        yield f"{key} of door {door.name} cannot be run: {command[0]} {trouble}"
    elif flaw := findHookFlaw(command):
        yield f"{key} of door {door.name} is not run, others decide what it does: {flaw}"


def environmentOf(event: Event) -> dict[bytes, bytes]:
    """The event as variables: C{PKDOORS_} and the keys of L{fields}, in capitals."""
    values = fields(event) | {
        "ports": ",".join(map(str, event.door.ports if event.door else ())),
        "seconds": round(event.seconds),  # shells cannot count otherwise
    }
    own = {
        f"PKDOORS_{key.upper()}".encode(): oneLine(str(value), MAX_VALUE).encode()
        for key, value in values.items()
    }
    return FIXED | own


class Hooks(Component):
    """
    Runs them beside each other, so many and so long; what comes of it changes nothing.

    @param reactor: starts processes, and has a clock.
    @param findFlaw: see L{findHookFlaw}; it is asked right before each run.
    """

    _log = Logger()

    def __init__(
        self, reactor: Any, findFlaw: Callable[[Sequence[str]], Flaw | None] = findHookFlaw
    ) -> None:
        self._reactor = reactor
        self._findFlaw = findFlaw
        # What was last said of a command that others decide about; bounded by the doors.
        self._distrusted: dict[tuple[str, ...], Flaw] = {}
        self._waiting: deque[Hook] = deque()
        self._runs: dict[HookRun, Hook] = {}
        self._leftOut = 0
        self._turn: IDelayedCall | None = None
        self._count: IDelayedCall | None = None
        self._isStopping = False
        self._end: IDelayedCall | None = None
        self._idle: Deferred[None] = Deferred()

    def hear(self, event: Event) -> None:
        """Run what the event's door has for it, as soon as there is room."""
        hook = hookFor(event)
        if hook is None or self._isStopping:
            return
        if len(self._waiting) >= MAX_WAITING:
            self._leaveOut()
            return
        self._waiting.append(hook)
        self._next()

    def examine(self, doors: Iterable[Door]) -> list[str]:
        """
        Look whether the programs of doors can be run; what cannot is a warning.

        @return: the same, a sentence each.
        """
        troubles = [each for door in doors for each in unfitHooks(door)]
        for trouble in troubles:
            self._log.warn("{trouble}", trouble=trouble)
        return troubles

    def stop(self) -> Deferred[None]:
        """See L{Component.stop}. Run no more; wait a little for those that run, and end them."""
        self._isStopping = True
        self._end = self._reactor.callLater(PATIENCE, self._endAll)
        self._rest()
        return self._idle

    def _next(self) -> None:
        """Start one in a turn of the reactor: that takes some milliseconds, and knocks go first."""
        isThere = self._turn is not None and self._turn.active()
        if self._waiting and len(self._runs) < MAX_AT_ONCE and not isThere:
            self._turn = self._reactor.callLater(0, self._startNext)

    def _startNext(self) -> None:
        self._start(self._waiting.popleft())
        self._next()
        self._rest()

    def _start(self, hook: Hook) -> None:
        if self._isDistrusted(hook):
            return
        run = HookRun(self._reactor)
        command = (SETSID, *hook.command)
        try:
            self._reactor.spawnProcess(run, SETSID, command, hook.environment)
        except OSError as error:
            self._complain(hook, f"cannot be run: {error.strerror}")
            return
        self._runs[run] = hook
        run.ended.addCallback(partial(self._ended, run))

    def _isDistrusted(self, hook: Hook) -> bool:
        """Whether others decide what it does. Said once, until that changes."""
        flaw = self._findFlaw(hook.command)
        if flaw is None:
            self._distrusted.pop(hook.command, None)
            return False
        if self._distrusted.get(hook.command) != flaw:
            self._distrusted[hook.command] = flaw
            self._log.error(
                "{hook} was not run, and is not until this is mended, because others decide what "
                "it does: {flaw}",
                hook=hook.title,
                flaw=flaw,
            )
        return True

    def _ended(self, run: HookRun, trouble: str) -> None:
        hook = self._runs.pop(run, None)
        if hook is None:  # it was given up
            return
        if trouble:
            self._complain(hook, trouble)
        elif said := run.said():
            self._log.debug("{hook} said: {said}", hook=hook.title, said=said)
        self._next()
        self._rest()

    def _rest(self) -> None:
        isDone = self._isStopping and not self._runs and not self._waiting
        if isDone and not self._idle.called:
            self._finish()

    def _endAll(self) -> None:
        for run, hook in self._runs.items():
            self._complain(hook, "was not done when the daemon stopped, and was ended")
            run.kill()
        for hook in self._waiting:
            self._complain(hook, "was left out, for the daemon stops")
        self._runs.clear()
        self._waiting.clear()
        self._finish()

    def _finish(self) -> None:
        for call in (self._turn, self._end, self._count):
            if call is not None and call.active():
                call.cancel()
        self._tellLeftOut()
        self._idle.callback(None)

    def _complain(self, hook: Hook, trouble: str) -> None:
        self._log.warn("{hook} {trouble}", hook=hook.title, trouble=trouble)

    def _leaveOut(self) -> None:
        self._leftOut += 1
        if self._count is None or not self._count.active():
            self._count = self._reactor.callLater(COUNT_EVERY, self._tellLeftOut)

    def _tellLeftOut(self) -> None:
        if self._leftOut:
            self._log.warn(
                "hooks that were left out, since {most} were waiting already: {count}",
                most=MAX_WAITING,
                count=self._leftOut,
            )
        self._leftOut = 0
