"""Runs hooks."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger

from pkdoors.daemon.component import Component
from pkdoors.daemon.hooks._process import HookRun
from pkdoors.daemon.hooks._waiting import MAX_WAITING, WaitingHooks
from pkdoors.daemon.hooks.hook import Hook, checkHooks, findHook
from pkdoors.events.counters import HOOK_FAILED, HOOK_LEFT_OUT, HOOK_OK
from pkdoors.events.event import Event
from pkdoors.files.access import findHookFlaw
from pkdoors.files.trust import Flaw
from pkdoors.model.doors import Door

MAX_AT_ONCE = 16
"""Hooks that run at the same time: a flood of refusals must not fill the host with processes."""
MAX_REFUSALS = 8
"""Hooks for refusals that run at the same time. Anybody can cause refusals, and for a door without
ports the other hooks are all that it does."""
COUNT_EVERY = 10.0
"""Seconds between two lines about hooks that were left out."""
STOP_TIMEOUT = 3.0
"""Seconds that hooks may still run when the daemon stops; systemd waits 90."""

# setsid(1), of util-linux or busybox: Twisted cannot start a program in a session of its own. It
# becomes the program, so the reactor never waits until that is loaded, from whichever disk.
SETSID = "setsid"


class Hooks(Component):
    """
    Runs hooks at the same time, with a limit to their number and their time. Their success changes
    nothing.

    @param reactor: starts processes, and has a clock.
    @param findFlaw: see L{findHookFlaw}; called right before each run.
    @param count: called with the result of each hook, one of C{HOOK_RESULTS}.
    """

    _log = Logger()

    def __init__(
        self,
        reactor: Any,
        findFlaw: Callable[[Sequence[str]], Flaw | None] = findHookFlaw,
        count: Callable[[str], None] = lambda result: None,
    ) -> None:
        self._reactor = reactor
        self._countResult = count
        self._findFlaw = findFlaw
        # The last complaint about each command that others decide about; bounded by the doors.
        self._distrusted: dict[tuple[str, ...], Flaw] = {}
        self._waiting = WaitingHooks()
        self._runs: dict[HookRun, Hook] = {}
        self._leftOut = 0
        self._turn: IDelayedCall | None = None
        self._count: IDelayedCall | None = None
        self._isStopping = False
        self._end: IDelayedCall | None = None
        self._idle: Deferred[None] = Deferred()

    def hear(self, event: Event) -> None:
        """Run the hook that an event's door has for it, as soon as there is room."""
        hook = findHook(event)
        if hook is None or self._isStopping:
            return
        if self._waiting.add(hook):
            self._next()
        else:
            self._leaveOut()

    def examine(self, doors: Iterable[Door]) -> list[str]:
        """
        Check whether the hooks of doors can run, and warn of those that cannot.

        @return: the warnings, a sentence for each.
        """
        troubles = checkHooks(doors)
        for trouble in troubles:
            self._log.warn("{trouble}", trouble=trouble)
        return troubles

    def stop(self) -> Deferred[None]:
        """
        See L{Component.stop}. Start no more, wait a little for those that run, then kill them.
        """
        self._isStopping = True
        self._end = self._reactor.callLater(STOP_TIMEOUT, self._endAll)
        self._finishIfIdle()
        return self._idle

    def _next(self) -> None:
        """
        Start one in a later turn of the reactor: it takes some milliseconds, and knocks go first.
        """
        isScheduled = self._turn is not None and self._turn.active()
        if self._canStart() and not isScheduled:
            self._turn = self._reactor.callLater(0, self._startNext)

    def _canStart(self) -> bool:
        refusals = sum(hook.isRefusal for hook in self._runs.values())
        return len(self._runs) < MAX_AT_ONCE and self._waiting.has(refusals < MAX_REFUSALS)

    def _startNext(self) -> None:
        self._start(self._waiting.take())
        self._next()
        self._finishIfIdle()

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
        """Return whether others decide what a hook does, and log that once, until it changes."""
        flaw = self._findFlaw(hook.command)
        if flaw is None:
            self._distrusted.pop(hook.command, None)
            return False
        if self._distrusted.get(hook.command) != flaw:
            self._distrusted[hook.command] = flaw
            self._log.error(
                "{hook} was not run, and will not be until you fix this, because others decide "
                "what it does: {flaw}",
                hook=hook.title,
                flaw=flaw,
            )
        return True

    def _ended(self, run: HookRun, trouble: str) -> None:
        hook = self._runs.pop(run, None)
        if hook is None:  # we gave it up
            return
        self._countResult(HOOK_FAILED if trouble else HOOK_OK)
        if trouble:
            self._complain(hook, trouble)
        elif line := run.firstLine():
            self._log.debug("{hook} printed: {line}", hook=hook.title, line=line)
        self._next()
        self._finishIfIdle()

    def _finishIfIdle(self) -> None:
        isDone = self._isStopping and not self._runs and not self._waiting.has()
        if isDone and not self._idle.called:
            self._finish()

    def _endAll(self) -> None:
        for run, hook in self._runs.items():
            self._complain(hook, "did not end before the daemon stopped, and was killed")
            run.kill()
        for hook in self._waiting:
            self._complain(hook, "was left out, because the daemon stops")
        self._runs.clear()
        self._waiting = WaitingHooks()
        self._finish()

    def _finish(self) -> None:
        for call in (self._turn, self._end, self._count):
            if call is not None and call.active():
                call.cancel()
        self._logLeftOut()
        self._idle.callback(None)

    def _complain(self, hook: Hook, trouble: str) -> None:
        self._log.warn("{hook} {trouble}", hook=hook.title, trouble=trouble)

    def _leaveOut(self) -> None:
        self._leftOut += 1
        self._countResult(HOOK_LEFT_OUT)
        if self._count is None or not self._count.active():
            self._count = self._reactor.callLater(COUNT_EVERY, self._logLeftOut)

    def _logLeftOut(self) -> None:
        if self._leftOut:
            self._log.warn(
                "hooks that were left out, because {most} were waiting already: {count}",
                most=MAX_WAITING,
                count=self._leftOut,
            )
        self._leftOut = 0
