"""Tests of L{pkdoors.config.fleet} and L{pkdoors.config.fleetfile}."""

import os
import sys
from dataclasses import replace
from pathlib import Path
from subprocess import run

from pkdoors.config.file import readConfig
from pkdoors.config.fleet import Engine, FleetConfig
from pkdoors.config.fleetfile import (
    FLEET_SETTINGS,
    parseFleet,
    readFleet,
    readPassword,
    renderFleet,
)
from pkdoors.errors import ConfigError
from tests.config.test_file import ConfFileTestCase

FILE = "/etc/pkdoors/fleet.toml"
LEAST = """
name = "prod"
host = "web1"
hosts = ["gate1", "web1"]
engine = "rediss://redis.example"
"""
FLEET = FleetConfig("prod", "web1", ("gate1", "web1"), Engine("redis.example"))
DOOR = """
[doors.ssh]
sequence = [17001, 17203, 17005, 17404, 17002]
ports = [22]
authorized_keys = "/etc/keys"
"""


class ParseTests(ConfFileTestCase):
    """
    Tests of L{parseFleet} and L{renderFleet}.
    """

    def refused(self, text: str) -> str:
        """Return the one line that refuses a text, without the path."""
        line = str(self.assertRaises(ConfigError, parseFleet, text, FILE))
        self.assertNotIn("\n", line)
        self.assertTrue(line.startswith(FILE), line)
        return line.removeprefix(f"{FILE}: ")

    def change(self, **values: str) -> str:
        """Return a good text with other values, in TOML."""
        kept = [line for line in LEAST.split("\n") if line.partition(" ")[0] not in values]
        return "\n".join([*kept, *(f"{key} = {value}" for key, value in values.items())])

    def test_defaults(self) -> None:
        """What is not set has its default; with a password, the user is the host."""
        self.assertEqual(FLEET, parseFleet(LEAST, FILE))
        self.assertEqual("", FLEET.user)
        found = parseFleet(self.change(password='"/etc/pw"'), FILE)
        self.assertEqual("web1", found.location.user)
        own = self.change(password='"/etc/pw"', engine='"rediss://hans@redis.example"')
        self.assertEqual("hans", parseFleet(own, FILE).location.user)
        self.assertEqual("local", FLEET.whenAlone)

    def test_written(self) -> None:
        """What a new file says is read back; it has all keys, with a comment for each."""
        full = replace(
            FLEET,
            engine=Engine("2001:db8::1", 7000, "hans", False),
            password="/etc/pw",
            trust=("gate1",),
            operators="/etc/operators",
            whenAlone="refuse",
        )
        withCa = replace(FLEET, ca="/etc/ca.pem")
        for fleet in (FLEET, full, withCa):
            text = renderFleet(fleet)
            self.assertEqual(fleet, parseFleet(text, FILE))
            for setting in FLEET_SETTINGS:
                self.assertRegex(text, rf"\n# [^\n]+\n#?{setting.key} = ")
            self.assertLessEqual(max(map(len, text.split("\n"))), 100)

    def test_engines(self) -> None:
        """An engine is a URL, with or without TLS, user and port."""
        for text, engine in (
            ("rediss://hans@redis.example:7000", Engine("redis.example", 7000, "hans")),
            ("redis://192.0.2.1/", Engine("192.0.2.1", isTls=False)),
            ("rediss://[2001:db8::1]:7000", Engine("2001:db8::1", 7000)),
        ):
            found = parseFleet(self.change(engine=f'"{text}"'), FILE)
            self.assertEqual(engine, found.engine)
            self.assertEqual(found, parseFleet(renderFleet(found), FILE))

    def test_badEngines(self) -> None:
        """Anything else is refused, and a password is not quoted."""
        for text in ("", "redis.example", "http://a", "rediss://", "rediss://a:x", "rediss://a:0"):
            self.assertIn(
                "write it like rediss://web1@", self.refused(self.change(engine=f'"{text}"'))
            )
        for text in ("rediss://a/1", "rediss://a?x=1", "rediss://a#x"):
            self.assertIn(
                "more than a user, a host and a port", self.refused(self.change(engine=f'"{text}"'))
            )
        line = self.refused(self.change(engine='"rediss://hans:geheim@a"'))
        self.assertTrue(line.startswith("engine: it has a password in it"), line)
        self.assertNotIn("geheim", line)
        self.assertIn("not a user", self.refused(self.change(engine='"rediss://a%20b@a"')))
        self.assertIn("name or address", self.refused(self.change(engine='"rediss://-x"')))

    def test_missing(self) -> None:
        """Without any of four keys, the line names it."""
        for key in ("name", "host", "hosts", "engine"):
            lines = [line for line in LEAST.split("\n") if not line.startswith(f"{key} ")]
            self.assertEqual(
                f"{key} is missing: a fleet needs name, host, hosts, engine",
                self.refused("\n".join(lines)),
            )

    def test_unknown(self) -> None:
        """An unknown key is refused, with the one that may be meant."""
        self.assertIn("unknown key 'hots' (did you mean host", self.refused(f'{LEAST}hots = "a"'))
        self.assertIn("is not valid TOML", self.refused("="))

    def test_names(self) -> None:
        """Names must be fit for patterns of keys, for orders, and for users of the engine."""
        for wrong in ("", "a b", "A", "a:b", "a*", "é", "-a", "a" * 64, "a\\n"):
            self.assertIn("is not a name of a fleet", self.refused(self.change(name=f'"{wrong}"')))
            for key, value in (("host", f'"{wrong}"'), ("hosts", f'["web1", "{wrong}"]')):
                line = self.refused(self.change(**{key: value}))
                self.assertIn("is not a name of a host", line)
                self.assertTrue(line.startswith(f"{key}: "), line)
        self.assertIn("not a list of hosts", self.refused(self.change(hosts='"web1"')))
        many = str([f"web{number}" for number in range(1025)])
        self.assertIn("1024 are allowed", self.refused(self.change(hosts=many)))

    def test_together(self) -> None:
        """Values that do not fit together are refused, with the key to blame."""
        self.assertTrue(
            self.refused(self.change(host='"web2"')).startswith("hosts: it lacks 'web2'")
        )
        line = self.refused(self.change(trust='["gate1", "gate2"]'))
        self.assertTrue(line.startswith("trust: 'gate2' is not one of the hosts"), line)
        line = self.refused(self.change(engine='"redis://a"', ca='"/etc/ca.pem"'))
        self.assertTrue(line.startswith("ca: it is for an engine with TLS"), line)

    def test_words(self) -> None:
        """What is to happen without the engine is one of two words."""
        self.assertEqual("refuse", parseFleet(self.change(when_alone='"refuse"'), FILE).whenAlone)
        self.assertIn("when_alone: 'x' is neither", self.refused(self.change(when_alone='"x"')))


