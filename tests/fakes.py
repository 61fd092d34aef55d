"""
Stand-ins for the outside world. Each obeys the interface of what it stands for, and insists on its
rules, so that a test fails where the real thing would.
"""

import ctypes
import errno
import ipaddress
import json
import os
import pwd
import re
import socket
import struct
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Mapping
from itertools import count
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from types import ModuleType
from typing import Any, NamedTuple, TypeVar

import twisted.internet
from twisted.internet.defer import Deferred, execute
from twisted.internet.error import CannotListenError, InvalidAddressError
from twisted.internet.protocol import DatagramProtocol
from twisted.internet.task import Clock
from twisted.internet.testing import EventLoggingObserver, MemoryReactorClock, StringTransport
from twisted.logger import LogLevel, formatEvent, globalLogPublisher
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

import pkdoors.knockports.knockports
from pkdoors.firewall.firewalld.thread import BusThread
from pkdoors.firewall.guard.flows import Flow
from pkdoors.firewall.interface import IFirewall
from pkdoors.knocks.knock import Knock
from pkdoors.model.doors import Door, Opening
from pkdoors.model.ports import parsePortRanges
from pkdoors.model.sequence import Sequence

T = TypeVar("T")

SO_TIMESTAMPNS, SO_ATTACH_FILTER, SO_DETACH_FILTER, SO_MEMINFO = 35, 26, 27, 55
IP_FREEBIND, IPV6_FREEBIND = 15, 78

PORTS = (17001, 17203, 17005, 17404, 17002)
"""The sequence of L{makeDoor}."""


def makeDoor(sequence: tuple[int, ...] = PORTS, ports: str = "22", **fields: Any) -> Door:
    """A door, C{default (22/tcp)} where nothing else is said."""
    return Door(**{"name": "default", **fields}, sequence=Sequence(sequence), ports=parse(ports))


parse = parsePortRanges


def listTCP(*flows: Flow) -> str:
    """C{/proc/net/tcp} with some connections, all over IPv4."""
    lines = ["  sl  local_address rem_address   st"]
    for each in flows:
        here, there = (
            f"{int.from_bytes(address.packed, sys.byteorder):08X}"
            for address in (each.address, each.source)
        )
        lines.append(
            f"   0: {here}:{each.port:04X} {there}:{each.sourcePort:04X} 01 00000000:00000000 "
            "00:00000000 00000000     0        0 12345 1 0000000000000000 20 4 30 10 -1"
        )
    return "\n".join(lines) + "\n"


def makeOpening(source: str = "203.0.113.9", deadline: float = 30.0, **door: Any) -> Opening:
    """An opening of a door of L{makeDoor}."""
    return Opening(makeDoor(**door), ipaddress.ip_address(source), deadline)


def knocks(source: str, *ports: int, datagram: bytes = b"knock\n") -> list[Knock]:
    """Knocks of one source on some ports."""
    return [Knock(source, port, datagram) for port in ports]


class Log:
    """
    What is logged while a test runs.
    """

    def __init__(self, test: SynchronousTestCase) -> None:
        self._events = EventLoggingObserver()
        globalLogPublisher.addObserver(self._events)
        test.addCleanup(globalLogPublisher.removeObserver, self._events)

    def lines(self, *levels: LogLevel) -> list[str]:
        """The lines of some levels, or of all, as the operator sees them."""
        return [
            formatEvent(event)
            for event in self._events
            if not levels or event["log_level"] in levels
        ]

    def levels(self) -> list[str]:
        """The level of each line."""
        return [event["log_level"].name for event in self._events]


SERVICE = 61234
"""The user of a service, and its group."""


def haveService(test: SynchronousTestCase) -> Path:
    """Have a user of the service while a test runs; a folder of its own, that it can enter."""
    user = pwd.struct_passwd(("pkdoors", "x", SERVICE, SERVICE, "", "/", "/bin/false"))
    test.patch(pwd, "getpwnam", lambda name: user)
    above = Path(mkdtemp())
    test.addCleanup(rmtree, above)
    above.chmod(0o755)
    folder = above / "service"
    folder.mkdir(0o755)
    os.chown(folder, SERVICE, SERVICE)
    return folder


def useUTC(test: SynchronousTestCase) -> None:
    """Show times of day in UTC while a test runs."""

    def use(zone: str | None) -> None:
        os.environ.pop("TZ", None)
        if zone is not None:
            os.environ["TZ"] = zone
        time.tzset()

    test.addCleanup(use, os.environ.get("TZ"))
    use("UTC")


def replaceModule(test: SynchronousTestCase, name: str, module: ModuleType | None) -> None:
    """Make C{import} give this module while a test runs; L{None}: it is not installed."""

    def restore(before: dict[str, ModuleType]) -> None:
        sys.modules.pop(name, None)
        sys.modules.update(before)

    test.addCleanup(restore, {name: sys.modules[name]} if name in sys.modules else {})
    modules: dict[str, ModuleType | None] = sys.modules  # type: ignore[assignment]
    modules[name] = module


def replaceReactor(test: SynchronousTestCase, reactor: object) -> None:
    """Be what C{from twisted.internet import reactor} gives while a test runs."""
    contents = twisted.internet.__dict__

    def restore(before: dict[str, object]) -> None:
        contents.pop("reactor", None)
        contents.update(before)

    test.addCleanup(restore, {"reactor": contents["reactor"]} if "reactor" in contents else {})
    contents["reactor"] = reactor


def makeModule(name: str, **contents: Any) -> ModuleType:
    """A module."""
    module = ModuleType(name)
    module.__dict__.update(contents)
    return module


