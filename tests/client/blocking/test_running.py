"""Tests of L{pkdoors.client.blocking.running}."""

import os
import socket
from pathlib import Path
from threading import Thread

from twisted.conch.ssh.common import NS
from twisted.trial.unittest import SynchronousTestCase

from pkdoors.client.blocking.running import runWith
from pkdoors.client.core.agent import Agent
from pkdoors.client.core.methods import Tools
from pkdoors.errors import KnockError
from tests.fakes.agent import makeKey


class RunTests(SynchronousTestCase):
    """
    Tests of L{runWith}.
    """

    def test_agent(self) -> None:
        """The coroutine asks an agent, and its result comes back."""
        blob = makeKey("ed25519").public().blob()
        path = Path(self.mktemp())
        server = socket.socket(socket.AF_UNIX)
        self.addCleanup(server.close)
        server.bind(os.path.relpath(path))
        server.listen()

        def serve() -> None:
            connection, _ = server.accept()
            connection.recv(1024)
            connection.sendall(NS(b"\x0c" + (1).to_bytes(4) + NS(blob) + NS(b"a key")))
            connection.close()

        thread = Thread(target=serve, daemon=True)
        thread.start()

        async def ask(tools: Tools) -> list[bytes]:
            return await Agent(os.path.relpath(path), tools.ask).listKeys()

        self.assertEqual([blob], runWith(ask, print))
        thread.join()

    def test_fails(self) -> None:
        """So does its error."""

        async def fail(tools: Tools) -> None:
            raise KnockError("no key")

        self.assertRaises(KnockError, runWith, fail, print)
