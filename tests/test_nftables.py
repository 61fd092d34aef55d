"""Tests of L{pkdoors.firewall.nftables}."""

import json
from dataclasses import replace
from ipaddress import ip_address
from typing import Any

from twisted.internet.task import Clock
from twisted.logger import LogLevel
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from pkdoors.errors import FirewallError
from pkdoors.firewall.nftables import NftablesFirewall, connect
from pkdoors.interfaces import IFirewall
from pkdoors.nftrules import guard
from pkdoors.sessions import Session
from tests.fakes import (
    FakeKernel,
    FakeNftables,
    FakeWatch,
    Log,
    listTCP,
    makeDoor,
    makeModule,
    makeOpening,
    replaceModule,
)

OLD = Session(ip_address("203.0.113.9"), 40001, 22)
KNOCKED = Session(ip_address("203.0.113.10"), 40002, 22)


def listing(**sets: list[Any]) -> str:
    """What nft lists as our table."""
    described = [{"set": {"name": name, "elem": elements}} for name, elements in sets.items()]
    return json.dumps({"nftables": described})


class NftablesFirewallTests(SynchronousTestCase):
    """
    Tests of L{NftablesFirewall}.
    """

    def setUp(self) -> None:
        """A firewall with one door."""
        self.log = Log(self)
        self.clock = Clock()
        self.context = FakeNftables()
        self.contexts = 0
        self.lacks = ""
        self.kernel = FakeKernel()
        self.kernel.isOpen = False
        self.watch = FakeWatch()
        self.lost: list[str] = []
        self.tcp = listTCP()
        self.firewall = NftablesFirewall(
            self.clock, self.connect, self.makeKernel, self.watch.make, lambda: [self.tcp]
        )
        self.doors = (makeDoor(),)

    def connect(self) -> FakeNftables:
        """Make the context."""
        self.contexts += 1
        return self.context

    def makeKernel(self) -> FakeKernel:
        """Make the connection to the kernel."""
        if self.lacks:
            raise FirewallError(self.lacks)
        self.kernel.isOpen = True
        return self.kernel

    def test_interface(self) -> None:
        """It is an L{IFirewall} called nftables."""
        verifyObject(IFirewall, self.firewall)
        self.assertEqual("nftables", self.firewall.name)

    def test_nothingBeforePrepare(self) -> None:
        """Making it does not load the library."""
        self.assertEqual(0, self.contexts)

    def test_prepare(self) -> None:
        """Preparing lets the kernel judge the guard, and changes nothing."""
        self.firewall.prepare(self.doors)
        self.assertEqual(([guard(self.doors)], []), (self.context.judged, self.context.ran))
        self.assertEqual((0, False), (self.kernel.batches, self.kernel.isOpen))

    def test_kernel(self) -> None:
        """
        Where the kernel will not do, the library, which might end the process, is not touched.
        """
        self.lacks = "no privilege"
        error = self.assertRaises(FirewallError, self.firewall.prepare, self.doors)
        self.assertEqual(("no privilege", 0), (str(error), self.contexts))

    def test_start(self) -> None:
        """Starting puts the guard in place in one transaction."""
        self.firewall.start(self.doors, self.lost.append)
        self.assertEqual([guard(self.doors)], self.context.ran)

    def test_startAfterPrepare(self) -> None:
        """After preparing, starting uses a new context, which is no dry run."""
        contexts = [FakeNftables(), FakeNftables()]
        firewall = NftablesFirewall(
            self.clock, iter(contexts).__next__, FakeKernel, self.watch.make, list
        )
        firewall.prepare(self.doors)
        firewall.start(self.doors, self.lost.append)
        self.assertEqual([[], [guard(self.doors)]], [each.ran for each in contexts])

    def test_takesOver(self) -> None:
        """What is open already stays so, in the same transaction, with the time it has left."""
        elements = [{"elem": {"val": "203.0.113.9", "timeout": 60, "expires": 42}}]
        ports = [{"concat": ["tcp", 22]}]
        self.context.listing = listing(default_ports=ports, default_open4=elements)
        self.clock.advance(100)
        found = self.firewall.start(self.doors, self.lost.append)
        self.assertEqual([makeOpening(deadline=142.0)], found)
        element = "add element inet pkdoors default_open4 { 203.0.113.9 timeout 42000ms }\n"
        self.assertEqual([guard(self.doors) + element], self.context.ran)

    def test_strangeTable(self) -> None:
        """A table of our name that is none of ours is replaced, with a warning."""
        for strange in (
            "no JSON",
            listing(default_ports=[5]),
            listing(live4=[5]),
            listing(live6=[{"concat": ["2001:db8::7", 22]}]),
        ):
            self.context.listing = strange
            self.assertEqual([], self.firewall.start(self.doors, self.lost.append))
            self.assertEqual(guard(self.doors), self.context.ran[-1])
            self.assertIn("none of ours: replaced", self.log.lines()[-1])

    def test_dropped(self) -> None:
        """What the guard has dropped is told; nothing before there is one, or where it is gone."""
        self.assertEqual(0, self.firewall.dropped())
        self.firewall.start(self.doors, self.lost.append)
        self.assertEqual(0, self.firewall.dropped())
        self.kernel.counters = {"default_dropped": 7}
        self.assertEqual(7, self.firewall.dropped())
        self.kernel.counters = {}
        self.assertEqual(0, self.firewall.dropped())

    def test_droppedBefore(self) -> None:
        """A new guard counts anew, and what the one before has counted is not forgotten."""
        doors = (
            *(makeDoor(name="a"), makeDoor((1, 2, 3, 4, 5), name="b")),
            makeDoor((6, 7, 8, 9, 10), name="c", knockRate=0),
        )
        self.firewall.start(doors, self.lost.append)
        self.kernel.counters = {"a_dropped": 7, "b_dropped": 3, "c_dropped": 1000}
        self.firewall.keep(doors[1:])
        self.successResultOf(self.firewall.restore([]))
        self.kernel.counters = {"b_dropped": 1}
        self.assertEqual(11, self.firewall.dropped())

    def test_keep(self) -> None:
        """What is put back from then on is for the new doors; nothing is changed before."""
        self.firewall.start(self.doors, self.lost.append)
        doors = (makeDoor(ports="443", name="web"),)
        self.firewall.keep(doors)
        self.assertEqual([guard(self.doors)], self.context.ran)
        self.successResultOf(self.firewall.restore([makeOpening(ports="443", name="web")]))
        element = "add element inet pkdoors web_open4 { 203.0.113.9 timeout 30000ms }\n"
        self.assertEqual(guard(doors) + element, self.context.ran[-1])

    def test_keepSpares(self) -> None:
        """
        Who is connected to a port that becomes protected is spared, who knocked for one that is
        protected already is not; nor is one who comes after it.
        """
        self.started(OLD, cutSessions=True)
        web = Session(OLD.source, 40003, 443)
        late = Session(OLD.source, 40004, 443)
        doors = (*self.doors, makeDoor(ports="443", name="web", cutSessions=True))
        self.tcp = listTCP(OLD, KNOCKED, web)
        self.firewall.keep(doors)
        self.successResultOf(self.firewall.restore([]))
        self.assertEqual(guard(doors, sessions=[OLD, web]), self.context.ran[-1])
        self.tcp = listTCP(OLD, KNOCKED, web, late)
        self.firewall.keep(doors)
        self.successResultOf(self.firewall.restore([]))
        self.assertEqual(guard(doors, sessions=[OLD, web]), self.context.ran[-1])

    def test_keepForgetsNobody(self) -> None:
        """Who knocked is cut when the door closes, though the door kept sessions once."""
        self.started(OLD, cutSessions=False)
        self.tcp = listTCP(OLD, KNOCKED)
        for cut in (False, True):
            doors = tuple(replace(door, cutSessions=cut, openFor=7.0) for door in self.doors)
            self.firewall.keep(doors)
            self.successResultOf(self.firewall.restore([]))
        self.assertEqual(guard(doors, sessions=[OLD]), self.context.ran[-1])

    def test_keepUnread(self) -> None:
        """Where nobody tells who is connected, the doors are as before."""
        self.started(OLD, cutSessions=False)

        def fail() -> list[str]:
            raise FirewallError("cannot read it")

        self.firewall._readSessions = fail
        self.assertRaises(FirewallError, self.firewall.keep, (makeDoor(ports="443", name="web"),))
        self.successResultOf(self.firewall.restore([]))
        self.assertEqual(self.context.ran[0], self.context.ran[-1])

    def test_keepRefused(self) -> None:
        """Where the kernel refuses the new doors, the old ones are as they were, sessions too."""
        before = self.started(OLD, cutSessions=True)
        old = self.doors
        self.tcp = listTCP(OLD, KNOCKED)
        self.firewall.keep((makeDoor(ports="443", name="web"),))
        self.context.error = "Error: no\n"
        self.failureResultOf(self.firewall.restore([]), FirewallError)
        self.context.error = ""
        self.firewall.keep(old)
        self.successResultOf(self.firewall.restore([]))
        self.assertEqual([before, before], self.context.ran)

    def started(self, *sessions: Session, cutSessions: bool) -> str:
        """The guard that is put in place where there are some connections."""
        self.tcp = listTCP(*sessions)
        self.doors = (makeDoor(cutSessions=cutSessions),)
        self.firewall.start(self.doors, self.lost.append)
        return self.context.ran[-1]

    def test_sessions(self) -> None:
        """Connections that exist at the first start live on, and at each where they are kept."""
        for cut in (False, True):
            self.assertEqual(
                guard([makeDoor(cutSessions=cut)], sessions=[OLD, KNOCKED]),
                self.started(OLD, KNOCKED, cutSessions=cut),
            )
        self.context.listing = listing(live4=[])
        self.assertEqual(
            guard([makeDoor()], sessions=[OLD, KNOCKED]),
            self.started(OLD, KNOCKED, cutSessions=False),
        )

    def test_cutSessions(self) -> None:
        """
        Where they are cut, a later start lets only those live on that an earlier guard did; the
        others end with their openings.
        """
        self.context.listing = listing(live4=[{"concat": ["203.0.113.9", 40001, 22]}])
        expected = guard([makeDoor(cutSessions=True)], sessions=[OLD])
        self.assertEqual(expected, self.started(OLD, KNOCKED, cutSessions=True))
        self.successResultOf(self.firewall.restore([]))
        self.assertEqual([expected] * 2, self.context.ran)

    def test_cutAfterStrangeTable(self) -> None:
        """A table that is none of ours counts as none: nobody had to knock."""
        self.context.listing = listing(live4=[5])
        self.assertEqual(
            guard([makeDoor(cutSessions=True)], sessions=[KNOCKED]),
            self.started(KNOCKED, cutSessions=True),
        )

    def test_otherSessions(self) -> None:
        """Connections to ports that are not protected are nobody's business."""
        web = Session(ip_address("203.0.113.9"), 40003, 80)
        self.assertEqual(guard(self.doors), self.started(web, cutSessions=False))

    def test_lost(self) -> None:
        """Who changes the guard is told of, as long as we are started."""
        self.assertFalse(self.watch.isOn)
        self.firewall.start(self.doors, self.lost.append)
        self.assertTrue(self.watch.isOn)
        self.watch.changed("nft")
        self.assertEqual(["nft changed the guard"], self.lost)
        self.successResultOf(self.firewall.stop())
        self.assertFalse(self.watch.isOn)

    def test_restore(self) -> None:
        """Restoring is one transaction: the guard, and what is open with the time it has left."""
        self.firewall.start(self.doors, self.lost.append)
        self.clock.advance(10)
        openings = [makeOpening(deadline=30.0), makeOpening("2001:db8::7", deadline=12.5)]
        self.successResultOf(self.firewall.restore(openings))
        self.assertEqual(
            guard(self.doors)
            + "add element inet pkdoors default_open4 { 203.0.113.9 timeout 20000ms }\n"
            + "add element inet pkdoors default_open6 { 2001:db8::7 timeout 2500ms }\n",
            self.context.ran[-1],
        )

    def test_open(self) -> None:
        """Opening adds the address with the time that is left until the deadline."""
        self.firewall.start(self.doors, self.lost.append)
        self.clock.advance(10)
        self.successResultOf(self.firewall.open(makeOpening(deadline=30.0)))
        self.assertEqual({("default_open4", "203.0.113.9"): 20_000}, self.kernel.elements)

    def test_openIPv6(self) -> None:
        """An IPv6 address is opened in its own set."""
        self.firewall.start(self.doors, self.lost.append)
        self.successResultOf(self.firewall.open(makeOpening("2001:db8::7")))
        self.assertEqual({("default_open6", "2001:db8::7"): 30_000}, self.kernel.elements)

    def test_milliseconds(self) -> None:
        """The time is rounded to milliseconds, and at least one: 0 would be for ever."""
        self.firewall.start(self.doors, self.lost.append)
        for deadline, milliseconds in ((1.2346, 1235), (0.0001, 1), (0.0, 1), (-5.0, 1)):
            self.successResultOf(self.firewall.open(makeOpening(deadline=deadline)))
            self.assertEqual([milliseconds], list(self.kernel.elements.values()))

    def test_extend(self) -> None:
        """Extending is one transaction, so that there is no moment in which it is closed."""
        self.firewall.start(self.doors, self.lost.append)
        self.successResultOf(self.firewall.open(makeOpening(deadline=30.0)))
        self.successResultOf(self.firewall.open(makeOpening(deadline=90.0)))
        self.assertEqual({("default_open4", "203.0.113.9"): 90_000}, self.kernel.elements)
        self.assertEqual((2, 1), (self.kernel.batches, len(self.context.ran)))

    def test_close(self) -> None:
        """Closing removes the address, of this source only."""
        self.firewall.start(self.doors, self.lost.append)
        for source in ("203.0.113.9", "203.0.113.10"):
            self.successResultOf(self.firewall.open(makeOpening(source)))
        self.successResultOf(self.firewall.close(makeOpening("203.0.113.9")))
        self.assertEqual({("default_open4", "203.0.113.10"): 30_000}, self.kernel.elements)

    def test_closeWhatIsClosed(self) -> None:
        """Closing what the kernel has closed already is no error."""
        self.firewall.start(self.doors, self.lost.append)
        self.successResultOf(self.firewall.close(makeOpening()))
        self.assertEqual({}, self.kernel.elements)

    def test_guardGone(self) -> None:
        """Where somebody flushed the tables, opening fails, and closing has nothing to do."""
        self.firewall.start(self.doors, self.lost.append)
        self.kernel.isGone = True
        self.failureResultOf(self.firewall.open(makeOpening()), FirewallError)
        self.successResultOf(self.firewall.close(makeOpening()))

    def test_stop(self) -> None:
        """Stopping changes nothing, and tells how to remove the guard."""
        self.firewall.start(self.doors, self.lost.append)
        self.successResultOf(self.firewall.stop())
        self.assertEqual(1, len(self.context.ran))
        self.assertEqual(
            ["the guard stays in the kernel: `pkdoors release` would remove it"],
            self.log.lines(LogLevel.info),
        )

    def test_refusals(self) -> None:
        """What the kernel refuses is raised, or fails the Deferred."""
        self.firewall.start(self.doors, self.lost.append)
        self.context.error = "Error: no\n"
        self.assertRaises(FirewallError, self.firewall.prepare, self.doors)
        self.assertRaises(FirewallError, self.firewall.start, self.doors, self.lost.append)
        self.kernel.error = FirewallError("no")
        self.failureResultOf(self.firewall.open(makeOpening()), FirewallError)
        self.failureResultOf(self.firewall.close(makeOpening()), FirewallError)