@implementer(IFirewall)
class FakeFirewall:
    """
    A firewall in memory, whose own timer closes doors.

    @param diary: where all firewalls of a test write their calls, with their names.
    @ivar calls: the calls that came, as text.
    @ivar failures: what the next calls fail with, one each.
    @ivar holding: whether calls wait for L{answer}.
    @ivar hasBegun: whether an opening that is cancelled is made all the same, in its turn.
    @ivar before: what is open when it is started.
    @ivar isForgetful: whether it does not know what is open when it is started.
    @ivar guarded: the doors that it keeps closed now.
    @ivar drops: how many datagrams it has dropped.
    """

    def __init__(self, clock: Clock, name: str = "fake", diary: list[str] | None = None) -> None:
        self.name = name
        self._clock = clock
        self._diary = [] if diary is None else diary
        self._deadlines: dict[tuple[str, str], float] = {}
        self._waiting: deque[Callable[[Exception | None], None]] = deque()
        self._busy: set[tuple[str, str]] = set()
        self._isStarted = False
        self.calls: list[str] = []
        self.failures: list[Exception] = []
        self.holding = False
        self.hasBegun = False
        self.before: list[Opening] = []
        self.isForgetful = False
        self.guarded: tuple[Door, ...] = ()
        self.drops = 0
        self._kept: tuple[Door, ...] = ()

    def prepare(self, doors: tuple[Door, ...]) -> None:
        """See L{IFirewall.prepare}."""
        assert not self._isStarted, "prepared after it was started"
        self._note("prepare")
        self._failOnce()

    def start(self, doors: tuple[Door, ...], lost: Callable[[str], None]) -> list[Opening] | None:
        """See L{IFirewall.start}."""
        assert not self._isStarted, "started twice"
        self._note("start")
        self._failOnce()
        self._isStarted = True
        self.guarded = self._kept = doors
        self.lost = lost
        for each in self.before:
            self._deadlines[(each.door.name, str(each.source))] = each.deadline
        return None if self.isForgetful else self.before

    def setDoors(self, doors: tuple[Door, ...]) -> None:
        """See L{IFirewall.keep}."""
        self._note("keep " + ",".join(door.name for door in doors))
        self._kept = doors

    def restore(self, openings: Iterable[Opening]) -> Deferred[None]:
        """See L{IFirewall.restore}."""
        state = {(each.door.name, str(each.source)): each.deadline for each in openings}
        who = ", ".join(f"{key[1]} until {end:g}" for key, end in state.items())

        doors = self._kept

        def put() -> None:
            self.guarded, self._deadlines = doors, state

        return self._call(f"restore {who}".strip(), ("", ""), put)

    def flush(self, why: str = "nft changed the guard") -> None:
        """Lose everything, and say so."""
        self._deadlines.clear()
        self.lost(why)

    def open(self, opening: Opening) -> Deferred[None]:
        """See L{IFirewall.open}."""
        assert opening.deadline > self._clock.seconds(), "opened for no time"
        key = (opening.door.name, str(opening.source))
        return self._call(
            f"open {opening.source} until {opening.deadline:g}",
            key,
            lambda: self._deadlines.update({key: opening.deadline}),
        )

    def close(self, opening: Opening) -> Deferred[None]:
        """See L{IFirewall.close}."""
        key = (opening.door.name, str(opening.source))
        return self._call(
            f"close {opening.source}", key, lambda: (self._deadlines.pop(key, None), None)[1]
        )

    def dropped(self) -> int:
        """See L{IFirewall.dropped}."""
        return self.drops

    def stop(self) -> Deferred[None]:
        """See L{IFirewall.stop}."""
        return self._call("stop", ("", "stop"), lambda: None)

    def _call(self, call: str, key: tuple[str, str], effect: Callable[[], None]) -> Deferred[None]:
        assert key not in self._busy, f"{call} while the last call for it is not answered"
        self._note(call)
        self._busy.add(key)
        cancelled = []

        def callOff(answer: Deferred[None]) -> None:
            if call.startswith("open"):
                self._busy.discard(key)
                cancelled.append(key)
                if not self.hasBegun:
                    self._waiting.remove(finish)

        answer: Deferred[None] = Deferred(callOff)

        def finish(error: Exception | None) -> None:
            if cancelled:
                if error is None:
                    effect()
                return
            self._busy.discard(key)
            if answer.called:  # who waited lost patience
                return
            if error is not None:
                answer.errback(error)
                return
            effect()
            answer.callback(None)

        if self.holding:
            self._waiting.append(finish)
        else:
            finish(self.failures.pop(0) if self.failures else None)
        return answer

    def _note(self, call: str) -> None:
        self.calls.append(call)
        self._diary.append(f"{self.name}: {call}")

    def _failOnce(self) -> None:
        if self.failures:
            raise self.failures.pop(0)

    def answer(self, error: Exception | None = None) -> None:
        """Answer the oldest call that waits."""
        self._waiting.popleft()(error)

    def answerAll(self) -> None:
        """Answer all calls that wait, and those that come of it."""
        while self._waiting:
            self.answer()

    def open_(self) -> dict[str, float]:
        """Who can come in now, and until when."""
        return {source: end for (_, source), end in self.doorsOpen().items()}

    def doorsOpen(self) -> dict[tuple[str, str], float]:
        """Which doors are open for whom now, and until when."""
        now = self._clock.seconds()
        return {key: end for key, end in self._deadlines.items() if now < end}


class FakeNftables:
    """
    A context of libnftables.

    @ivar ran: the commands of each transaction that was not a dry run.
    @ivar judged: those of each that was.
    @ivar error: what the kernel says to everything, where not empty.
    @ivar listing: what it lists as our table, where not empty.
    @ivar ruleset: what it lists of all tables, where not empty.
    """

    def __init__(self, error: str = "") -> None:
        self._isDryRun = False
        self._isJSON = False
        self.listing = ""
        self.ruleset = ""
        self.ran: list[str] = []
        self.judged: list[str] = []
        self.error = error

    def set_dry_run(self, onOff: bool) -> bool:
        """Only judge from now on."""
        before, self._isDryRun = self._isDryRun, onOff
        return before

    def set_json_output(self, onOff: bool) -> bool:
        """Answer in JSON from now on."""
        before, self._isJSON = self._isJSON, onOff
        return before

    def cmd(self, commands: str) -> tuple[int, str, str]:
        """Run one transaction."""
        assert isinstance(commands, str)
        if commands == "list ruleset" and self._isJSON:
            return (0, self.ruleset, "") if self.ruleset else (-1, "", "Error: Invalid argument\n")
        if commands.startswith("list "):
            assert commands == "list table inet pkdoors" and self._isJSON
            return (0, self.listing, "") if self.listing else (-1, "", "Error: No such file")
        assert not self._isJSON
        if self.error:
            return -1, "", self.error
        (self.judged if self._isDryRun else self.ran).append(commands)
        return 0, "", ""


