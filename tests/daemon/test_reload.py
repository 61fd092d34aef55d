"""Tests of L{pkdoors.daemon.reload}, with the doorkeeper that it works on."""

import random
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from typing import Any, ClassVar

from twisted.internet.defer import Deferred
from twisted.logger import LogLevel
from twisted.trial.unittest import SynchronousTestCase

from pkdoors.daemon.reload import PATIENCE, Reloaded
from pkdoors.errors import BadValue, ConfigError, FirewallError, ListenError, PkdoorsError
from pkdoors.host import descriptors
from pkdoors.knockports import plan
from pkdoors.locks.lock import Request
from pkdoors.model.doors import Door, Opening
from pkdoors.model.principal import OPERATOR
from pkdoors.model.sequence import Sequence
from tests.fakes.daemon import MemoryDaemon
from tests.fakes.doors import PORTS, makeDoor, makeOpening, parse
from tests.fakes.firewall import FakeFirewall
from tests.fakes.host import FakeHost
from tests.fakes.log import Log
from tests.fakes.reactor import FakeReactor
from tests.host.test_bpf import run
from tests.lab.sealing import makeKey, publicLine

ANN, BOB = "203.0.113.9", "2001:db8::7"
NO = FirewallError("no")
TODAY = 1_800_000_000
OTHER = (1, 2, 3, 4, 5)

SSH = makeDoor(name="ssh")
WEB = makeDoor(OTHER, ports="443", name="web")


class ReloadTestCase(SynchronousTestCase):
    """
    With a host that has firewalld, and a daemon with two doors.

    @cvar before: what an earlier daemon left open.
    """

    before: ClassVar[list[Opening]] = []

    def setUp(self) -> None:
        """Start it."""
        self.log = Log(self)
        self.host = FakeHost(self)
        self.reactor = FakeReactor()
        clock: Any = self.reactor
        self.guard = FakeFirewall(clock, "nftables")
        self.outer = FakeFirewall(clock, "firewalld")
        self.outer.isForgetful = True
        self.daemon = MemoryDaemon(self.reactor, [self.guard, self.outer], (SSH, WEB))
        self.keeper, self.reloader = self.daemon.keeper, self.daemon.reloader
        self.events, self.smith = self.daemon.events, self.daemon.smith
        self.guard.before = self.before
        self.keeper.start()
        self.reloader.listen()
        self.reactor.pump([0, 1])
        self.events.clear()

    def begin(self, *doors: Door, **fields: Any) -> Deferred[Reloaded]:
        """Begin to reload, with some doors."""
        config = self.daemon.config
        self.daemon.config = replace(config, doors=doors or config.doors, **fields)
        return Deferred.fromCoroutine(self.reloader.reload())

    def reload(self, *doors: Door, **fields: Any) -> Reloaded:
        """Reload."""
        done = self.begin(*doors, **fields)
        self.reactor.pump([0, 0.1])
        return self.successResultOf(done)

    def request(self, door: Door = SSH, source: str = ANN, seconds: float = 0) -> None:
        """A lock was satisfied."""
        self.keeper.request(Request(door, source, seconds))

    def knock(self, *ports: int, source: str = ANN) -> None:
        """Knocks come."""
        for port in ports:
            self.host.find("0.0.0.0", port).reorderer.append((b"knock\n", (source, 5555)))
            for reader in self.reactor.getReaders():
                reader.doRead()
            self.reactor.advance(0)

    def kinds(self) -> list[str]:
        """What happened."""
        return [event.kind for event in self.events]

    def ports(self) -> list[int]:
        """The ports that are listened on, over IPv4."""
        readers = {each.fileno() for each in self.reactor.getReaders()}
        taken = [each for each in self.host.sockets if each.isOpen]
        self.assertEqual(readers, {each.fileno() for each in taken})
        return sorted(each.address[1] for each in taken if each.address[0] == "0.0.0.0")

    def snapshot(self) -> tuple[Any, ...]:
        """All that a reload could change."""
        return (
            self.reloader.config,
            self.keeper.doors,
            self.keeper.state().statuses,
            self.keeper.state().sources,
            (self.guard.guarded, self.guard.doorsOpen()),
            (self.outer.guarded, self.outer.doorsOpen()),
            self.ports(),
        )

    def assertGone(self) -> None:
        """Assert that no door is open for anybody, and that nothing is remembered."""
        self.assertEqual(({}, {}), (self.guard.doorsOpen(), self.outer.doorsOpen()))
        self.assertEqual((), self.keeper.state().statuses)
        self.assertEqual([], self.reactor.getDelayedCalls())


