"""Tests of L{pkdoors.host.onethread}."""

import threading
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import inlineCallbacks
from twisted.trial.unittest import TestCase

from pkdoors.host import onethread
from pkdoors.host.onethread import OneThread


class OneThreadTests(TestCase):
    """
    Tests of L{OneThread}.
    """

    def setUp(self) -> None:
        """Make one."""
        self.thread = OneThread(reactor)
        self.addCleanup(self.thread.stop)

    @inlineCallbacks
    def test_thread(self) -> Any:
        """All work is done by one thread, which is not the reactor's."""
        names = []
        for _ in range(3):
            names.append((yield self.thread(threading.get_ident)))
        self.assertEqual(1, len({*names}))
        self.assertNotEqual(threading.get_ident(), names[0])

    @inlineCallbacks
    def test_fails(self) -> Any:
        """The error of work is what its caller gets."""
        yield self.assertFailure(self.thread(lambda: int("x")), ValueError)

    @inlineCallbacks
    def test_stop(self) -> Any:
        """After the end there is no thread; what is asked for all the same is done at once."""
        yield self.thread(lambda: None)
        before = threading.active_count()
        self.thread.stop()
        self.assertEqual(before - 1, threading.active_count())
        self.assertEqual(
            threading.get_ident(), self.successResultOf(self.thread(threading.get_ident))
        )
        self.thread.stop()

    def test_scarce(self) -> None:
        """If hardly any descriptor is left, work is done at once, so no other thread takes it."""
        self.patch(onethread, "areScarce", lambda: True)
        self.assertEqual(
            threading.get_ident(), self.successResultOf(self.thread(threading.get_ident))
        )
