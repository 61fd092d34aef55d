"""Tests of L{pkdoors.config.options}: command lines without a file, and reading them again."""

import os
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.config.config import Config
from pkdoors.config.options import Options
from pkdoors.errors import BadValue, ConfigError
from pkdoors.model.doors import Door
from pkdoors.model.ports import PortRange
from pkdoors.model.sequence import Sequence
from tests.config.commandlines import GOOD, NOWHERE, SEQ, read
from tests.fakes.refusals import refusal


class OptionsTests(SynchronousTestCase):
    """Correct command lines."""

    def door(self, *arguments: str, **environment: str) -> Door:
        """Return the door of a command line."""
        (door,) = read(*arguments, **environment).doors
        return door

    def test_defaults(self) -> None:
        """Only sequence and ports must be given."""
        door = Door(
            "default",
            Sequence((17001, 17203, 17005, 17404, 17002)),
            (PortRange("tcp", 22, 22),),
            openFor=30.0,
            maxOpenFor=3600.0,
            knockTimeout=30.0,
            penalty=5.0,
        )
        self.assertEqual(
            Config((door,), "auto", "", (), "/run/pkdoors/admin.sock", "", False), read(*GOOD)
        )

    def test_former(self) -> None:
        """An option that was renamed still has its earlier name, which no help shows."""
        for words in (("--max-open", "2h"), ("--max-open=2h",), ("--max-open-for", "2h")):
            self.assertEqual(7200.0, read(*GOOD, *words).doors[0].maxOpenFor)
        self.assertNotIn("--max-open=", str(Options({})))

    def test_long(self) -> None:
        """Every option has a long name."""
        config = read(
            *f"--magic-seq {SEQ} --ports 22/tcp,51820/udp,6000-6010/tcp".split(),
            *"--open-for 10m --max-open-for 8h --firewall nftables".split(),
            *"--zone home --knock-timeout 15s --penalty 2m".split(),
            *"--interface 192.0.2.1 --interface 2001:db8::1 --log-knocks".split(),
        )
        (door,) = config.doors
        self.assertEqual("default (22/tcp,6000-6010/tcp,51820/udp)", str(door))
        self.assertEqual(
            (600.0, 28800.0, 15.0, 120.0),
            (door.openFor, door.maxOpenFor, door.knockTimeout, door.penalty),
        )
        self.assertEqual(
            ("nftables", "home", True), (config.firewall, config.zone, config.logKnocks)
        )
        self.assertEqual(("192.0.2.1", "2001:db8::1"), config.interfaces)

    def test_short(self) -> None:
        """C{-t} is C{--open-for}, C{-f} is C{--firewall}."""
        config = read(*GOOD, "-t", "1h", "-f", "dry-run")
        self.assertEqual((3600.0, "dry-run"), (config.doors[0].openFor, config.firewall))

    def test_firewalls(self) -> None:
        """There are four firewalls to choose from."""
        for name in ("auto", "nftables", "firewalld", "dry-run"):
            self.assertEqual(name, read(*GOOD, "-f", name).firewall)

    def test_sessions(self) -> None:
        """Live sessions go on unless they are to be cut."""
        self.assertIs(False, self.door(*GOOD).cutSessions)
        self.assertIs(False, self.door(*GOOD, "--sessions", "keep").cutSessions)
        self.assertIs(True, self.door(*GOOD, "--sessions", "cut").cutSessions)

    def test_uses(self) -> None:
        """An opening is for any number of connections unless it is to be for one."""
        self.assertIs(False, self.door(*GOOD).once)
        self.assertIs(False, self.door(*GOOD, "--uses", "many").once)
        self.assertIs(True, self.door(*GOOD, "--uses", "once").once)

    def test_authorizedKeys(self) -> None:
        """With a file of keys, knocks must be sealed; its path holds wherever twistd changes to."""
        self.assertEqual(((), 60.0), (self.door(*GOOD).authorizedKeys, self.door(*GOOD).clockSkew))
        self.assertEqual(("/etc/keys",), self.door(*GOOD, "-k", "/etc/keys").authorizedKeys)
        (path,) = self.door(*GOOD, "--authorized-keys", "some/../keys").authorizedKeys
        self.assertEqual(os.path.join(os.getcwd(), "keys"), path)

    def test_revokedKeys(self) -> None:
        """The path of the revoked keys holds wherever twistd changes to, too."""
        keys = (*GOOD, "-k", "/etc/keys")
        self.assertEqual("", self.door(*keys).revokedKeys)
        path = self.door(*keys, "--revoked-keys", "some/../revoked").revokedKeys
        self.assertEqual(os.path.join(os.getcwd(), "revoked"), path)

    def test_clockSkew(self) -> None:
        """Clocks can be allowed to differ by up to an hour."""
        for text, seconds in (("1s", 1.0), ("90", 90.0), ("1h", 3600.0)):
            self.assertEqual(seconds, self.door(*GOOD, "--clock-skew", text).clockSkew)

    def test_grants(self) -> None:
        """A door with keys can open for networks."""
        door = self.door(*GOOD, "-k", "/etc/keys", "--grant4", "24", "--grant6", "64")
        self.assertEqual((24, 64), (door.grant4, door.grant6))
        self.assertEqual({"grant4": 24, "grant6": 64}, door.grants())
        self.assertEqual({}, self.door(*GOOD, "--grant4", "32", "--grant6", "128").grants())

    def test_noPenalty(self) -> None:
        """A penalty of 0 is allowed."""
        self.assertEqual(0.0, self.door(*GOOD, "--penalty", "0").penalty)

    def test_udp(self) -> None:
        """UDP sessions have their own times; the longest can be 0, and so can the grace."""
        given = ("--udp-idle", "5m", "--udp-max", "0", "--udp-grace", "0")
        for options, expected in ((given, (300.0, 0.0, 0.0)), ((), (180.0, 43200.0, 30.0))):
            door = self.door(*GOOD, *options)
            self.assertEqual(expected, (door.udpIdle, door.udpMax, door.udpGrace))

    def test_datagrams(self) -> None:
        """A rate of 0 is allowed, and the burst can be smaller than the rate."""
        door = self.door(*GOOD, "--knock-rate", "0", "--knock-burst", "100")
        self.assertEqual((0, 100), (door.knockRate, door.knockBurst))

    def test_environment(self) -> None:
        """Sequence and ports can be in the environment."""
        door = self.door(KNOCKER_SEQ="9,8,7,5,6", KNOCKER_PORTS="80")
        self.assertEqual(("9,8,7,5,6", "default (80/tcp)"), (str(door.sequence), str(door)))

    def test_optionsFirst(self) -> None:
        """The environment counts only without the option, and otherwise can be invalid."""
        door = self.door("-m", SEQ, KNOCKER_SEQ="9,8,7,5,6", KNOCKER_PORTS="80")
        self.assertEqual((SEQ, "default (80/tcp)"), (str(door.sequence), str(door)))
        door = self.door(*GOOD, KNOCKER_SEQ="nonsense", KNOCKER_PORTS="nonsense")
        self.assertEqual((SEQ, "default (22/tcp)"), (str(door.sequence), str(door)))

    def test_scopedInterface(self) -> None:
        """A link-local address with its scope is an address."""
        self.assertEqual(("fe80::1%eth0",), read(*GOOD, "--interface", "fe80::1%eth0").interfaces)