class OpeningTests(ReloadTestCase):
    """
    What becomes of what is open.
    """

    def test_stays(self) -> None:
        """Openings of doors that are what they were keep their deadlines, in all firewalls."""
        self.request()
        self.request(WEB, BOB)
        new = makeDoor((6, 7, 8, 9, 10), ports="80", name="new")
        self.assertEqual(["door new (80/tcp) is new"], self.reload(SSH, WEB, new).changes)
        for firewall in (self.guard, self.outer):
            self.assertEqual({("ssh", ANN): 31.0, ("web", BOB): 31.0}, firewall.doorsOpen())
            self.assertEqual((SSH, WEB, new), firewall.guarded)
        self.reactor.advance(30)
        self.assertGone()

    def test_gone(self) -> None:
        """A door that is gone is open for nobody, at once; others are not touched."""
        self.request()
        self.request(WEB)
        self.assertEqual(["door ssh (22/tcp) is gone"], self.reload(WEB).changes)
        for firewall in (self.guard, self.outer):
            self.assertEqual({("web", ANN): 31.0}, firewall.doorsOpen())
        (closed,) = [event for event in self.events if event.kind == "closed"]
        self.assertEqual((SSH, ANN), (closed.door, closed.source))
        self.assertEqual("because the new configuration has no such door", closed.reason)
        self.reactor.advance(30)
        self.assertGone()

    def test_otherPorts(self) -> None:
        """Where its ports are others, nobody comes in who earned the old ones."""
        self.request()
        door = replace(SSH, ports=parse("2222"))
        self.assertEqual(["door ssh (2222/tcp) changed: ports"], self.reload(door, WEB).changes)
        self.assertGone()
        self.request(door)
        (opened,) = [event for event in self.events if event.kind == "opened"][1:]
        self.assertEqual(door, opened.door)

    def test_otherLock(self) -> None:
        """Where its lock is another one, who earned it before stays."""
        self.request()
        self.reload(replace(SSH, sequence=Sequence((9, 8, 7, 6, 5))), WEB)
        self.assertEqual({("ssh", ANN): 31.0}, self.guard.doorsOpen())
        self.assertEqual([], [event for event in self.events if event.kind == "closed"])

    def test_shorter(self) -> None:
        """Nobody stays longer than the door now allows, counted from the reload."""
        self.request(seconds=3600)
        self.request(source=BOB, seconds=10)
        self.reload(replace(SSH, openFor=5.0, maxOpenFor=60.0), WEB)
        for firewall in (self.guard, self.outer):
            self.assertEqual({("ssh", ANN): 61.0, ("ssh", BOB): 11.0}, firewall.doorsOpen())
        told = [(each.kind, each.source, each.seconds) for each in self.events]
        self.assertEqual([("shortened", ANN, 60.0)], [each for each in told if "short" in each[0]])
        self.reactor.pump([9.9, 50])
        self.assertGone()

    def test_longer(self) -> None:
        """What is longer now counts for the next knock."""
        self.request()
        door = replace(SSH, openFor=60.0)
        self.reload(door, WEB)
        self.assertEqual({ANN: 31.0}, self.guard.open_())
        self.request(door)
        self.assertEqual({ANN: 61.1}, self.guard.open_())

    def test_allAtOnce(self) -> None:
        """A door that goes, one that comes, one that changes its lock, times and ports."""
        self.request()
        self.request(WEB)
        web = replace(WEB, sequence=SSH.sequence, ports=parse("8443"), openFor=5.0)
        new = makeDoor((6, 7, 8, 9, 10), ports="22", name="new")
        self.assertEqual(
            [
                "door ssh (22/tcp) is gone",
                "door web (8443/tcp) changed: sequence, ports, open_for",
                "door new (22/tcp) is new",
            ],
            self.reload(web, new).changes,
        )
        self.assertGone()
        self.knock(*PORTS)
        self.assertEqual({("web", ANN): 6.1}, self.guard.doorsOpen())

    def test_whileItOpens(self) -> None:
        """What firewalld is still opening is closed in the guard at once, and there when it can."""
        self.outer.holding = True
        self.request()
        done = self.begin(WEB)
        self.assertEqual({}, self.guard.doorsOpen())
        self.outer.holding = False
        self.outer.answer()
        self.reactor.pump([0, 0.1])
        self.successResultOf(done)
        self.assertGone()

    def test_whileItIsExtended(self) -> None:
        """So is what it is still extending; a time that is too long now is not given."""
        self.request()
        self.outer.holding = True
        self.request(seconds=3600)
        done = self.begin(replace(SSH, openFor=5.0, maxOpenFor=60.0), WEB)
        self.outer.holding = False
        self.outer.answer()
        self.reactor.pump([0, 0.1])
        self.successResultOf(done)
        for firewall in (self.guard, self.outer):
            self.assertEqual({("ssh", ANN): 61.0}, firewall.doorsOpen())
        self.reactor.advance(60)
        self.assertGone()

    def test_whileItCloses(self) -> None:
        """What firewalld is still closing is not opened anew."""
        self.request()
        self.outer.holding = True
        self.keeper.close([("ssh", ip_address(ANN))], OPERATOR)
        done = self.begin(replace(SSH, openFor=5.0), WEB)
        self.outer.holding = False
        self.outer.answer()
        self.reactor.pump([0, 0.1])
        self.successResultOf(done)
        self.assertGone()

    def test_closedWhileItCloses(self) -> None:
        """
        Who knocks anew while firewalld still closes is let in by a reload at once; to close that
        is done in the guard at once, too, and never forgotten, though the guard refuses.
        """
        for failures in ([], [NO]):
            self.request()
            self.outer.holding = True
            self.keeper.close([("ssh", ip_address(ANN))], OPERATOR)
            self.request(seconds=60)
            done = self.begin(SSH, replace(WEB, openFor=len(self.events) + 1.0))
            self.assertIn(("ssh", ANN), self.guard.doorsOpen())
            self.guard.failures = list[Exception](failures)
            self.keeper.close([("ssh", ip_address(ANN))], OPERATOR)
            self.assertEqual(bool(failures), ("ssh", ANN) in self.guard.doorsOpen())
            self.outer.holding = False
            self.outer.answerAll()
            self.reactor.pump([0, 0.1])
            self.successResultOf(done)
            self.assertGone()

    def test_whileItIsRetried(self) -> None:
        """What firewalld refuses to open is tried no more where the door is gone."""
        self.outer.failures = [NO]
        self.request()
        self.reload(WEB)
        self.reactor.pump([1] * 5)
        self.assertGone()
        self.assertEqual(0, sum(call.startswith("open") for call in self.outer.calls[-3:]))

    def test_refusedAndStays(self) -> None:
        """It is tried at once where the door stays."""
        self.outer.failures = [NO]
        self.request()
        self.assertEqual({}, self.outer.doorsOpen())
        self.reload(SSH, replace(WEB, openFor=5.0))
        self.assertEqual({("ssh", ANN): 31.0}, self.outer.doorsOpen())

    def test_closeIsRefused(self) -> None:
        """A closing that firewalld refuses is tried until it is done, though its door is gone."""
        self.request()
        self.outer.failures = [NO, NO]
        self.begin(WEB)
        self.assertEqual(1, len(self.keeper.state().statuses))
        self.reactor.pump([0, 1, 1, 1, 60])
        self.assertGone()

    def test_backWhileItCloses(self) -> None:
        """
        Who is let in anew while firewalld still closes the old ports gets the new ones, not those.
        """
        self.request()
        self.outer.holding = True
        door = replace(SSH, ports=parse("2222"))
        done = self.begin(door, WEB)
        self.request(door)
        self.outer.holding = False
        self.outer.answerAll()
        self.reactor.pump([0, 0.1])
        self.successResultOf(done)
        (status,) = self.keeper.state().statuses
        self.assertEqual(door, status.opening.door)
        told = [(each.kind, each.door) for each in self.events if each.source]
        self.assertEqual([("opened", SSH), ("closed", SSH), ("opened", door)], told)


