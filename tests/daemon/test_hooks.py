"""Tests of L{pkdoors.daemon.hooks} and L{pkdoors.daemon._hookprocess}."""

import errno
import os
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from shutil import rmtree
from subprocess import PIPE, Popen, run
from tempfile import mkdtemp
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessDone, ProcessExitedAlready, ProcessTerminated
from twisted.internet.interfaces import IProcessProtocol, IProcessTransport
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.logger import LogLevel
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer
from zope.interface.verify import verifyClass

from pkdoors.config.parser import parseConfig
from pkdoors.daemon import hooks
from pkdoors.daemon._hookprocess import KEPT, MAX_PRINTED, HookRun, signalGroup
from pkdoors.daemon.hooks import (
    MAX_AT_ONCE,
    MAX_WAITING,
    Hooks,
    checkHooks,
    findHook,
    makeEnvironment,
)
from pkdoors.events.event import CLOSED, KINDS, OPENED, REFUSED, Event
from pkdoors.files.access import findHookFlaw
from pkdoors.files.trust import Flaw
from pkdoors.model.principal import Principal
from tests.fakes.doors import PORTS, makeDoor
from tests.fakes.log import Log
from tests.lab.readme import README, block

OPEN, CLOSE, REFUSE = "/bin/on-open", "/bin/on-close", "/bin/on-refuse"
DOOR = makeDoor(ports="22,53/udp", onOpen=(OPEN, "a b"), onClose=(CLOSE,), onRefuse=(REFUSE,))
TITLE = f"on_open of door default for 192.0.2.7 ({OPEN})"


def event(kind: str = OPENED, **details: Any) -> Event:
    """Something that happened at a door with hooks."""
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


class FakeProcessTests(SynchronousTestCase):
    """
    Tests of L{FakeProcess}.
    """

    def test_interface(self) -> None:
        """It is what Twisted gives."""
        verifyClass(IProcessTransport, FakeProcess)


class HooksTestCase(SynchronousTestCase):
    """With hooks that run nothing."""

    def setUp(self) -> None:
        """Have them."""
        self.log = Log(self)
        self.system = FakeSystem()
        self.patch(hooks, "HookRun", lambda clock: HookRun(clock, self.system.signalGroup))
        self.flaws: dict[str, Flaw] = {}
        self.hooks = Hooks(self.system, lambda command: self.flaws.get(command[0]))

    def start(self, *kinds: str) -> list[FakeProcess]:
        """Hear of these events, and give the processes that were started for it."""
        before = len(self.system.processes)
        for kind in kinds or (OPENED,):
            self.hooks.hear(event(kind))
        self.turn()
        return self.system.processes[before:]

    def turn(self) -> None:
        """Let the reactor take some turns."""
        self.system.pump([0] * (MAX_AT_ONCE + 1))

    def startOne(self) -> FakeProcess:
        """Start one."""
        (process,) = self.start()
        return process

    def assertSays(self, *lines: str) -> None:
        """The log has these warnings, and nothing else."""
        self.assertEqual(list(lines), self.log.lines())
        self.assertEqual(["warn"] * len(lines), self.log.levels())


