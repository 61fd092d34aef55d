"""Tests of L{pkdoors.admin.operations} and L{pkdoors.doorkeeper.state}."""

import json
from collections.abc import Coroutine
from functools import partial
from ipaddress import IPv4Address, ip_address
from math import inf
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from pkdoors import __version__
from pkdoors.admin._recording import recordDoors, recordOpenings
from pkdoors.admin.records import LazyRecords, asJSON
from pkdoors.doorkeeper import admission as admissionModule
from pkdoors.doorkeeper.control import CLOSE_PATIENCE, OPEN_PATIENCE
from pkdoors.doorkeeper.state import OpeningStatus, Snapshot
from pkdoors.errors import BadValue, ConfigError, FirewallError, NotFound, PkdoorsError
from pkdoors.events.event import Event
from pkdoors.host import clientaddress
from pkdoors.knocks.knock import Knock
from pkdoors.locks.lock import Request
from pkdoors.model.doors import Door, Opening
from pkdoors.model.principal import Principal
from tests.fakes.daemon import MemoryDaemon
from tests.fakes.doors import PORTS, makeDoor
from tests.fakes.firewall import FakeFirewall
from tests.fakes.host import FakeHost
from tests.fakes.log import Log
from tests.fakes.reactor import FakeReactor

ANN, BOB = "192.0.2.7", "2001:db8::7"
BROADCAST = "192.0.2.255"
NOBODYS = (BROADCAST, "255.255.255.255")
NO = FirewallError("no privilege")
TODAY = 1_795_420_800.0  # 2026-11-23T08:00:00Z

SSH = makeDoor(name="ssh")
WEB = makeDoor((1, 2, 3, 4, 5), ports="443", name="web", cutSessions=True, maxOpenFor=60.0)


def write(record: object) -> dict[str, Any]:
    """Return the JSON of a record."""

    def convert(value: object) -> Any:
        return list(value) if isinstance(value, LazyRecords) else asJSON(value)

    answer: dict[str, Any] = json.loads(json.dumps(record, default=convert))
    return answer


class OperationsTestCase(SynchronousTestCase):
    """
    With a daemon of two doors, on a host with two firewalls.
    """

    doors: tuple[Door, ...] = (SSH, WEB)

    def setUp(self) -> None:
        """Start it."""
        self.log = Log(self)
        self.host = FakeHost(self)
        self.reactor = FakeReactor()
        clock: Any = self.reactor
        self.guard = FakeFirewall(clock, "nftables")
        self.outer = FakeFirewall(clock, "firewalld")
        self.outer.isForgetful = True
        self.daemon = MemoryDaemon(
            self.reactor,
            [self.guard, self.outer],
            self.doors,
            wallClock=lambda: TODAY + self.reactor.seconds(),
        )
        self.keeper, self.stack = self.daemon.keeper, self.daemon.stack
        self.operations = self.daemon.makeOperations("a port is busy")
        self.patch(clientaddress, "_isBroadcast", lambda each: str(each) in NOBODYS)
        self.keeper.start()
        self.reactor.advance(0)

    def do(self, work: Coroutine[Any, Any, object]) -> Deferred[dict[str, Any]]:
        """Begin work."""
        return Deferred.fromCoroutine(work).addCallback(write)

    def done(self, work: Coroutine[Any, Any, object]) -> dict[str, Any]:
        """What work that is done at once comes to."""
        return self.successResultOf(self.do(work))

    def refused(self, work: Coroutine[Any, Any, Any], kind: type[PkdoorsError]) -> str:
        """The sentence that work fails with at once, and that nothing was changed."""
        error = self.failureResultOf(self.do(work)).value
        self.assertIsInstance(error, kind)
        self.assertHeardByNobody()
        return str(error)

    def assertHeardByNobody(self) -> None:
        """Assert that nobody waits for an opening any more, or for events, but the daemon."""
        self.assertEqual(2, len(self.daemon.publisher._subscribers))
        for waiters in (self.keeper._settled, self.keeper._closed):
            self.assertEqual({}, waiters._waiting)

    def names(self, openings: list[dict[str, Any]]) -> list[tuple[str, str]]:
        """Door and source of each."""
        return [(each["door"], each["source"]) for each in openings]