class PrintingTests(SynchronousTestCase):
    """Options that print something and end."""

    def printed(self, *arguments: str) -> str:
        """Return what is printed before the end with status 0."""
        with redirect_stdout(StringIO()) as stdout:
            end = self.assertRaises(SystemExit, read, *arguments)
        self.assertEqual(0, end.code)
        return stdout.getvalue()

    def test_version(self) -> None:
        """C{-V} and C{--version} print pkdoors' own version, not Twisted's."""
        self.assertRegex(self.printed("--version"), r"\Apkdoors [0-9]{2}\.[0-9]+\.[0-9]+\S*\n\Z")
        self.assertEqual(self.printed("--version"), self.printed("-V"))

    def test_help(self) -> None:
        """C{-h} and C{--help} name all options and the variables."""
        text = self.printed("--help")
        self.assertEqual(text, self.printed("-h"))
        options = (
            "magic-seq ports open-for max-open-for firewall zone knock-rate knock-burst penalty"
        )
        options += " knock-timeout interface sessions conf authorized-keys clock-skew"
        others = "--log-knocks -m, -p, -t, -f, -c, -k, -V, -h, KNOCKER_SEQ KNOCKER_PORTS"
        for word in (*(f"--{option}=" for option in options.split()), *others.split()):
            self.assertIn(word, text)


