"""C{pkdoors knock --keep}: keeps a door open until the user ends it."""

import time
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, TimeoutError
from twisted.internet.task import deferLater

from pkdoors.client.core.attempt import Attempt
from pkdoors.client.core.events import Traced, ignore
from pkdoors.client.reactor._roaming import Roaming
from pkdoors.client.reactor.driver import makeTools, perform, resolve
from pkdoors.errors import KnockError
from pkdoors.util.backoff import BackOff
from pkdoors.util.trouble import Trouble

RENEW = 2 / 3
"""The part of the requested time after which it knocks again: the remaining third is for a lost
knock, and for more tries after that."""

FIRST_PAUSE = 1.0
"""Seconds until the next try after a failed knock; the pause doubles with each failure."""
LAST_PAUSE = 60.0
"""The longest such pause, in seconds."""

PROBE_PAUSE = 1.0
"""Seconds between two connections that a port accepts: sshd counts those without a login, and
refuses an address that makes too many (PerSourcePenalties)."""

FAREWELL = 3.0
"""Seconds that closing the door at the end can take: a user waits at the keyboard."""


class KeepOpen:
    """
    Keeps a door open with one knock after another.

    @param say: called with a line for each knock, and for the first of several failures.
    @param trace: see L{perform}.
    """

    def __init__(
        self,
        attempt: Attempt,
        reactor: Any,
        say: Callable[[str], None],
        trace: Callable[[Traced], None] = ignore,
    ) -> None:
        self._attempt = attempt
        self._reactor = reactor
        self._tell = say
        self._trace = trace
        self._backOff = BackOff(FIRST_PAUSE, LAST_PAUSE)
        self._roaming = Roaming(reactor, self._move)
        self._isOver = self._hasMoved = False
        self._answeredAt = float("-inf")
        self._failing = Trouble()
        self._sleep: Deferred[None] | None = None
        self._finished: Deferred[None] = Deferred()

    async def run(self) -> str:
        """
        Keep the door open until the reactor is stopped; the reactor waits until all is done.

        @return: the result, for the user.
        @raise KnockError: there is no key to knock with, or the user interrupted the question for a
            passphrase.
        """
        await self._attempt.method.prepare(makeTools(self._reactor, self._tell, self._trace))
        knocking = Deferred.fromCoroutine(self._knockOn())
        self._reactor.addSystemEventTrigger("before", "shutdown", self._end, knocking)
        self._roaming.start()
        try:
            await self._waitForEnd(knocking)
            return await self._askToClose()
        finally:
            self._roaming.stop()
            self._finished.callback(None)

    async def _waitForEnd(self, knocking: Deferred[None]) -> None:
        try:
            await knocking
        except Exception:  # Twisted's connections wrap what they are cancelled with
            if not self._isOver:
                raise

    def _end(self, knocking: Deferred[None]) -> Deferred[None]:
        self._isOver = True
        knocking.cancel()
        return self._finished

    async def _knockOn(self) -> None:
        while True:
            began = self._reactor.seconds()
            try:
                await self._renew()
            except KnockError as error:
                self._fail(error)
                pause = self._backOff.next()
            else:  # the host counts from the knock, not from the port's answer
                pause = began + RENEW * self._attempt.method.seconds - self._reactor.seconds()
            await self._sleepFor(max(0.0, pause))

    async def _renew(self) -> None:
        left = self._answeredAt + PROBE_PAUSE - self._reactor.seconds()
        if left > 0:
            await deferLater(self._reactor, left)
        addresses = await resolve(self._reactor, self._attempt)
        self._hasMoved = False  # before the knock: a move during it makes another one necessary
        self._roaming.watchTowards(addresses)
        done = await perform(self._reactor, self._attempt, self._sayOnce, self._trace)
        self._failing.end()
        self._backOff.reset()
        self._say(str(done))
        if done.answered:
            self._answeredAt = self._reactor.seconds()
        if done.note:
            self._say(done.note)

    def _fail(self, error: KnockError) -> None:
        if self._failing.begin("it cannot knock"):
            self._say(f"{error} (trying again until it works)")

    def _sayOnce(self, line: str) -> None:
        if not self._failing:
            self._say(line)

    def _say(self, line: str) -> None:
        now = time.localtime(self._reactor.seconds())
        self._tell(f"{time.strftime('%H:%M:%S', now)} {line}")

    async def _sleepFor(self, seconds: float) -> None:
        """Wait until the time is over, or this host has moved."""
        if self._hasMoved:
            return
        self._sleep = Deferred()
        call = self._reactor.callLater(seconds, self._sleep.callback, None)
        try:
            await self._sleep
        finally:
            self._sleep = None
            if call.active():
                call.cancel()

    def _move(self) -> None:
        self._hasMoved = True
        if self._sleep:
            self._sleep.callback(None)

    async def _askToClose(self) -> str:
        host = self._attempt.host
        method = self._attempt.method
        if not method.canClose:
            return f"stopped knocking on {host}: its door closes by itself"
        closing = self._attempt._replace(method=method.closing(), port=None)
        leaving = Deferred.fromCoroutine(
            perform(self._reactor, closing, lambda line: None, self._trace)
        )
        try:
            await leaving.addTimeout(FAREWELL, self._reactor)
        except (KnockError, TimeoutError) as error:
            reason = str(error) if isinstance(error, KnockError) else "it took too long"
            return f"could not ask {host} to close its door ({reason}): it closes by itself"
        return f"asked {host} to close its door"