class ErrorTests(SynchronousTestCase):
    """
    What the operator is told when something is missing.
    """

    def explained(self, errors: str) -> str:
        """What is made of libnftables' errors."""
        firewall = NftablesFirewall(Clock(), lambda: FakeNftables(errors), FakeKernel)
        return str(self.assertRaises(FirewallError, firewall.prepare, (makeDoor(),)))

    def test_privilege(self) -> None:
        """Without the privilege, one sentence tells what to do."""
        for errors in (
            "netlink: Error: cache initialization failed: Operation not permitted\n",
            "Error: Could not process rule: Operation not permitted\nadd table inet pkdoors\n^^^\n",
        ):
            self.assertEqual(
                "no privilege to change the firewall (nftables): run as root, "
                "or with the capability CAP_NET_ADMIN",
                self.explained(errors),
            )

    def test_kernel(self) -> None:
        """A kernel without nftables, or what the guard needs of it, is named as that."""
        reason = "cache initialization failed: Protocol not supported"
        self.assertEqual(
            f"this kernel has no nftables ({reason}): load its module (modprobe nf_tables), "
            "or run a kernel that has it",
            self.explained(f"netlink: Error: {reason}\n"),
        )
        self.assertEqual(
            "this kernel lacks a part of nftables that the guard needs "
            "(Could not process rule: Operation not supported)",
            self.explained("Error: Could not process rule: Operation not supported\nfib ...\n"),
        )

    def test_other(self) -> None:
        """Anything else is told in libnftables' words, the first line of them."""
        self.assertEqual(
            "nftables refused: Could not process rule: File exists",
            self.explained("\nError: Could not process rule: File exists\nadd ...\n^^^\n"),
        )

    def test_silent(self) -> None:
        """An error without words is still a sentence."""
        self.assertEqual("nftables refused: no reason given", self.explained("\n"))


