"""
No connection begins through a closed door, whatever connection tracking remembers of the client.

The kernel's connection tracking counts a bare SYN that fits an entry, in almost every state, as a
part of that connection. So a client that uses its source port again has an "established" SYN.
"""

import signal
from collections.abc import Callable
from itertools import count

from tests.lab.case import PORT
from tests.lab.conntrack import STATES, ConntrackTable, Flow
from tests.lab.controlled import WEB_SEQUENCE, ControlledTestCase, door
from tests.lab.flows import Session, begun, drain
from tests.lab.hosts import (
    BIN,
    CLIENT4,
    CLIENT6,
    PATIENCE,
    REFUSAL,
    SERVER4,
    SERVER6,
    STRANGER4,
    STRANGER6,
    Daemon,
    Host,
    eventually,
)

WAYS = ((CLIENT4, SERVER4), (CLIENT6, SERVER6))
STRANGERS_WAYS = ((STRANGER4, SERVER4), (STRANGER6, SERVER6))
NATURAL: tuple[tuple[str, Callable[[Session], None]], ...] = (
    ("the server reset it", Session.reset),
    ("both ended it", Session.finish),
)


class _StaleCase(ControlledTestCase):
    """The tests for both firewalls and both policies."""

    policy = "keep"

    def setUp(self) -> None:
        """Have a listener of our own, whose connections the test accepts."""
        super().setUp()
        self.listener = self.listeners[PORT]
        self.table = ConntrackTable(self.server)
        self._ports = count(20001)

    def serve(self, *doors: str) -> Daemon:
        """Start the daemon with these doors, or with the usual one."""
        return self.controlled(*(doors or (self.door("ssh"),)))

    def door(self, name: str, sequence: tuple[int, ...] = WEB_SEQUENCE) -> str:
        """Return a door to the port."""
        return door(name, sequence, more=f'sessions = "{self.policy}"\n')

    def openBoth(self, name: str = "ssh", seconds: int = 600) -> None:
        """Open it for the client's two addresses."""
        for source in (CLIENT4, CLIENT6):
            self.open(source, name, seconds)

    def session(self, source: str, target: str, host: Host | None = None) -> Session:
        """Begin a session from a port that was not used before."""
        flow = Flow(source, next(self._ports), target, PORT)
        session = Session.begin(host or self.client, self.listener, flow)
        self.addCleanup(session.close)
        return session

    def leaveBehind(self, host: Host, ways: tuple[tuple[str, str], ...]) -> list[tuple[Flow, str]]:
        """
        Leave an entry of connection tracking in each state, by real sessions.

        @return: their flows, and how each was left.
        """
        self.table.switchOn()
        left, forced = [], []
        for way in ways:
            for state in STATES:
                session = self.session(*way, host)
                self.assertTrue(session.carries())
                session.vanish()
                forced.append((session.flow, state))
            for name, end in NATURAL:
                session = self.session(*way, host)
                self.assertTrue(session.carries())
                end(session)
                left.append((session.flow, name))
        self.table.force(forced)
        return left + forced

    def assertNoneBegins(self, left: list[tuple[Flow, str]], host: Host | None = None) -> None:
        """Check that no connection begins on these flows."""
        drain(self.listener)
        names = dict(left)
        connected = begun(host or self.client, names)
        self.assertEqual(sorted(f"{each.source}: {names[each]}" for each in connected), [])

    def assertAllBegin(self, left: list[tuple[Flow, str]], host: Host | None = None) -> None:
        """Check that a connection begins on each of them."""
        drain(self.listener)
        names = dict(left)
        connected = begun(host or self.client, names)
        self.assertEqual([names[each] for each in names if each not in connected], [])

    def closed(self) -> bool:
        """Wait until the client is not let in any more at either of its addresses."""

        def isOut() -> bool:
            drain(self.listener)
            fresh = [Flow(source, 0, target, PORT) for source, target in WAYS]
            return not begun(self.client, fresh, REFUSAL)

        return bool(eventually(isOut))

    def assertCloses(
        self, close: Callable[[], object], name: str = "ssh", seconds: int = 600
    ) -> None:
        """
        Let the client in, and close the door in this way: no connection begins, and the policy says
        whether existing ones go on.
        """
        self.openBoth(name, seconds)
        left = self.leaveBehind(self.client, WAYS)
        sessions = [self.session(*way) for way in WAYS]
        self.assertTrue(all(each.carries() for each in sessions))
        close()
        self.assertTrue(self.closed())
        self.assertNoneBegins(left)
        for each in sessions:
            alive = each.carries(PATIENCE if self.policy == "keep" else 0.5)
            self.assertEqual(alive, self.policy == "keep", each.flow)
            each.close()

    def closeOne(self) -> None:
        """Close the door for each address."""
        for source in (CLIENT4, CLIENT6):
            self.ask(f"/openings/{source}", "-X", "DELETE")

    def closeAll(self) -> None:
        """Close all doors."""
        self.ask("/openings", "-X", "DELETE")

    def untilDeadline(self) -> None:
        """Wait for the end of a short time."""
        self.assertTrue(eventually(lambda: not self.openings()))


