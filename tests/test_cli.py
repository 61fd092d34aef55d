"""Tests of L{pkdoors.cli}."""

import socket
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionRefusedError
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from pkdoors.cli import COMMANDS, main
from pkdoors.client import network
from pkdoors.client.blocking import driver as blocking
from pkdoors.client.core.attempt import Attempt, Outcome
from pkdoors.client.core.events import ignore
from pkdoors.client.core.plan import RoundTrip
from pkdoors.client.reactor import driver
from pkdoors.client.reactor.driver import Trace
from pkdoors.commands import sequence
from pkdoors.commands.knock import KNOCK_TIMEOUT
from pkdoors.commands.knocking.target import MAX_NAMED
from pkdoors.commands.parser import parseNumber
from pkdoors.errors import BadValue
from pkdoors.util.quoting import shown
from tests.fakes.doors import PORTS, makeDoor
from tests.fakes.modules import replaceReactor
from tests.fakes.reactor import FakeReactor

SEQ = "17001,17203,17005,17404,17002"
HOST = "192.0.2.1"


class End(NamedTuple):
    """How a command ended."""

    status: object
    stdout: str
    stderr: str


class CommandTestCase(SynchronousTestCase):
    """A test with a reactor whose time passes by itself."""

    def setUp(self) -> None:
        """Make a reactor, and names that need no network."""
        self.reactor = FakeReactor()
        replaceReactor(self, self.reactor)
        real = socket.getaddrinfo

        def numeric(host: str, port: int | None, family: int, kind: int, flags: int = 0) -> object:
            return real(host, port, family, kind, flags=flags | socket.AI_NUMERICHOST)

        self.patch(socket, "getaddrinfo", numeric)
        self.patch(blocking, "perform", self.perform)
        self.patch(network, "findRoundTrip", lambda address: None)

    def perform(
        self, attempt: Attempt, say: Callable[[str], None], trace: Trace = ignore
    ) -> tuple[Outcome, None]:
        """Do what L{blocking.perform} does, with the reactor of the test."""
        results: list[Any] = []
        work = driver.perform(self.reactor, attempt, say, trace)
        Deferred.fromCoroutine(work).addBoth(results.append)
        while not results:
            assert self.reactor.getDelayedCalls(), "would wait for ever"
            soon = self.reactor.getDelayedCalls()[0].getTime()
            self.reactor.advance(max(0, soon - self.reactor.seconds()))
        if isinstance(results[0], Failure):
            results[0].raiseException()
        return results[0], None

    def run_(self, *arguments: str, **environment: str) -> End:
        """Run a command to its end."""
        self.reactor.hasRun = False
        status: object = 0
        with redirect_stdout(StringIO()) as stdout, redirect_stderr(StringIO()) as stderr:
            try:
                main(list(arguments), environment)
            except SystemExit as end:
                status = end.code
        return End(status, stdout.getvalue(), stderr.getvalue())

    def writeProfiles(self, text: str) -> Path:
        """Return the file of a user's profiles, with this text."""
        file = Path(self.mktemp()).absolute() / "pkdoors" / "hosts.toml"
        file.parent.mkdir(parents=True)
        file.touch(0o600)
        file.write_text(text)
        return file

    def wrongUsage(self, *arguments: str, **environment: str) -> str:
        """Return the one line of a C{knock} that is refused with status 2, and sends nothing."""
        end = self.run_("knock", *arguments, **environment)
        self.assertEqual((2, "", []), (end.status, end.stdout, self.reactor.sent), end)
        self.assertTrue(end.stderr.startswith("pkdoors knock: "), end.stderr)
        self.assertEqual((1, "\n"), (end.stderr.count("\n"), end.stderr[-1]))
        return end.stderr[len("pkdoors knock: ") : -1]


