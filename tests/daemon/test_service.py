"""Tests of L{pkdoors.daemon.service}: the interface for applications, and the stop."""

import os
from dataclasses import replace

from pkdoors.errors import (
    BadValue,
    ConfigError,
    FirewallError,
    NotFound,
)
from pkdoors.host import clientaddress
from pkdoors.host.instance import AlreadyRunning, Instance
from pkdoors.model.principal import OPERATOR
from tests.daemon.servicecase import ANN, NO, ServiceTestCase
from tests.fakes.doors import PORTS


class InterfaceTests(ServiceTestCase):
    """
    The interface for an application that embeds the service.
    """

    def setUp(self) -> None:
        """Have a kernel that knows no broadcast addresses."""
        super().setUp()
        self.patch(clientaddress, "_isBroadcast", lambda address: False)

    def test_open(self) -> None:
        """It opens a door for an address, says until when, and lists it."""
        self.start()
        status = self.successResultOf(self.service.open(ANN, seconds=60.0))
        self.assertEqual((60.0, OPERATOR), (status.opening.deadline, status.opening.who))
        self.assertEqual([status.opening], self.service.openings())
        self.assertEqual({ANN: 60.0}, self.firewall.open_())

    def test_openRefused(self) -> None:
        """It fails if the request is wrong, or the firewall refuses."""
        self.start()
        self.failureResultOf(self.service.open("nobody"), BadValue)
        self.failureResultOf(self.service.open(ANN, "web"), NotFound)
        self.failureResultOf(self.service.open(ANN, seconds=1e6), BadValue)
        self.firewall.failures = [NO]
        failure = self.failureResultOf(self.service.open(ANN), FirewallError)
        self.assertEqual("cannot open: no privilege", str(failure.value))

    def test_close(self) -> None:
        """It closes what is open."""
        self.start()
        self.successResultOf(self.service.open(ANN))
        self.failureResultOf(self.service.close("web"), NotFound)
        done = self.successResultOf(self.service.close())
        self.assertEqual([ANN], [str(status.opening.source) for status in done.closed])
        self.assertEqual(([], []), ([*done.closing], self.service.openings()))
        self.assertEqual({}, self.firewall.open_())

    def test_doors(self) -> None:
        """It lists the doors that are guarded, also after a reload."""
        self.start()
        self.assertEqual(self.daemon.config.doors, self.service.doors)
        door = replace(self.daemon.config.doors[0], openFor=7.0)
        self.daemon.config = replace(self.daemon.config, doors=(door,))
        done = self.successResultOf(self.service.reload())
        self.assertEqual(((door,), 1), (self.service.doors, len(done.changes)))

    def test_notRunning(self) -> None:
        """Before it starts, and after it ends, it opens and closes nothing."""
        self.assertNotGuarded()
        self.failureResultOf(self.service.reload(), FirewallError)
        self.start()
        self.successResultOf(self.service.stopService())
        self.assertNotGuarded()
        self.failureResultOf(self.service.reload(), ConfigError)

    def assertNotGuarded(self) -> None:
        """Assert that it refuses, and leaves the firewall alone."""
        self.firewall.calls.clear()
        for done in (self.service.open(ANN), self.service.close()):
            failure = self.failureResultOf(done, FirewallError)
            self.assertIn("the service does not run", str(failure.value))
        self.assertEqual([], self.firewall.calls)

    def test_unprepared(self) -> None:
        """Its start prepares it, if nobody else has."""
        self.service.startService()
        self.assertEqual(["prepare", "start"], self.firewall.calls)
        self.assertEqual(os.getpid(), Instance(self.folder).findHolder())

    def test_unpreparedSecond(self) -> None:
        """Its start fails if another daemon runs, and leaves that daemon's guard alone."""
        self.service._keepClosed = lambda: self.fail("that is the other daemon's")
        self.patch(self.instance, "findHolder", lambda: 17)
        self.assertRaises(AlreadyRunning, self.service.startService)
        self.assertEqual(([], False), (self.firewall.calls, self.service.running))

    def test_unpreparedRefused(self) -> None:
        """Its start keeps the ports closed if the firewall cannot be used."""
        self.service._keepClosed = lambda: "; 22/tcp stays closed"
        self.firewall.failures = [FirewallError("no")]
        error = self.assertRaises(FirewallError, self.service.startService)
        self.assertEqual("no; 22/tcp stays closed", str(error))


class StopTests(ServiceTestCase):
    """
    The end.
    """

    def test_stop(self) -> None:
        """Stopping closes the ports, and lets go of the firewall without closing openings."""
        self.start()
        self.receive(*PORTS)
        self.successResultOf(self.service.stopService())
        self.assertEqual(([], []), (self.host.bound(), self.reactor.getReaders()))
        self.assertEqual("stop", self.firewall.calls[-1])
        self.assertNotIn("close 203.0.113.9", self.firewall.calls)
        self.assertEqual([], self.reactor.getDelayedCalls())

    def test_line(self) -> None:
        """There is one line for the door."""
        self.start()
        self.successResultOf(self.service.stopService())
        self.assertEqual("stopped; door default (22/tcp) stays closed", self.log.lines()[-1])

    def test_waits(self) -> None:
        """The stop waits for the firewall; the ports are closed before."""
        self.start()
        self.firewall.holding = True
        stopped = self.service.stopService()
        self.assertEqual([], self.host.bound())
        self.assertNoResult(stopped)
        self.firewall.answer()
        self.successResultOf(stopped)

    def test_running(self) -> None:
        """The service knows whether it runs."""
        self.start()
        self.assertTrue(self.service.running)
        self.successResultOf(self.service.stopService())
        self.assertFalse(self.service.running)

    def test_neverBegun(self) -> None:
        """A service that never began gives back only the right to be the daemon."""
        self.service.prepare()
        self.successResultOf(self.service.stopService())
        self.assertEqual((["prepare"], []), (self.firewall.calls, self.log.lines()))
        self.assertIsNone(self.instance._file)

    def test_beforeTheReactor(self) -> None:
        """A service that is stopped before the reactor runs is never ready."""
        self.service.prepare()
        self.service.startService()
        self.successResultOf(self.service.stopService())
        self.reactor.begin()
        self.assertEqual(["stopped; door default (22/tcp) stays closed"], self.log.lines())

    def test_twice(self) -> None:
        """A second stop does nothing."""
        self.start()
        for _ in range(2):
            self.successResultOf(self.service.stopService())
        self.assertEqual(1, self.firewall.calls.count("stop"))
        self.assertEqual(1, len([each for each in self.log.lines() if "stays closed" in each]))

    def test_again(self) -> None:
        """
        A service that has ended, or could not start, refuses to start: nothing would be guarded.
        """
        self.firewall.failures = [NO]
        self.assertRaises(FirewallError, self.service.startService)
        self.assertRaises(FirewallError, self.service.startService)
        self.assertFalse(self.service.running)
        self.successResultOf(self.service.stopService())
        self.service = self.makeService(self.firewall)
        self.start()
        self.successResultOf(self.service.stopService())
        self.assertRaises(FirewallError, self.service.startService)
        self.assertFalse(self.service.running)

    def test_whileItTries(self) -> None:
        """Nothing is left running if a busy port was being tried."""
        self.host.take(PORTS[0])
        self.start()
        self.reactor.advance(0)
        self.assertEqual(1, len(self.reactor.getDelayedCalls()))
        self.successResultOf(self.service.stopService())
        self.assertEqual([], self.reactor.getDelayedCalls())
