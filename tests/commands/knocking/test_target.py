"""Tests of what HOST means to C{pkdoors knock} and C{pkdoors connect}."""

from pathlib import Path

from tests.fakes.doors import PORTS
from tests.test_cli import HOST, SEQ, CommandTestCase, End

LINE = f"knocked on {HOST} ({HOST})\n"


class HostTestCase(CommandTestCase):
    """A test with a file of profiles."""

    def setUp(self) -> None:
        """Make a folder for it."""
        super().setUp()
        self.folder = Path(self.mktemp()).absolute()
        (self.folder / "pkdoors").mkdir(parents=True)
        self.profiles(f'[hosts.home]\naddress = "{HOST}"\nsequence = "{SEQ}"\n')

    def profiles(self, text: str) -> None:
        """Write it."""
        file = self.folder / "pkdoors" / "hosts.toml"
        file.touch(0o600)
        file.write_text(text)

    def command(self, *arguments: str) -> End:
        """Run a command with these profiles."""
        return self.run_(*arguments, XDG_CONFIG_HOME=str(self.folder))

    def wrong(self, *arguments: str) -> str:
        """Return the line of a command that is refused with status 2, and sends nothing."""
        end = self.command(*arguments)
        self.assertEqual((2, "", []), (end.status, end.stdout, self.reactor.sent), end)
        self.assertEqual(1, end.stderr.count("\n"), end.stderr)
        return end.stderr.partition(": ")[2].rstrip("\n")


class KnockTests(HostTestCase):
    """C{pkdoors knock}."""

    def test_address(self) -> None:
        """An address is found in what surrounds it."""
        for host in (HOST, f"anna@{HOST}", f"ssh://anna@{HOST}"):
            self.reactor.sent.clear()
            self.assertEqual(End(0, LINE, ""), self.command("knock", host, "-m", SEQ))
            self.assertEqual(PORTS, tuple(sent[2] for sent in self.reactor.sent))

    def test_profile(self) -> None:
        """So is a profile."""
        for host in ("home", "anna@home", "ssh://home", "home."):
            self.assertEqual(End(0, LINE, ""), self.command("knock", host), host)

    def test_port(self) -> None:
        """The port is the one to wait for, unless another is given."""
        for arguments, port in (
            ((f"{HOST}:2200",), 2200),
            (("home:2200",), 2200),
            (("ssh://home:2200",), 2200),
            (("home:2200", "--wait", "22"), 22),
        ):
            self.reactor.tcpClients.clear()
            self.reactor.callLater(1.0, self.reactor.accept)
            end = self.command("knock", *arguments, "-m", SEQ)
            self.assertEqual((0, ""), (end.status, end.stderr))
            self.assertTrue(end.stdout.startswith(f"{port}/tcp of {HOST} opened"), end.stdout)

    def test_asWritten(self) -> None:
        """The name of a profile counts first, whatever it looks like."""
        for name in ("a@home", "home:22", "http://home", "[x]"):
            self.profiles(f'[hosts."{name}"]\naddress = "{HOST}"\nsequence = "{SEQ}"\n')
            self.assertEqual(End(0, LINE, ""), self.command("knock", name), name)

    def test_ofProfile(self) -> None:
        """The address of a profile can be written in these ways, too; its port is C{wait}."""
        profile = f'[hosts.home]\nsequence = "{SEQ}"\naddress = '
        self.profiles(f'{profile}"anna@{HOST}"\n')
        self.assertEqual(End(0, LINE, ""), self.command("knock", "home"))
        self.reactor.sent.clear()
        self.profiles(f'{profile}"{HOST}:22"\n')
        self.assertEqual(
            "the address in the profile of 'home' has a port: remove it, and write wait = PORT",
            self.wrong("knock", "home"),
        )

    def test_notMeant(self) -> None:
        """What cannot be a host is one line."""
        self.assertIn("is a URL", self.wrong("knock", "https://host.example/", "-m", SEQ))
        self.assertIn("not an IPv6 address", self.wrong("knock", "host:1:2", "-m", SEQ))

    def test_close(self) -> None:
        """Who closes a door does not wait for a port, however it is given."""
        line = self.wrong("knock", f"{HOST}:22", "-m", SEQ, "--close", "-i", "agent")
        self.assertEqual("use --close or --wait, not both: nothing is going to open", line)

    def test_udp(self) -> None:
        """A UDP port cannot be waited for."""
        line = self.wrong("knock", HOST, "-m", SEQ, "--wait", "51820/udp")
        self.assertIn("nobody can see from outside whether one is open", line)

    def test_ignored(self) -> None:
        """C{--tries} and C{--timeout} have no effect without a port, which one line says."""
        rest = (
            "ignored: the client waits for no port, so it cannot see whether the door opens, and "
            "does not knock again\n"
        )
        for options, words in (
            (("--tries", "5"), "--tries is"),
            (("--timeout", "9s"), "--timeout is"),
            (("--timeout", "9s", "--tries", "3"), "--tries and --timeout are"),
        ):
            end = self.command("knock", HOST, "-m", SEQ, *options)
            self.assertEqual(End(0, LINE, f"pkdoors knock: {words} {rest}"), end)

    def test_notIgnored(self) -> None:
        """With a port, from wherever, nothing is said about them."""
        self.profiles(f'[hosts.home]\naddress = "{HOST}"\nsequence = "{SEQ}"\nwait = 22\n')
        for arguments in (("home",), (HOST, "-m", SEQ, "--wait", "22"), (f"{HOST}:22", "-m", SEQ)):
            self.reactor.callLater(1.0, self.reactor.accept)
            end = self.command("knock", *arguments, "--tries", "5", "--timeout", "9s")
            self.assertEqual((0, ""), (end.status, end.stderr))


class ConnectTests(HostTestCase):
    """C{pkdoors connect}, if no connection is made."""

    def tried(self, *arguments: str) -> str:
        """Return the port that did not answer."""
        end = self.command("connect", *arguments, "--tries", "1")
        self.assertEqual((1, ""), (end.status, end.stdout), end)
        return end.stderr.removeprefix("pkdoors connect: ").partition("/tcp of")[0]

    def test_port(self) -> None:
        """The port can stand behind HOST, with options between, or in it."""
        for arguments in (
            ("home", "2200"),
            ("home:2200",),
            (f"{HOST}:2200", "-m", SEQ),
            ("home", "-4", "2200"),
            ("-4", "home", "2200"),
            ("home", "2200", "-4"),
            ("home:2200", "2200/tcp"),
            ("ssh://anna@home:2200",),
        ):
            self.assertEqual("2200", self.tried(*arguments), arguments)

    def test_wrong(self) -> None:
        """A port must be there, and be one."""
        for arguments, part in (
            (("home",), "PORT is missing: write HOST PORT, or HOST:PORT"),
            (("home", "-4"), "PORT is missing"),
            (("home:22", "23"), "two different ports, 22 and 23: give one of them"),
            (("home", "-4", "ssh"), "argument PORT: 'ssh' is not a port"),
            (("home", "-4", "53/udp"), "argument PORT: '53/udp' is a UDP port"),
            (("home", "22", "23"), "unrecognized arguments: 23"),
            (("home", "-4", "22", "-x"), " -x"),  # Python 3.11 names 22 as well
            (("home", "-x"), "unrecognized arguments: -x"),
        ):
            self.assertIn(part, self.wrong("connect", *arguments), arguments)