class TakenOverTests(ReloadTestCase):
    """
    What becomes of what an earlier daemon left open.
    """

    before: ClassVar = [makeOpening(ANN, deadline=60.0, name="ssh")]

    def test_stays(self) -> None:
        """It stays where its door does."""
        self.reload(SSH, replace(WEB, openFor=5.0))
        for firewall in (self.guard, self.outer):
            self.assertEqual({("ssh", ANN): 60.0}, firewall.doorsOpen())
        self.reactor.advance(60)
        self.assertGone()

    def test_gone(self) -> None:
        """It ends with its door."""
        self.reload(WEB)
        self.assertGone()


class RefusedTests(ReloadTestCase):
    """
    What is refused changes nothing.
    """

    def setUp(self) -> None:
        """Have somebody in, and somebody in the midst of a knock."""
        super().setUp()
        self.request()
        self.request(WEB, BOB, 600)
        self.knock(*PORTS[:3], source=BOB)
        self.changed = makeDoor((6, 7, 8, 9, 10), ports="2222", name="ssh")

    def assertRefused(self, kind: type[PkdoorsError], sentence: str, **fields: Any) -> None:
        """Assert that nothing changed, that it is told once, and that all goes on."""
        before = self.snapshot()
        error = self.failureResultOf(self.begin(self.changed, **fields)).value
        self.assertIsInstance(error, kind)
        self.assertEqual(sentence, str(error))
        self.assertEqual(before, self.snapshot())
        self.assertEqual(
            [f"not reloaded, and nothing was changed: {sentence}"], self.log.lines(LogLevel.error)
        )
        self.assertEqual([], self.daemon.applied)
        self.knock(*PORTS[3:], source=BOB)
        self.assertEqual(31.0, self.guard.doorsOpen()[("ssh", BOB)])
        self.reactor.advance(30)
        self.assertEqual({("web", BOB): 601.0}, self.guard.doorsOpen())

    def test_unreadable(self) -> None:
        """What cannot be read."""
        self.daemon.error = BadValue("it is wrong")
        self.assertRefused(BadValue, "it is wrong")

    def test_fixed(self) -> None:
        """What cannot be changed while the daemon runs."""
        self.assertRefused(
            ConfigError,
            "zone, admin: this cannot change while the daemon runs: restart it",
            zone="home",
            admin="",
        )

    def test_mistake(self) -> None:
        """A mistake of ours: it is told, too."""
        self.patch(self.keeper, "_makeLock", None)
        before = self.snapshot()
        new = replace(self.changed, name="new")
        self.failureResultOf(self.begin(SSH, new), TypeError)
        self.assertEqual(before, self.snapshot())
        self.assertEqual("reload-refused", self.kinds()[-1])

    def test_tooManyPorts(self) -> None:
        """More sockets than the process may have."""
        self.patch(descriptors, "getLimit", lambda: 30)
        self.patch(plan, "getLimit", lambda: 30)
        more = makeDoor((6, 7, 8, 9, 10), ports="80", name="more")
        before = self.snapshot()
        error = self.failureResultOf(self.begin(SSH, WEB, more)).value
        self.assertIsInstance(error, ListenError)
        self.assertIn("need 30 sockets, and this process may open 30 files", str(error))
        self.assertEqual(before, self.snapshot())
        self.assertEqual([], self.reload(SSH).troubles)

    def test_firewall(self) -> None:
        """What the guard cannot be."""
        self.guard.failures = [NO]
        self.assertRefused(FirewallError, "no")

    def test_firewallThenHealed(self) -> None:
        """After that a healing puts back the doors from before."""
        self.guard.failures = [NO]
        self.failureResultOf(self.begin(self.changed))
        before = self.guard.doorsOpen()
        self.guard.flush()
        self.outer.flush()
        self.reactor.pump([0, 0.1])
        for firewall in (self.guard, self.outer):
            self.assertEqual((SSH, WEB), firewall.guarded)
            self.assertEqual(before, firewall.doorsOpen())

    def test_afterwards(self) -> None:
        """What is right is taken after that."""
        self.daemon.error = BadValue("it is wrong")
        self.failureResultOf(self.begin(self.changed))
        self.daemon.error = None
        self.reload(self.changed)
        self.assertEqual((self.changed,), self.keeper.doors)
        self.assertEqual([6, 7, 8, 9, 10], self.ports())

    def test_unexpected(self) -> None:
        """A mistake of ours changes nothing, either, and does not keep the next one from being."""
        before = self.snapshot()
        self.guard.failures = [ValueError("oops")]
        self.failureResultOf(self.begin(self.changed), ValueError)
        self.assertEqual(before, self.snapshot())
        self.reload(self.changed)
        self.assertEqual((self.changed,), self.keeper.doors)


