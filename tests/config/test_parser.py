"""Tests of L{pkdoors.config.parser}, L{pkdoors.config.settings} and L{pkdoors.config.values}."""

import random

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.config.config import Config
from pkdoors.config.parser import parseConfig
from pkdoors.errors import ConfigError
from pkdoors.model.doors import Door
from pkdoors.model.ports import PortRange
from pkdoors.model.sequence import Sequence
from pkdoors.util.quoting import shown

FILE = "/etc/pkdoors/pkdoors.toml"
PORTS = (17001, 17203, 17005, 17404, 17002)
SSH = f"[doors.ssh]\nsequence = {list(PORTS)}\nports = [22]\n"
WEB = "[doors.web]\nsequence = [17001, 17005, 17203, 17002, 17404]\nports = [443]\n"

ALL = """
firewall = "firewalld"
zone = "home"
interfaces = ["192.0.2.1", "::1", "192.0.2.1"]

[doors.ssh]
sequence = [17001, 17203, 17005, 17404, 17002]
ports = ["22", 80, "6000-6010/tcp"]
open_for = "10m"
max_open_for = "8h"
knock_timeout = "15s"
penalty = "2m"
authorized_keys = "/etc/pkdoors/authorized_keys"
revoked_keys = "/etc/pkdoors/revoked_keys"
sessions = "cut"
clock_skew = "90s"
knock_rate = 500
knock_burst = 600
"""


class GoodTests(SynchronousTestCase):
    """Correct files."""

    def door(self, text: str) -> Door:
        """Return the only door of a file."""
        (door,) = parseConfig(text, FILE).doors
        return door

    def test_defaults(self) -> None:
        """Only a sequence and ports are required."""
        door = Door("ssh", Sequence(PORTS), (PortRange("tcp", 22, 22),))
        self.assertEqual(Config((door,)), parseConfig(SSH, FILE))

    def test_all(self) -> None:
        """Every key counts."""
        door = Door(
            "ssh",
            Sequence(PORTS),
            (
                PortRange("tcp", 22, 22),
                PortRange("tcp", 80, 80),
                PortRange("tcp", 6000, 6010),
            ),
            openFor=600.0,
            maxOpenFor=28800.0,
            knockTimeout=15.0,
            penalty=120.0,
            cutSessions=True,
            authorizedKeys=("/etc/pkdoors/authorized_keys",),
            revokedKeys="/etc/pkdoors/revoked_keys",
            clockSkew=90.0,
            knockRate=500,
            knockBurst=600,
        )
        config = Config((door,), "firewalld", "home", ("192.0.2.1", "::1"))
        self.assertEqual(config, parseConfig(ALL, FILE))

    def test_strings(self) -> None:
        """Sequence and ports can be written as on the command line."""
        text = '[doors.a]\nsequence = "17001,17203,17005,17404,17002"\nports = "22,51820/udp"\n'
        door = self.door(text)
        self.assertEqual("17001,17203,17005,17404,17002", str(door.sequence))
        self.assertEqual("a (22/tcp,51820/udp)", str(door))

    def test_seconds(self) -> None:
        """A time can be a number of seconds; the penalty can be 0."""
        door = self.door(SSH + "open_for = 90\npenalty = 0\n")
        self.assertEqual((90.0, 0.0), (door.openFor, door.penalty))

    def test_udp(self) -> None:
        """UDP sessions have their own times; the longest can be 0, and so can the grace."""
        door = self.door(SSH + 'udp_idle = "5m"\nudp_max = 0\nudp_grace = 0\n')
        self.assertEqual((300.0, 0.0, 0.0), (door.udpIdle, door.udpMax, door.udpGrace))
        door = self.door(SSH)
        self.assertEqual((180.0, 43200.0, 30.0), (door.udpIdle, door.udpMax, door.udpGrace))

    def test_commands(self) -> None:
        """Programs are lists of strings, which no shell reads."""
        text = SSH + "".join(
            f'on_{event} = ["/bin/{event}", "a b", "$x", ""]\n'
            for event in ("open", "close", "refuse")
        )
        door = self.door(text)
        rest = ("a b", "$x", "")
        self.assertEqual(
            (("/bin/open", *rest), ("/bin/close", *rest), ("/bin/refuse", *rest)),
            (door.onOpen, door.onClose, door.onRefuse),
        )

    def test_places(self) -> None:
        """The admin socket and the audit file have paths; the socket can be off."""
        config = parseConfig('admin = "/run/a.sock"\naudit = "/var/log/a"\n' + SSH, FILE)
        self.assertEqual(("/run/a.sock", "/var/log/a"), (config.admin, config.audit))
        self.assertEqual("", parseConfig('admin = "off"\n' + SSH, FILE).admin)

    def test_manyDoors(self) -> None:
        """There can be any number of doors, in order, which can share knock ports."""
        config = parseConfig(SSH + WEB, FILE)
        self.assertEqual(["ssh (22/tcp)", "web (443/tcp)"], list(map(str, config.doors)))

    def test_sealedSharesSequence(self) -> None:
        """A sealed door can have the sequence of another door: the seal names the door."""
        text = SSH.replace(".ssh", ".sealed") + 'authorized_keys = "/k"\n'
        self.assertEqual(2, len(parseConfig(SSH + text, FILE).doors))

    def test_samePolicy(self) -> None:
        """Two doors can protect the same port in the same way."""
        self.assertEqual(2, len(parseConfig(SSH + WEB.replace("443", "22"), FILE).doors))

    def test_otherPolicy(self) -> None:
        """One door can cut sessions and another keep them if their ports differ."""
        doors = parseConfig(SSH + WEB + 'sessions = "cut"\n', FILE).doors
        self.assertEqual([False, True], [door.cutSessions for door in doors])


