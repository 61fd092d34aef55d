"""Tests of L{pkdoors.daemon.service}: components, and knocks."""

from dataclasses import replace

from twisted.logger import LogLevel

from pkdoors.errors import (
    ConfigError,
    ListenError,
)
from tests.daemon.servicecase import FakeComponent, ServiceTestCase
from tests.fakes.doors import PORTS


class ComponentTests(ServiceTestCase):
    """
    Components, and the reload.
    """

    def setUp(self) -> None:
        """Make two components that hear events."""
        super().setUp()
        self.diary: list[str] = []
        self.parts = [FakeComponent(name, self.diary) for name in "ab"]
        self.service._components = self.parts
        self.daemon.publisher.subscribe(lambda event: self.diary.append(event.kind))

    def test_order(self) -> None:
        """Components hear all events, from the first to the last."""
        self.start()
        self.assertEqual(
            "a: prepare, b: prepare, a: start, b: start, guarding, a: ready, b: ready",
            ", ".join(self.diary),
        )
        self.diary.clear()
        self.successResultOf(self.service.stopService())
        self.assertEqual(["stopped", "b: stop", "a: stop"], self.diary)

    def test_refuses(self) -> None:
        """If one cannot be prepared, that is a warning, and the doors are guarded."""
        self.parts[0].error = ListenError("taken")
        self.start()
        self.assertIn("b: prepare", self.diary)
        self.assertEqual("taken", self.log.lines(LogLevel.warn)[0])
        self.assertEqual(["prepare", "start"], self.firewall.calls)

    def test_reload(self) -> None:
        """A reload opens files again, and reads the configuration."""
        self.start()
        self.diary.clear()
        self.daemon.config = replace(self.daemon.config, interfaces=("192.0.2.1",))
        self.service.reload()
        self.assertEqual(["a: reopen", "b: reopen", "reloaded"], self.diary)
        self.assertEqual(("192.0.2.1",), self.daemon.ports.plan.interfaces)

    def test_reloadRefused(self) -> None:
        """A reload that is refused is logged, and ends nothing."""
        self.start()
        self.daemon.config = replace(self.daemon.config, zone="home")
        self.failureResultOf(self.service.reload(), ConfigError)
        self.assertEqual("reload-refused", self.diary[-1])
        self.receive(*PORTS)
        self.assertEqual({"203.0.113.9": 30.0}, self.firewall.open_())

    def test_reloadGoesWrong(self) -> None:
        """A mistake of ours ends nothing."""
        self.start()
        self.firewall.failures = [ValueError("oops")]
        door = replace(self.daemon.config.doors[0], openFor=7.0)
        self.daemon.config = replace(self.daemon.config, doors=(door,))
        self.failureResultOf(self.service.reload(), ValueError)
        self.receive(*PORTS)
        self.assertEqual({"203.0.113.9": 30.0}, self.firewall.open_())


class KnockTests(ServiceTestCase):
    """
    From datagram to opening.
    """

    def test_opens(self) -> None:
        """The right datagrams open, over IPv4 and IPv6, for their source."""
        self.start()
        self.receive(*PORTS)
        self.receive(*PORTS, source="2001:db8::7", interface="::")
        self.assertEqual({"203.0.113.9": 30.0, "2001:db8::7": 30.0}, self.firewall.open_())

    def test_quiet(self) -> None:
        """No datagram is logged unless the operator wants that."""
        self.start()
        self.receive(*PORTS[:3])
        self.assertEqual([], self.log.lines(LogLevel.debug))

    def test_logKnocks(self) -> None:
        """If so, each is a line at level debug, quoted, and knocks still open."""
        self.service = self.makeService(self.firewall, logKnocks=True)
        self.start()
        self.receive(*PORTS)
        self.host.find("0.0.0.0", PORTS[0]).reorderer.append((b"\x1b[2J\n", ("10.0.0.1", 5555)))
        for reader in self.reactor.getReaders():
            reader.doRead()
        self.reactor.advance(0)
        lines = self.log.lines(LogLevel.debug)
        self.assertEqual(
            "datagram from 203.0.113.9, 6 bytes, b'knock\\n': door default: knock 1 of 5", lines[0]
        )
        self.assertEqual(
            "datagram from 10.0.0.1, 5 bytes, b'\\x1b[2J\\n': door default: not a plain knock",
            lines[5],
        )
        self.assertEqual({"203.0.113.9": 30.0}, self.firewall.open_())