class KnockTests(CommandTestCase):
    """C{pkdoors knock}, used correctly."""

    def payloads(self) -> set[bytes]:
        """Return what was sent."""
        return {sent[3] for sent in self.reactor.sent}

    def test_knock(self) -> None:
        """It knocks, says so, and ends with status 0."""
        end = self.run_("knock", HOST, "-m", SEQ)
        self.assertEqual(End(0, "knocked on 192.0.2.1 (192.0.2.1)\n", ""), end)
        self.assertEqual(PORTS, tuple(sent[2] for sent in self.reactor.sent))
        self.assertEqual({b"knock\n"}, self.payloads())

    def test_interval(self) -> None:
        """The datagrams are 20 ms apart by default."""
        self.run_("knock", HOST, "-m", SEQ)
        self.assertAlmostEqual(0.08, self.reactor.sent[-1][0])

    def test_otherInterval(self) -> None:
        """The interval can be chosen."""
        self.run_("knock", HOST, "-m", SEQ, "--interval", "1s500ms")
        self.assertAlmostEqual(6.0, self.reactor.sent[-1][0])

    def test_intervalNearby(self) -> None:
        """If it waits for a host nearby, only the first knock is faster, at most."""
        self.patch(network, "findRoundTrip", lambda address: RoundTrip(0.012, 0.001))
        wait = ("knock", HOST, "-m", SEQ, "--wait", "22")
        for options, first, second in (
            (wait, 0.012, 0.08),
            ((*wait, "--interval", "30ms"), 0.12, 0.12),
            ((*wait, "--timeout", "1s"), 0.08, 0.08),
        ):
            before = len(self.reactor.sent)
            self.run_(*options)
            times = [sent[0] for sent in self.reactor.sent[before:]]
            self.assertEqual(15, len(times))
            self.assertAlmostEqual(first, times[4] - times[0])
            self.assertAlmostEqual(second, times[9] - times[5])

    def test_slow(self) -> None:
        """A bare number is seconds: it warns if the knock takes longer than a host gives it."""
        self.assertEqual(makeDoor().knockTimeout, KNOCK_TIMEOUT)
        for interval, isSlow in (("7", False), ("8", True), ("10s", True), ("50ms", False)):
            end = self.run_("knock", HOST, "-m", SEQ, "--interval", interval)
            self.assertEqual(0, end.status)
            self.assertIs(isSlow, "but a host gives it 30s" in end.stderr, end.stderr)
        self.assertNotIn("30s", self.run_("knock", HOST, "-m", SEQ).stderr)

    def test_intervalInProfile(self) -> None:
        """The interval can be in the profile; the option overrides it."""
        file = self.writeProfiles('[hosts.h]\naddress = "192.0.2.1"\ninterval = "50ms"\n')
        environment = {"XDG_CONFIG_HOME": str(file.parent.parent)}
        for options, seconds in (((), 0.2), (("--interval", "0"), 0.0)):
            before = len(self.reactor.sent)
            self.run_("knock", "h", "-m", SEQ, *options, **environment)
            times = [sent[0] for sent in self.reactor.sent[before:]]
            self.assertAlmostEqual(seconds, times[-1] - times[0])

    def test_openFor(self) -> None:
        """The user can ask for a time."""
        self.run_("knock", HOST, "--magic-seq", SEQ, "--open-for", "10m")
        self.assertEqual({b"knock 600\n"}, self.payloads())

    def test_environment(self) -> None:
        """The sequence can be in the environment, and the option overrides it."""
        self.run_("knock", HOST, KNOCKER_SEQ=SEQ)
        self.assertEqual(PORTS, tuple(sent[2] for sent in self.reactor.sent))
        self.reactor.sent.clear()
        end = self.run_("knock", HOST, "-m", "9,8,7,6,5", KNOCKER_SEQ="nonsense")
        self.assertEqual(0, end.status)

    def test_family(self) -> None:
        """C{-4} and C{-6} choose the family: an address of the other one does not count."""
        self.assertEqual(0, self.run_("knock", HOST, "-m", SEQ, "-4").status)
        end = self.run_("knock", HOST, "-m", SEQ, "-6")
        self.assertEqual((1, ""), (end.status, end.stdout))
        self.assertIn("no IPv6 address found for '192.0.2.1': ", end.stderr)

    def test_open(self) -> None:
        """With a port to wait for, it ends with status 0 if that answers."""
        self.reactor.callLater(1.0, self.reactor.accept)
        end = self.run_("knock", HOST, "-m", SEQ, "--wait", "22")
        line = "22/tcp of 192.0.2.1 opened 820ms after the knock (192.0.2.1)\n"
        self.assertEqual(End(0, line, ""), end)

    def test_wasOpen(self) -> None:
        """It says if the port was open before, and knocks all the same."""
        self.reactor.callLater(0.05, self.reactor.accept)
        end = self.run_("knock", HOST, "-m", SEQ, "--wait", "22")
        self.assertEqual(End(0, "22/tcp of 192.0.2.1 was open already (192.0.2.1)\n", ""), end)
        self.assertEqual(5, len(self.reactor.sent))

    def test_notOpen(self) -> None:
        """Otherwise it ends with status 1 and a sentence, after 3 tries of 7 seconds."""
        end = self.run_("knock", HOST, "-m", SEQ, "--wait", "22")
        self.assertEqual((1, ""), (end.status, end.stdout))
        first, second, last = end.stderr.splitlines()
        self.assertEqual("pkdoors knock: no answer yet, knocking again (2 left)", first)
        self.assertEqual("pkdoors knock: no answer yet, knocking again (1 left)", second)
        self.assertTrue(
            last.startswith("pkdoors knock: 22/tcp of 192.0.2.1 did not answer within 7s"), last
        )
        self.assertEqual(15, len(self.reactor.sent))

    def test_timeoutAndTries(self) -> None:
        """The number of tries and their time can be chosen."""
        arguments = ("--wait", "22", "--timeout", "1s", "--tries", "2")
        end = self.run_("knock", HOST, "-m", SEQ, *arguments)
        self.assertIn("did not answer within 1s (knocked 2 times)", end.stderr)

    def test_refused(self) -> None:
        """A port that refuses connections is status 1 and its own sentence."""
        self.reactor.callLater(1.0, self.reactor.reject, ConnectionRefusedError())
        end = self.run_("knock", HOST, "-m", SEQ, "--wait", "22", "--tries", "1")
        self.assertEqual(1, end.status)
        self.assertEqual(
            "pkdoors knock: 192.0.2.1 refuses connections to 22/tcp: "
            "the door is probably open, but nothing listens on that port\n",
            end.stderr,
        )

    def test_unreachable(self) -> None:
        """An address that cannot be reached is status 1 and a sentence."""
        self.reactor.unreachable = {HOST}
        end = self.run_("knock", HOST, "-m", SEQ)
        self.assertEqual(
            End(1, "", "pkdoors knock: cannot knock on 192.0.2.1: Network is unreachable\n"), end
        )

    def test_noSequenceShown(self) -> None:
        """Nothing that is printed shows a knock port."""
        end = self.run_("knock", HOST, "-m", SEQ, "--wait", "22")
        self.assertFalse([port for port in PORTS if str(port) in end.stdout + end.stderr])


