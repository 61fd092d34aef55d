"""Tests of L{pkdoors.commands._sealoptions}, and of C{pkdoors knock} with keys and profiles."""

import time
from pathlib import Path

from pkdoors.knocks.seal import Statement, parseSealed
from tests.client.keys.test_formats import encode
from tests.fakes.agent import SOCKET, AgentReactor, FakeAgent, makeKey
from tests.fakes.doors import PORTS
from tests.fakes.host import routeAll
from tests.fakes.modules import replaceReactor
from tests.test_cli import HOST, SEQ, CommandTestCase

KEY = makeKey("ed25519")


class SealedCommandTestCase(CommandTestCase):
    """A test with a key in a file, and a home."""

    def setUp(self) -> None:
        """Write the key."""
        super().setUp()
        reactor = AgentReactor()
        self.reactor = reactor
        replaceReactor(self, reactor)
        routeAll(self)
        self.agent = FakeAgent(reactor, KEY)
        self.home = Path(self.mktemp()).absolute()
        self.home.mkdir()
        self.key = str(self.write("key", encode(KEY)))

    def write(self, name: str, data: bytes | str) -> Path:
        """Write a file below the home."""
        path = self.home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        path.chmod(0o600)
        return path

    def profile(self, lines: str) -> None:
        """Make a profile C{home} with the address and sequence, and more lines."""
        text = f'[hosts.home]\naddress = "{HOST}"\nsequence = "{SEQ}"\n{lines}\n'
        self.hosts = self.write(".config/pkdoors/hosts.toml", text)

    def knock(self, *arguments: str, **environment: str) -> Statement:
        """Return what a successful knock says; every datagram must be sealed."""
        self.reactor.sent.clear()
        end = self.run_("knock", *arguments, HOME=str(self.home), **environment)
        self.assertEqual((0, ""), (end.status, end.stderr), end)
        self.assertEqual(set(PORTS), {sent[2] for sent in self.reactor.sent})
        return parseSealed(self.reactor.sent[0][3]).statement

    def wrong(self, *arguments: str, **environment: str) -> str:
        """Return the line of a knock that is refused with status 2."""
        return self.wrongUsage(*arguments, HOME=str(self.home), **environment)