class OpenTests(OperationsTestCase):
    """
    Tests of L{Operations.open}.
    """

    def test_opens(self) -> None:
        """The door is open when the answer comes, for the door's own time, by the operator."""
        self.assertEqual(
            {
                "opening": {
                    "door": "ssh",
                    "source": ANN,
                    "ports": ["22/tcp"],
                    "open": True,
                    "until": "2026-11-23T08:00:30.000Z",
                    "seconds_left": 30.0,
                    "user": "the operator",
                    "key": "",
                    "trouble": "",
                }
            },
            self.done(self.operations.open(ANN, "ssh")),
        )
        self.assertEqual({ANN: 30.0}, self.outer.open_())
        self.assertHeardByNobody()

    def test_seconds(self) -> None:
        """Or for the time that is asked for."""
        self.done(self.operations.open(ANN, "ssh", 600.0))
        self.assertEqual({ANN: 600.0}, self.guard.open_())

    def test_later(self) -> None:
        """Where it is open already, the deadline moves to what is later, and never back."""
        self.done(self.operations.open(ANN, "ssh", 600.0))
        answer = self.done(self.operations.open(ANN, "ssh", 60.0))
        self.assertEqual(600.0, answer["opening"]["seconds_left"])
        answer = self.done(self.operations.open(ANN, "ssh", 700.0))
        self.assertEqual(700.0, answer["opening"]["seconds_left"])
        self.assertHeardByNobody()

    def test_address(self) -> None:
        """An address is what it means, however it is written."""
        for text in ("::ffff:192.0.2.7", "2001:0DB8:0:0::7", "2001:db8::7%eth0"):
            self.done(self.operations.open(text, "ssh"))
        self.assertEqual({ANN: 30.0, BOB: 30.0}, self.guard.open_())

    def test_noAddress(self) -> None:
        """What is no address is refused."""
        for text in ("", "ann.example", "192.0.2.0/24", "192.0.2.7\n", "0xc0000207", "\ud800"):
            self.assertEqual(
                f"{text!r} is not an address: give an IPv4 or IPv6 address",
                self.refused(self.operations.open(text, "ssh"), BadValue),
            )
        self.assertEqual({}, self.guard.open_())

    def test_noDoor(self) -> None:
        """So is what is no door, and to say none where there are two."""
        self.assertEqual(
            "there is no door 'shh': its doors are ssh, web",
            self.refused(self.operations.open(ANN, "shh"), NotFound),
        )
        self.assertEqual(
            "there are 2 doors: say which one, ssh, web",
            self.refused(self.operations.open(ANN), BadValue),
        )

    def test_tooLong(self) -> None:
        """More than the door allows is refused, not cut short."""
        self.assertEqual(
            "door web (443/tcp) opens for 1m at most: ask for less, or raise its max_open_for "
            "and reload",
            self.refused(self.operations.open(ANN, "web", 60.1), BadValue),
        )
        self.assertEqual({}, self.guard.open_())

    def test_full(self) -> None:
        """Where there are too many openings, it is told."""
        self.patch(admissionModule, "MAX_OPENINGS", 1)
        self.done(self.operations.open(ANN, "ssh"))
        self.assertIn(
            "which is the most", self.refused(self.operations.open(BOB, "ssh"), FirewallError)
        )

    def test_refused(self) -> None:
        """Where the firewall refuses, its reason is told, and it is tried all the same."""
        self.outer.failures = [NO]
        self.assertEqual(
            "cannot open: no privilege",
            self.refused(self.operations.open(ANN, "ssh"), FirewallError),
        )
        self.reactor.advance(1)
        self.assertEqual({ANN: 30.0}, self.outer.open_())

    def test_refusedTwice(self) -> None:
        """To ask again while it is refused has the reason told again, at the latest in a while."""
        self.outer.failures = [NO, NO, NO, NO, NO]
        self.refused(self.operations.open(ANN, "ssh"), FirewallError)
        again = self.do(self.operations.open(ANN, "ssh", 60.0))
        self.reactor.advance(OPEN_PATIENCE)
        self.assertIn("no privilege", str(self.failureResultOf(again).value))
        self.assertHeardByNobody()

    def test_refusedToMany(self) -> None:
        """Who asks for many is told of each at once, though the log has one line for all."""
        for last in range(5):
            self.outer.failures = [NO]
            self.refused(self.operations.open(f"192.0.2.{last}", "ssh"), FirewallError)

    def test_hangs(self) -> None:
        """Where it does not answer, neither does who asked wait for ever."""
        self.outer.holding = True
        done = self.do(self.operations.open(ANN, "ssh"))
        self.reactor.advance(OPEN_PATIENCE - 0.1)
        self.assertNoResult(done)
        self.reactor.advance(0.1)
        self.assertEqual(
            "the firewall does not answer; see the daemon's log",
            str(self.failureResultOf(done, FirewallError).value),
        )
        self.assertHeardByNobody()
        self.outer.answer()
        self.assertEqual({ANN: 30.0}, self.outer.open_())

    def test_late(self) -> None:
        """It may answer late."""
        self.outer.holding = True
        done = self.do(self.operations.open(ANN, "ssh"))
        self.reactor.advance(OPEN_PATIENCE - 0.1)
        self.outer.answer()
        self.assertEqual(25.1, self.successResultOf(done)["opening"]["seconds_left"])
        self.assertHeardByNobody()
        self.reactor.advance(OPEN_PATIENCE)
        self.assertEqual(1, len(self.reactor.getDelayedCalls()))

    def test_behindAnother(self) -> None:
        """Where an earlier request is answered first, the answer waits for its own."""
        self.outer.holding = self.outer.hasBegun = True
        self.keeper.request(Request(SSH, ANN, 5))
        done = self.do(self.operations.open(ANN, "ssh", 60.0))
        self.outer.answer()
        self.assertNoResult(done)
        self.outer.answer()
        self.assertEqual(60.0, self.successResultOf(done)["opening"]["seconds_left"])

    def test_closedMeanwhile(self) -> None:
        """Where it is closed before it is open, that is told at once."""
        self.outer.holding = True
        done = self.do(self.operations.open(ANN, "ssh"))
        self.do(self.operations.close("ssh", ANN))
        self.outer.answerAll()
        self.assertEqual("it was closed meanwhile", str(self.failureResultOf(done).value))


