"""Tests of L{pkdoors.client.blocking._loop}."""

import socket
from functools import partial
from selectors import EVENT_READ

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.client.blocking._loop import Loop


class LoopTests(SynchronousTestCase):
    """
    Tests of L{Loop}.
    """

    def test_closedMeanwhile(self) -> None:
        """If two sockets are ready at once, the call for one can close the other."""
        loop = Loop()
        self.addCleanup(loop.close)
        pairs = [socket.socketpair() for _ in range(2)]
        called: list[int] = []

        def read(index: int) -> None:
            called.append(index)
            for ours, _ in pairs:
                loop.forget(ours)
                ours.close()

        for index, (ours, theirs) in enumerate(pairs):
            self.addCleanup(theirs.close)
            theirs.send(b"x")
            loop.watch(ours, EVENT_READ, partial(read, index))
        loop.turn()
        self.assertEqual(1, len(called))