class OptionTests(SealedCommandTestCase):
    """The options for sealed knocks."""

    def test_identity(self) -> None:
        """With a key it is sealed, for the door C{default}, its own time, and now."""
        said = self.knock(HOST, "-m", SEQ, "-i", self.key)
        self.assertEqual(("default", 0, "*"), (said.door, said.seconds, said.bind))
        self.assertFalse(said.close)
        self.assertLess(abs(time.time() - said.stamp / 1000), 60)

    def test_options(self) -> None:
        """Door, time and address can be chosen."""
        options = ("--door", "web", "--open-for", "10m", "--bind", "203.0.113.9")
        said = self.knock(HOST, "-m", SEQ, "--identity", self.key, *options)
        self.assertEqual(("web", 600, "203.0.113.9"), (said.door, said.seconds, said.bind))

    def test_close(self) -> None:
        """C{--close} closes, and says so."""
        self.assertTrue(self.knock(HOST, "-m", SEQ, "-i", self.key, "--close").close)
        end = self.run_("knock", HOST, "-m", SEQ, "-i", self.key, "--close")
        self.assertEqual("asked 192.0.2.1 to close (192.0.2.1)\n", end.stdout)

    def test_for(self) -> None:
        """C{--for} names another address, of either family, and says so."""
        said = self.knock(HOST, "-m", SEQ, "-i", self.key, "--for", "198.51.100.7")
        self.assertEqual(("198.51.100.7", False), (said.bind, said.close))
        said = self.knock(HOST, "-m", SEQ, "-i", self.key, "--for", "2001:DB8::7", "--close")
        self.assertEqual(("2001:db8::7", True), (said.bind, said.close))
        for options, words in (((), "open"), (("--close",), "close")):
            end = self.run_(
                "knock", HOST, "-m", SEQ, "-i", self.key, "--for", "198.51.100.7", *options
            )
            self.assertEqual(
                f"asked 192.0.2.1 to {words} for 198.51.100.7 (192.0.2.1)\n", end.stdout
            )

    def test_forProfile(self) -> None:
        """A profile's port to wait for does not count then: it opens for another host."""
        self.profile(f'identity = "{self.key}"\nwait = 22')
        self.assertEqual("198.51.100.7", self.knock("home", "--for", "198.51.100.7").bind)

    def test_forWrong(self) -> None:
        """What is not another host's address, or does not fit, is refused."""
        arguments = (HOST, "-m", SEQ, "-i", self.key, "--for")
        for values, words in (
            (("host.example",), "argument --for: 'host.example' is not an IPv4 or IPv6 address"),
            (("10.0.0.0/8",), "is not an IPv4 or IPv6 address"),
            (("224.0.0.1",), "224.0.0.1 is not the address of one other host"),
            (("::1",), "::1 is not the address of one other host"),
            (("198.51.100.7", "--bind", "none"), "use --for or --bind, not both"),
            (("198.51.100.7", "--wait", "22"), "use --for or --wait, not both"),
        ):
            self.assertIn(words, self.wrong(*arguments, *values))
        self.assertEqual([], self.reactor.sent)

    def test_wait(self) -> None:
        """With C{--wait} each knock is a new one; at the end the hints are those for a seal."""
        arguments = ("--wait", "22", "--timeout", "1s", "--tries", "2")
        end = self.run_("knock", HOST, "-m", SEQ, "-i", self.key, *arguments)
        self.assertEqual(1, end.status)
        self.assertEqual(2, len({sent[3] for sent in self.reactor.sent}))
        self.assertIn("check that sequence, door, key and both clocks are right, that", end.stderr)

    def test_agent(self) -> None:
        """C{agent} means all of the agent's keys."""
        other = makeKey("ecdsa")
        self.agent.held[other.blob()] = other
        self.knock(HOST, "-m", SEQ, "-i", "agent", SSH_AUTH_SOCK=SOCKET)
        self.assertEqual(2, len({sent[3] for sent in self.reactor.sent}))

    def test_noAgent(self) -> None:
        """A missing agent is status 1 and one sentence."""
        end = self.run_("knock", HOST, "-m", SEQ, "-i", "agent")
        self.assertEqual((1, "", 1), (end.status, end.stdout, end.stderr.count("\n")))
        self.assertIn("there is no SSH agent", end.stderr)

    def test_badKey(self) -> None:
        """A key that cannot be used is status 1 and one sentence."""
        end = self.run_("knock", HOST, "-m", SEQ, "-i", f"{self.key}x")
        self.assertEqual(
            (1, "", f"pkdoors knock: {self.key}x: no such file\n"),
            (end.status, end.stdout, end.stderr),
        )
        self.assertEqual([], self.reactor.sent)

    def test_plain(self) -> None:
        """An option that only a sealed knock can have is wrong without a key."""
        for name, values in (
            ("--door", ("web",)),
            ("--bind", ("none",)),
            ("--close", ()),
            ("--for", ("198.51.100.7",)),
        ):
            self.assertEqual(
                f"{name} needs a sealed knock: use --identity FILE, "
                "or set sealed = true in the host's profile",
                self.wrong(HOST, "-m", SEQ, name, *values),
            )

    def test_exclusive(self) -> None:
        """Closing cannot be combined with a time or with waiting."""
        for others in (("--open-for", "5m"), ("--wait", "22")):
            line = self.wrong(HOST, "-m", SEQ, "-i", self.key, "--close", *others)
            self.assertIn(f"use --close or {others[0]}, not both", line)

    def test_bad(self) -> None:
        """A wrong door or address is refused, and the error says what is allowed."""
        self.assertIn(
            "argument --door: 'My door' is not a door's name",
            self.wrong(HOST, "-m", SEQ, "-i", self.key, "--door", "My door"),
        )
        self.assertIn(
            "argument --bind: 'here' is not an address: use an IPv4 or IPv6 address",
            self.wrong(HOST, "-m", SEQ, "-i", self.key, "--bind", "here"),
        )

    def test_help(self) -> None:
        """The help names them."""
        end = self.run_("knock", "--help")
        for word in ("-i FILE", "--identity", "--door NAME", "--bind ADDRESS", "--close"):
            self.assertIn(word, end.stdout)