class FileTests(ConfFileTestCase):
    """
    Tests of L{readFleet}, L{readPassword} and L{readConfig}.
    """

    def setUp(self) -> None:
        """Make the files' paths."""
        super().setUp()
        self.fleet = self.folder / "fleet.toml"

    def write(self, path: Path | str, text: str, mode: int = 0o600) -> None:
        """Make a file."""
        Path(path).write_text(text)
        os.chmod(path, mode)

    def test_read(self) -> None:
        """A file that all may read, and only its owner can change, is read."""
        for mode in (0o600, 0o644):
            self.write(self.fleet, LEAST, mode)
            self.assertEqual(FLEET, readFleet(str(self.fleet)))

    def test_writable(self) -> None:
        """A file that others can change is refused: it says whose word opens doors."""
        self.write(self.fleet, LEAST, 0o664)
        line = str(self.assertRaises(ConfigError, readFleet, str(self.fleet)))
        self.assertTrue(line.startswith(f"other users could change {self.fleet} and so open"), line)
        self.assertIn(f"`chmod go-w {self.fleet}`", line)

    def test_missing(self) -> None:
        """If the file is missing, the line says how to make it."""
        line = str(self.assertRaises(ConfigError, readFleet, str(self.fleet)))
        self.assertEqual(
            f"cannot read {self.fleet}: No such file or directory: create it with `pkdoors fleet "
            "init`, or remove fleet = true from all doors",
            line,
        )

    def test_password(self) -> None:
        """The password is the only line of a file that the service alone may read."""
        path = self.folder / "password"
        fleet = replace(FLEET, password=str(path))
        self.assertEqual("", readPassword(FLEET))
        for mode in (0o600, 0o640):
            self.write(path, "geheim\n", mode)
            self.assertEqual("geheim", readPassword(fleet))
        for mode in (0o644, 0o660):
            self.write(path, "geheim\n", mode)
            line = str(self.assertRaises(ConfigError, readPassword, fleet))
            self.assertIn(f"`chmod 640 {path}`", line)
        for text in ("", "\n", "a\nb\n"):
            self.write(path, text)
            line = str(self.assertRaises(ConfigError, readPassword, fleet))
            self.assertIn("must have one line", line)
        path.unlink()
        line = str(self.assertRaises(ConfigError, readPassword, fleet))
        self.assertIn(f"in {path}: No such file", line)

    def test_config(self) -> None:
        """The fleet is read if a door needs it, from beside the file or from elsewhere."""
        self.write(self.path, f"{DOOR}fleet = true\nlisten = false\n")
        self.write(self.fleet, LEAST)
        config = readConfig(self.path)
        self.assertEqual(FLEET, config.fleet)
        self.assertEqual((True, False), (config.doors[0].fleet, config.doors[0].listens))
        other = self.folder / "other.toml"
        self.fleet.rename(other)
        self.assertRaises(ConfigError, readConfig, self.path)
        self.write(self.path, f'fleet_file = "{other}"\n{DOOR}fleet = true\n')
        self.assertEqual(FLEET, readConfig(self.path).fleet)
        self.write(self.path, f'fleet_file = "/nowhere"\n{DOOR}')
        self.assertIsNone(readConfig(self.path).fleet)

    def test_nothingLoaded(self) -> None:
        """Without a door of the fleet nothing of the fleet is loaded."""
        self.write(self.path, DOOR)
        program = (
            "import sys; from pkdoors.config.file import readConfig; readConfig(sys.argv[1]); "
            "print([name for name in sys.modules if 'fleet' in name])"
        )
        found = run(
            [sys.executable, "-c", program, self.path], capture_output=True, check=True, text=True
        )
        self.assertEqual("[]\n", found.stdout)