class FakeWatch:
    """
    What tells of changes to the guard.

    @ivar changed: tells of one; given by who watches.
    @ivar unsure: tells that more was changed than could be told.
    @ivar moved: tells that what is forwarded may have changed.
    @ivar attended: which changes count, as far as it was told; see
        L{pkdoors.firewall.nftables._notifications.Changes.attend}.
    @ivar port: the netlink port whose changes are not told.
    @ivar isOn: whether somebody watches.
    """

    def __init__(self) -> None:
        self.changed: Callable[[str], None]
        self.unsure: Callable[[], None]
        self.moved: Callable[[], None]
        self.attended: list[object] = []
        self.port = 0
        self.isOn = False

    def make(
        self,
        table: str,
        port: int,
        changed: Callable[[str], None],
        unsure: Callable[[], None],
        moved: Callable[[], None],
    ) -> Any:
        """Be made."""
        assert table == "pkdoors"
        self.port, self.changed, self.unsure, self.moved = port, changed, unsure, moved
        return self

    def attend(self, forwards: object) -> None:
        """See L{pkdoors.firewall.nftables._watch.Watch.attend}."""
        self.attended.append(forwards)

    def start(self, reactor: object) -> None:
        """See L{pkdoors.firewall.nftables._watch.Watch.start}."""
        self.isOn = True

    def stop(self, reactor: object) -> None:
        """See L{pkdoors.firewall.nftables._watch.Watch.stop}."""
        assert self.isOn, "stopped what was not started"
        self.isOn = False


class Change(NamedTuple):
    """
    A message of netlink about an element of a set.

    @ivar flags: those of the message, C{NLM_F_...}.
    @ivar milliseconds: the timeout; 0 where there is none.
    @ivar comment: what C{nft list} shows beside it.
    @ivar expires: the milliseconds that are left; 0 for all.
    """

    verb: str
    flags: int
    table: str
    name: str
    key: bytes
    milliseconds: int
    comment: str = ""
    expires: int = 0


def readBatch(batch: bytes) -> list[Change]:
    """The changes of a batch of nftables, which must be made as the kernel wants it."""
    messages = []
    while batch:
        length, kind, flags, _, _ = struct.unpack_from("=IHHII", batch)
        family, version, resource = struct.unpack_from("!BBH", batch, 16)
        assert length % 4 == 0 and version == 0 and flags & 1, "no request"
        messages.append((kind, flags, family, resource, batch[20:length]))
        batch = batch[length:]
    begin, *changes, end = messages
    assert begin == (16, 1, 0, 10, b"") and end == (17, 1, 0, 10, b""), "no batch of nftables"
    return [found for change in changes for found in _readChanges(*change)]


def _readChanges(kind: int, flags: int, family: int, resource: int, body: bytes) -> list[Change]:
    assert (family, resource) == (1, 0), "not of the family inet"
    verb = {10 << 8 | 12: "add", 10 << 8 | 14: "delete"}[kind]
    outer = readAttributes(body)
    assert set(outer) == {1, 2, 3 | 0x8000}
    texts = [outer[number].decode("ascii") for number in (1, 2)]
    assert all(text[-1] == "\0" for text in texts)
    table, name = (text[:-1] for text in texts)
    listed, found = outer[3 | 0x8000], []
    while listed:
        length, number = struct.unpack_from("=HH", listed)
        assert number == 1 | 0x8000
        found.append(Change(verb, flags, table, name, *_readElement(listed[4:length])))
        listed = listed[length + 3 & ~3 :]
    return found


def _readElement(body: bytes) -> tuple[bytes, int, str, int]:
    element = readAttributes(body)
    assert set(element) <= {1 | 0x8000, 4, 5, 6}
    key = readAttributes(element[1 | 0x8000])
    assert set(key) == {1}
    times = [int.from_bytes(element.get(each, b""), "big") for each in (4, 5)]
    for each, time_ in zip((4, 5), times, strict=True):
        assert each not in element or (len(element[each]) == 8 and time_), "0 is for ever"
    comment = element.get(6, b"\0\1\0")
    assert comment[0] == 0 and comment[1] == len(comment) - 2 <= 128 and comment[-1:] == b"\0"
    return key[1], times[0], comment[2:-1].decode("ascii"), times[1]


def readAttributes(body: bytes) -> dict[int, bytes]:
    """Attributes of netlink, by type."""
    found = {}
    while body:
        length, kind = struct.unpack_from("=HH", body)
        assert 4 <= length <= len(body) and kind not in found
        found[kind] = body[4:length]
        body = body[length + 3 & ~3 :]
    return found