class BadTests(SynchronousTestCase):
    """Wrong files."""

    def refused(self, text: str) -> str:
        """Return the one line that refuses a text, without the file's name."""
        line = str(self.assertRaises(ConfigError, parseConfig, text, FILE))
        self.assertNotIn("\n", line)
        self.assertTrue(line.startswith(FILE), line)
        return line[len(FILE) :].removeprefix(": ")

    def test_noTOML(self) -> None:
        """A text that is not TOML is refused, and the line says where."""
        self.assertEqual(
            " is not valid TOML, the format of this file: Invalid value (at line 1, column 12)",
            self.refused("firewall = auto\n"),
        )

    def test_garbage(self) -> None:
        """Whatever the text, nothing else is raised."""
        chance = random.Random(1)
        whole = ALL + WEB
        for _ in range(300):
            at = chance.randrange(len(whole))
            junk = "".join(chance.choices('[]{}",.=\n\x00\ufffd1a', k=3))
            try:
                parseConfig(whole[:at] + junk + whole[at + chance.randrange(9) :], FILE)
            except ConfigError:
                pass
        for text in ("a = " + "[" * 20_000, "a = " + "9" * 5000, "a = 2026-02-31"):
            self.refused(text)
        for key in ("open_for", "sessions", "on_open"):
            self.refused(f"{SSH}\n{key} = 0x{'f' * 4000}")

    def test_trusted(self) -> None:
        """What is trusted is a list of strings, each one network or interface."""
        (door,) = parseConfig(SSH + 'trusted = ["10.0.0.0/8", "wg0"]\n', "f").doors
        self.assertEqual(["10.0.0.0/8", "wg0"], list(map(str, door.trusted)))
        (door,) = parseConfig(SSH + "trusted = []\n", "f").doors
        self.assertEqual((), door.trusted)
        for value, part in (
            ('"wg0"', "is not a list of networks and interfaces: write ["),
            ("[7]", "is not a string"),
            ('["wg0,wg1"]', "an item is empty or has a comma"),
            ('["wg0", "0.0.0.0/0"]', "item 2: 0.0.0.0/0 is everybody"),
            ('[""]', "an item is empty or has a comma"),
            ('["wg0", " "]', "empty"),
        ):
            refusal = self.refused(f"{SSH}trusted = {value}\n")
            self.assertIn("doors.ssh.trusted: ", refusal)
            self.assertIn(part, refusal)

    def test_unknownKeys(self) -> None:
        """An unknown key is refused, and the line names the known ones."""
        self.assertEqual(
            "unknown key 'fire': allowed are firewall, zone, interfaces, listen, admin, audit, "
            "max_openings, fleet_file, doors",
            self.refused('fire = "auto"\n' + SSH),
        )
        self.assertEqual(
            "doors.ssh: unknown key 'port' (did you mean ports?): allowed are sequence, ports, "
            "open_for, "
            "max_open_for, knock_timeout, penalty, sessions, uses, udp_idle, udp_max, udp_grace, "
            "trusted, authorized_keys, revoked_keys, clock_skew, grant4, grant6, fleet, listen, "
            "payload, knock_rate, knock_burst, max_openings, on_open, on_close, on_refuse",
            self.refused(SSH + "port = 22\n"),
        )
        self.assertIn("unknown key 'a\\nb'", self.refused(SSH + '"a\\nb" = 1\n'))

    def test_misplacedKeys(self) -> None:
        """A key of the daemon below a door is refused, and the reverse, with the right place."""
        self.assertEqual(
            "doors.ssh: audit is a key of the daemon: put it above the first [doors.NAME]",
            self.refused(SSH + 'audit = "/a"\n'),
        )
        self.assertEqual(
            "penalty is a key of a door: put it below [doors.NAME]",
            self.refused('penalty = "10m"\n' + SSH),
        )
        self.assertIn("'door' (did you mean doors?)", self.refused(SSH + "[door.web]\n"))

    def test_noDoors(self) -> None:
        """Without a door there is nothing to do."""
        line = "doors: the file has no door: add [doors.ssh] with a sequence and ports"
        for text in ("", "[doors]\n", "doors = 1\n", 'firewall = "auto"\n'):
            self.assertEqual(line, self.refused(text))

    def test_noTable(self) -> None:
        """A door is a table."""
        self.assertEqual(
            "doors.ssh: 22 is not a table: write [doors.ssh], and its keys below",
            self.refused("[doors]\nssh = 22\n"),
        )
        # The line does not show its content: it may be a sequence.
        self.assertEqual(
            "doors.ssh: a list is not a table: write [doors.ssh], and its keys below",
            self.refused(f"[{SSH}".replace("]", "]]", 1)),
        )

    def test_name(self) -> None:
        """A name that is not allowed is refused."""
        for name in ("Web", "a b", "a\\nb", ""):
            line = self.refused(SSH.replace(".ssh", f'."{name}"'))
            self.assertIn("is not a door's name: use at most 32 small letters", line)
            self.assertTrue(line.startswith("doors: "), line)

    def test_missing(self) -> None:
        """Sequence and ports are required."""
        self.assertEqual(
            "doors.ssh.sequence is missing: every door needs a sequence and ports",
            self.refused("[doors.ssh]\nports = [22]\n"),
        )
        self.assertEqual(
            "doors.ssh.ports is missing: every door needs a sequence and ports",
            self.refused(f"[doors.ssh]\nsequence = {list(PORTS)}\n"),
        )

    def test_sequence(self) -> None:
        """A sequence is a list of 5 to 20 ports, or a string of them."""
        for value, words in (
            ("[1, 2, 3, 4]", "it has 4 ports: a sequence has 5 to 20"),
            ("[1, 2, 3, 4, 0]", "it is not a port: a port is a number from 1 to 65535"),
            ('"1,2,3"', "it has 3 ports"),
            ('["1", "2"]', "it has 2 ports"),
            *(
                (value, 'is not a list of ports: write [17001, "17203/tcp", ...], 5 to 20 ports')
                for value in ("1", "[]", "true", "[1, 2, 3, 4, 5.0]", "[true]")
            ),
        ):
            line = self.refused(f"[doors.ssh]\nports = [22]\nsequence = {value}\n")
            self.assertTrue(line.startswith("doors.ssh.sequence: "), line)
            self.assertIn(words, line)

    def test_ports(self) -> None:
        """Ports are a list of numbers and strings, or a string."""
        for value, words in (
            ('["0"]', "'0' is not a port"),
            ("[65536]", "this is not a port"),
            ('"80-79"', "'80-79' runs backwards: write the smaller port first"),
            *(
                (value, 'is not a list of ports: write [22, "51820/udp", "6000-6010/tcp"]')
                for value in ("22", "true", "[22.0]", "{}", "[[22]]", "2026-01-01")
            ),
        ):
            line = self.refused(f"[doors.ssh]\nsequence = {list(PORTS)}\nports = {value}\n")
            self.assertTrue(line.startswith("doors.ssh.ports: "), line)
            self.assertIn(words, line)

    def test_noPorts(self) -> None:
        """A door without ports needs a program, and nobody can be trusted at it."""
        start = f"[doors.wake]\nsequence = {list(PORTS)}\nports = []\n"
        self.assertEqual(
            "doors.wake.ports: a door without ports opens nothing, so it needs on_open, a program "
            "to run: add that in the file, or name ports",
            self.refused(start),
        )
        program = 'on_open = ["/bin/true"]\n'
        (door,) = parseConfig(start + program, "file").doors
        self.assertEqual(((), 30.0, "wake (no ports)"), (door.ports, door.openFor, str(door)))
        self.assertEqual(
            "doors.wake.trusted: a door without ports has nothing that clients could use without "
            "a knock: remove this, or name ports",
            self.refused(f'{start}{program}trusted = ["10.0.0.0/8"]\n'),
        )
        line = self.refused(f'{start}{program}uses = "once"\n')
        self.assertTrue(line.startswith("doors.wake.uses: a door without ports lets no"), line)
        self.assertIn("ports is missing", self.refused(start.replace("ports = []", "")))

    def test_grants(self) -> None:
        """A plain door opens for no networks, and the line names the key."""
        for key, value in (("grant4", 24), ("grant6", 64)):
            line = self.refused(f"{SSH}{key} = {value}\n")
            self.assertTrue(line.startswith(f"doors.ssh.{key}: only a sealed knock opens"), line)
            line = self.refused(f'{SSH}authorized_keys = "/k"\n{key} = 8\n')
            self.assertTrue(line.startswith(f"doors.ssh.{key}: '8' is not a length of IPv"), line)

    def test_times(self) -> None:
        """A value that is not a time is refused, for each key that takes a time."""
        for key, bounds in (
            ("open_for", "from 1s to 30d"),
            ("max_open_for", "from 1s to 30d"),
            ("knock_timeout", "from 1s to 1h"),
            ("penalty", "from 0s to 30d"),
            ("udp_idle", "from 1s to 30d"),
            ("udp_max", "from 0s to 30d"),
            ("udp_grace", "from 0s to 5m"),
            ("clock_skew", "from 1s to 1h"),
        ):
            for value in ("-5", '"ten"', '""', '"721h"'):
                line = self.refused(f"{SSH}{key} = {value}\n")
                self.assertTrue(line.startswith(f"doors.ssh.{key}: "), line)
                self.assertIn(f"is not a time {bounds}: write it like 45, 45s", line)
            for value, said in (
                ("1.5", "1.5"),
                ("true", "true"),
                ('["1s"]', "a list"),
                ("2026-01-31", "a date or time"),
                ("07:32:00", "a date or time"),
            ):
                self.assertEqual(
                    f"doors.ssh.{key}: {said} is not a time: "
                    'write it like "45s", "10m", "8h", "7d" or "1h30m"',
                    self.refused(f"{SSH}{key} = {value}\n"),
                )

    def test_datagrams(self) -> None:
        """Numbers of datagrams cannot be so small that they keep out correct knocks."""
        for key, allowed in (
            ("knock_rate", "100 to 1000000, or 0 for no limit"),
            ("knock_burst", "100 to 1000000"),
        ):
            for value in ("-5", "1", "99", "1000001", "1_000_000_000"):
                line = self.refused(f"{SSH}{key} = {value}\n")
                self.assertTrue(line.startswith(f"doors.ssh.{key}: "), line)
                self.assertTrue(line.endswith(f" of datagrams: use {allowed}"), line)
            for value in ('"500"', "5.5", "true", "[500]"):
                line = self.refused(f"{SSH}{key} = {value}\n")
                self.assertTrue(line.endswith(" is not a number: write it like 10000"), line)
        self.refused(f"{SSH}knock_burst = 0\n")

    def test_listen(self) -> None:
        """Knocks are heard by sockets unless the file says otherwise."""
        self.assertEqual("auto", parseConfig(SSH, FILE).listen)
        for listen in ("auto", "capture", "sockets"):
            self.assertEqual(listen, parseConfig(f'listen = "{listen}"\n{SSH}', FILE).listen)
        self.assertEqual(
            "listen: 'tcp' is not a way to listen: choose one of auto, capture, sockets",
            self.refused('listen = "tcp"\n' + SSH),
        )

    def test_sessions(self) -> None:
        """Sessions are kept or cut."""
        line = self.refused(SSH + 'sessions = "kill"\n')
        self.assertTrue(line.startswith("doors.ssh.sessions: 'kill' is neither keep ("), line)
        self.assertEqual(
            "doors.ssh.sessions: true is not a string: write it in quotes",
            self.refused(SSH + "sessions = true\n"),
        )

    def test_authorizedKeys(self) -> None:
        """The path of the keys must be absolute: the daemon's folder is not the operator's."""
        for value in ("keys", "", "~/keys", "/ke\0ys"):
            line = self.refused(f'{SSH}authorized_keys = "{value}"\n'.replace("\0", "\\u0000"))
            self.assertEqual(
                f"doors.ssh.authorized_keys: {shown(value)} is not an absolute path: "
                'begin it with /, like "/etc/keys"',
                line,
            )

    def test_severalKeys(self) -> None:
        """There can be several files and folders of keys; one that is there twice counts once."""
        text = SSH.replace(".ssh", ".sealed") + "authorized_keys = "
        for value, expected in (
            ('"/k"', ("/k",)),
            ('["/k", "/d", "/k"]', ("/k", "/d")),
        ):
            (door,) = parseConfig(f"{text}{value}\n", "here").doors
            self.assertEqual(expected, door.authorizedKeys)
        for value, reason in (
            ("[]", "the list is empty"),
            ('["/k", "keys"]', "'keys' is not an absolute path"),
            ('["/k", 7]', "7 is not a string"),
            ("7", "7 is not a string"),
            (str([f"/k{number}" for number in range(17)]), "it has 17 paths, 16 are allowed"),
        ):
            line = self.refused(f"{SSH}authorized_keys = {value}\n")
            self.assertIn(f"doors.ssh.authorized_keys: {reason}", line)

    def test_commands(self) -> None:
        """
        A program must be a list with an absolute path, and something that the kernel can take.
        """
        for value in (
            '"/bin/x"',
            "[]",
            '["x"]',
            '["/bin/x", 1]',
            '["/x", "\\u0000"]',
            "true",
            '[[""]]',
        ):
            line = self.refused(f"{SSH}on_close = {value}\n")
            self.assertTrue(line.startswith("doors.ssh.on_close: "), line)
            self.assertIn(
                " is not a command: write a list of the program's absolute path and", line
            )

    def test_audit(self) -> None:
        """The path of the audit file must be absolute."""
        for value in ("audit", "", "/a\\u0000b"):
            line = self.refused(f'audit = "{value}"\n{SSH}')
            self.assertTrue(line.startswith("audit: "), line)

    def test_firewall(self) -> None:
        """An unknown firewall is refused."""
        self.assertEqual(
            "firewall: 'iptables' is not a firewall: "
            "choose one of auto, nftables, firewalld, dry-run",
            self.refused('firewall = "iptables"\n' + SSH),
        )

    def test_zone(self) -> None:
        """A zone is a string."""
        self.assertEqual(
            "zone: 1 is not a string: write it in quotes", self.refused("zone = 1\n" + SSH)
        )

    def test_placeOfAdmin(self) -> None:
        """A path for the admin socket that the kernel would not take is refused."""
        for value in ("admin.sock", "", "/a\\u0000b", "/" + "x" * 107):
            line = self.refused(f'admin = "{value}"\n' + SSH)
            self.assertTrue(line.startswith("admin: "), line)
            self.assertIn("is not a path for the admin socket: use an absolute path", line)

    def test_interfaces(self) -> None:
        """Interfaces are a list of addresses."""
        self.assertIn(
            "interfaces: 'eth0' is not an address", self.refused('interfaces = ["eth0"]\n' + SSH)
        )
        self.assertEqual(
            """interfaces: '::1' is not a list of addresses: write ["192.0.2.1", "::1"]""",
            self.refused('interfaces = "::1"\n' + SSH),
        )

    def test_once(self) -> None:
        """A door for one connection at a time has TCP ports, and keeps sessions."""
        self.assertIn(
            "doors.ssh.uses: an opening for one connection ends when that begins",
            self.refused(SSH + 'uses = "once"\nsessions = "cut"\n'),
        )
        text = SSH.replace("[22]", '[22, "53/udp"]')
        self.assertNotEqual(SSH, text)
        self.assertIn("doors.ssh.uses: 53/udp cannot", self.refused(text + 'uses = "once"\n'))
        self.assertIn("'twice' is neither", self.refused(SSH + 'uses = "twice"\n'))

    def test_openForAboveTheMost(self) -> None:
        """A time above the maximum is refused, and the line names both keys."""
        self.assertEqual(
            "doors.ssh.open_for, doors.ssh.max_open_for: 2h is longer than the door may be open "
            "at most, 1h: lower the one or raise the other",
            self.refused(SSH + 'open_for = "2h"\n'),
        )

    def test_protectedKnockPort(self) -> None:
        """A protected port that is also a knock port is refused."""
        line = self.refused(SSH.replace("[22]", '["17001/udp"]'))
        self.assertTrue(
            line.startswith("doors.ssh.ports: the protected ports include a knock port"), line
        )

    def test_sameSequence(self) -> None:
        """Two plain doors with the same sequence are refused, and the line does not show it."""
        line = self.refused(SSH + SSH.replace(".ssh", ".web"))
        self.assertEqual(
            "doors.ssh.sequence: knocking it also opens doors.web: use another sequence for each "
            "door (`pkdoors sequence` prints a new one)",
            line,
        )

    def test_sequenceWithin(self) -> None:
        """So are doors whose sequence contains the other one's."""
        text = WEB.replace("17001, 17005, 17203, 17002, 17404", "9, 17001, 8, *").replace(
            "*", ", ".join(map(str, PORTS[1:])) + ", 7"
        )
        line = self.refused(SSH + text)
        self.assertTrue(
            line.startswith("doors.web.sequence: knocking it also opens doors.ssh"), line
        )

    def test_sequenceWithinAfterAWrongPort(self) -> None:
        """
        So are doors whose sequence contains the other one's after a failed beginning of it: for the
        other door, the ports before it are not a wrong knock.
        """
        text = SSH.replace(str(list(PORTS)), "[1, 2, 5, 1, 2, 3, 4, 5]")
        text += WEB.replace("17001, 17005, 17203, 17002, 17404", "1, 2, 3, 4, 5")
        line = self.refused(text)
        self.assertTrue(
            line.startswith("doors.ssh.sequence: knocking it also opens doors.web"), line
        )

    def test_otherKnockPort(self) -> None:
        """
        A protected port that is a knock port of another door is refused, whichever comes first.
        """
        text = WEB.replace("[443]", '["17400-17500/udp"]').replace("17404", "17999")
        for whole in (SSH + text, text + SSH):
            self.assertEqual(
                "doors.web.ports: one of them is a knock port of doors.ssh, which must stay open: "
                "use another knock port there, or do not protect this one",
                self.refused(whole),
            )

    def test_policies(self) -> None:
        """One port in two doors with different policies is refused."""
        text = SSH + WEB.replace("[443]", '["20-30"]') + 'sessions = "cut"\n'
        self.assertEqual(
            "doors.web.sessions: doors.ssh protects 22/tcp, too, but has another policy: "
            "use keep for both, or cut for both",
            self.refused(text),
        )