class AddressTests(OperationsTestCase):
    """
    Addresses that no client has.
    """

    def test_refused(self) -> None:
        """They are refused with a sentence, and nothing opens."""
        for address in (
            *("0.0.0.0", "0.0.0.7", "127.0.0.1", "127.9.9.9", "224.0.0.1", "239.255.255.250"),
            *("255.255.255.255", BROADCAST, "::", "::1", "ff02::1", "::ffff:255.255.255.255"),
        ):
            sentence = self.refused(self.operations.open(address, "ssh"), BadValue)
            shown = address.removeprefix("::ffff:")
            self.assertEqual(
                f"no client has the address {shown}: give the address of one client", sentence
            )
        self.assertEqual([], list(self.guard.doorsOpen()))

    def test_allowed(self) -> None:
        """All others are taken, also private ones."""
        for address in (ANN, BOB, "10.0.0.1", "100.64.0.1", "169.254.1.1", "fe80::1", "fd00::1"):
            self.done(self.operations.open(address, "ssh"))
        self.assertEqual(7, len(list(self.guard.doorsOpen())))


class ClientAddressTests(SynchronousTestCase):
    """
    Tests of L{canBeClient} with this host's own kernel.
    """

    def test_broadcast(self) -> None:
        """The kernel knows broadcast addresses; one that everybody has is not a client's."""
        for address in ("255.255.255.255", "127.255.255.255"):
            self.assertTrue(clientaddress._isBroadcast(IPv4Address(address)), address)
        for address in ("127.0.0.1", "192.0.2.1"):
            self.assertFalse(clientaddress._isBroadcast(IPv4Address(address)), address)