class FakeNetlink:
    """
    A netlink socket, in place of L{socket.socket}.

    @ivar sent: what was sent.
    @ivar answers: what the kernel answers to what is sent next; an error is raised.
    """

    def __init__(self, test: SynchronousTestCase) -> None:
        self._reorderer: deque[bytes] = deque()
        self.sent: list[bytes] = []
        self.answers: list[bytes | OSError] = []
        self.refusal: OSError | None = None
        self.isOpen = False
        self.isBound = False
        test.patch(socket, "socket", self.make)

    def make(self, family: int, kind: int, protocol: int) -> "FakeNetlink":
        """What C{socket.socket} gives."""
        assert (family, protocol) == (socket.AF_NETLINK, 12)
        assert kind == socket.SOCK_RAW | socket.SOCK_NONBLOCK, "a read would block the reactor"
        if self.refusal is not None:
            raise self.refusal
        self.isOpen = True
        return self

    def bind(self, address: tuple[int, int]) -> None:
        """Take an address that the kernel chooses, and no group."""
        assert address == (0, 0)
        self.isBound = True

    def getsockname(self) -> tuple[int, int]:
        """The port that the kernel gave it, and its groups."""
        assert self.isOpen and self.isBound
        return 4711, 0

    def send(self, batch: bytes) -> int:
        """Send; the answer is there at once."""
        assert self.isOpen and self.isBound
        self.sent.append(batch)
        for answer in self.answers:
            if isinstance(answer, OSError):
                raise answer
            self._reorderer.append(answer)
        return len(batch)

    def recv(self, size: int) -> bytes:
        """The next datagram."""
        assert self.isOpen and size >= 8192
        if not self._reorderer:
            raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")
        return self._reorderer.popleft()

    def close(self) -> None:
        """Close."""
        self.isOpen = False
        self._reorderer.clear()  # a new socket begins anew


class FakeDBusException(Exception):
    """C{dbus.DBusException}."""

    def __init__(self, message: str, name: str = "org.fedoraproject.FirewallD1.Exception") -> None:
        super().__init__(message)
        self._message = message
        self._name = name

    def get_dbus_message(self) -> str:
        """What went wrong."""
        return self._message

    def get_dbus_name(self) -> str:
        """The kind of error."""
        return self._name


class FakeDBus:
    """
    D-Bus.

    @ivar names: the names that have an owner; L{None} where there is no bus.
    @ivar connections: how many connections are open.
    @ivar isDeadly: whether the end of the connection would end the process.
    @ivar zones: the zones that firewalld tells; an error is raised.
    @ivar timeouts: the seconds that calls were given.
    """

    def __init__(self, *names: str) -> None:
        self.names: tuple[str, ...] | None = names
        self.zones: list[str] | FakeDBusException = ["public", "internal", "trusted"]
        self.connections = 0
        self.isDeadly = True
        self.loop: object = None
        self.timeouts: list[float] = []

    def install(self, test: SynchronousTestCase) -> None:
        """Be what C{import dbus} gives."""
        module = makeModule("dbus", DBusException=FakeDBusException, SystemBus=self.connect)
        replaceModule(test, "dbus", module)

    def connect(self, private: bool = False, mainloop: object = None) -> "FakeDBus":
        """C{dbus.SystemBus}."""
        assert private, "a shared connection cannot be closed"
        self.loop = mainloop
        if self.names is None:
            raise FakeDBusException("Failed to connect to socket /run/dbus/system_bus_socket")
        self.connections += 1
        return self

    def set_exit_on_disconnect(self, onOff: bool) -> None:
        """Whether to end the process with the connection."""
        self.isDeadly = onOff

    def call_blocking(self, *call: str, timeout: float = -1.0) -> None:
        """Call a method and wait."""
        self.timeouts.append(timeout)

    def call_async(self, *call: str, timeout: float = -1.0) -> None:
        """Call a method."""
        self.timeouts.append(timeout)

    def name_has_owner(self, name: str) -> bool:
        """Whether somebody answers to a name."""
        assert self.connections and self.names is not None
        return name in self.names

    def get_object(self, name: str, path: str, introspect: bool = True) -> "FakeDBus":
        """A proxy of firewalld."""
        assert self.connections and self.names is not None and name in self.names
        assert (name, path) == ("org.fedoraproject.FirewallD1", "/org/fedoraproject/FirewallD1")
        assert not introspect, "that needs a main loop, which a start does not have"
        return self

    def getZones(self, dbus_interface: str) -> list[str]:
        """The names of firewalld's zones, asked of the proxy."""
        assert self.connections, "asked over a connection that is closed"
        assert dbus_interface == "org.fedoraproject.FirewallD1.zone"
        if isinstance(self.zones, FakeDBusException):
            raise self.zones
        return self.zones

    def close(self) -> None:
        """End the connection."""
        self.connections -= 1


class FakeZoneSettings:
    """
    C{firewall.client.FirewallClientZoneSettings}.
    """

    def __init__(
        self,
        target: str = "default",
        ports: Iterable[tuple[str, str]] = (),
        services: Iterable[str] = (),
        protocols: Iterable[str] = (),
        rules: Iterable[str] = (),
    ) -> None:
        self._target = target
        self._ports = list(ports)
        self._services = list(services)
        self._protocols = list(protocols)
        self._rules = list(rules)

    def getTarget(self) -> str:
        """What becomes of packets that nothing else decides on."""
        return self._target

    def getPorts(self) -> list[tuple[str, str]]:
        """Open ports."""
        return self._ports

    def getServices(self) -> list[str]:
        """Open services."""
        return self._services

    def getProtocols(self) -> list[str]:
        """Open protocols."""
        return self._protocols

    def getRichRules(self) -> list[str]:
        """Rich rules."""
        return self._rules


class FakeServiceSettings:
    """
    C{firewall.client.FirewallClientServiceSettings}.
    """

    def __init__(self, ports: list[tuple[str, str]], includes: list[str]) -> None:
        self._ports = ports
        self._includes = includes

    def getPorts(self) -> list[tuple[str, str]]:
        """The ports of the service itself."""
        return self._ports

    def getIncludes(self) -> list[str]:
        """The services that are part of it."""
        return self._includes


SIGNALS = {
    *("reloaded", "connection-changed", "config:zone-updated", "default-zone-changed"),
    "richrule-removed",
    *("interface-added", "interface-removed", "zone-of-interface-changed"),
    *("source-added", "source-removed", "zone-of-source-changed"),
}
"""Some of those that firewalld's client knows."""


