"""What both drivers of a visit do in the same way."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable

from pkdoors.client.core.actions import Abandon, Action, Connect, Listen, Say, Seal, Send
from pkdoors.client.core.attempt import Attempt
from pkdoors.client.core.events import Connected, Disconnected, Failed, Greeted, Planned
from pkdoors.client.core.methods import Tools, prepareOnce
from pkdoors.client.core.plan import Plan
from pkdoors.client.core.visit import Visit
from pkdoors.client.network import describeError, suitPath
from pkdoors.errors import KnockError, NoKey


class Driving(ABC):
    """
    Passes on what a visit asks for, and reports to it what happens. A driver has the methods that
    do something.

    @param clock: seconds, which only go forward.
    @param tools: what the driver lends to the method of the attempt.
    """

    def __init__(
        self, attempt: Attempt, addresses: Iterable[str], clock: Callable[[], float], tools: Tools
    ) -> None:
        addresses = list(addresses)
        self._attempt = suitPath(attempt, addresses)
        self._clock = clock
        self._tools = tools
        self._queue: list[Action] = []
        self._isBusy = self._isPrepared = False
        self.visit = Visit(self._attempt, addresses)

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
            self._tools.trace(action)
            self._doOne(action)
            now = self._clock()
            if not self._queue and self.visit.nextSend() <= now:
                self._queue += self.visit.tick(now, canTry=False)
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
                self._seal(action)
            case Say():
                self._tools.say(action.line)
            case Abandon():
                self._abandon(action.number)
            case Listen():
                self._listen(action.number)

    def _tick(self) -> None:
        """
        A time has come. No answer to a try has been overlooked: the loop of the blocking driver
        looks at answers first, and Twisted begins to connect only in its next turn.
        """
        self._do(self.visit.tick(self._clock()))

    def _fail(self, address: str, reason: str) -> None:
        """An address cannot be knocked on."""
        self._tools.trace(Failed(address, reason))
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
            self._tools.trace(Planned(address, result))
            self._do(self.visit.sealed(address, result, self._clock()))

    async def _prepare(self) -> None:
        """Prepare the method before its first plan."""
        if not self._isPrepared:
            await prepareOnce(self._attempt.method, self._tools)
            self._isPrepared = True

    def _noteConnected(self, number: int) -> None:
        """A try to connect succeeded."""
        self._tools.trace(Connected(number))
        self._do(self.visit.connected(number, self._clock()))

    def _noteLost(self, number: int, isRefused: bool) -> None:
        """A try to connect failed."""
        self._tools.trace(Disconnected(number, isRefused))
        self._do(self.visit.disconnected(number, isRefused, self._clock()))

    def _noteGreeting(self, data: bytes) -> None:
        """The server's first bytes came; none, if it closed the connection."""
        self._tools.trace(Greeted(data))
        self._do(self.visit.greeted(data, self._clock()))

    @abstractmethod
    def _send(self, action: Send) -> None:
        """Do what L{Send} asks for."""

    @abstractmethod
    def _connect(self, action: Connect) -> None:
        """Do what L{Connect} asks for."""

    @abstractmethod
    def _seal(self, action: Seal) -> None:
        """Do what L{Seal} asks for."""

    @abstractmethod
    def _abandon(self, number: int) -> None:
        """Do what L{Abandon} asks for."""

    @abstractmethod
    def _listen(self, number: int) -> None:
        """Do what L{Listen} asks for."""

    @abstractmethod
    def _wakeAt(self, when: float) -> None:
        """Call L{_tick} at a time; never for infinity."""

    @abstractmethod
    def _end(self) -> None:
        """The visit is over."""