class AdminTests(SynchronousTestCase):
    """The path of the admin socket."""

    def test_strangeBytes(self) -> None:
        """A path need not be UTF-8, as the kernel does not ask for it; its bytes count."""
        path = os.fsdecode(b"/run/\xff.sock")
        self.assertEqual(path, read(*GOOD, "--admin", path).admin)
        line = refusal(self, 2, read, *GOOD, "--admin", "/" + 107 * "\udcff")
        self.assertIn("of at most 107 bytes, or off", line)

    def test_off(self) -> None:
        """There can be no socket."""
        self.assertEqual("", read(*GOOD, "--admin", "off").admin)


class AgainTests(SynchronousTestCase):
    """
    Tests of L{Options.reread}.
    """

    def setUp(self) -> None:
        """Change to a folder that has a configuration."""
        self.folder = Path(mkdtemp())
        self.addCleanup(rmtree, self.folder)
        self.file = self.folder / "pkdoors.toml"
        self.write("[doors.ssh]\nsequence = [1, 2, 3, 4, 5]\nports = [22]\n")
        self.addCleanup(os.chdir, os.getcwd())
        os.chdir(self.folder)

    def write(self, text: str) -> None:
        """Write the file."""
        self.file.write_text(text)
        self.file.chmod(0o600)

    def options(self, *arguments: str, **environment: str) -> Options:
        """Return a command line that was read by a daemon which has changed its folder since."""
        options = Options(environment, [NOWHERE])
        options.parseOptions(list(arguments))
        os.chdir("/")
        return options

    def test_same(self) -> None:
        """If nothing has changed, the result is the same, from whatever folder it is read."""
        options = self.options("-c", "pkdoors.toml", "-k", "keys", "-t", "20s")
        self.assertEqual(options.config, options.reread())
        (door,) = options.reread().doors
        self.assertEqual(((str(self.folder / "keys"),), 20.0), (door.authorizedKeys, door.openFor))

    def test_changed(self) -> None:
        """The file counts as it is now, and the command line overrides it."""
        options = self.options("-c", "pkdoors.toml", "-t", "20s", "--interface", "::1")
        self.write(self.file.read_text() + 'open_for = "10s"\npenalty = "7s"\n')
        config = options.reread()
        (door,) = config.doors
        self.assertEqual((20.0, 7.0), (door.openFor, door.penalty))
        self.assertEqual(("::1",), config.interfaces)

    def test_wrong(self) -> None:
        """An error is raised, one sentence, and the daemon goes on."""
        options = self.options("-c", "pkdoors.toml")
        before = options.config
        self.write("x = 1\n")
        line = str(self.assertRaises(ConfigError, options.reread))
        self.assertIn(f"{self.file}: unknown key 'x'", line)
        self.file.unlink()
        line = str(self.assertRaises(ConfigError, options.reread))
        self.assertIn(f"cannot read {self.file}: No such file or directory", line)
        self.assertIs(before, options.config)

    def test_twoDoors(self) -> None:
        """A second door in the file is refused if the command line has an option about a door."""
        options = self.options("-c", "pkdoors.toml", "-t", "20s")
        text = self.file.read_text()
        self.write(text + text.replace("ssh", "web").replace("[1, 2", "[2, 1"))
        self.assertIn("--open-for", str(self.assertRaises(BadValue, options.reread)))

    def test_noFile(self) -> None:
        """Without a file nothing changes."""
        options = self.options("-m", SEQ, KNOCKER_PORTS="22")
        self.assertEqual(options.config, options.reread())