class FakePermanent:
    """
    firewalld's permanent configuration, or one zone of it.
    """

    def __init__(
        self, zones: dict[str, list[str]], check: Callable[[str, str], None], zone: str = ""
    ) -> None:
        self._zones = zones
        self._check = check
        self._zone = zone

    def getZoneNames(self) -> list[str]:
        """The names of all zones."""
        self._check("getZoneNames", "")
        return list(self._zones)

    def getZoneByName(self, name: str) -> "FakePermanent":
        """One of them."""
        if name not in self._zones:
            raise FakeDBusException(f"INVALID_ZONE: {name}")
        return FakePermanent(self._zones, self._check, name)

    def getRichRules(self) -> list[str]:
        """Its rich rules."""
        return list(self._zones[self._zone])

    def removeRichRule(self, rule: str) -> None:
        """Remove one of them."""
        self._check("removePermanentRule", rule)
        if rule not in self.getRichRules():
            raise FakeDBusException(f"NOT_ENABLED: '{rule}'")
        self._zones[self._zone].remove(rule)


class FakeFirewalld:
    """
    firewalld, and C{firewall.client.FirewallClient} to it.

    @ivar rules: zone -> rule -> when firewalld removes it, 0 for never.
    @ivar permanent: the rules of each zone that a reload brings back.
    @ivar calls: the calls that change something, C{"add public rule ..."}.
    @ivar refusals: method, part of a rule, and what firewalld answers to calls with it;
        C{removePermanentRule} is of the permanent configuration.
    @ivar asked: the methods that were called, whatever came of it.
    @ivar isOnBus: whether the client's connection to the bus is there.
    @ivar connected: whether the client has seen firewalld on the bus.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._callbacks: dict[str, Callable[..., None]] = {}
        self.isOnBus = True
        self.connected = True
        self.rules: dict[str, dict[str, float]] = {"public": {}, "internal": {}, "trusted": {}}
        self.permanent: dict[str, list[str]] = {zone: [] for zone in self.rules}
        self.active: dict[str, dict[str, list[str]]] = {"public": {"interfaces": ["eth0"]}}
        self.default = "public"
        self.ipsets: dict[str, list[str]] = {}
        self.settings: dict[str, FakeZoneSettings] = {}
        self.services = {"ssh": [("22", "tcp")]}
        self.includes: dict[str, list[str]] = {}
        self.calls: list[str] = []
        self.refusals: list[tuple[str, str, FakeDBusException]] = []
        self.asked: list[str] = []

    def refuse(self, method: str, part: str, message: str, name: str = "") -> None:
        """Refuse a method from now on where this is part of the rule."""
        error = FakeDBusException(message, name) if name else FakeDBusException(message)
        self.refusals.append((method, part, error))

    def present(self, zone: str = "public") -> dict[str, float]:
        """The rules of a zone that are in effect, and the seconds they have left, 0 for ever."""
        now = self._clock.seconds()
        return {
            rule: end and end - now
            for rule, end in self._zone(zone).items()
            if not end or now < end
        }

    @property
    def bus(self) -> "FakeFirewalld":
        """The client's connection."""
        return self

    def get_is_connected(self) -> bool:
        """Whether it is there."""
        return self.isOnBus

    def connect(self, signal: str, callback: Callable[..., None]) -> None:
        """Have this called when a signal comes."""
        assert signal in SIGNALS, signal
        self._callbacks[signal] = callback

    def tell(self, signal: str, *arguments: object) -> None:
        """Send a signal."""
        self._callbacks[signal](*arguments)

    def call_on_disconnection(self, callback: Callable[[object], None]) -> None:
        """Have this called when the bus goes away."""
        self._callbacks["disconnected"] = callback

    def disconnect(self) -> None:
        """The bus goes away."""
        self.isOnBus = False
        self._callbacks["disconnected"](self)

    def end(self, rule: str, zone: str = "public") -> None:
        """Remove a rule, as a timer does, and tell."""
        del self.rules[zone][rule]
        self._callbacks["richrule-removed"](zone, rule)

    def save(self) -> None:
        """Make all rules permanent, as C{--runtime-to-permanent} does, and tell."""
        for zone in self.rules:
            self.permanent[zone] = list(self.present(zone))
            self._callbacks["config:zone-updated"](zone)

    def config(self) -> "FakePermanent":
        """The permanent configuration."""
        self._check("config", "")
        return FakePermanent(self.permanent, self._check)

    def getZones(self) -> list[str]:
        """The names of all zones."""
        self._check("getZones", "")
        return list(self.rules)

    def reload(self) -> None:
        """Forget all rules that are not permanent, as a reload does, and tell."""
        self.rules = {zone: dict.fromkeys(rules, 0.0) for zone, rules in self.permanent.items()}
        self._callbacks["reloaded"]()

    def change(self, connected: bool) -> None:
        """Come or go, and tell."""
        self.connected = connected
        self._callbacks["connection-changed"]()

    def getActiveZones(self) -> dict[str, dict[str, list[str]]]:
        """The zones that interfaces or sources are bound to."""
        self._check("getActiveZones", "")
        return self.active

    def getDefaultZone(self) -> str:
        """The zone of all else."""
        self._check("getDefaultZone", "")
        return self.default

    def getEntries(self, ipset: str) -> list[str]:
        """What is in an ipset."""
        if ipset not in self.ipsets:
            raise FakeDBusException(f"IPSET_WITH_TIMEOUT: {ipset}")
        return self.ipsets[ipset]

    def getZoneSettings(self, zone: str) -> FakeZoneSettings:
        """The configuration of a zone."""
        self._zone(zone)
        return self.settings.get(zone, FakeZoneSettings())

    def getServiceSettings(self, service: str) -> FakeServiceSettings:
        """The configuration of a service."""
        return FakeServiceSettings(self.services[service], self.includes.get(service, []))

    def getRichRules(self, zone: str) -> list[str]:
        """The rich rules of a zone."""
        self._check("getRichRules", zone)
        return list(self.present(zone))

    def addRichRule(self, zone: str, rule: str, timeout: int = 0) -> str:
        """Add a rich rule."""
        assert isinstance(timeout, int) and timeout >= 0, "D-Bus takes whole seconds"
        priority = re.match(r'rule priority="(-?\d+)" ', rule)
        assert priority and -32768 <= int(priority[1]) <= 32767, rule
        self._check("addRichRule", rule)
        if rule in self.present(zone):
            raise FakeDBusException(f"ALREADY_ENABLED: '{rule}' already in '{zone}'")
        self.calls.append(f"add {zone} {rule}")
        self._zone(zone)[rule] = self._clock.seconds() + timeout if timeout else 0
        return zone

    def removeRichRule(self, zone: str, rule: str) -> str:
        """Remove a rich rule."""
        self._check("removeRichRule", rule)
        if rule not in self.present(zone):
            raise FakeDBusException(f"NOT_ENABLED: '{rule}' not in '{zone}'")
        self.calls.append(f"remove {zone} {rule}")
        del self._zone(zone)[rule]
        return zone

    def _zone(self, zone: str) -> dict[str, float]:
        if zone not in self.rules:
            raise FakeDBusException(f"INVALID_ZONE: {zone}")
        return self.rules[zone]

    def _check(self, method: str, rule: str) -> None:
        self.asked.append(method)
        if not self.isOnBus:
            name = "org.freedesktop.DBus.Error.Disconnected"
            raise FakeDBusException("Connection is closed", name)
        assert self.connected, "firewalld's client swallows this: 'NoneType' has no ..."
        for refused, part, error in self.refusals:
            if refused == method and part in rule:
                raise error