class ChoosingTests(HooksTestCase):
    """
    What is run, and what it is told.
    """

    def test_kinds(self) -> None:
        """Opening, closing and refusing have hooks; an extension is no opening, and so on. The
        one for refusals hears of guessing, too."""
        self.start(*KINDS)
        commands = [each.command for each in self.system.processes]
        self.assertEqual([(OPEN, "a b"), (CLOSE,), (REFUSE,), (REFUSE,)], commands)

    def test_none(self) -> None:
        """A door without hooks, or no door, runs nothing."""
        for kind in KINDS:
            self.hooks.hear(event(kind, door=makeDoor()))
            self.hooks.hear(event(kind, door=None))
        self.turn()
        self.assertEqual(([], []), (self.system.processes, self.log.lines()))

    def test_environment(self) -> None:
        """It is told of the event, and nothing else; nothing of the daemon's environment."""
        os.environ["KNOCKER_SEQ"] = "secret"
        self.addCleanup(os.environ.pop, "KNOCKER_SEQ")
        who = Principal("anna@laptop", "SHA256:abc")
        self.hooks.hear(event(CLOSED, seconds=29.7, who=who, reason="its time is over"))
        self.turn()
        (environment,) = self.system.environments
        self.assertEqual(
            {
                b"PATH": b"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                b"LANG": b"C.UTF-8",
                b"PKDOORS_TIME": b"2026-11-23T08:00:00.000Z",
                b"PKDOORS_EVENT": b"closed",
                b"PKDOORS_DOOR": b"default",
                b"PKDOORS_SOURCE": b"192.0.2.7",
                b"PKDOORS_PORTS": b"22/tcp,53/udp",
                b"PKDOORS_SECONDS": b"30",
                b"PKDOORS_USER": b"anna@laptop",
                b"PKDOORS_KEY": b"SHA256:abc",
                b"PKDOORS_REASON": b"its time is over",
                b"PKDOORS_TEXT": b"closed door default (22/tcp,53/udp) for 192.0.2.7",
            },
            environment,
        )

    def test_nasty(self) -> None:
        """No value has a NUL, a line break or an escape in it, and none is longer than allowed."""
        who = Principal("a\0\n\r\x1b\u2028\ud800" + "ü" * 100_000)
        values = makeEnvironment(event(REFUSED, who=who, reason=who.name))
        self.assertEqual(("a??????" + "ü" * 1017).encode(), values[b"PKDOORS_USER"])
        self.assertTrue(all(len(each) <= 2048 for each in values.values()))
        self.assertTrue(all(each.decode().isprintable() for each in values.values()))

    def test_input(self) -> None:
        """There is nothing for it to read."""
        self.assertEqual([0], self.startOne().closed)


class ReadmeTests(SynchronousTestCase):
    """
    What README.md shows.
    """

    def test_keys(self) -> None:
        """Its lines are what the file takes, and such hooks are run."""
        needed = f"[doors.ssh]\nsequence = {list(PORTS)}\nports = [22]\n"
        text = block("audit = ").replace("[doors.ssh]\n", needed)
        config = parseConfig(text, "f")
        for kind, said in ((OPENED, "open"), (CLOSED, "closed"), (REFUSED, "refused")):
            hook = findHook(event(kind, door=config.doors[0]))
            assert hook is not None
            self.assertEqual(("/usr/local/bin/pkdoors-tell", said), hook.command)

    def test_script(self) -> None:
        """Its script passes on what it is told, whatever is in there."""
        folder = Path(self.mktemp()).absolute()
        folder.mkdir()
        for name, text in (
            ("tell", block("#!/bin/sh")),
            ("curl", '#!/bin/sh\nprintf "%s\\n" "$@"\n'),
        ):
            (folder / name).write_text(text)
            (folder / name).chmod(0o755)
        who = Principal("; touch x `id` $(id) * '\"", "SHA256:abc")
        environment = makeEnvironment(event(seconds=30.0, who=who))
        path = f"{folder}:".encode() + environment[b"PATH"]
        output = run(
            [folder / "tell", "open"], env=environment | {b"PATH": path}, stdout=PIPE, check=True
        ).stdout.splitlines()
        self.assertEqual([b"-fsS", b"-H", b"Title: default: open", b"--data-raw"], output[:4])
        self.assertEqual([environment[b"PKDOORS_TEXT"], b"https://ntfy.example/doors"], output[4:])
        self.assertIn(str(who).encode(), output[4])

    def test_variables(self) -> None:
        """It names all variables."""
        names = [each.decode() for each in makeEnvironment(event()) if each.startswith(b"PKDOORS")]
        self.assertEqual([], [each for each in names if f"`{each}`" not in README.read_text()])


