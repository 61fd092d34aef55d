"""Tests of L{pkdoors.client.blocking._agent}."""

import errno
import os
import socket

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.client.blocking._agent import Asking
from pkdoors.client.core.agentwire import AgentAway, AgentError, makeListRequest


class OpenTests(SynchronousTestCase):
    """
    Tests of L{Asking.open}.
    """

    def test_noDescriptor(self) -> None:
        """If the process has too many open files, the error says so: the agent is not to blame."""

        def fail(family: int, kind: int) -> socket.socket:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

        self.patch(socket, "socket", fail)
        asking = Asking("/agent", makeListRequest(), 1.0)
        error = self.assertRaises(AgentError, asking.open)
        self.assertNotIsInstance(error, AgentAway)
        self.assertEqual("Too many open files", str(error))

    def test_tooLong(self) -> None:
        """At a path that no socket can have, there is no agent."""
        asking = Asking(f"/tmp/{'x' * 200}", makeListRequest(), 1.0)
        self.assertRaises(AgentAway, asking.open)