class FakeIp:
    """
    The C{ip} command, in place of L{subprocess.run}.

    @ivar answers: the words after C{ip -json} -> what it prints; others fail.
    """

    def __init__(self, answers: Mapping[str, object] | None = None) -> None:
        self.answers = dict(answers or {})
        self.asked: list[str] = []

    def install(self, test: SynchronousTestCase) -> None:
        """Be what runs."""
        test.patch(subprocess, "run", self)

    def __call__(
        self, command: list[str], capture_output: bool, timeout: float, check: bool
    ) -> subprocess.CompletedProcess[bytes]:
        assert command[:2] == ["ip", "-json"] and capture_output and check and timeout <= 5
        question = " ".join(command[2:])
        self.asked.append(question)
        answer = self.answers.get(question)
        if isinstance(answer, Exception):
            raise answer
        if answer is None:
            raise subprocess.CalledProcessError(2, command)
        printed = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        return subprocess.CompletedProcess(command, 0, printed)


class SyncBusThread(BusThread):
    """
    Does the work of a L{BusThread} at once.

    @ivar isStuck: whether firewalld does not answer.
    """

    def __init__(self) -> None:
        super().__init__(lambda work, *arguments: work(*arguments))
        self.isRunning = False
        self.isStuck = False

    def start(self) -> None:
        """See L{BusThread.start}."""
        assert not self.isRunning, "started twice"
        self.isRunning = True

    def stop(self) -> None:
        """See L{BusThread.stop}."""
        self.isRunning = False

    def tell(self, hear: Callable[[str], None], what: str) -> None:
        """See L{BusThread.tell}."""
        assert self.isRunning, "nobody would say this"
        hear(what)

    def callBlocking(self, work: Callable[[], T], timeout: float) -> T:
        """See L{BusThread.callBlocking}."""
        assert self.isRunning, "nobody would do this"
        if self.isStuck:
            raise TimeoutError
        return work()

    def call(self, work: Callable[[], T]) -> Deferred[T]:
        """See L{BusThread.call}."""
        assert self.isRunning, "nobody would do this"
        return Deferred() if self.isStuck else execute(work)

    def offer(self, place: Hashable, work: Callable[[], T]) -> Deferred[T]:
        """See L{BusThread.offer}."""
        return self.call(work)


class FakeThreadPool:
    """
    Does the work of a thread pool at once; the answer comes through the reactor, as always.
    """

    def callInThreadWithCallback(
        self, onResult: Callable[[bool, Any], None], work: Callable[..., Any], *arguments: Any
    ) -> None:
        """Do it."""
        try:
            result = work(*arguments)
        except Exception:
            onResult(False, Failure())
        else:
            onResult(True, result)


class FakeUDPPort:
    """
    What C{listenUDP} gives.
    """

    def __init__(self, reactor: "FakeReactor", interface: str) -> None:
        self._reactor = reactor
        self._version = 6 if interface == "::" else 4
        self.isOpen = True

    def write(self, datagram: bytes, address: tuple[str, int]) -> None:
        """Send."""
        assert self.isOpen, "written to a port that is closed"
        assert isinstance(datagram, bytes) and 0 < address[1] < 65536
        host = ipaddress.ip_address(address[0])
        if host.version != self._version:
            raise InvalidAddressError(address[0], "wrong family")
        if address[0] in self._reactor.unreachable:
            raise OSError(errno.ENETUNREACH, "Network is unreachable")
        self._reactor.sent.append((self._reactor.seconds(), *address, datagram))

    def stopListening(self) -> None:
        """Close."""
        self.isOpen = False


class FakeHandle:
    """
    The socket of a connection, which can be taken out of it.
    """

    def __init__(self, own: socket.socket) -> None:
        self._own = own

    def detach(self) -> int:
        """Give the descriptor away."""
        return self._own.detach()


class FakeConnection(StringTransport):
    """
    A connection of the reactor's, with a socket underneath.

    @ivar peer: the other end of it, where somebody asked for the socket.
    """

    peer: socket.socket | None = None

    def stopReading(self) -> None:
        """The reactor reads no more."""
        self.pauseProducing()

    def getHandle(self) -> FakeHandle:
        """The socket."""
        assert self.producerState == "paused", "the reactor would read from it"
        own, self.peer = socket.socketpair()
        own.setblocking(False)
        return FakeHandle(own)


