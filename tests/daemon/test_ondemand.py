"""Tests of L{pkdoors.daemon.component.OnDemand}."""

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from pkdoors.config.config import Config
from pkdoors.daemon.component import Component, OnDemand, Optional
from pkdoors.errors import ListenError
from tests.daemon.servicecase import FakeComponent
from tests.fakes.doors import makeDoor

WITHOUT, WITH = Config((makeDoor(),)), Config((makeDoor(),), audit="/file")


class FakeOptional(FakeComponent, Optional):
    """
    Notes what is called.
    """

    def use(self, config: Config) -> None:
        """See L{Optional.use}."""
        self._note("use")

    def troubles(self) -> list[str]:
        """See L{Optional.troubles}."""
        return ["it is slow"]


class OnDemandTests(SynchronousTestCase):
    """
    A component that a configuration with an audit file needs.
    """

    def setUp(self) -> None:
        """Have nothing yet."""
        self.diary: list[str] = []
        self.error: ListenError | None = None

    def have(self, config: Config) -> OnDemand:
        """Return it with a first configuration, started."""

        def make(config: Config) -> Optional:
            part = FakeOptional("x", self.diary)
            part.error = self.error
            return part

        part = OnDemand(config, lambda config: bool(config.audit), make)
        part.prepare()
        part.start()
        self.apply(part, config)  # before anything is ready, as the daemon does
        part.ready()
        return part

    def apply(self, part: OnDemand, config: Config) -> list[str]:
        """Have another configuration."""
        return self.successResultOf(Deferred.fromCoroutine(part.apply(config)))

    def noted(self) -> list[str]:
        """Return what was called since the last time."""
        noted, self.diary[:] = [each.removeprefix("x: ") for each in self.diary], []
        return noted

    def test_never(self) -> None:
        """Nothing is made if no configuration needs it."""
        part = self.have(WITHOUT)
        self.assertEqual([], self.apply(part, WITHOUT))
        self.successResultOf(part.stop())
        self.assertEqual(([], []), (self.noted(), part.troubles()))

    def test_always(self) -> None:
        """It is there from the beginning to the end, and follows each configuration."""
        part = self.have(WITH)
        self.assertEqual(["prepare", "start", "use", "ready"], self.noted())
        self.apply(part, WITH)
        self.assertEqual((["use"], ["it is slow"]), (self.noted(), part.troubles()))
        self.successResultOf(part.stop())
        self.assertEqual(["stop"], self.noted())
        self.apply(part, WITH)
        self.assertEqual([], self.noted())

    def test_comes(self) -> None:
        """A reload can need it; if something is refused then, it says so."""
        part = self.have(WITHOUT)
        self.error = ListenError("taken")
        self.assertEqual(["taken"], self.apply(part, WITH))
        self.assertEqual(["prepare", "start", "ready"], self.noted())

    def test_goes(self) -> None:
        """A reload can end it, and need it again."""
        part = self.have(WITH)
        self.noted()
        self.apply(part, WITHOUT)
        self.assertEqual((["stop"], []), (self.noted(), part.troubles()))
        self.apply(part, WITH)
        self.assertEqual(["prepare", "start", "ready"], self.noted())

    def test_nothing(self) -> None:
        """What a component does not have does nothing."""
        part = Optional()
        part.use(WITH)
        self.assertEqual([], part.troubles())
        self.assertIsInstance(part, Component)
