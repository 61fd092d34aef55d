"""Tests of L{pkdoors.config.options}."""

import os
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from pkdoors.config.config import CONF_FILE, Config
from pkdoors.config.options import Options
from pkdoors.config.parser import parseConfig
from pkdoors.errors import BadValue, ConfigError
from pkdoors.model.doors import Door
from pkdoors.model.ports import PortRange
from pkdoors.model.sequence import Sequence
from pkdoors.util.quoting import shown

SEQ = "17001,17203,17005,17404,17002"
GOOD = ["-m", SEQ, "-p", "22"]
NOWHERE = "/nowhere/pkdoors.toml"
"""In place of the real default, which whoever runs the tests may have."""


def read(*arguments: str, **environment: str) -> Config:
    """Return the configuration that a command line gives."""
    return readBeside(NOWHERE, *arguments, **environment)


def readBeside(defaultConf: str, *arguments: str, **environment: str) -> Config:
    """
    Return the configuration that a command line gives if there is a file at the default place.
    """
    options = Options(environment, [defaultConf])
    options.parseOptions(list(arguments))
    return options.config


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

    def test_long(self) -> None:
        """Every option has a long name."""
        config = read(
            *f"--magic-seq {SEQ} --ports 22/tcp,51820/udp,6000-6010/tcp".split(),
            *"--open-for 10m --max-open 8h --firewall nftables".split(),
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

    def test_authorizedKeys(self) -> None:
        """With a file of keys, knocks must be sealed; its path holds wherever twistd changes to."""
        self.assertEqual(("", 60.0), (self.door(*GOOD).authorizedKeys, self.door(*GOOD).clockSkew))
        self.assertEqual("/etc/keys", self.door(*GOOD, "-k", "/etc/keys").authorizedKeys)
        path = self.door(*GOOD, "--authorized-keys", "some/../keys").authorizedKeys
        self.assertEqual(os.path.join(os.getcwd(), "keys"), path)

    def test_clockSkew(self) -> None:
        """Clocks can be allowed to differ by up to an hour."""
        for text, seconds in (("1s", 1.0), ("90", 90.0), ("1h", 3600.0)):
            self.assertEqual(seconds, self.door(*GOOD, "--clock-skew", text).clockSkew)

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


ONE = f"""
firewall = "nftables"
zone = "home"
interfaces = ["192.0.2.1"]
[doors.ssh]
sequence = "{SEQ}"
ports = [22]
open_for = "1m"
max_open_for = "2m"
knock_timeout = "3s"
penalty = "4s"
sessions = "cut"
authorized_keys = "/keys"
"""
OTHER = "[doors.web]\nsequence = [9, 8, 7, 5, 6]\nports = [443]\n"


class FileTests(SynchronousTestCase):
    """Configuration files."""

    def setUp(self) -> None:
        """Write a file with a single door."""
        self.file = os.path.abspath(self.mktemp())
        self.write(ONE)

    def write(self, text: str) -> None:
        """Write another file."""
        Path(self.file).touch(0o600)
        Path(self.file).write_text(text)

    def door(self, *arguments: str, **environment: str) -> Door:
        """Return the door that the file and a command line give."""
        (door,) = read("-c", self.file, *arguments, **environment).doors
        return door

    def refused(self, *arguments: str, **environment: str) -> str:
        """Return the one line that refuses them."""
        end = self.assertRaises(SystemExit, read, "-c", self.file, *arguments, **environment)
        self.assertNotIn("\n", str(end.code))
        return str(end.code)

    def test_emptyPath(self) -> None:
        """An empty path, from an unset variable, is refused: it does not count as no path."""
        self.assertIn("--authorized-keys: the path is empty", self.refused(*GOOD, "-k", ""))
        self.assertIn("--conf: the path is empty", self.refused(*GOOD, "-c", ""))

    def test_file(self) -> None:
        """A file alone is enough."""
        config = read("--conf", self.file)
        self.assertEqual(parseConfig(ONE, self.file), config)
        self.assertEqual("ssh (22/tcp)", str(*config.doors))

    def test_default(self) -> None:
        """The file at the default place counts if nothing else says what to guard."""
        self.assertEqual("ssh (22/tcp)", str(*readBeside(self.file).doors))
        self.assertEqual(5.0, readBeside(self.file, "-t", "5s").doors[0].openFor)
        door = readBeside(self.file, *GOOD).doors[0]
        self.assertEqual(("default", 30.0, ""), (door.name, door.openFor, door.authorizedKeys))
        door = readBeside(self.file, KNOCKER_SEQ=SEQ, KNOCKER_PORTS="80").doors[0]
        self.assertEqual("default (80/tcp)", str(door))
        end = self.assertRaises(SystemExit, readBeside, self.file, "-p", "80")
        self.assertIn("--magic-seq is missing", str(end.code))

    def test_doorOverridden(self) -> None:
        """The command line overrides what the file says about its only door."""
        options = "-m 9,8,7,5,6 -p 80 -t 5s --max-open 6s --knock-timeout 7s --penalty 0"
        door = self.door(*options.split(), "--sessions", "keep")
        self.assertEqual(("9,8,7,5,6", "ssh (80/tcp)"), (str(door.sequence), str(door)))
        times = (door.openFor, door.maxOpenFor, door.knockTimeout, door.penalty)
        self.assertEqual((5.0, 6.0, 7.0, 0.0), times)
        self.assertEqual((False, "/keys"), (door.cutSessions, door.authorizedKeys))

    def test_environment(self) -> None:
        """The environment overrides the file, and the command line overrides both."""
        door = self.door(KNOCKER_SEQ="9,8,7,5,6")
        self.assertEqual(("9,8,7,5,6", "ssh (22/tcp)"), (str(door.sequence), str(door)))
        self.assertEqual("ssh (80/tcp)", str(self.door("-p", "80", KNOCKER_PORTS="443")))

    def test_daemonOverridden(self) -> None:
        """Firewall, zone and interfaces can be overridden with any number of doors."""
        self.write(ONE + OTHER)
        config = read("-c", self.file, "-f", "dry-run", "--zone", "", "--interface", "::1")
        self.assertEqual(
            ("dry-run", "", ("::1",)), (config.firewall, config.zone, config.interfaces)
        )
        self.assertEqual(2, len(config.doors))
        self.assertTrue(read("-c", self.file, "--log-knocks").logKnocks)

    def test_whichDoor(self) -> None:
        """If there are several doors, an option about a door is refused."""
        self.write(ONE + OTHER)
        self.assertEqual(
            "pkdoors: KNOCKER_PORTS, --open-for: the configuration file has 2 doors, and this does "
            "not say for which one: change it in the file "
            "(`twistd pkdoors --help` shows all options)",
            self.refused("-t", "5s", KNOCKER_PORTS="80"),
        )
        for option in ("-m", "-p", "-t", "--max-open", "--knock-timeout", "--penalty"):
            self.assertIn("does not say for which one", self.refused(option, "1"))

    def test_conflict(self) -> None:
        """An option that conflicts with the file's value is named in the error."""
        line = self.refused("-t", "1h")
        self.assertIn("--open-for, --max-open: 1h is longer than the door may be open at", line)
        self.assertIn(
            "--ports: the protected ports include a knock port", self.refused("-p", "17001/udp")
        )
        self.write(ONE.replace("[22]", '"9/udp"'))
        self.assertIn(
            "--magic-seq: the protected ports include a knock port", self.refused("-m", "9,8,7,5,6")
        )

    def test_bad(self) -> None:
        """An error in the file names the file, and does not point to the command line's help."""
        self.write(ONE + "port = 22\n")
        line = self.refused()
        self.assertTrue(
            line.startswith(f"pkdoors: {self.file}: doors.ssh: unknown key 'port'"), line
        )
        self.assertNotIn("--help", line)

    def test_notPrivate(self) -> None:
        """A file that others may read is refused."""
        os.chmod(self.file, 0o644)
        self.assertIn(f"`chmod 600 {self.file}`", self.refused())

    def test_missing(self) -> None:
        """A file that is named must exist."""
        os.unlink(self.file)
        self.assertTrue(self.refused().startswith(f"pkdoors: cannot read {self.file}: No such"))


SEED = f"""
ports_to_controls = [80]
opening_sequence = [{SEQ}]
max_opened_door_duration = 20
doors_cleanup_periode = 10
"""


class SeedTests(SynchronousTestCase):
    """Files of port-knocking-doors."""

    def setUp(self) -> None:
        """Make a home with such a file, and a folder for pkdoors' own."""
        self.home = os.path.abspath(self.mktemp())
        os.mkdir(self.home)
        self.own = os.path.join(self.home, "pkdoors.toml")
        self.file = os.path.join(self.home, ".port_knocker.toml")
        self.host = os.path.join(self.home, "port_knocker.toml")
        self.write(self.file, SEED)

    def write(self, path: str, text: str) -> None:
        """Write a file."""
        Path(path).touch(0o600)
        Path(path).write_text(text)

    def config(self, *arguments: str, **environment: str) -> Config:
        """Return the configuration that a command line gives."""
        options = Options(environment, [self.own, self.file, self.host])
        options.parseOptions(list(arguments))
        return options.config

    def door(self, *arguments: str, **environment: str) -> Door:
        """Return the door of a command line."""
        (door,) = self.config(*arguments, **environment).doors
        return door

    def test_places(self) -> None:
        """The first file that exists counts: pkdoors' own, the user's, the host's."""
        self.write(self.host, SEED.replace("80", "443"))
        self.assertEqual("default (80/tcp)", str(self.door()))
        os.unlink(self.file)
        self.assertEqual("default (443/tcp)", str(self.door()))
        self.write(self.own, OTHER.replace("443", "25"))
        self.assertEqual("web (25/tcp)", str(self.door()))

    def test_home(self) -> None:
        """By default the user's file is in the home that the environment names."""
        if os.path.exists(CONF_FILE):
            raise SkipTest(f"this machine has a {CONF_FILE}, which comes first")
        options = Options({"HOME": self.home})
        options.parseOptions([])
        self.assertEqual("default (80/tcp)", str(*options.config.doors))

    def test_noneIsThere(self) -> None:
        """If there is no file, the line names all places."""
        os.unlink(self.file)
        end = self.assertRaises(SystemExit, self.config)
        self.assertEqual(
            f"pkdoors: No configuration found (looked for {self.own}, {self.file}, {self.host}). "
            "Create one with `pkdoors init`",
            end.code,
        )

    def test_given(self) -> None:
        """It can be named, and has the same notes as if it is found."""
        config = read("-c", self.file)
        self.assertEqual(parseConfig(SEED, self.file), config)
        self.assertIn(f"{self.file} is a configuration of port-knocking-doors", *config.notes)
        self.assertEqual(config, self.config())

    def test_overridden(self) -> None:
        """The command line overrides the environment, which overrides the file."""
        door = self.door("-t", "5s", "--max-open", "6s", "--knock-timeout", "7s", "--penalty", "0")
        times = (door.openFor, door.maxOpenFor, door.knockTimeout, door.penalty)
        self.assertEqual((5.0, 6.0, 7.0, 0.0), times)
        door = self.door("-c", self.file, KNOCKER_SEQ="9,8,7,5,6", KNOCKER_PORTS="443")
        self.assertEqual(("9,8,7,5,6", "default (443/tcp)"), (str(door.sequence), str(door)))
        door = self.door("-c", self.file, "-p", "25", KNOCKER_PORTS="443")
        self.assertEqual((SEQ, "default (25/tcp)"), (str(door.sequence), str(door)))
        self.assertEqual(20.0, door.openFor)
        self.assertEqual("dry-run", self.config("-f", "dry-run").firewall)
        self.assertEqual(1, len(self.config("-f", "dry-run").notes))

    def test_notRead(self) -> None:
        """If sequence and ports are given without a file, no file is read."""
        self.assertEqual("default (22/tcp)", str(self.door(*GOOD)))
        self.assertEqual((), self.config(*GOOD).notes)

    def test_notPrivate(self) -> None:
        """A file that others may read is refused, and not skipped for the next one."""
        self.write(self.host, SEED)
        os.chmod(self.file, 0o644)
        end = self.assertRaises(SystemExit, self.config)
        self.assertIn(f"`chmod 600 {self.file}`", str(end.code))

    def test_bad(self) -> None:
        """An error in it names the file and the key."""
        self.write(self.file, SEED + "max_knocker_live_time = -1\n")
        end = self.assertRaises(SystemExit, self.config)
        self.assertTrue(
            str(end.code).startswith(f"pkdoors: {self.file}: max_knocker_live_time: '-1' is not a"),
            end.code,
        )


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
        options = "magic-seq ports open-for max-open firewall zone knock-rate knock-burst penalty"
        options += " knock-timeout interface sessions conf authorized-keys clock-skew"
        others = "--log-knocks -m, -p, -t, -f, -c, -k, -V, -h, KNOCKER_SEQ KNOCKER_PORTS"
        for word in (*(f"--{option}=" for option in options.split()), *others.split()):
            self.assertIn(word, text)


class BadValueTests(SynchronousTestCase):
    """Wrong command lines."""

    def refused(self, *arguments: str, **environment: str) -> str:
        """Return the one line that refuses a command line."""
        end = self.assertRaises(SystemExit, read, *arguments, **environment)
        line = end.code
        assert isinstance(line, str)  # printed to stderr, with status 1
        self.assertNotIn("\n", line)
        self.assertTrue(line.startswith("pkdoors: "), line)
        self.assertTrue(line.endswith(" (`twistd pkdoors --help` shows all options)"), line)
        return line[len("pkdoors: ") : -len(" (`twistd pkdoors --help` shows all options)")]

    def test_missing(self) -> None:
        """Without a sequence or ports the line names the option and the variable."""
        self.assertEqual(
            "--magic-seq is missing, and KNOCKER_SEQ is not set",
            self.refused("-p", "22"),
        )
        self.assertEqual(
            "--ports is missing, and KNOCKER_PORTS is not set",
            self.refused("-m", SEQ),
        )
        end = self.assertRaises(SystemExit, read, "-t", "1m")
        self.assertEqual(
            f"pkdoors: No configuration found (looked for {NOWHERE}). "
            "Create one with `pkdoors init`",
            end.code,
        )

    def test_sequenceTooShort(self) -> None:
        """A sequence of 4 ports is refused."""
        self.assertEqual(
            "--magic-seq: it has 4 ports: a sequence has 5 to 20, separated by commas",
            self.refused("-m", "1,2,3,4", "-p", "22"),
        )

    def test_sequenceTooLong(self) -> None:
        """A sequence of 21 ports is refused."""
        text = ",".join(str(1000 + number) for number in range(21))
        self.assertEqual(
            "--magic-seq: it has 21 ports: a sequence has 5 to 20, separated by commas",
            self.refused("-m", text, "-p", "22"),
        )

    def test_sequenceItems(self) -> None:
        """Port 0, port 65536 and a word are refused in a sequence."""
        for item in ("0", "65536", "word", "-1"):
            self.assertEqual(
                "--magic-seq: item 3: it is not a port: a port is a number from 1 to 65535",
                self.refused("-m", f"1,2,{item},4,5", "-p", "22"),
            )

    def test_portItems(self) -> None:
        """Port 0, port 65536 and a word are refused as protected ports."""
        for item in ("0", "65536", "word"):
            self.assertEqual(
                f"--ports: item 2: {shown(item)} is not a port, a number from 1 to 65535: "
                "write 22, 22/tcp, 51820/udp or 6000-6010/tcp, several with commas",
                self.refused("-m", SEQ, "-p", f"22,{item}"),
            )

    def test_emptyItem(self) -> None:
        """An empty item is refused in both."""
        self.assertEqual(
            "--magic-seq: it has an empty item: separate 5 to 20 UDP ports with single commas",
            self.refused("-m", "1,2,,4,5", "-p", "22"),
        )
        self.assertEqual(
            "--ports: '22,' has an empty item: separate ports with single commas",
            self.refused("-m", SEQ, "-p", "22,"),
        )

    def test_emptyValue(self) -> None:
        """An empty value does not count as absent: the environment does not replace it."""
        self.assertTrue(
            self.refused("-m", "", "-p", "22", KNOCKER_SEQ=SEQ).startswith(
                "--magic-seq: it has an empty item"
            )
        )

    def test_backwards(self) -> None:
        """A port range that runs backwards is refused."""
        self.assertEqual(
            "--ports: this runs backwards: write the smaller port first",
            self.refused("-m", SEQ, "-p", "6010-6000/tcp"),
        )

    def test_protocol(self) -> None:
        """An unknown protocol is refused."""
        self.assertEqual(
            "--ports: '22/sctp' is not a port: "
            "write 22, 22/tcp, 51820/udp or 6000-6010/tcp, several with commas",
            self.refused("-m", SEQ, "-p", "22/sctp"),
        )

    def test_protectedKnockPort(self) -> None:
        """
        A protected UDP port that is also a knock port is refused, and the line names the option.
        """
        line = self.refused("-m", SEQ, "-p", "22,17000-17010/udp")
        self.assertIn("the protected ports include a knock port", line)
        self.assertRegex(line, "--ports|--magic-seq")

    def test_openForAboveMaxOpen(self) -> None:
        """A time above the maximum is refused, and the line names both options."""
        line = self.refused(*GOOD, "-t", "8h")
        self.assertIn("8h", line)
        self.assertIn("1h", line)
        self.assertIn("--open-for", line)
        self.assertIn("--max-open", line)

    def test_sameInterfaceTwice(self) -> None:
        """An interface that is given twice counts once."""
        config = read(*GOOD, "--interface", "::1", "--interface", "::1")
        self.assertEqual(("::1",), config.interfaces)

    def test_firewall(self) -> None:
        """An unknown firewall is refused."""
        self.assertEqual(
            "--firewall: 'iptables' is not a firewall: "
            "choose one of auto, nftables, firewalld, dry-run",
            self.refused(*GOOD, "-f", "iptables"),
        )

    def test_sessions(self) -> None:
        """A value other than keep and cut is refused, and the line says what the two mean."""
        for value in ("", "kill", "Cut", "yes"):
            self.assertEqual(
                f"--sessions: {value!r} is neither keep (live sessions go on after the door "
                "has closed) nor cut (they end when it closes)",
                self.refused(*GOOD, "--sessions", value),
            )

    def test_times(self) -> None:
        """A negative or absurd time is refused, for each option that takes a time."""
        for option in ("open-for", "max-open", "knock-timeout"):
            for value in ("-5", "-5s", "0", "ten", "", "721h", "9" * 400, "1.5h"):
                self.assertEqual(
                    f"--{option}: {shown(value)} is not a time from 1s to 720h: "
                    "write it like 45, 45s, 10m, 8h or 1h30m",
                    self.refused(*GOOD, f"--{option}", value),
                )

    def test_datagrams(self) -> None:
        """The same is true for the numbers of datagrams; the rate can be 0."""
        self.assertEqual(
            "--knock-rate: '5' is not a valid number of datagrams: "
            "use 100 to 1000000, or 0 for no limit",
            self.refused(*GOOD, "--knock-rate", "5"),
        )
        self.assertIn(
            "--knock-burst: '0' is not a valid number", self.refused(*GOOD, "--knock-burst", "0")
        )

    def test_penalty(self) -> None:
        """The same is true for the penalty, which can be 0."""
        self.assertEqual(
            "--penalty: '-1' is not a time from 0s to 720h: "
            "write it like 45, 45s, 10m, 8h or 1h30m",
            self.refused(*GOOD, "--penalty", "-1"),
        )

    def test_clockSkew(self) -> None:
        """
        The same is true for the clocks, which can differ by an hour at most, and never by nothing.
        """
        for value in ("0", "3601", "2h", "-5", "", "ten"):
            self.assertEqual(
                f"--clock-skew: {shown(value)} is not a time from 1s to 1h: "
                "write it like 45, 45s, 10m, 8h or 1h30m",
                self.refused(*GOOD, "--clock-skew", value),
            )

    def test_interface(self) -> None:
        """A value that is not an address is refused as an interface."""
        for value in ("eth0", "", "192.0.2.256", "192.0.2.0/24", "localhost"):
            self.assertEqual(
                f"--interface: {shown(value)} is not an address: "
                "use a local IPv4 or IPv6 address, like 192.0.2.1",
                self.refused(*GOOD, "--interface", value),
            )

    def test_environment(self) -> None:
        """A bad value in the environment is refused with the variable's name."""
        self.assertEqual(
            "KNOCKER_SEQ: it has 4 ports: a sequence has 5 to 20, separated by commas",
            self.refused("-p", "22", KNOCKER_SEQ="1,2,3,4"),
        )
        self.assertEqual(
            "KNOCKER_PORTS: '80-79' runs backwards: write the smaller port first",
            self.refused("-m", SEQ, KNOCKER_PORTS="80-79"),
        )
        self.assertTrue(self.refused("-m", SEQ, KNOCKER_PORTS="").startswith("KNOCKER_PORTS: ''"))

    def test_unknownOption(self) -> None:
        """An option that does not exist is refused."""
        options = Options({})
        end = self.assertRaises(SystemExit, options.parseOptions, [*GOOD, "--logfile", "x"])
        self.assertEqual(
            "pkdoors: option --logfile not recognized (`twistd pkdoors --help` shows all options; "
            "put twistd's own options before the word pkdoors)",
            end.code,
        )

    def test_missingValue(self) -> None:
        """An option without its value is refused."""
        self.assertIn("open-for", self.refused(*GOOD, "--open-for"))

    def test_rest(self) -> None:
        """Words that belong to no option are refused."""
        words = "'now' is not an option: write lists with commas, without blanks"
        self.assertEqual(words, self.refused(*GOOD, "now"))

    def test_newlines(self) -> None:
        """Whatever the value, the error is one line."""
        for arguments in (["-m", "1\n2"], ["-p", "1\n2"], ["-t", "1\n2"], ["-f", "a\nb"]):
            self.refused(*GOOD, *arguments)
        self.refused(*GOOD, "--sessions", "a\nb")
        self.refused(*GOOD, "a\nb")


class AdminTests(SynchronousTestCase):
    """The path of the admin socket."""

    def test_strangeBytes(self) -> None:
        """A path need not be UTF-8, as the kernel does not ask for it; its bytes count."""
        path = os.fsdecode(b"/run/\xff.sock")
        self.assertEqual(path, read(*GOOD, "--admin", path).admin)
        end = self.assertRaises(SystemExit, read, *GOOD, "--admin", "/" + 107 * "\udcff")
        self.assertIn("of at most 107 bytes, or off", str(end.code))

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
        self.assertEqual((str(self.folder / "keys"), 20.0), (door.authorizedKeys, door.openFor))

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