class OneDoorTests(OperationsTestCase):
    """
    A daemon of one door.
    """

    doors = (SSH,)

    def test_noName(self) -> None:
        """It need not be named."""
        self.assertEqual("ssh", self.done(self.operations.open(ANN))["opening"]["door"])


class CloseTests(OperationsTestCase):
    """
    Tests of L{Operations.close}.
    """

    def setUp(self) -> None:
        """Have three openings."""
        super().setUp()
        for door, source in ((SSH, ANN), (SSH, BOB), (WEB, ANN)):
            self.keeper.request(Request(door, source, 0, who=Principal("anna", "SHA256:x")))

    def close(self, door: str = "", source: str = "") -> list[tuple[str, str]]:
        """Close; which were closed."""
        answer = self.done(self.operations.close(door, source))
        self.assertEqual([], answer["closing"])
        self.assertHeardByNobody()
        self.assertEqual(self.guard.doorsOpen(), self.outer.doorsOpen())
        return self.names(answer["closed"])

    def test_all(self) -> None:
        """Everything can be closed."""
        self.assertEqual(3, len(self.close()))
        self.assertEqual({}, self.guard.doorsOpen())
        self.reactor.advance(0)
        self.assertEqual([], self.reactor.getDelayedCalls())

    def test_door(self) -> None:
        """Or all of one door."""
        self.assertEqual([("ssh", ANN), ("ssh", BOB)], self.close("ssh"))
        self.assertEqual([("web", ANN)], list(self.guard.doorsOpen()))

    def test_source(self) -> None:
        """Or all for one address."""
        self.assertEqual([("ssh", ANN), ("web", ANN)], self.close(source="::ffff:192.0.2.7"))
        self.assertEqual([("ssh", BOB)], list(self.guard.doorsOpen()))

    def test_both(self) -> None:
        """Or one only."""
        self.assertEqual([("web", ANN)], self.close("web", ANN))
        self.assertEqual([("ssh", ANN), ("ssh", BOB)], list(self.guard.doorsOpen()))

    def test_told(self) -> None:
        """Who did it is told."""
        self.close("web", ANN)
        self.assertEqual(
            f"closed door web (443/tcp) for {ANN}, asked to by the operator", self.log.lines()[-1]
        )

    def test_nothing(self) -> None:
        """Where nothing is open, to close all is no error; to close an address's is one."""
        self.close()
        self.assertEqual([], self.close())
        self.assertEqual([], self.close("web"))
        self.assertEqual(
            f"nothing is open for {BOB}", self.refused(self.operations.close("", BOB), NotFound)
        )
        self.assertEqual(
            f"door web: nothing is open for {BOB}",
            self.refused(self.operations.close("web", BOB), NotFound),
        )

    def test_noDoor(self) -> None:
        """A door that there is not closes nothing."""
        self.refused(self.operations.close("shh"), NotFound)
        self.refused(self.operations.close("ssh", "ann"), BadValue)
        self.assertEqual(3, len(self.guard.doorsOpen()))

    def how(self, closing: dict[str, Any]) -> tuple[bool, str]:
        """Whether the guard has closed what others have not, and what was refused."""
        return closing["shut"], closing["trouble"]

    def test_hangs(self) -> None:
        """
        Where firewalld hangs, the guard has closed when the answer comes, which says that, and
        that firewalld has not.
        """
        self.outer.holding = True
        done = self.do(self.operations.close("ssh"))
        self.assertEqual([("web", ANN)], list(self.guard.doorsOpen()))
        self.outer.answer()
        self.reactor.advance(CLOSE_PATIENCE)
        answer = self.successResultOf(done)
        self.assertEqual([("ssh", ANN)], self.names(answer["closed"]))
        self.assertEqual([("ssh", BOB)], self.names(answer["closing"]))
        self.assertEqual((True, ""), self.how(answer["closing"][0]))
        self.assertHeardByNobody()
        self.outer.answer()
        self.assertEqual([("web", ANN)], list(self.outer.doorsOpen()))

    def test_refuses(self) -> None:
        """Likewise where it refuses; it is tried until it is done."""
        self.outer.failures = [NO]
        done = self.do(self.operations.close("web"))
        self.assertEqual({"ssh"}, {door for door, _ in self.guard.doorsOpen()})
        self.reactor.advance(1)
        self.assertEqual([("web", ANN)], self.names(self.successResultOf(done)["closed"]))
        self.assertEqual({"ssh"}, {door for door, _ in self.outer.doorsOpen()})

    def test_refusesLonger(self) -> None:
        """The answer tells what firewalld refuses, though the guard has closed it."""
        self.outer.failures = [NO, NO]
        done = self.do(self.operations.close("web"))
        self.reactor.advance(1)
        self.reactor.advance(CLOSE_PATIENCE - 1)
        (closing,) = self.successResultOf(done)["closing"]
        self.assertEqual((True, "cannot close: no privilege"), self.how(closing))
        self.reactor.advance(2)
        self.assertEqual({"ssh"}, {door for door, _ in self.outer.doorsOpen()})

    def test_guardRefuses(self) -> None:
        """What the guard refuses to close is not shut, and firewalld's answer changes nothing."""
        for holding, trouble in ((False, "cannot close: no privilege"), (True, "")):
            self.guard.failures = [NO, NO]
            self.outer.holding = holding
            done = self.do(self.operations.close("ssh", BOB if holding else ANN))
            self.reactor.pump([1, CLOSE_PATIENCE - 1])
            (closing,) = self.successResultOf(done)["closing"]
            self.assertEqual((False, trouble), self.how(closing))

    def test_openedAnew(self) -> None:
        """What is opened again while firewalld hangs is shut no more."""
        self.outer.holding = True
        done = self.do(self.operations.close("web"))
        self.keeper.request(Request(WEB, ANN, 0))
        self.outer.answer()
        self.assertEqual([("web", ANN)], self.names(self.successResultOf(done)["closed"]))
        self.assertIn(("web", ANN), self.guard.doorsOpen())
        self.assertFalse(self.stack.isInnermostClosed("web", ip_address(ANN)))

    def test_whileItOpens(self) -> None:
        """What is still being opened in firewalld is closed in the guard at once."""
        self.outer.holding = True
        self.keeper.request(Request(WEB, BOB, 0))
        done = self.do(self.operations.close("", BOB))
        self.assertNotIn(("web", BOB), self.guard.doorsOpen())
        self.assertTrue(self.stack.isInnermostClosed("web", ip_address(BOB)))
        self.outer.answerAll()
        self.assertFalse(self.stack.isInnermostClosed("web", ip_address(BOB)))
        self.assertEqual(2, len(self.successResultOf(done)["closed"]))
        self.assertNotIn(("web", BOB), self.outer.doorsOpen())