class EndingTests(HooksTestCase):
    """
    How one run ends.
    """

    def test_silent(self) -> None:
        """One that succeeds is silent."""
        self.startOne().end()
        self.assertEqual([], self.log.lines())
        self.assertEqual([], self.system.getDelayedCalls())

    def test_said(self) -> None:
        """What it printed is for those who look for it."""
        process = self.startOne()
        process.prints(b"sent\nand more")
        process.end()
        self.assertEqual([f"{TITLE} printed: sent"], self.log.lines(LogLevel.debug))
        self.assertEqual(["debug"], self.log.levels())

    def test_status(self) -> None:
        """A status that is not 0 is a warning."""
        self.startOne().end(3)
        self.assertSays(f"{TITLE} ended with status 3")

    def test_signal(self) -> None:
        """So is a signal."""
        self.startOne().end(signalNumber=11)
        self.assertSays(f"{TITLE} was ended by signal 11")

    def test_firstLine(self) -> None:
        """The warning has the first line of its output, rather of its errors."""
        process = self.startOne()
        process.prints(b"working\n")
        process.prints(b"\n  no route\x1b[31m ", 2)
        process.prints(b"to host\nat all\n", 2)
        process.end(1)
        self.assertSays(f"{TITLE} ended with status 1: no route?[31m to host")

    def test_longLine(self) -> None:
        """Not more of it than fits in a line, and whatever its bytes are."""
        process = self.startOne()
        process.prints(b"\xff" + b"x" * 300)
        process.end(1)
        self.assertSays(f"{TITLE} ended with status 1: \ufffd" + "x" * 199)

    def test_kept(self) -> None:
        """It takes no more memory than allowed, whatever it prints."""
        run = HookRun(Clock())
        run.transport = FakeProcess(run, ("x",), 1)
        for _ in range(100):
            run.childDataReceived(1, b"x" * 1000)
        self.assertEqual([KEPT, 0], [len(each) for each in run._output.values()])

    def test_endlessPrinter(self) -> None:
        """One that prints for ever is heard no more after a while, and fails."""
        process = self.startOne()
        printed = 0
        while 1 not in process.closed:
            self.assertLess(printed, MAX_PRINTED + 1000)
            process.prints(b"yes\n" * 250)
            printed += 1000
        process.end(signalNumber=signal.SIGPIPE)
        self.assertSays(f"{TITLE} printed more than 1000000 bytes: yes")

    def test_slow(self) -> None:
        """One that takes just not too long is as good as any."""
        process = self.startOne()
        self.system.advance(9.9)
        process.end()
        self.assertEqual(([], []), (self.log.lines(), self.system.groups))

    def test_hangs(self) -> None:
        """One that takes longer is asked to end, with its group, and 2 seconds later ended."""
        process = self.startOne()
        process.prints(b"waiting\n")
        self.system.advance(10)
        self.assertEqual([(1000, signal.SIGTERM, True)], self.system.groups)
        self.system.advance(1.9)
        self.assertEqual(1, len(self.system.groups))
        self.system.advance(0.1)
        self.assertEqual((1000, signal.SIGKILL, True), self.system.groups[-1])
        process.end(signalNumber=signal.SIGKILL)
        self.assertSays(f"{TITLE} did not end within 10 s, and was killed: waiting")
        self.assertEqual([], self.system.getDelayedCalls())

    def test_leavesChildren(self) -> None:
        """Where it ends when it is asked to, but not all that it started, those are ended."""
        process = self.startOne()
        self.system.advance(10)
        process.end(signalNumber=signal.SIGTERM)
        self.assertEqual((1000, signal.SIGKILL, False), self.system.groups[-1])

    def test_childrenHoldOutput(self) -> None:
        """One whose children go on printing has not ended; its status does not count then."""
        process = self.startOne()
        process.exit()
        self.system.advance(10)
        self.assertEqual([(1000, signal.SIGTERM, False)], self.system.groups)
        self.system.advance(2)
        self.assertEqual([0, 1, 2], process.closed[-3:])

    def test_noGroupYet(self) -> None:
        """One that did not come to lead a group is signalled itself."""
        self.system.isEarly = True
        process = self.startOne()
        self.system.advance(10)
        self.system.advance(2)
        self.assertEqual([signal.SIGTERM, signal.SIGKILL], process.signals)
        process.end(signalNumber=signal.SIGKILL)

    def test_endedJustNow(self) -> None:
        """Nothing is wrong if all are gone when they are signalled."""
        self.system.isEarly = True
        process = self.startOne()
        process.exit()
        self.system.advance(12)
        self.assertEqual([], process.signals)

    def test_cannotStart(self) -> None:
        """Where no process can be started that is a warning, and the next one is tried."""
        self.system.error = errno.EAGAIN
        self.start(OPENED, CLOSED)
        self.assertEqual(2, len(self.log.lines(LogLevel.warn)))
        self.assertEqual(
            f"{TITLE} cannot be run: Resource temporarily unavailable", self.log.lines()[0]
        )
        self.system.error = 0
        self.startOne().end()