class WrongUsageTests(CommandTestCase):
    """C{pkdoors knock}, used wrongly."""

    def test_noSequence(self) -> None:
        """Without a sequence the line names the option and the variable."""
        self.assertEqual(
            "--magic-seq is missing, KNOCKER_SEQ is not set, "
            "and no profile has the sequence of '192.0.2.1'",
            self.wrongUsage(HOST),
        )
        file = self.writeProfiles("[hosts.other]\nwait = 22\n")
        line = self.wrongUsage(HOST, XDG_CONFIG_HOME=str(file.parent.parent))
        self.assertTrue(line.endswith(f"the sequence of '{HOST}': {file} has none"), line)

    def test_mistyped(self) -> None:
        """The name of a profile may be mistyped: the line names those that have a sequence."""
        file = self.writeProfiles(f'[hosts.home]\nsequence = "{SEQ}"\n[hosts.other]\nwait = 22\n')
        folder = file.parent.parent
        line = self.wrongUsage("hmoe", XDG_CONFIG_HOME=str(folder))
        self.assertTrue(
            line.endswith("the sequence of 'hmoe': profiles with a sequence are 'home'"), line
        )
        many = "".join(f'[hosts.h{n}]\nsequence = "{SEQ}"\n' for n in range(MAX_NAMED + 1))
        file.write_text(many)
        line = self.wrongUsage("hmoe", XDG_CONFIG_HOME=str(folder))
        self.assertTrue(line.endswith(f"'h{MAX_NAMED - 1}', ..."), line)

    def test_once(self) -> None:
        """A door that opens for one connection cannot be waited for, if the profile says so."""
        file = self.writeProfiles(f'[hosts.home]\nsequence = "{SEQ}"\nuses = "once"\n')
        self.assertEqual(
            "knock without --wait, because waiting for a port connects to it, which uses up an "
            "opening for one connection: or use pkdoors connect",
            self.wrongUsage("home", "--wait", "22", XDG_CONFIG_HOME=str(file.parent.parent)),
        )

    def test_portBehind(self) -> None:
        """A port behind the host, as connect has it, is refused with what to write."""
        line = self.wrongUsage(HOST, "22", "-m", SEQ)
        self.assertEqual("unrecognized arguments: 22: to wait for a port, use --wait PORT", line)

    def test_noHost(self) -> None:
        """Without a host the line says so."""
        self.assertIn("HOST", self.wrongUsage("-m", SEQ))

    def test_sequence(self) -> None:
        """A bad sequence is refused: 4 or 21 ports, port 0, port 65536, a word, an empty item."""
        self.assertEqual(
            "argument -m/--magic-seq: it has 4 ports: a sequence has 5 to 20, separated by commas",
            self.wrongUsage(HOST, "-m", "1,2,3,4"),
        )
        bad = {
            ",".join(["7"] * 21): "it has 21 ports: a sequence has 5 to 20",
            "1,2,0,4,5": "it is not a port: a port is a number from 1 to 65535",
            "1,2,65536,4,5": "it is not a port: a port is a number from 1 to 65535",
            "1,2,word,4,5": "it is not a port: a port is a number from 1 to 65535",
            "1,2,,4,5": "it has an empty item: separate 5 to 20 ports with single commas",
        }
        for value, part in bad.items():
            line = self.wrongUsage(HOST, "-m", value)
            self.assertTrue(line.startswith("argument -m/--magic-seq: "), line)
            self.assertIn(part, line)

    def test_environment(self) -> None:
        """A bad sequence in the environment is refused with the variable's name."""
        self.assertEqual(
            "KNOCKER_SEQ: it has 4 ports: a sequence has 5 to 20, separated by commas",
            self.wrongUsage(HOST, KNOCKER_SEQ="1,2,3,4"),
        )

    def test_times(self) -> None:
        """A bad time is refused with the option's name and what is allowed."""
        longer = "45, 45s, 10m, 8h, 7d or 1h30m"
        for option, least, most, examples in (
            ("--open-for", "1s", "30d", longer),
            ("--timeout", "100ms", "1d", longer),
            ("--interval", "0s", "10s", "20ms, 2s or 1s500ms"),
        ):
            for value in ("ten", "", "-5s", "721h", "9" * 400, "1.5h"):
                self.assertEqual(
                    f"argument {option}: {shown(value)} is not a time from {least} to {most}: "
                    f"write it like {examples}",
                    self.wrongUsage(HOST, "-m", SEQ, f"{option}={value}"),
                )

    def test_negativeTime(self) -> None:
        """A negative time is refused even as a separate word."""
        self.assertIn("--open-for", self.wrongUsage(HOST, "-m", SEQ, "--open-for", "-5"))

    def test_port(self) -> None:
        """A bad port to wait for is refused."""
        for value in ("0", "65536", "ssh", "22/", ""):
            self.assertEqual(
                f"argument --wait: {shown(value)} is not a port: "
                "a port is a number from 1 to 65535",
                self.wrongUsage(HOST, "-m", SEQ, "--wait", value),
            )

    def test_tries(self) -> None:
        """A bad number of tries is refused."""
        for value in ("0", "1001", "three", "1.5", ""):
            self.assertEqual(
                f"argument --tries: {shown(value)} is not a number from 1 to 1000",
                self.wrongUsage(HOST, "-m", SEQ, "--tries", value),
            )

    def test_keep(self) -> None:
        """C{--keep} needs a time: it cannot know when to knock again."""
        self.assertEqual(
            "--keep needs --open-for: after two thirds of that time it knocks again",
            self.wrongUsage(HOST, "-m", SEQ, "--keep"),
        )

    def test_families(self) -> None:
        """C{-4} and C{-6} cannot be combined."""
        self.assertIn("not allowed with", self.wrongUsage(HOST, "-m", SEQ, "-4", "-6"))

    def test_newline(self) -> None:
        """Whatever the value, the error is one line."""
        self.wrongUsage(HOST, "-m", "1\n2")
        self.wrongUsage(HOST, "-m", SEQ, "--wait", "2\n2")

    def test_unknownOption(self) -> None:
        """An option that does not exist is status 2."""
        end = self.run_("knock", HOST, "-m", SEQ, "--colour=red")
        line = "pkdoors knock: unrecognized arguments: --colour=red\n"
        self.assertEqual(End(2, "", line), end)

    def test_mistypedOption(self) -> None:
        """A mistyped option gets the one that is meant, and a sequence in it stays hidden."""
        self.assertEqual(
            "unrecognized arguments: --wiat=22: did you mean --wait?",
            self.wrongUsage(HOST, "-m", SEQ, "--wiat=22"),
        )
        line = self.wrongUsage(HOST, "--magic-sec", SEQ)
        self.assertEqual("unrecognized arguments: --magic-sec ...: did you mean --magic-seq?", line)

    def test_unknownOfCommands(self) -> None:
        """The same is true for each command, which the line names, and without a command."""
        for command in (
            ("sequence",),
            ("release",),
            ("init",),
            ("status",),
            ("open", HOST),
            ("close",),
            ("install-service",),
            ("completion", "bash"),
        ):
            end = self.run_(*command, "--nonsense")
            line = f"pkdoors {command[0]}: unrecognized arguments: --nonsense\n"
            self.assertEqual(End(2, "", line), end)
        line = "pkdoors: unrecognized arguments: --nonsense\n"
        self.assertEqual(End(2, "", line), self.run_("--nonsense", "completion", "bash"))

    def test_noCommand(self) -> None:
        """Without a command, all are listed; an option that does not exist is one line."""
        end = self.run_()
        self.assertEqual((2, ""), (end.status, end.stdout))
        for name, command in COMMANDS.items():
            self.assertIn(name, end.stderr)
            self.assertIn(command.about.split()[0], end.stderr)
        self.assertEqual(
            End(2, "", "pkdoors: unrecognized arguments: --fly\n"), self.run_("--fly", "knock", "h")
        )

    def test_unknownCommand(self) -> None:
        """A command that does not exist is one line, with the one that may be meant."""
        line = "pkdoors: 'knok' is not a command: did you mean knock?\n"
        self.assertEqual(End(2, "", line), self.run_("knok", HOST))
        end = self.run_("fly")
        self.assertEqual((2, 1), (end.status, end.stderr.count("\n")))
        self.assertIn("'fly' is not a command: use one of knock, connect, ", end.stderr)
        self.assertNotIn(SEQ, self.run_(SEQ).stderr)

    def test_ownHelp(self) -> None:
        """Each command has its help, which begins with what the list of commands says."""
        for name, command in COMMANDS.items():
            end = self.run_(name, "--help")
            self.assertEqual((0, ""), (end.status, end.stderr), name)
            if name != "check":  # its options are the daemon's
                words = " ".join(end.stdout.split())
                self.assertIn(command.about[1:] + ".", words)