class StatusTests(OperationsTestCase):
    """
    Tests of L{Operations.status}, L{Operations.openings} and L{Operations.reload}.
    """

    def test_status(self) -> None:
        """It tells all, and no secret."""
        self.done(self.operations.open(ANN, "ssh"))
        self.keeper.knock(Knock(BOB, PORTS[0], b"knock\n"))
        self.reactor.advance(1.5)
        door = {
            "name": "ssh",
            "ports": ["22/tcp"],
            "lock": "sequence",
            "open_for": 30.0,
            "max_open_for": 3600.0,
            "sessions": "keep",
            "udp_idle": 180.0,
            "udp_max": 43200.0,
            "openings": 1,
            "sources": 1,
        }
        web = {"name": "web", "ports": ["443/tcp"], "sessions": "cut", "max_open_for": 60.0}
        status = write(self.operations.status())
        self.assertEqual(
            {
                "version": __version__.public(),
                "uptime": 1.5,
                "firewall": "nftables and firewalld",
                "troubles": ["a port is busy"],
                "doors": [door, {**door, **web, "openings": 0, "sources": 0}],
                "openings": write(self.operations.openings())["openings"],
                "counters": {
                    "knocks": {"request": 0, "refused": 0, "other": 1},
                    "dropped": {},
                    "events": {"opened": 1},
                    "firewall_calls": {"ok": 0, "failed": 0},
                    "heals": 0,
                },
            },
            status,
        )
        self.assertFalse([port for port in SSH.sequence.ports if str(port) in str(status)])

    def test_sealed(self) -> None:
        """A door with keys has a sealed lock."""
        door = makeDoor(authorizedKeys="/etc/keys")
        self.assertEqual("sealed", recordDoors(Snapshot(0, 0, (door,), (), {}))[0].lock)

    def test_counted(self) -> None:
        """The openings of a door are counted, which needs nothing of them but their door."""
        unwritable = [Opening(door, ip_address(ANN), inf) for door in (SSH, WEB, SSH)]
        statuses = tuple(OpeningStatus(opening, 0.0, "") for opening in unwritable)
        state = Snapshot(0.0, TODAY, (SSH, WEB), statuses, {})
        self.assertEqual([2, 1], [door.openings for door in recordDoors(state)])
        self.assertRaises(OverflowError, list, recordOpenings(state))

    def test_openings(self) -> None:
        """They come sorted by their end, and can be chosen by door and address."""
        self.done(self.operations.open(ANN, "ssh", 50.0))
        self.done(self.operations.open(ANN, "web", 40.0))
        self.done(self.operations.open(BOB, "ssh", 30.0))
        chosen: dict[str, str]
        for chosen, expected in (
            ({}, [("ssh", BOB), ("web", ANN), ("ssh", ANN)]),
            ({"door": "ssh"}, [("ssh", BOB), ("ssh", ANN)]),
            ({"source": ANN}, [("web", ANN), ("ssh", ANN)]),
            ({"source": ANN, "door": "web"}, [("web", ANN)]),
            ({"source": "10.0.0.1"}, []),
        ):
            found = write(self.operations.openings(**chosen))["openings"]
            self.assertEqual(expected, self.names(found))
        self.assertRaises(NotFound, self.operations.openings, "shh")
        self.assertRaises(BadValue, self.operations.openings, "ssh", "ann")

    def test_trouble(self) -> None:
        """What the firewall refuses does not count as open, and says why."""
        self.outer.failures = [NO]
        self.do(self.operations.open(ANN, "ssh")).addErrback(lambda failure: None)
        (opening,) = write(self.operations.openings())["openings"]
        self.assertEqual(
            (False, "cannot open: no privilege"), (opening["open"], opening["trouble"])
        )

    def test_reload(self) -> None:
        """A reload tells what changed, or fails."""
        self.assertEqual({"changes": [], "troubles": []}, self.done(self.operations.reload()))
        self.daemon.error = ConfigError("it is wrong")
        self.assertEqual("it is wrong", self.refused(self.operations.reload(), ConfigError))

    def test_subscribe(self) -> None:
        """Who subscribes has the events until that ends."""
        heard: list[Event] = []
        end = self.operations.subscribe(heard.append)
        self.done(self.operations.open(ANN, "ssh"))
        end()
        self.done(self.operations.close())
        self.assertEqual(["opened"], [event.kind for event in heard])


class SharedTests(SynchronousTestCase):
    """
    Tests of L{isShared}.
    """

    def test_links(self) -> None:
        """Only a link-local address of IPv6 is, and only with several links beside the loopback."""
        lo, eth0, more, vpn = (
            f"fe80000000000000000000000000000{n} 04 40 20 80 {name}\n"
            for n, name in enumerate(("lo", "eth0", "eth0", "wg0"))
        )
        for text, expected in (("", False), (lo + eth0 + more, False), (lo + eth0 + vpn, True)):
            self.patch(clientaddress, "readLinks", partial(str, text))
            for address, canBe in (("fe80::1", True), ("fd00::1", False), ("169.254.1.1", False)):
                with self.subTest(text=text, address=address):
                    found = clientaddress.isShared(ip_address(address))
                    self.assertIs(expected and canBe, found)

    def test_noIPv6(self) -> None:
        """A host without IPv6 has no such addresses."""
        self.patch(clientaddress, "Path", lambda path: Path("/nowhere"))
        self.assertFalse(clientaddress.isShared(ip_address("fe80::1")))
