"""Tests of L{pkdoors.events.gathering}."""

from collections.abc import Callable

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from pkdoors.events.event import OPENED, Event
from pkdoors.events.gathering import MOST, gatherEvents
from pkdoors.events.publisher import EventPublisher


class GatheringTests(SynchronousTestCase):
    """
    Tests of L{gatherEvents}.
    """

    def setUp(self) -> None:
        """Subscribe."""
        self.clock = Clock()
        self.publisher = EventPublisher()
        self.got: list[Event] = []
        subscribe: Callable[[Callable[[Event], None]], Callable[[], None]]
        subscribe = gatherEvents(self.clock, self.publisher.subscribe, 0.1)
        self.unsubscribe = subscribe(self.got.append)

    def publish(self, *sources: str) -> None:
        """Publish an event for each source."""
        for source in sources:
            self.publisher.publish(OPENED, source=source)

    def sources(self) -> list[str]:
        """Return the sources of the events that came."""
        return [event.source for event in self.got]

    def test_together(self) -> None:
        """Events wait for others, and come in their order."""
        self.publish("a")
        self.clock.advance(0.05)
        self.publish("b")
        self.assertEqual([], self.got)
        self.clock.advance(0.05)
        self.assertEqual(["a", "b"], self.sources())

    def test_again(self) -> None:
        """Later ones wait as long."""
        self.publish("a")
        self.clock.advance(0.1)
        self.publish("b")
        self.clock.advance(0.05)
        self.assertEqual(["a"], self.sources())
        self.clock.advance(0.05)
        self.assertEqual(["a", "b"], self.sources())

    def test_many(self) -> None:
        """Many do not wait, so none is delivered in one turn with thousands of others."""
        names = [str(number) for number in range(MOST + 1)]
        self.publish(*names)
        self.assertEqual(names[:MOST], self.sources())
        self.clock.advance(0.1)
        self.assertEqual(names, self.sources())

    def test_unsubscribe(self) -> None:
        """Nothing comes after the end, and no timer is left."""
        self.publish("a")
        self.unsubscribe()
        self.publish("b")
        self.clock.advance(1)
        self.assertEqual([], self.got)
        self.assertEqual([], self.clock.getDelayedCalls())
