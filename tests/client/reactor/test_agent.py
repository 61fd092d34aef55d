"""Tests of L{pkdoors.client.reactor._agent}, with sockets of this host."""

import os
import socket
from tempfile import mkdtemp

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.trial.unittest import TestCase

from pkdoors.client.core.agentwire import AgentAway, frame, makeListRequest
from pkdoors.client.reactor._agent import BUSY, askWith

PATIENCE = 60.0
"""Seconds that a test waits for what must come."""
ANSWER = b"\x05"


class ConnectingTests(TestCase):
    """
    Connecting to an agent.
    """

    def ask(self, path: str) -> Deferred[bytes]:
        """Ask an agent for its keys."""
        asked = askWith(reactor)(path, makeListRequest(), PATIENCE)
        return Deferred.fromCoroutine(asked)  # type: ignore[arg-type]

    async def test_tooLong(self) -> None:
        """At a path that no socket can have, there is no agent: the client sees that at once."""
        with self.assertRaises(AgentAway):
            await self.ask(f"/tmp/{'x' * 200}").addTimeout(PATIENCE / 10, reactor)

    async def test_full(self) -> None:
        """If an agent accepts no more connections at the moment, the client waits for it."""
        path = os.path.join(mkdtemp(dir="/tmp"), "agent")
        with socket.socket(socket.AF_UNIX) as agent, socket.socket(socket.AF_UNIX) as other:
            agent.bind(path)
            agent.listen(0)
            other.connect(path)
            asked = self.ask(path)
            waited: Deferred[None] = Deferred()
            reactor.callLater(2 * BUSY, waited.callback, None)
            await waited
            self.assertFalse(asked.called)
            agent.accept()[0].close()
            agent.settimeout(0)
            while True:
                try:
                    connection, _ = agent.accept()
                    break
                except BlockingIOError:
                    turned: Deferred[None] = Deferred()
                    reactor.callLater(0, turned.callback, None)
                    await turned
            with connection:
                connection.sendall(frame(ANSWER))
                connection.shutdown(socket.SHUT_WR)
                self.assertEqual(ANSWER, await asked)