class StaleTests(_StaleCase):
    """A client that was let in, and whose door has closed, in one way after the other."""

    def test_steered(self) -> None:
        """The door closes for one address, for all, or in time."""
        self.serve()
        for way, seconds in ((self.closeOne, 600), (self.closeAll, 600), (self.untilDeadline, 3)):
            with self.subTest(way.__name__):
                self.assertCloses(way, seconds=seconds)

    def test_killed(self) -> None:
        """
        The daemon is killed, and the kernel closes the door: no connection begins, not with the
        next daemon either.
        """
        daemon = self.serve()
        self.openBoth(seconds=4)
        left = self.leaveBehind(self.client, WAYS)
        session = self.session(*WAYS[0])
        daemon.stop(signal.SIGKILL)
        self.assertTrue(self.closed())
        self.assertNoneBegins(left)
        self.serve()
        self.assertNoneBegins(left)
        self.assertEqual(session.carries(0.5), self.policy == "keep")


class CutStaleTests(StaleTests):
    """Sessions end with their opening."""

    policy = "cut"


class GoneDoorTests(_StaleCase):
    """
    A door that let the client in is removed from the configuration; another one protects the port.
    """

    def test_gone(self) -> None:
        """
        No connection begins; but all do when the other door is open, so old entries do not hinder
        it.
        """
        guest = self.door("guest", tuple(reversed(WEB_SEQUENCE)))
        self.serve(self.door("ssh"), guest)

        def remove() -> None:
            self.write(self.door("ssh"))
            self.reload()

        self.assertCloses(remove, "guest")
        self.openBoth()
        self.assertAllBegin(self.leaveBehind(self.client, WAYS))


class CutGoneDoorTests(GoneDoorTests):
    """The same if sessions end with their opening."""

    policy = "cut"


class FirewalldStaleTests(StaleTests):
    """firewalld runs in addition to the guard."""

    firewall = "firewalld"


class FirewalldCutStaleTests(StaleTests):
    """Both."""

    firewall = "firewalld"
    policy = "cut"


class ReleasedTests(_StaleCase):
    """C{pkdoors release} is run in between."""

    def test_released(self) -> None:
        """
        Whatever was released meanwhile, a client that was connected cannot connect again; its
        session goes on.
        """
        daemon = self.serve()
        self.openBoth()
        left = self.leaveBehind(self.client, WAYS)
        session = self.session(*WAYS[0])
        for option in ((), ("--force",)):
            self.server.status(str(BIN / "pkdoors"), "release", *option)
        if daemon.process.popen.poll() is not None:
            self.serve()
        self.assertTrue(eventually(lambda: not self.stranger.reaches(PORT)))
        self.closeAll()
        self.assertTrue(self.closed())
        self.assertNoneBegins(left)
        self.assertTrue(session.carries())


class FirstStartTests(_StaleCase):
    """A stranger who was connected before the daemon first started, as every scanner is."""

    def test_spared(self) -> None:
        """
        His session goes on, because it may be the operator's own; but he cannot begin another on
        its tuple after it has ended.
        """
        sessions = [self.session(*way, self.stranger) for way in STRANGERS_WAYS]
        ending = [
            (self.session(*way, self.stranger), name, end)
            for way in STRANGERS_WAYS
            for name, end in NATURAL
        ]
        self.serve()
        left = []
        for session, name, end in ending:
            self.assertTrue(session.carries())  # so connection tracking has it, too
            end(session)
            left.append((session.flow, name))
        self.assertNoneBegins(left, self.stranger)
        self.assertTrue(all(each.carries() for each in sessions))

    def test_everyState(self) -> None:
        """Nor can he in any other state of connection tracking."""
        self.table.switchOn()
        sessions = [
            (self.session(*way, self.stranger), each) for way in STRANGERS_WAYS for each in STATES
        ]
        self.serve()
        for session, _ in sessions:
            self.assertTrue(session.carries())
            session.vanish()
        left = [(session.flow, state) for session, state in sessions]
        self.table.force(left)
        self.assertNoneBegins(left, self.stranger)


class FirewalldFirstStartTests(FirstStartTests):
    """firewalld runs in addition to the guard, and its ports were open before."""

    firewall = "firewalld"

    def setUp(self) -> None:
        """Let everybody in until the daemon starts."""
        super().setUp()
        self.firewalld.cmd(f"--add-port={PORT}/tcp")