class FakeReactor(MemoryReactorClock):
    """
    Twisted's own fake reactor, with what it lacks: UDP, threads, and a C{run} that passes time.

    @ivar sent: the datagrams that were sent: when, address, port, payload.
    @ivar unreachable: addresses that there is no route to.
    @ivar udpPorts: all UDP ports that were ever opened.
    @ivar isIPv6Missing: whether the kernel has no IPv6 at all.
    """

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[tuple[float, str, int, bytes]] = []
        self.unreachable: set[str] = set()
        self.udpPorts: list[FakeUDPPort] = []
        self.isIPv6Missing = False

    def listenUDP(
        self, port: int, protocol: DatagramProtocol, interface: str = "", maxPacketSize: int = 8192
    ) -> FakeUDPPort:
        """Take a UDP port."""
        assert port == 0 and interface in ("", "::"), "that may be taken"
        if interface == "::" and self.isIPv6Missing:
            error = OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")
            raise CannotListenError(interface, port, error)
        self.udpPorts.append(FakeUDPPort(self, interface))
        return self.udpPorts[-1]

    def callFromThread(self, work: Callable[..., Any], *arguments: Any) -> None:
        """Do something in the reactor's next turn."""
        self.callLater(0, work, *arguments)

    def getThreadPool(self) -> FakeThreadPool:
        """Where what blocks is done."""
        return FakeThreadPool()

    def begin(self) -> None:
        """Run from now on; time passes by hand."""
        assert not self.running
        self.running = self.hasRun = True
        for work, arguments, keywords in self.whenRunningHooks:
            work(*arguments, **keywords)

    def run(self, installSignalHandlers: bool = True) -> None:
        """Pass the time until somebody stops the reactor."""
        self.begin()
        while self.running:
            assert self.getDelayedCalls(), "would run for ever"
            self.advance(max(0, self.getDelayedCalls()[0].getTime() - self.seconds()))

    def connections(self) -> list[tuple[str, int]]:
        """The TCP connections that were tried, in order."""
        return [(host, port) for host, port, *_ in self.tcpClients]

    def accept(self, index: int = -1) -> "FakeConnection":
        """Let a TCP connection that is tried succeed."""
        transport = FakeConnection()
        protocol = self.tcpClients[index][2].buildProtocol(None)
        assert protocol is not None
        protocol.makeConnection(transport)
        return transport

    def reject(self, error: Exception, index: int = -1) -> None:
        """Let a TCP connection that is tried fail."""
        self.tcpClients[index][2].clientConnectionFailed(self.connectors[index], Failure(error))


class FakeSocket:
    """
    A UDP socket of a L{FakeHost}.

    @ivar inbox: what comes next: payload and sender, or an error.
    @ivar program: what it was told to filter with.
    @ivar drops: how many datagrams the kernel dropped.
    """

    def __init__(self, host: "FakeHost", family: int, number: int) -> None:
        self._host = host
        self._number = number
        self.family = family
        self.isV6Only = self.isFree = False
        self.options: dict[int, int] = {}
        self.isOpen = True
        self.address = ("", 0)
        self.reorderer: deque[tuple[bytes, tuple[Any, ...]] | OSError] = deque()
        self.program = b""
        self.drops = 0

    @property
    def isShared(self) -> bool:
        """Whether its port can be taken by others that are willing to share it."""
        return bool(self.options.get(socket.SO_REUSEPORT))

    def setsockopt(self, level: int, option: int, value: int | bytes) -> None:
        """Set an option."""
        if level == socket.SOL_SOCKET:
            if option == SO_ATTACH_FILTER:
                self._attach(value)
                return
            if option == SO_DETACH_FILTER:
                self.program = b""
                return
            # SO_REUSEADDR would let everybody have the port.
            assert option in (socket.SO_REUSEPORT, SO_TIMESTAMPNS, socket.SO_RCVBUF), "unknown"
            assert isinstance(value, int)
            self.options[option] = value
            return
        if option in (IP_FREEBIND, IPV6_FREEBIND):
            self.isFree = True
            return
        assert (level, option) == (socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)
        assert self.family == socket.AF_INET6, "Protocol not available"
        self.isV6Only = bool(value)

    def _attach(self, fprog: int | bytes) -> None:
        assert isinstance(fprog, bytes)
        if self._host.filtersNothing:
            raise OSError(errno.ENOPROTOOPT, "Protocol not available")
        count, where = struct.unpack("@HP", fprog)
        self.program = ctypes.string_at(where, 8 * count)

    def bind(self, address: tuple[Any, ...]) -> None:
        """Take an address and a port."""
        interface, port = address[:2]
        if interface not in self._host.addresses and not self.isFree:
            raise OSError(errno.EADDRNOTAVAIL, "Cannot assign requested address")
        if 0 < port < 1024 and not self._host.isRoot:
            raise PermissionError(errno.EACCES, "Permission denied")
        if port and any(self._conflicts(other, interface, port) for other in self._host.sockets):
            raise OSError(errno.EADDRINUSE, "Address already in use")
        self.address = (interface, port or 40_000 + self._number)

    def _conflicts(self, other: "FakeSocket", interface: str, port: int) -> bool:
        if not other.isOpen or other.address[1] != port:
            return False
        if self.isShared and other.isShared:
            return False
        if other.family != self.family:
            return not (self.isV6Only or other.isV6Only)
        return (
            interface == other.address[0]
            or {interface, other.address[0]} & {"0.0.0.0", "::"} != set()
        )

    def getsockname(self) -> tuple[str, int]:
        """The address and port."""
        return self.address

    def fileno(self) -> int:
        """A number."""
        return self._number if self.isOpen else -1

    def take(self, size: int) -> tuple[str, bytes, int]:
        """The next datagram, cut off where it is too long, with the time at which it came."""
        assert self.isOpen, "read from a socket that is closed"
        assert self.options[SO_TIMESTAMPNS], "it would have no time"
        if not self.reorderer:
            raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")
        item = self.reorderer.popleft()
        if isinstance(item, OSError):
            raise item
        return item[1][0], item[0][:size], next(self._host.stamps)

    def getsockopt(self, level: int, option: int, size: int) -> bytes:
        """What the kernel counts."""
        assert (level, option) == (socket.SOL_SOCKET, SO_MEMINFO), "unknown option"
        if self._host.tellsNothing:
            raise OSError(errno.ENOPROTOOPT, "Protocol not available")
        return struct.pack("=9I", *[7] * 8, self.drops % 2**32)[:size]

    def close(self) -> None:
        """Give the port back."""
        self.isOpen = False