class KnockTests(ReloadTestCase):
    """
    Knocks before and after.
    """

    def test_halfDone(self) -> None:
        """A sequence that is half done lives on where its door does, with the new times."""
        self.knock(*PORTS[:3])
        self.reload(replace(SSH, openFor=60.0), replace(WEB, penalty=0.0))
        self.knock(*PORTS[3:])
        self.assertEqual({ANN: 61.1}, self.guard.open_())

    def test_otherSequence(self) -> None:
        """The old sequence opens nothing, the new one does."""
        self.knock(*PORTS[:3])
        self.reload(replace(SSH, sequence=Sequence((*PORTS[:3], 7, 8))), WEB)
        self.knock(*PORTS[:3], 7, 8)
        self.assertEqual({("ssh", ANN): 31.1}, self.guard.doorsOpen())
        self.assertEqual(sorted((*PORTS[:3], 7, 8, *OTHER)), self.ports())

    def test_samePorts(self) -> None:
        """Ports that stay are never let go: what waits there is heard, by the new lock."""
        sockets = {each.address: each for each in self.host.sockets if each.isOpen}
        self.host.find("0.0.0.0", PORTS[0]).reorderer.append((b"knock\n", (ANN, 5555)))
        self.reload(SSH, replace(WEB, openFor=5.0))
        for address, each in sockets.items():
            self.assertIs(each, self.host.find(*address))
        for reader in self.reactor.getReaders():
            reader.doRead()
        self.reactor.advance(0)
        self.knock(*PORTS[1:])
        self.assertEqual({ANN: 31.1}, self.guard.open_())

    def test_interfaces(self) -> None:
        """Another local address is listened on at once, and no port is taken or given back."""
        sockets = [each for each in self.host.sockets if each.isOpen]
        self.assertEqual(["interfaces changed"], self.reload(interfaces=("192.0.2.1",)).changes)
        self.assertEqual(sockets, [each for each in self.host.sockets if each.isOpen])
        program = self.host.find("0.0.0.0", PORTS[0]).program
        knock = b"\0" * 8 + b"knock\n"
        heard = [run(program, knock, to) > 0 for to in ("192.0.2.1", "192.0.2.2")]
        self.assertEqual([True, False], heard)
        self.assertFalse([each for each in self.host.sockets if each.isOpen and each.isShared])

    def test_busyPort(self) -> None:
        """
        A knock port that another program uses keeps no door from being guarded. The answer says
        so; the port is heard as soon as the other program has gone.
        """
        self.host.take(9)
        taken = self.host.sockets[-1]
        new = makeDoor((6, 7, 8, 9, 10), ports="80", name="new")
        done = self.reload(SSH, WEB, new)
        self.assertEqual(["door new (80/tcp) is new"], done.changes)
        (trouble,) = done.troubles[-1:]
        self.assertTrue(
            trouble.startswith("1 of 15 knock ports is not heard over IPv4: another program uses"),
            trouble,
        )
        self.assertEqual((SSH, WEB, new), self.guard.guarded)
        taken.close()
        self.reactor.advance(1)
        self.assertEqual([], self.daemon.ports.troubles())
        self.knock(6, 7, 8, 9, 10)
        self.assertIn(("new", ANN), self.guard.doorsOpen())

    def test_missingKeys(self) -> None:
        """So it is with a file of keys that cannot be read."""
        new = makeDoor((6, 7, 8, 9, 10), ports="80", name="new", authorizedKeys="/nowhere/keys")
        done = self.reload(SSH, WEB, new)
        self.assertIn("nobody may knock with a key: cannot read /nowhere/keys", done.troubles[-1])
        self.assertEqual((SSH, WEB, new), self.guard.guarded)

    def test_nothingNew(self) -> None:
        """A reload without a change tries at once what is missing, and tells it."""
        self.host.take(9)
        taken = self.host.sockets[-1]
        new = makeDoor((6, 7, 8, 9, 10), ports="80", name="new")
        self.reload(SSH, WEB, new)
        self.assertIn("not heard", self.reload().troubles[-1])
        taken.close()
        self.assertEqual(([], []), (self.reload().changes, self.daemon.ports.troubles()))

    def test_sealedFromNowOn(self) -> None:
        """A door that gets keys is opened by no plain knock any more."""
        folder = Path(mkdtemp())
        self.addCleanup(rmtree, folder)
        (folder / "keys").write_text(publicLine(makeKey()))
        (folder / "keys").chmod(0o600)
        self.knock(*PORTS[:3])
        self.reload(replace(SSH, authorizedKeys=str(folder / "keys")), WEB)
        self.knock(*PORTS[3:])
        self.knock(*PORTS)
        self.assertEqual({}, self.guard.open_())


