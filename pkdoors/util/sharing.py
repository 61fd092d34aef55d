"""One answer for all callers that ask the same question at the same time."""

from collections.abc import Awaitable, Callable, Hashable

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from pkdoors.util.turns import Turns

Body = bytes | bytearray
Make = Callable[[], Awaitable[Body]]


class Sharing:
    """
    Makes answers, one at a time for each question. All callers that ask meanwhile share the next
    answer. So an answer is never older than its question, and many callers cost no more than one.
    """

    def __init__(self, turns: Turns) -> None:
        self._turns = turns
        # Question -> callers that wait for the next answer. It is here while one is being made.
        self._waiting: dict[Hashable, list[Deferred[Body]]] = {}

    def get(self, question: Hashable, make: Make) -> Deferred[Body]:
        """
        Return an answer, new or shared.

        @param make: makes an answer from the state at the time of the call.
        """
        answer = Deferred[Body]()
        isMaking = question in self._waiting
        self._waiting.setdefault(question, []).append(answer)
        if not isMaking:
            self._begin(question, make)
        return answer

    def _begin(self, question: Hashable, make: Make) -> None:
        sharers: list[Deferred[Body]] = []

        async def work() -> Body:
            await self._turns.next()
            sharers[:], self._waiting[question] = self._waiting[question], []
            return await make()

        def finish(result: Body | Failure) -> None:
            if self._waiting[question]:
                self._begin(question, make)
            else:
                del self._waiting[question]
            for sharer in sharers:
                sharer.callback(result)  # Deferred passes on a Failure as a failure

        Deferred.fromCoroutine(work()).addBoth(finish)