class FakeReceiver:
    """
    Reads a L{FakeSocket}.
    """

    def __init__(self, size: int) -> None:
        self._size = size

    def receive(self, bound: FakeSocket) -> list[tuple[str, bytes, int]]:
        """What has come, 64 datagrams at most; an error comes when all before it was read."""
        received = [bound.take(self._size)]
        while (
            len(received) < 64 and bound.reorderer and not isinstance(bound.reorderer[0], OSError)
        ):
            received.append(bound.take(self._size))
        return received


class FakeHost:
    """
    A host's UDP ports, in place of L{socket.socket}.

    @ivar filtersNothing: whether its kernel takes no filters.
    @ivar tellsNothing: whether it does not tell what it dropped.
    """

    def __init__(
        self, test: SynchronousTestCase, hasIPv6: bool = True, isRoot: bool = True
    ) -> None:
        self.sockets: list[FakeSocket] = []
        self.hasIPv6 = hasIPv6
        self.isRoot = isRoot
        self.stamps = count(1_800_000_000_000_000_000)
        self.addresses = {"0.0.0.0", "192.0.2.1"} | ({"::", "2001:db8::1"} if hasIPv6 else set())
        self.room: int | None = None  # how many sockets there can be; None for any number
        self.filtersNothing = self.tellsNothing = False
        self._real = socket.socket
        test.patch(socket, "socket", self._make)
        test.patch(pkdoors.knockports.knockports, "BatchReceiver", FakeReceiver)

    def _make(self, family: int, kind: int = socket.SOCK_STREAM, protocol: int = 0) -> Any:
        if family == socket.AF_UNIX:  # it has no port
            return self._real(family, kind, protocol)
        assert kind == socket.SOCK_DGRAM | socket.SOCK_NONBLOCK, "a read would block the reactor"
        return self._makeUDP(family)

    def _makeUDP(self, family: int) -> FakeSocket:
        if self.room is not None and len(self.bound()) >= self.room:
            raise OSError(errno.EMFILE, "Too many open files")
        if family == socket.AF_INET6 and not self.hasIPv6:
            raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")
        self.sockets.append(FakeSocket(self, family, len(self.sockets)))
        return self.sockets[-1]

    def take(self, port: int, interface: str = "0.0.0.0") -> None:
        """Another program has this port."""
        family = socket.AF_INET6 if ":" in interface else socket.AF_INET
        taken = self._makeUDP(family)
        taken.isV6Only = True
        taken.bind((interface, port))

    def bound(self) -> list[tuple[str, int]]:
        """The addresses and ports that are taken."""
        return [each.address for each in self.sockets if each.isOpen]

    def find(self, interface: str, port: int) -> FakeSocket:
        """The open socket of an address and port."""
        address = (interface, port)
        return next(each for each in self.sockets if each.isOpen and each.address == address)


def makeListing(
    *rules: list[Any],
    chain: str = "inet filter input",
    policy: str = "accept",
    kind: str = "filter",
    hook: str = "input",
    chains: Mapping[str, list[list[Any]]] | None = None,
    sets: Mapping[str, list[Any]] | None = None,
) -> dict[str, list[Any]]:
    """
    What C{nft -j list ruleset} prints of one table.

    @param rules: those of the chain that the kernel calls at the hook.
    @param chains: other chains of the table, and their rules.
    @param sets: the elements of its sets, and the pairs of its maps.
    """
    family, table, name = chain.split()
    where = {"family": family, "table": table}
    called = {"hook": hook, "type": kind, "prio": 0, "policy": policy}
    everyRule = {**(chains or {}), name: rules}
    items: list[dict[str, Any]] = [
        {"metainfo": {"json_schema_version": 1}},
        {"table": {"family": family, "name": table, "handle": 1}},
        {"chain": {**where, "name": name, "handle": 2, **called}},
        *({"chain": {**where, "name": each, "handle": 3}} for each in chains or ()),
        *({"set": {**where, "name": each, "elem": found}} for each, found in (sets or {}).items()),
    ]
    for each, found in everyRule.items():
        items += ({"rule": {**where, "chain": each, "expr": rule}} for rule in found)
    return {"nftables": items}


def joinListings(*listings: dict[str, list[Any]]) -> str:
    """The text of several tables of L{makeListing} together."""
    return json.dumps({"nftables": [item for each in listings for item in each["nftables"]]})


def condition(field: str, right: Any, op: str = "==") -> dict[str, Any]:
    """A condition of a rule: C{"tcp dport"}, C{"meta l4proto"}, ... compared with something."""
    return {"match": {"op": op, "left": expression(field), "right": right}}


def expression(field: str) -> dict[str, Any]:
    """What a condition asks for; several with dots between are a concatenation."""
    if " . " in field:
        return {"concat": [expression(each) for each in field.split(" . ")]}
    kind, key = field.split()
    if kind in ("meta", "ct"):
        return {kind: {"key": key}}
    if kind == "fib":
        return {"fib": {"result": key.partition("/")[0], "flags": [key.partition("/")[2]]}}
    return {"payload": {"protocol": kind, "field": key}}


ACCEPT: dict[str, Any] = {"accept": None}
DROP: dict[str, Any] = {"drop": None}
REJECT: dict[str, Any] = {"reject": {"type": "icmpx", "expr": "port-unreachable"}}