class ToldTests(ReloadTestCase):
    """
    What the operator hears.
    """

    def test_nothing(self) -> None:
        """Where nothing is different, nothing is touched."""
        before = len(self.guard.calls), len(self.outer.calls)
        self.assertEqual(Reloaded([], []), self.reload())
        self.assertEqual(before, (len(self.guard.calls), len(self.outer.calls)))
        self.assertEqual(["reloaded: nothing has changed"], self.log.lines()[-1:])

    def test_event(self) -> None:
        """What is different is told, then the doors that are: as at the start."""
        web = replace(WEB, openFor=5.0)
        self.reload(SSH, web)
        self.assertEqual(["reloaded", "guarding"], self.kinds())
        self.assertEqual("door web (443/tcp) changed: open_for", self.events[0].reason)
        self.assertEqual(web, self.events[1].door)

    def test_noSecret(self) -> None:
        """No port of a sequence is told."""
        self.reload(replace(SSH, sequence=Sequence((7001, 7009, 7004, 7007, 7002))), WEB)
        text = "\n".join(self.log.lines())
        self.assertFalse([port for port in (*PORTS, 7001, 7009, 7004) if str(port) in text])

    def test_taken(self) -> None:
        """Each configuration that counts from now on is handed on."""
        self.reload(audit="/var/log/audit")
        self.assertEqual([self.daemon.config], self.daemon.applied)
        self.assertIs(self.daemon.config, self.reloader.config)

    def test_complaints(self) -> None:
        """What is not as it should be is told to who asked: weak sequences, and of the parts."""
        self.daemon.complaints = ["no such hook"]
        weak = replace(WEB, name="weak", sequence=Sequence((7, 6, 5, 4, 3)))
        first, second, third = self.reload(SSH, WEB, weak).troubles
        self.assertIn("door weak (443/tcp): the sequence is in descending order", first)
        self.assertIn("door weak (443/tcp): the sequence can be guessed in only 24", second)
        self.assertEqual("no such hook", third)

    def test_trouble(self) -> None:
        """What firewalld refuses is told; it follows as soon as it can."""
        self.outer.failures = [NO]
        self.assertEqual(["no"], self.reload(WEB).troubles)
        self.assertEqual((SSH, WEB), self.outer.guarded)
        self.reactor.pump([1, 1])
        self.assertEqual((WEB,), self.outer.guarded)

    def test_patience(self) -> None:
        """Where firewalld hangs, the guard has changed, and who asked is told so."""
        self.outer.holding = True
        done = self.begin(WEB)
        self.assertEqual((WEB,), self.guard.guarded)
        self.reactor.pump([0, PATIENCE - 0.1])
        self.assertNoResult(done)
        self.reactor.advance(0.1)
        self.assertEqual(
            ["firewalld did not answer within 10 s"], self.successResultOf(done).troubles
        )
        self.outer.holding = False
        self.outer.answer()
        self.reactor.pump([0, 1])
        self.assertEqual((WEB,), self.outer.guarded)