class ProfileTests(SealedCommandTestCase):
    """
    Hosts with profiles.
    """

    def test_plain(self) -> None:
        """A profile brings address, sequence and time."""
        self.profile('open_for = "10m"')
        end = self.run_("knock", "home", HOME=str(self.home))
        self.assertEqual("knocked on 192.0.2.1 (192.0.2.1)\n", end.stdout)
        self.assertEqual(PORTS, tuple(sent[2] for sent in self.reactor.sent))
        self.assertEqual({b"knock 600\n"}, {sent[3] for sent in self.reactor.sent})

    def test_sealed(self) -> None:
        """It brings the key, the door and the time of a sealed knock."""
        self.profile(f'identity = "{self.key}"\ndoor = "web"\nopen_for = "10m"')
        said = self.knock("home")
        self.assertEqual(("web", 600), (said.door, said.seconds))

    def test_agent(self) -> None:
        """If it says only that knocks are sealed, the agent's keys are used."""
        self.profile("sealed = true")
        self.knock("home", SSH_AUTH_SOCK=SOCKET)

    def test_optionsFirst(self) -> None:
        """The command line overrides it."""
        self.profile(f'identity = "{self.key}"\ndoor = "web"\nopen_for = "10m"')
        key = self.write("other", encode(makeKey("ed25519", 1)))
        said = self.knock("home", "--door", "ssh", "--open-for", "1m", "-i", str(key))
        self.assertEqual(("ssh", 60), (said.door, said.seconds))

    def test_sequences(self) -> None:
        """The sequence comes from the command line, or the environment, or the profile."""
        self.profile("")
        for arguments, environment, first in (
            (("-m", "1,2,3,4,5"), {"KNOCKER_SEQ": "6,7,8,9,10"}, 1),
            ((), {"KNOCKER_SEQ": "6,7,8,9,10"}, 6),
            ((), {}, PORTS[0]),
        ):
            self.reactor.sent.clear()
            self.run_("knock", "home", *arguments, HOME=str(self.home), **environment)
            self.assertEqual(first, self.reactor.sent[0][2])

    def test_wait(self) -> None:
        """It brings the port to wait for, which C{--wait} changes."""
        self.profile("wait = 22")
        for options, port in (((), 22), (("--wait", "80"), 80)):
            self.reactor.tcpClients.clear()
            self.run_("knock", "home", "--tries", "1", *options, HOME=str(self.home))
            self.assertEqual({(HOST, port)}, set(self.reactor.connections()))

    def test_closeDoesNotWait(self) -> None:
        """Closing neither waits for the port nor asks for a time."""
        self.profile(f'identity = "{self.key}"\nopen_for = "10m"\nwait = 22')
        said = self.knock("home", "--close")
        self.assertEqual((True, 0), (said.close, said.seconds))
        self.assertEqual([], self.reactor.connections())

    def test_doorOfPlain(self) -> None:
        """A door in a profile whose knocks are plain is wrong."""
        self.profile('door = "web"')
        self.assertIn(
            "door, in the profile of home needs a sealed knock: use --identity", self.wrong("home")
        )

    def test_noSequence(self) -> None:
        """If the sequence is missing, the line says where it can be."""
        self.write(".config/pkdoors/hosts.toml", f'[hosts.home]\naddress = "{HOST}"\n')
        self.assertIn("no profile has the sequence of 'home'", self.wrong("home"))

    def test_badFile(self) -> None:
        """An error in the host's profile is one line with its path."""
        self.profile("wait = 0")
        line = self.wrong("home", "-m", SEQ)
        self.assertTrue(line.startswith(f"{self.hosts}: [hosts.home]: wait: '0'"), line)
        self.hosts.chmod(0o644)
        self.assertIn(f"chmod 600 {self.hosts}", self.wrong("home"))

    def test_badOther(self) -> None:
        """An error in the profile of another host does no harm."""
        self.profile("wait = 0")
        self.assertEqual(0, self.run_("knock", HOST, "-m", SEQ, HOME=str(self.home)).status)

    def test_noProfile(self) -> None:
        """A host without a profile is a name or an address."""
        self.profile("")
        end = self.run_("knock", "192.0.2.7", "-m", SEQ, HOME=str(self.home))
        self.assertEqual("knocked on 192.0.2.7 (192.0.2.7)\n", end.stdout)

    def test_sequenceNotShown(self) -> None:
        """Nothing that is printed shows a knock port."""
        self.profile("wait = 22")
        end = self.run_("knock", "home", HOME=str(self.home))
        self.profile('wait = "x"')
        self.reactor.sent.clear()
        wrong = self.wrong("home")
        shown = end.stdout + end.stderr + wrong
        self.assertFalse([port for port in PORTS if str(port) in shown])
