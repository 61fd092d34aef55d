"""Tests of L{pkdoors.fleet.relay.daemonlink} without a daemon; the real tests have one."""

import json
from errno import EACCES, ENOENT
from typing import Any

from twisted.internet.defer import Deferred, fail
from twisted.internet.error import ConnectError
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from pkdoors.errors import AskError, NoDaemon
from pkdoors.fleet.relay.daemonlink import (
    ANSWER_LIMIT,
    DaemonLink,
    makeClaimLine,
    makeOrderLine,
    makeSealLine,
)

PATH = "/run/pkdoors/fleet.sock"


class _Agent:
    """An HTTP client whose requests come to the same end."""

    def __init__(self, answer: Deferred[Any]) -> None:
        self._answer = answer

    def request(self, *_: object, **__: object) -> Deferred[Any]:
        """See L{twisted.web.iweb.IAgent}."""
        return self._answer


class DaemonLinkTests(SynchronousTestCase):
    """Tests of what goes wrong."""

    def ask(self, answer: Deferred[Any]) -> Deferred[Any]:
        """Ask for the status."""
        self.clock = Clock()
        link = DaemonLink(self.clock, PATH)
        self.patch(link, "_agent", _Agent(answer))
        return Deferred.fromCoroutine(link.status(1))

    def test_away(self) -> None:
        """Without a daemon, and without the right to ask it, the error says what to do."""
        for number, wanted in (
            (ENOENT, "nobody answers at"),
            (EACCES, "as the user pkdoors-fleet"),
        ):
            asked = self.ask(fail(ConnectError(number, "")))
            error = str(self.failureResultOf(asked, NoDaemon).value)
            self.assertIn(wanted, error)
            self.assertIn(PATH, error)

    def test_silent(self) -> None:
        """A daemon that does not answer is an error in the end."""
        asked = self.ask(Deferred())
        self.clock.advance(ANSWER_LIMIT)
        self.failureResultOf(asked, AskError)

    def test_lines(self) -> None:
        """Each line is a JSON object."""
        lines = makeSealLine("web1", "::1", b"\xff\n"), makeOrderLine(b"o"), makeClaimLine(7, None)
        wanted = [
            {"host": "web1", "source": "::1", "seal": "/wo="},
            {"order": "bw=="},
            {"claim": 7, "won": None},
        ]
        self.assertEqual(wanted, [json.loads(line) for line in lines])
        self.assertEqual([1, 1, 1], [line.count(b"\n") for line in lines])