class OrderTests(ReloadTestCase):
    """
    Reloads that meet one another, and the end.
    """

    def test_two(self) -> None:
        """Of two at once the second begins when the first is done, and the last counts."""
        self.guard.holding = True
        first = self.begin(WEB)
        second = self.begin(SSH)
        self.assertEqual(1, sum(call.startswith("restore") for call in self.guard.calls))
        self.guard.holding = False
        self.guard.answer()
        self.reactor.pump([0, 0.1, 0.1])
        self.assertEqual(["door ssh (22/tcp) is gone"], self.successResultOf(first).changes)
        self.assertEqual(
            ["door web (443/tcp) is gone", "door ssh (22/tcp) is new"],
            self.successResultOf(second).changes,
        )
        self.assertEqual((SSH,), self.guard.guarded)
        self.assertEqual((SSH,), self.outer.guarded)
        self.assertEqual(sorted(PORTS), self.ports())

    def test_requestMeanwhile(self) -> None:
        """Who earns a door while the guard changes has it in the end, if it is still there."""
        self.request(WEB)
        self.guard.holding = True
        done = self.begin(SSH, replace(WEB, ports=parse("8443")))
        self.request()
        self.guard.holding = False
        self.guard.answerAll()
        self.reactor.pump([0, 0.1])
        self.successResultOf(done)
        for firewall in (self.guard, self.outer):
            self.assertEqual({("ssh", ANN): 31.0}, firewall.doorsOpen())

    def stop(self) -> None:
        """Stop the daemon."""
        self.reloader.stop()
        self.successResultOf(Deferred.fromCoroutine(self.keeper.stop()))

    def test_stopped(self) -> None:
        """After the end nothing is changed: openings run out by themselves."""
        self.request()
        self.stop()
        calls = list(self.guard.calls)
        self.assertIsInstance(self.failureResultOf(self.begin(WEB)).value, ConfigError)
        self.assertEqual(calls, self.guard.calls)
        self.assertEqual({ANN: 31.0}, self.guard.open_())
        self.assertEqual([], self.host.bound())

    def test_stoppedMeanwhile(self) -> None:
        """Where the end comes while the guard changes, no port is taken any more."""
        self.guard.holding = True
        done = self.begin(WEB, makeDoor((6, 7, 8, 9, 10), name="new"))
        self.reloader.stop()
        self.guard.holding = False
        self.guard.answer()
        self.successResultOf(Deferred.fromCoroutine(self.keeper.stop()))
        self.reactor.advance(20)
        self.successResultOf(done)
        self.assertEqual(([], []), (self.host.bound(), self.reactor.getReaders()))

    def test_stoppedWhileItSettles(self) -> None:
        """Who waits for firewalld then is told, and nothing is left running."""
        self.outer.holding = True
        done = self.begin(WEB)
        self.reactor.advance(0)
        self.reloader.stop()
        Deferred.fromCoroutine(self.keeper.stop())
        self.reactor.advance(20)
        self.assertTrue(self.successResultOf(done).troubles)
        self.assertEqual([], self.reactor.getDelayedCalls())