class OtherCommandTests(CommandTestCase):
    """
    C{--version}, C{--help} and C{pkdoors sequence}.
    """

    def test_version(self) -> None:
        """C{-V} and C{--version} print the version."""
        for option in ("-V", "--version"):
            end = self.run_(option)
            self.assertEqual((0, ""), (end.status, end.stderr))
            self.assertRegex(end.stdout, r"\Apkdoors [0-9]{2}\.[0-9]+\.[0-9]+\S*\n\Z")

    def test_help(self) -> None:
        """The help of C{knock} names all options with their defaults."""
        end = self.run_("knock", "--help")
        self.assertEqual(0, end.status)
        options = "--open-for --interval -4 -6 --wait --timeout --tries --keep"
        for word in (
            "HOST",
            "-m PORTS",
            *options.split(),
            "KNOCKER_SEQ",
            "20ms",
            "5s",
            "default: 3",
        ):
            self.assertIn(word, end.stdout)

    def test_sequence(self) -> None:
        """C{sequence} prints 8 different ports."""
        end = self.run_("sequence")
        self.assertEqual((0, ""), (end.status, end.stderr))
        self.assertEqual(8, len({int(port) for port in end.stdout.strip().split(",")}))

    def test_sequenceLength(self) -> None:
        """It prints as many as were asked for, and skips ports in use."""
        self.patch(sequence, "isFree", lambda port: port % 1000 == 7)
        ports = self.run_("sequence", "-n", "12").stdout.strip().split(",")
        self.assertEqual((12, {"007"}), (len({*ports}), {port[-3:] for port in ports}))

    def test_sequenceBadLength(self) -> None:
        """4 and 21 ports are refused."""
        for value in ("4", "21", "many"):
            end = self.run_("sequence", "-n", value)
            self.assertEqual(2, end.status)
            self.assertEqual(
                f"pkdoors sequence: argument -n/--length: {shown(value)} "
                "is not a number from 5 to 20\n",
                end.stderr,
            )


class ParseNumberTests(SynchronousTestCase):
    """
    Tests of L{parseNumber}.
    """

    def test_good(self) -> None:
        """Numbers within the bounds are read."""
        self.assertEqual([1, 5, 10], [parseNumber(text, 1, 10) for text in ("1", "05", "10")])

    def test_bad(self) -> None:
        """Everything else is refused."""
        for text in ("", "0", "11", "-1", "+5", " 5", "5.0", "x", "²", "9" * 5000, "0000000051"):
            self.assertRaises(BadValue, parseNumber, text, 1, 10)
