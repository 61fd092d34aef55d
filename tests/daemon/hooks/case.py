"""Hooks that run nothing real."""

import errno
import os
from collections.abc import Mapping, Sequence
from typing import Any

from twisted.internet.error import ProcessDone, ProcessExitedAlready, ProcessTerminated
from twisted.internet.interfaces import IProcessProtocol, IProcessTransport
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from pkdoors.daemon.hooks import runner
from pkdoors.daemon.hooks._process import HookRun
from pkdoors.daemon.hooks.runner import MAX_AT_ONCE, Hooks
from pkdoors.events.event import OPENED, Event
from pkdoors.files.trust import Flaw
from tests.fakes.doors import makeDoor
from tests.fakes.log import Log

OPEN, CLOSE, REFUSE = "/bin/on-open", "/bin/on-close", "/bin/on-refuse"

DOOR = makeDoor(ports="22,53/udp", onOpen=(OPEN, "a b"), onClose=(CLOSE,), onRefuse=(REFUSE,))

TITLE = f"on_open of door default for 192.0.2.7 ({OPEN})"


def event(kind: str = OPENED, **details: Any) -> Event:
    """Return an event at a door with hooks."""
    defaults: dict[str, Any] = {"door": DOOR, "source": "192.0.2.7"}
    return Event(kind, 1_795_420_800.0, **(defaults | details))


@implementer(IProcessTransport)
class FakeProcess(StringTransport):
    """
    A process, and its group.

    @ivar signals: the signals that it got, itself or by its group.
    @ivar closed: which of its files were closed on this side.
    """

    def __init__(self, protocol: IProcessProtocol, command: Sequence[str], pid: int) -> None:
        super().__init__()
        self.command = tuple(command)
        self.pid: int | None = pid
        self.signals: list[int] = []
        self.closed: list[int] = []
        self._protocol = protocol
        protocol.makeConnection(self)

    def prints(self, data: bytes, file: int = 1) -> None:
        """Print something."""
        assert file not in self.closed, "it gets SIGPIPE"
        self._protocol.childDataReceived(file, data)

    def end(self, status: int = 0, signalNumber: int = 0) -> None:
        """End, with this status or by a signal."""
        self.exit()
        reason: Exception = ProcessDone(0)
        if status or signalNumber:
            reason = ProcessTerminated(status or None, signalNumber or None, status)
        self._protocol.processEnded(Failure(reason))

    def exit(self) -> None:
        """Exit, while others still hold its output."""
        assert self.pid is not None, "it ended twice"
        self.pid = None

    def closeStdin(self) -> None:
        """See L{IProcessTransport.closeStdin}."""
        self.closed.append(0)

    def closeStdout(self) -> None:
        """See L{IProcessTransport.closeStdout}."""
        self.closed.append(1)

    def closeStderr(self) -> None:
        """See L{IProcessTransport.closeStderr}."""
        self.closed.append(2)

    def loseConnection(self) -> None:
        """See L{IProcessTransport.loseConnection}."""
        self.closed += [0, 1, 2]

    def closeChildFD(self, descriptor: int) -> None:
        """See L{IProcessTransport.closeChildFD}."""
        self.closed.append(descriptor)

    def writeToChild(self, childFD: int, data: bytes) -> None:
        """See L{IProcessTransport.writeToChild}."""
        raise AssertionError("a hook is told nothing that way")

    def signalProcess(self, signalID: str | int) -> None:
        """See L{IProcessTransport.signalProcess}."""
        if self.pid is None:
            raise ProcessExitedAlready()
        self.signals.append(int(signalID))


class FakeSystem(Clock):
    """
    A clock that can start processes.

    @ivar processes: all of them, in order.
    @ivar environments: of each of them.
    @ivar error: what is wrong with starting one; 0 for nothing.
    @ivar groups: what was sent to groups: number, signal, and whether the leader was there.
    @ivar isEarly: whether processes lead no group yet.
    """

    def __init__(self) -> None:
        super().__init__()
        self.processes: list[FakeProcess] = []
        self.environments: list[dict[bytes, bytes]] = []
        self.error = 0
        self.groups: list[tuple[int, int, bool]] = []
        self.isEarly = False

    def spawnProcess(
        self,
        processProtocol: IProcessProtocol,
        executable: str,
        args: Sequence[str],
        env: Mapping[bytes, bytes],
    ) -> FakeProcess:
        """See L{twisted.internet.interfaces.IReactorProcess.spawnProcess}."""
        assert executable == args[0] == "setsid", "it would be in the daemon's group"
        if self.error:
            raise OSError(self.error, os.strerror(self.error))
        self.environments.append(dict(env))
        process = FakeProcess(processProtocol, args[1:], 1000 + len(self.processes))
        self.processes.append(process)
        return process

    def signalGroup(self, group: int, number: int, isLed: bool) -> None:
        """See L{signalGroup}."""
        if self.isEarly:
            raise ProcessLookupError(errno.ESRCH, os.strerror(errno.ESRCH))
        self.groups.append((group, number, isLed))

    def running(self) -> list[FakeProcess]:
        """Those that have not ended."""
        return [each for each in self.processes if each.pid is not None]


class HooksTestCase(SynchronousTestCase):
    """Hooks that run nothing real."""

    def setUp(self) -> None:
        """Make them."""
        self.log = Log(self)
        self.system = FakeSystem()
        self.patch(runner, "HookRun", lambda clock: HookRun(clock, self.system.signalGroup))
        self.flaws: dict[str, Flaw] = {}
        self.hooks = Hooks(self.system, lambda command: self.flaws.get(command[0]))

    def start(self, *kinds: str) -> list[FakeProcess]:
        """Hear of these events, and return the processes that were started for them."""
        before = len(self.system.processes)
        for kind in kinds or (OPENED,):
            self.hooks.hear(event(kind))
        self.turn()
        return self.system.processes[before:]

    def turn(self) -> None:
        """Let the reactor take some turns."""
        self.system.pump([0] * (MAX_AT_ONCE + 1))

    def startOne(self) -> FakeProcess:
        """Start one hook."""
        (process,) = self.start()
        return process

    def assertSays(self, *lines: str) -> None:
        """Assert that the log has these warnings, and nothing else."""
        self.assertEqual(list(lines), self.log.lines())
        self.assertEqual(["warn"] * len(lines), self.log.levels())