class ModelTests(ReloadTestCase):
    """
    Random requests, failures and reloads.
    """

    refusing = False

    CONFIGS = (
        (SSH, WEB),
        (SSH,),
        (WEB,),
        (WEB, SSH),
        (replace(SSH, ports=parse("2222")), WEB),
        (replace(SSH, openFor=3.0, maxOpenFor=3.0), WEB),
        (replace(SSH, sequence=Sequence((6, 7, 8, 9, 10))),),
    )

    def setUp(self) -> None:
        """Begin with nothing granted."""
        super().setUp()
        self.random = random.Random(20261123)
        self.granted: dict[tuple[str, str], float] = {}

    def step(self) -> None:
        """Somebody may ask, somebody may close, somebody may reload, and time passes."""
        now = self.reactor.seconds()
        if self.random.random() < 0.6:
            door = self.random.choice(self.keeper.doors)
            source, seconds = self.random.choice((ANN, BOB)), self.random.choice((1, 5, 30))
            key = (door.name, source)
            self.granted[key] = max(self.granted.get(key, 0.0), now + door.grant(seconds))
            self.request(door, source, seconds)
        if self.random.random() < 0.1:
            self.keeper.close([("ssh", ip_address(ANN))], OPERATOR)
            self.assertNotIn(("ssh", ANN), self.isClosable())
        if self.random.random() < 0.2:
            done = self.begin(*self.random.choice(self.CONFIGS))
            done.addErrback(lambda failure: failure.trap(FirewallError))
        most = {door.name: now + door.maxOpenFor for door in self.guard.guarded}
        self.assertEqual(self.keeper.doors, self.guard.guarded)
        for key, end in self.guard.doorsOpen().items():
            self.assertLessEqual(end, min(most[key[0]], self.granted[key]))
        self.reactor.advance(self.random.choice((0.0, 0.1, 1.0, 5.0)))

    def isClosable(self) -> dict[tuple[str, str], float]:
        """What is open in the guard, unless that refuses to close at this moment."""
        return {} if self.refusing else self.guard.doorsOpen()

    def end(self) -> None:
        """All works again, and the time of all is over."""
        for firewall in (self.guard, self.outer):
            firewall.failures, firewall.holding = [], False
            firewall.answerAll()
        self.reactor.pump([60.0] * 5)
        self.assertGone()
        self.assertEqual(self.keeper.doors, self.outer.guarded)

    def test_refusing(self) -> None:
        """
        Whatever is asked and reloaded while firewalls refuse now and then: in the guard no door is
        open that there is not, nor longer than it was ever granted; in the end nothing is left.
        """
        self.refusing = True
        for _ in range(3000):
            for firewall in (self.guard, self.outer):
                firewall.failures = [NO] if self.random.random() < 0.2 else []
            self.step()
        self.end()

    def test_hanging(self) -> None:
        """So it is while firewalld hangs now and then, and the guard closes at once then."""
        for _ in range(3000):
            self.outer.holding = self.random.random() < 0.5
            self.outer.hasBegun = self.random.random() < 0.5
            if self.random.random() < 0.5:
                self.outer.answerAll()
            self.step()
        self.end()

    def test_all(self) -> None:
        """So it is while they do all of that."""
        self.refusing = True
        for _ in range(3000):
            self.outer.holding = self.random.random() < 0.3
            self.outer.hasBegun = self.random.random() < 0.5
            if self.random.random() < 0.5:
                self.outer.answerAll()
            for firewall in (self.guard, self.outer):
                firewall.failures = [NO] if self.random.random() < 0.2 else []
            self.step()
        self.end()
