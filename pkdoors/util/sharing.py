"""One answer for all who ask for the same at the same time."""

from collections.abc import Awaitable, Callable, Hashable

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from pkdoors.util.turns import Turns

Make = Callable[[], Awaitable[bytes]]


class Sharing:
    """
    Makes answers. For each question one is made at a time, and whoever asks meanwhile gets the next
    one: an answer is never older than the question, and its cost does not grow with those who ask.
    """

    def __init__(self, turns: Turns) -> None:
        self._turns = turns
        # Question -> those who wait for the next answer, as long as one is in the making.
        self._waiting: dict[Hashable, list[Deferred[bytes]]] = {}

    def get(self, question: Hashable, make: Make) -> Deferred[bytes]:
        """
        Have an answer made, or share one.

        @param make: makes it from how things stand when it is called.
        """
        answer = Deferred[bytes]()
        isMaking = question in self._waiting
        self._waiting.setdefault(question, []).append(answer)
        if not isMaking:
            self._begin(question, make)
        return answer

    def _begin(self, question: Hashable, make: Make) -> None:
        sharers: list[Deferred[bytes]] = []

        async def work() -> bytes:
            await self._turns.next()
            sharers[:], self._waiting[question] = self._waiting[question], []
            return await make()

        def made(result: bytes | Failure) -> None:
            if self._waiting[question]:
                self._begin(question, make)
            else:
                del self._waiting[question]
            for each in sharers:
                each.callback(result)  # a failure is one for them, too

        Deferred.fromCoroutine(work()).addBoth(made)