class SignalGroupTests(SynchronousTestCase):
    """
    Tests of L{signalGroup}.
    """

    def test_others(self) -> None:
        """A number that a process has is left alone where the group's leader is gone."""
        child = Popen(["cat"], stdin=PIPE, start_new_session=True)
        signalGroup(child.pid, signal.SIGTERM, False)
        child.communicate()
        self.assertEqual(0, child.returncode)

    def test_led(self) -> None:
        """Where it is there, the group gets the signal."""
        child = Popen(["cat"], stdin=PIPE, start_new_session=True)
        signalGroup(child.pid, signal.SIGTERM, True)
        self.assertEqual(-signal.SIGTERM, child.wait())
        child.communicate()

    def test_gone(self) -> None:
        """A group that is gone is an error, led or not."""
        for isLed in (False, True):
            self.assertRaises(ProcessLookupError, signalGroup, 2**22 + 1, 0, isLed)


class TrustTests(HooksTestCase):
    """
    Hooks that others can change.
    """

    def flaw(self, path: str = OPEN) -> Flaw:
        """Why others can."""
        return Flaw(Path(path), "can be written by others", f"chmod go-w {path}")

    def test_notRun(self) -> None:
        """Such a hook is not run, and that is told once, however often it would have been."""
        self.flaws[OPEN] = self.flaw()
        for _ in range(50):
            self.assertEqual([], self.start())
        self.assertEqual(
            [
                f"{TITLE} was not run, and will not be until you fix this, because others decide "
                f"what it does: {OPEN} can be written by others: `chmod go-w {OPEN}` mends it"
            ],
            self.log.lines(),
        )
        self.assertEqual(["error"], self.log.levels())

    def test_others(self) -> None:
        """The others are run, and do not wait for it."""
        self.flaws[OPEN] = self.flaw()
        commands = [each.command for each in self.start(OPENED, CLOSED, OPENED, REFUSED)]
        self.assertEqual([(CLOSE,), (REFUSE,)], commands)

    def test_eachRun(self) -> None:
        """It is asked for each run; when it is mended it is run, and later told again."""
        self.startOne().end()
        self.flaws[OPEN] = self.flaw()
        self.assertEqual([], self.start())
        self.flaws.clear()
        self.startOne().end()
        self.flaws[OPEN] = self.flaw()
        self.assertEqual([], self.start())
        self.flaws[OPEN] = self.flaw("/bin")
        self.assertEqual([], self.start())
        self.assertEqual(3, len(self.log.lines()))

    def test_stopping(self) -> None:
        """A daemon that ends does not wait for it."""
        self.flaws[OPEN] = self.flaw()
        self.hooks.hear(event())
        done = self.hooks.stop()
        self.turn()
        self.successResultOf(done)


