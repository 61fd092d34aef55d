"""Tests of L{pkdoors.daemon.reload}: refusals, answers and order."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import LogLevel

from pkdoors.config.changes import REFUSED
from pkdoors.daemon.reload import FIREWALL_TIMEOUT, Reloaded
from pkdoors.errors import BadValue, ConfigError, FirewallError, ListenError, PkdoorsError
from pkdoors.host import descriptors
from pkdoors.knockports import plan
from pkdoors.model.doors import Door
from pkdoors.model.sequence import Sequence
from tests.daemon.reloadcase import ANN, BOB, NO, SSH, WEB, ReloadTestCase
from tests.fakes.doors import PORTS, makeDoor, parse


class RefusedTests(ReloadTestCase):
    """
    A reload that is refused changes nothing.
    """

    def setUp(self) -> None:
        """Let one client in, and another one half-way through its knocks."""
        super().setUp()
        self.request()
        self.request(WEB, BOB, 600)
        self.knock(*PORTS[:3], source=BOB)
        self.changed = makeDoor((6, 7, 8, 9, 10), ports="2222", name="ssh")

    def assertRefused(self, kind: type[PkdoorsError], sentence: str, **fields: Any) -> None:
        """Assert that nothing changed, that the log says so once, and that everything goes on."""
        before = self.snapshot()
        error = self.failureResultOf(self.begin(self.changed, **fields)).value
        self.assertIsInstance(error, kind)
        self.assertEqual(sentence, str(error))
        self.assertEqual(before, self.snapshot())
        self.assertEqual(
            [f"not reloaded, and nothing was changed: {sentence}"], self.log.lines(LogLevel.error)
        )
        self.assertEqual([], self.daemon.applied)
        self.assertEqual(f"{REFUSED}: {sentence}", self.reloader.refusal)
        self.knock(*PORTS[3:], source=BOB)
        self.assertEqual(31.0, self.guard.doorsOpen()[("ssh", BOB)])
        self.reactor.advance(30)
        self.assertEqual({("web", BOB): 601.0}, self.guard.doorsOpen())

    def test_unreadable(self) -> None:
        """The configuration cannot be read."""
        self.daemon.error = BadValue("it is wrong")
        self.assertRefused(BadValue, "it is wrong")

    def test_fixed(self) -> None:
        """A setting cannot change while the daemon runs."""
        self.assertRefused(
            ConfigError,
            "zone, admin: this cannot change while the daemon runs: restart it, with "
            "`systemctl restart pkdoors` if it is a service",
            zone="home",
            admin="",
        )

    def test_mistake(self) -> None:
        """A mistake of ours is reported, too."""
        self.patch(self.keeper, "_makeLock", None)
        before = self.snapshot()
        new = replace(self.changed, name="new")
        self.failureResultOf(self.begin(SSH, new), TypeError)
        self.assertEqual(before, self.snapshot())
        self.assertEqual("reload-refused", self.kinds()[-1])

    def test_tooManyPorts(self) -> None:
        """The plan needs more sockets than the process may have."""
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
        """The guard refuses."""
        self.guard.failures = [NO]
        self.assertRefused(FirewallError, "no")

    def test_firewallThenHealed(self) -> None:
        """After that a healing restores the doors from before."""
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
        """A correct configuration is accepted after that."""
        self.daemon.error = BadValue("it is wrong")
        self.failureResultOf(self.begin(self.changed))
        self.daemon.error = None
        self.reload(self.changed)
        self.assertEqual("", self.reloader.refusal)
        self.assertEqual((self.changed,), self.keeper.doors)
        self.assertEqual([6, 7, 8, 9, 10], self.ports())

    def test_unexpected(self) -> None:
        """A mistake of ours changes nothing, either, and does not block the next reload."""
        before = self.snapshot()
        self.guard.failures = [ValueError("oops")]
        self.failureResultOf(self.begin(self.changed), ValueError)
        self.assertEqual(before, self.snapshot())
        self.reload(self.changed)
        self.assertEqual((self.changed,), self.keeper.doors)


class ReviewTests(ReloadTestCase):
    """A file that was changed, and that nobody has reloaded."""

    def edit(self, *doors: Door, error: Exception | None = None, **fields: Any) -> None:
        """Change the file."""
        self.daemon.mark = (*(self.daemon.mark or ()), 0)
        self.daemon.config = replace(self.reloader.config, doors=doors or (SSH, WEB), **fields)
        self.daemon.error = error

    def review(self) -> list[str]:
        """Return what is pending."""
        self.successResultOf(Deferred.fromCoroutine(self.reloader.review()))
        return self.reloader.pending

    def test_changes(self) -> None:
        """What a reload would change is pending until somebody reloads, and nothing changes."""
        self.assertEqual([], self.review())
        self.edit(SSH, replace(WEB, openFor=7.0), audit="/x")
        before = self.snapshot()
        pending = ["door web (443/tcp) changed: open_for", "audit changed"]
        self.assertEqual([pending, pending], [self.review(), self.review()])
        self.assertEqual(before, self.snapshot())
        self.reload(*self.daemon.config.doors, audit="/x")
        self.assertEqual([], self.reloader.pending)
        self.assertEqual([], self.review())

    def test_onlyIfChanged(self) -> None:
        """The file is read only if it has changed, and a comment or a new date is no change."""
        self.daemon.error = ConfigError("somebody reads it")
        self.assertEqual([], self.review())
        self.edit()
        self.assertEqual([], self.review())

    def test_fixed(self) -> None:
        """A change that a reload refuses needs a restart."""
        self.edit(zone="home")
        self.assertEqual(["zone changed, which needs a restart"], self.review())

    def test_mistake(self) -> None:
        """A file that a reload would refuse is pending with the reason, whatever it is."""
        self.edit(error=ConfigError("it is wrong"))
        self.assertEqual(["a reload would be refused: it is wrong"], self.review())
        self.edit(error=ValueError("oops"))
        (pending,) = self.review()
        self.assertEqual("a reload would be refused: a mistake of ours (ValueError)", pending)

    def test_gone(self) -> None:
        """A file that is gone would be refused, too."""
        self.edit(error=ConfigError("cannot read it"))
        self.daemon.mark = None
        self.assertEqual(["a reload would be refused: cannot read it"], self.review())

    def test_refused(self) -> None:
        """A refused reload is known as such, until the file changes again."""
        self.edit(error=ConfigError("it is wrong"))
        self.failureResultOf(Deferred.fromCoroutine(self.reloader.reload()), ConfigError)
        self.assertEqual([], self.review())
        self.assertEqual(f"{REFUSED}: it is wrong", self.reloader.refusal)
        self.edit()
        self.assertEqual([], self.review())
        self.assertEqual("", self.reloader.refusal)

    def test_meanwhile(self) -> None:
        """Nobody waits for a reload that is under way."""
        self.edit(SSH)
        thread: Deferred[None] = Deferred()
        self.patch(self.reloader, "_beside", lambda work: thread.addCallback(lambda _: work()))
        done = self.begin(SSH)
        self.assertEqual([], self.review())
        thread.callback(None)
        self.reactor.pump([0, 0.1])
        self.assertEqual(["door web (443/tcp) is gone"], self.successResultOf(done).changes)


class BesideTests(ReloadTestCase):
    """While the configuration is read in another thread."""

    def setUp(self) -> None:
        """Have a thread that waits for the test."""
        super().setUp()
        self.thread: Deferred[None] = Deferred()

        def beside(work: Callable[[], Any]) -> Deferred[Any]:
            return self.thread.addCallback(lambda _: work())

        self.patch(self.reloader, "_beside", beside)

    def test_knocks(self) -> None:
        """Clients that knock get in, and stay in with the new configuration."""
        done = self.begin(SSH, replace(WEB, openFor=7.0))
        self.knock(*PORTS)
        self.assertEqual([("ssh", ANN)], [*self.guard.doorsOpen()])
        self.assertNoResult(done)
        self.thread.callback(None)
        self.reactor.pump([0, 0.1])
        self.assertEqual(1, len(self.successResultOf(done).changes))
        self.assertEqual([("ssh", ANN)], [*self.guard.doorsOpen()])

    def test_stopped(self) -> None:
        """If the daemon stops meanwhile, nothing changes any more."""
        done = self.begin(SSH)
        self.reloader.stop()
        self.thread.callback(None)
        self.failureResultOf(done, ConfigError)
        self.assertEqual((SSH, WEB), self.keeper.doors)


class ToldTests(ReloadTestCase):
    """
    What the operator hears.
    """

    def test_nothing(self) -> None:
        """If nothing is different, nothing is touched."""
        before = len(self.guard.calls), len(self.outer.calls)
        self.assertEqual(Reloaded([], []), self.reload())
        self.assertEqual(before, (len(self.guard.calls), len(self.outer.calls)))
        self.assertEqual(["reloaded: nothing has changed"], self.log.lines()[-1:])

    def test_event(self) -> None:
        """The log lists the changes, then the doors, as at the start."""
        web = replace(WEB, openFor=5.0)
        self.reload(SSH, web)
        self.assertEqual(["reloaded", "guarding"], self.kinds())
        self.assertEqual("door web (443/tcp) changed: open_for", self.events[0].reason)
        self.assertEqual(web, self.events[1].door)

    def test_noSecret(self) -> None:
        """No port of a sequence is logged."""
        self.reload(replace(SSH, sequence=Sequence((7001, 7009, 7004, 7007, 7002))), WEB)
        text = "\n".join(self.log.lines())
        self.assertFalse([port for port in (*PORTS, 7001, 7009, 7004) if str(port) in text])

    def test_taken(self) -> None:
        """Each configuration that is in place is handed on."""
        self.reload(audit="/var/log/audit")
        self.assertEqual([self.daemon.config], self.daemon.applied)
        self.assertEqual(self.daemon.config, self.reloader.config)

    def test_complaints(self) -> None:
        """The answer lists the troubles: weak sequences, and those of components."""
        self.daemon.complaints = ["no such hook"]
        weak = replace(WEB, name="weak", sequence=Sequence((7, 6, 5, 4, 3)))
        first, second, third = self.reload(SSH, WEB, weak).troubles
        self.assertIn("door weak (443/tcp): the sequence is in descending order", first)
        self.assertIn("door weak (443/tcp): the sequence has so few different ports", second)
        self.assertEqual("no such hook", third)

    def test_trouble(self) -> None:
        """The answer says what firewalld refuses; firewalld follows as soon as it can."""
        self.outer.failures = [NO]
        self.assertEqual(["no"], self.reload(WEB).troubles)
        self.assertEqual((SSH, WEB), self.outer.guarded)
        self.reactor.pump([1, 1])
        self.assertEqual((WEB,), self.outer.guarded)

    def test_patience(self) -> None:
        """If firewalld hangs, the guard has changed, and the answer says so."""
        self.outer.holding = True
        done = self.begin(WEB)
        self.assertEqual((WEB,), self.guard.guarded)
        self.reactor.pump([0, FIREWALL_TIMEOUT - 0.1])
        self.assertNoResult(done)
        self.reactor.advance(0.1)
        self.assertEqual(
            ["firewalld did not answer within 10s"], self.successResultOf(done).troubles
        )
        self.outer.holding = False
        self.outer.answer()
        self.reactor.pump([0, 1])
        self.assertEqual((WEB,), self.outer.guarded)


class OrderTests(ReloadTestCase):
    """
    Several reloads at once, and the end.
    """

    def test_two(self) -> None:
        """Of two reloads at once the second begins when the first is done, and the last counts."""
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
        """A client that earns a door while the guard changes gets in, if the door still exists."""
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
        """After the end nothing changes: openings run out by themselves."""
        self.request()
        self.stop()
        calls = list(self.guard.calls)
        self.assertIsInstance(self.failureResultOf(self.begin(WEB)).value, ConfigError)
        self.assertEqual(calls, self.guard.calls)
        self.assertEqual({ANN: 31.0}, self.guard.open_())
        self.assertEqual([], self.host.bound())

    def test_stoppedMeanwhile(self) -> None:
        """If the end comes while the guard changes, no port is opened any more."""
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
        """A reload that waits for firewalld then gets an answer, and nothing is left running."""
        self.outer.holding = True
        done = self.begin(WEB)
        self.reactor.advance(0)
        self.reloader.stop()
        Deferred.fromCoroutine(self.keeper.stop())
        self.reactor.advance(20)
        self.assertTrue(self.successResultOf(done).troubles)
        self.assertEqual([], self.reactor.getDelayedCalls())
