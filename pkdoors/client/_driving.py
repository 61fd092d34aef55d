"""What both drivers of a visit do in the same way."""

from collections.abc import Callable, Iterable

from pkdoors.client.core.actions import Abandon, Action, Connect, Listen, Say, Seal, Send
from pkdoors.client.core.attempt import Attempt
from pkdoors.client.core.events import Failed, Planned, Traced
from pkdoors.client.core.plan import Plan
from pkdoors.client.core.visit import Visit
from pkdoors.client.network import describeError, withLook
from pkdoors.errors import KnockError, NoKey


class Driving:
    """
    Passes on what a visit asks for, and tells it what happens. A driver has the methods that do
    something; here they only say what.

    @param clock: seconds, which only go forward.
    @param say: called with lines for the user about the progress.
    @param trace: called with each action before it is done, and with what happens, for a report.
    """

    def __init__(
        self,
        attempt: Attempt,
        addresses: Iterable[str],
        clock: Callable[[], float],
        say: Callable[[str], None],
        trace: Callable[[Traced], None],
    ) -> None:
        addresses = list(addresses)
        self._attempt = attempt
        self._clock = clock
        self._say = say
        self._trace = trace
        self._queue: list[Action] = []
        self._isBusy = False
        self.visit = Visit(withLook(attempt, addresses), addresses)

    def _begin(self) -> None:
        """Begin the visit."""
        self._do(self.visit.begin(self._clock()))

    def _do(self, actions: Iterable[Action]) -> None:
        """Do what the visit asks for, and what it asks for in consequence, in this order."""
        self._queue += actions
        if self._isBusy:
            return
        self._isBusy = True
        while self._queue:
            action = self._queue.pop(0)
            self._trace(action)
            self._doOne(action)
            now = self._clock()
            if not self._queue and self.visit.nextTime() <= now:
                self._queue += self.visit.tick(now)
        self._isBusy = False
        if self.visit.isOver:
            self._end()
        else:
            self._wakeAt(self.visit.nextTime())

    def _doOne(self, action: Action) -> None:
        match action:
            case Send():
                self._send(action)
            case Connect():
                self._connect(action)
            case Seal():
                self._seal(action.address)
            case Say():
                self._say(action.line)
            case Abandon():
                self._abandon(action.number)
            case Listen():
                self._listen(action.number)

    def _tick(self) -> None:
        self._do(self.visit.tick(self._clock()))

    def _fail(self, address: str, reason: str) -> None:
        """An address cannot be knocked on."""
        self._trace(Failed(address, reason))
        self._do(self.visit.failed(address, reason, self._clock()))

    def _finishSeal(self, address: str, result: Plan | KnockError | OSError) -> None:
        """A knock is made, or cannot be made."""
        if isinstance(result, NoKey):
            self.visit.abort(result)
            self._do(())
        elif isinstance(result, OSError):
            self._fail(address, describeError(result))
        elif isinstance(result, KnockError):
            self._fail(address, str(result))
        else:
            self._trace(Planned(address, result))
            self._do(self.visit.sealed(address, result, self._clock()))

    def _send(self, action: Send) -> None:
        raise NotImplementedError

    def _connect(self, action: Connect) -> None:
        raise NotImplementedError

    def _seal(self, address: str) -> None:
        raise NotImplementedError

    def _abandon(self, number: int) -> None:
        raise NotImplementedError

    def _listen(self, number: int) -> None:
        raise NotImplementedError

    def _wakeAt(self, when: float) -> None:
        """Call L{_tick} at a time; never for infinity."""
        raise NotImplementedError

    def _end(self) -> None:
        """The visit is over."""
        raise NotImplementedError