class HookFlawTests(SynchronousTestCase):
    """
    Tests of L{findHookFlaw} and L{checkHooks}, with files.
    """

    def setUp(self) -> None:
        """Have a script in a folder that only we can write."""
        self.folder = Path(mkdtemp())
        self.addCleanup(rmtree, self.folder)
        self.script = self.file("tell", "#!/bin/sh\n")

    def file(self, name: str, text: str = "", mode: int = 0o755) -> Path:
        """Make a file."""
        path = self.folder / name
        path.write_text(text)
        path.chmod(mode)
        return path

    def flaw(self, *command: object) -> str:
        """Which path others can change; empty for none."""
        found = findHookFlaw([str(each) for each in command])
        return str(found.path).removeprefix(f"{self.folder}/") if found else ""

    def test_program(self) -> None:
        """The program counts, and its folder."""
        self.assertEqual("", self.flaw(self.script, "open"))
        self.script.chmod(0o777)
        self.assertEqual("tell", self.flaw(self.script, "open"))
        self.script.chmod(0o755)
        self.folder.chmod(0o777)
        self.assertEqual(str(self.folder), self.flaw(self.script))

    def test_arguments(self) -> None:
        """So does a script that a shell is to read; not what is no file, or no whole path."""
        self.script.chmod(0o666)
        self.assertEqual("tell", self.flaw("/bin/sh", self.script))
        self.assertEqual("tell", self.flaw("/usr/bin/env", "sh", self.script))
        self.assertEqual("", self.flaw("/bin/sh", "-c", "tell", "/dev/null", "/tmp", "/nowhere"))

    def test_notThereYet(self) -> None:
        """So does a name that others could give to a file of theirs, just before the run."""
        open_ = self.folder / "open"
        open_.mkdir()
        open_.chmod(0o1777)
        self.assertEqual("open/x", self.flaw("/bin/sh", open_ / "x"))
        self.assertEqual("open/x", self.flaw(open_ / "x"))
        self.assertEqual("open/a/x", self.flaw("/bin/sh", open_ / "a" / "x"))
        (open_ / "x").symlink_to("x")
        self.assertEqual("", self.flaw("/bin/sh", open_ / "x"))  # a circle, but our own
        (open_ / "x").unlink()
        (open_ / "x").mkdir()
        self.assertEqual("", self.flaw("/bin/sh", open_ / "x"))
        if os.geteuid() == 0:
            os.chown(open_ / "x", 65_534, -1)
            self.assertEqual("open/x", self.flaw("/bin/sh", open_ / "x"))
        open_.chmod(0o755)
        self.assertEqual("", self.flaw("/bin/sh", open_ / "y"))

    def test_interpreter(self) -> None:
        """So does what the first line of a script names."""
        shell = self.file("shell")
        script = self.file("other", f"#! {shell} -x\n")
        self.assertEqual("", self.flaw(script))
        shell.chmod(0o777)
        self.assertEqual("shell", self.flaw(script))
        self.assertEqual("shell", self.flaw("/bin/sh", script))

    def test_warned(self) -> None:
        """At the start, and at each reload, that is one sentence."""
        self.script.chmod(0o777)
        door = makeDoor(onOpen=(str(self.script),), onClose=("/nowhere/x",))
        self.assertEqual(
            [
                "on_open of door default is not run, because others decide what it does: "
                f"{self.script} can be written by others: `chmod go-w {self.script}` mends it",
                "on_close of door default cannot be run: /nowhere/x does not exist",
            ],
            checkHooks(door),
        )


class BoundTests(HooksTestCase):
    """
    Many at once.
    """

    def test_atOnce(self) -> None:
        """So many run at a time; the others wait for one to end, in order."""
        self.start(*[OPENED] * 20, CLOSED)
        self.assertEqual(MAX_AT_ONCE, len(self.system.processes))
        for process in self.system.processes[:4]:
            process.end()
            self.turn()
            self.assertEqual(MAX_AT_ONCE, len(self.system.running()))
        self.system.processes[7].end(1)
        self.turn()
        self.assertEqual((CLOSE,), self.system.processes[-1].command)
        self.assertEqual(21, len(self.system.processes))

    def test_oneInATurn(self) -> None:
        """Each is started in a turn of its own, and none at once: knocks come in between."""
        for _ in range(3):
            self.hooks.hear(event())
        self.assertEqual([], self.system.processes)
        seen: list[int] = []
        self.system.callLater(0, lambda: seen.append(len(self.system.processes)))
        self.turn()
        self.assertEqual(([1], 3), (seen, len(self.system.processes)))

    def test_leftOut(self) -> None:
        """What is more than can wait is left out: one line with their number, not at once."""
        self.start(*[REFUSED] * MAX_AT_ONCE)
        self.start(*[REFUSED] * (MAX_WAITING + 28))
        self.assertEqual([], self.log.lines())
        self.assertEqual(MAX_AT_ONCE + 1, len(self.system.getDelayedCalls()))
        self.system.advance(9)
        self.start(REFUSED)
        self.system.advance(1)
        line = "hooks that were left out, because 256 were waiting already: "
        self.assertSays(line + "29")
        self.start(REFUSED)
        for process in self.system.running():
            process.end()
        self.system.advance(10)
        self.assertEqual(line + "1", self.log.lines()[-1])

    def test_allAreRun(self) -> None:
        """Those that waited are all run, and then it is as at first."""
        self.start(*[OPENED] * MAX_AT_ONCE)
        self.start(*[OPENED] * MAX_WAITING)
        while running := self.system.running():
            running[0].end()
            self.turn()
        self.assertEqual(MAX_AT_ONCE + MAX_WAITING, len(self.system.processes))
        self.assertEqual(([], []), (self.log.lines(), self.system.getDelayedCalls()))