class ConnectTests(SynchronousTestCase):
    """
    Tests of L{connect}.
    """

    def test_context(self) -> None:
        """It makes a context of libnftables."""
        replaceModule(self, "nftables", makeModule("nftables", Nftables=FakeNftables))
        self.assertIsInstance(connect(), FakeNftables)

    def test_bindingsMissing(self) -> None:
        """Without the bindings the sentence names the package."""
        replaceModule(self, "nftables", None)
        self.assertEqual(
            "libnftables' Python bindings are missing: install python3-nftables "
            "(a virtual environment needs --system-site-packages to see it)",
            str(self.assertRaises(FirewallError, connect)),
        )

    def test_libraryMissing(self) -> None:
        """Without the library itself the sentence names its packages."""

        def absent() -> Any:
            raise OSError("libnftables.so.1: cannot open shared object file")

        replaceModule(self, "nftables", makeModule("nftables", Nftables=absent))
        self.assertEqual(
            "the library libnftables is missing: install libnftables1 (Debian, Ubuntu) "
            "or nftables (Fedora)",
            str(self.assertRaises(FirewallError, connect)),
        )

    def test_default(self) -> None:
        """The firewall uses it unless told otherwise."""
        replaceModule(self, "nftables", None)
        firewall = NftablesFirewall(Clock(), makeKernel=FakeKernel)
        error = self.assertRaises(FirewallError, firewall.prepare, (makeDoor(),))
        self.assertIn("python3-nftables", str(error))