class StoppingTests(HooksTestCase):
    """
    Tests of L{Hooks.stop}.
    """

    def stop(self) -> Deferred[None]:
        """Stop them."""
        return self.hooks.stop()

    def test_idle(self) -> None:
        """Where none runs, it is done."""
        self.startOne().end()
        self.successResultOf(self.stop())
        self.assertEqual([], self.system.getDelayedCalls())

    def test_noMore(self) -> None:
        """After that none is started."""
        self.successResultOf(self.stop())
        self.assertEqual([], self.start())

    def test_waits(self) -> None:
        """It waits for those that run, and those that wait for them."""
        self.start(*[CLOSED] * (MAX_AT_ONCE + 1))
        done = self.stop()
        for process in self.system.running():
            process.end()
        self.turn()
        self.assertNoResult(done)
        self.system.running()[0].end(3)
        self.successResultOf(done)
        self.assertEqual([], self.system.getDelayedCalls())
        self.assertEqual(["warn"], self.log.levels())

    def test_justHeard(self) -> None:
        """What was heard just before is still run."""
        self.hooks.hear(event())
        done = self.stop()
        self.turn()
        self.assertNoResult(done)
        self.system.processes[0].end()
        self.successResultOf(done)

    def test_cannotStart(self) -> None:
        """Nor does it wait for what cannot be run."""
        self.hooks.hear(event())
        self.system.error = errno.EAGAIN
        done = self.stop()
        self.turn()
        self.successResultOf(done)
        self.assertEqual([], self.system.getDelayedCalls())

    def test_notForEver(self) -> None:
        """After 3 seconds it ends those that run; those that wait are left out."""
        first, *_ = self.start(*[OPENED] * MAX_AT_ONCE, CLOSED)
        done = self.stop()
        self.system.advance(2.9)
        self.assertNoResult(done)
        self.system.advance(0.1)
        self.successResultOf(done)
        self.assertEqual({signal.SIGKILL}, {number for _, number, _ in self.system.groups})
        self.assertEqual(MAX_AT_ONCE, len(self.system.groups))
        ended = f"{TITLE} did not end before the daemon stopped, and was killed"
        left = f"on_close of door default for 192.0.2.7 ({CLOSE}) was left out, because the daemon "
        self.assertSays(*[ended] * MAX_AT_ONCE, left + "stops")
        first.end(signalNumber=signal.SIGKILL)
        assert isinstance(first._protocol, HookRun)
        self.successResultOf(first._protocol.ended)
        self.assertEqual(MAX_AT_ONCE + 1, len(self.log.lines()))

    def test_counts(self) -> None:
        """What was left out and not told of yet is told."""
        self.start(*[OPENED] * MAX_AT_ONCE)
        self.start(*[OPENED] * (MAX_WAITING + 5))
        self.stop()
        self.system.advance(3)
        self.assertTrue(self.log.lines()[-1].endswith("waiting already: 5"))
        self.system.advance(10)
        self.assertEqual(MAX_AT_ONCE + MAX_WAITING + 1, len(self.log.lines()))
