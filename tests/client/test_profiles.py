"""Tests of L{pkdoors.client.profiles} and L{pkdoors.client.profilefile}."""

import tomllib
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.client import _tables
from pkdoors.client.profilefile import locateProfiles, readProfiles
from pkdoors.client.profiles import Profile, Profiles
from pkdoors.errors import BadValue
from pkdoors.model.sequence import Sequence
from pkdoors.util.toml import readToml
from tests.fakes.doors import PORTS

FULL = """
[hosts.home]
address = "home.example"
sequence = [17001, 17203, 17005, 17404, 17002]
door = "ssh"
identity = "~/.ssh/key"
open_for = "1h30m"
wait = 22
"""


class ParseProfilesTests(SynchronousTestCase):
    """
    Tests of L{Profiles}.
    """

    def wrong(self, line: str) -> str:
        """Return the error for a profile with one line."""
        return self.refuse(f"[hosts.home]\n{line}\n")

    def refuse(self, text: str) -> str:
        """Return the error for a text."""
        return str(self.assertRaises(BadValue, dict, Profiles(text)))

    def test_full(self) -> None:
        """All keys are read."""
        self.assertEqual(
            {
                "home": Profile(
                    address="home.example",
                    sequence=Sequence(PORTS),
                    door="ssh",
                    identity="~/.ssh/key",
                    isSealed=True,
                    openFor=5400.0,
                    wait=22,
                )
            },
            Profiles(FULL),
        )

    def test_strangeName(self) -> None:
        """The error is one line, whatever the host is called."""
        found = self.refuse('[hosts."a\\nb"]\nwait = 0\n')
        self.assertIn("[hosts.a?b]: wait: '0' is not a port", found)

    def test_empty(self) -> None:
        """All keys can be missing; the name is then the address."""
        self.assertEqual({"a.example": Profile("a.example")}, Profiles('[hosts."a.example"]'))
        self.assertEqual({}, Profiles(""))

    def test_otherForms(self) -> None:
        """A sequence can be a string, and a time a number of seconds."""
        text = '[hosts.a]\nsequence = "17001,17203, 17005,17404,17002"\nopen_for = 60'
        found = Profiles(text)["a"]
        self.assertEqual((Sequence(PORTS), 60.0), (found.sequence, found.openFor))

    def test_uses(self) -> None:
        """A door that opens for one connection cannot be waited for."""
        for value in (True, False):
            line = f'uses = "{"once" if value else "many"}"'
            self.assertIs(value, Profiles(f"[hosts.a]\n{line}")["a"].isOnce)
        self.assertEqual(
            "[hosts.home]: remove wait, because waiting for a port connects to it, which uses up "
            "an opening for one connection",
            self.wrong('uses = "once"\nwait = 22'),
        )
        self.assertIn('uses: 1 is neither "many" nor', self.wrong("uses = 1"))
        self.assertIn("uses: a list is neither", self.wrong("uses = [1]"))

    def test_bind(self) -> None:
        """What a knock is bound to is written as for the option."""
        for text in ("none", "auto", "198.51.100.7", "stun:stun.example:19302"):
            self.assertEqual(text, Profiles(f"[hosts.a]\nbind = '{text}'")["a"].bind)
        for value in ("'here'", "''", "1", "'stun:'", "'stun:u@h'"):
            error = self.assertRaises(BadValue, Profiles(f"[hosts.a]\nbind = {value}").get, "a")
            self.assertIn("[hosts.a]: bind: ", str(error))

    def test_payload(self) -> None:
        """A door may hear any payload as a knock; other clients can then knock."""
        for value in (True, False):
            line = f'payload = "{"any" if value else "knock"}"'
            self.assertIs(value, Profiles(f"[hosts.a]\n{line}")["a"].hearsAny)
        self.assertIn('payload: 1 is neither "knock" nor "any"', self.wrong("payload = 1"))

    def test_wait(self) -> None:
        """The port to wait for is a number, or a string with or without its protocol."""
        for value in ("22", '"22"', '"22/tcp"'):
            self.assertEqual(22, Profiles(f"[hosts.a]\nwait = {value}")["a"].wait)

    def test_sealed(self) -> None:
        """Knocks are sealed if there is an identity, unless the profile says otherwise."""
        for lines, isSealed in (
            ("", False),
            ("sealed = true", True),
            ("sealed = false", False),
            ('identity = "agent"', True),
            ('identity = "agent"\nsealed = false', False),
        ):
            self.assertIs(isSealed, Profiles(f"[hosts.a]\n{lines}")["a"].isSealed, lines)

    def test_unknownKey(self) -> None:
        """An unknown key is refused, and the error names the known ones."""
        self.assertEqual(
            "[hosts.home]: unknown key 'adress': allowed are "
            "address, sequence, bind, door, identity, sealed, open_for, wait, uses, "
            "round_trip, interval, payload",
            self.wrong('adress = "home.example"'),
        )

    def test_unknownTable(self) -> None:
        """An unknown table beside the hosts is refused with what to write, and so is a key."""
        self.assertEqual(
            "unknown table ['host']: write [hosts.NAME] or [groups.NAME]",
            self.refuse("[host.home]"),
        )
        line = "unknown key 'host': allowed are hosts, groups"
        self.assertEqual(line, self.refuse("host = 5"))

    def test_noTable(self) -> None:
        """Hosts are tables."""
        self.assertIn("hosts is not a table", self.refuse("hosts = 5"))
        self.assertIn("[hosts.home]: ", self.refuse("[hosts]\nhome = 5"))

    def test_wrong(self) -> None:
        """Each wrong value is refused with its host and key, and what is allowed."""
        for line, part in (
            ("address = 5", "address: 5 is not a string: write it in quotes"),
            ('address = ""', "address: it is empty"),
            (
                'door = "My door"',
                "door: 'My door' is not a door's name: use at most 32 small letters",
            ),
            ("identity = true", "identity: true is not a string"),
            ('sealed = "yes"', "sealed: 'yes' is neither true nor false"),
            ("open_for = true", "open_for: true is not a string"),
            ('open_for = "soon"', "open_for: 'soon' is not a time from 1s to 30d"),
            ("open_for = 0", "open_for: '0' is not a time"),
            ("open_for = 1.5", "open_for: 1.5 is not a string"),
            ('wait = "ssh"', "wait: 'ssh' is not a port: a port is a number from 1 to 65535"),
            ('wait = "51820/udp"', "wait: this is a UDP port, and nobody can see from outside"),
            ("wait = [22]", "wait: a list is not a port: write 22"),
            ("wait = true", "wait: true is not a port"),
            ("wait = 65536", "wait: this is not a port"),
            ("sequence = 5", "sequence: it is not a list of 5 to 20 ports"),
        ):
            found = self.wrong(line)
            self.assertTrue(found.startswith(f"[hosts.home]: {part}"), found)

    def test_sequenceNotTold(self) -> None:
        """A wrong sequence is refused, and the error does not show it."""
        for value in (
            "[17001, 17203]",
            '"17001,17203"',
            "[17001, 17203, 3, 4, 65536]",
            "[17001, 17203, 3, 4, true]",
            '[17001, 17203, 3, 4, "5/sctp"]',
            "[17001, 17203, 3, 4, -5]",
            '"17001,17203,3,4,word"',
        ):
            self.assertEqual(
                "[hosts.home]: sequence: it is not a list of 5 to 20 ports, "
                'numbers from 1 to 65535, with a TCP port as "17001/tcp"',
                self.wrong(f"sequence = {value}"),
            )

    def test_noToml(self) -> None:
        """A file that is not TOML is one sentence with the place."""
        self.assertRegex(self.wrong("door"), r"\Ait is not valid TOML: [^\n]*line [0-9]")
        for value in ("9" * 5000, "0x" + "f" * 4000, "[" * 20_000):
            self.assertRegex(self.wrong(f"wait = {value}"), r"\Ait is not valid TOML: [^\n]*\Z")


class OneOfManyTests(SynchronousTestCase):
    """
    A profile in a text with many others.
    """

    def setUp(self) -> None:
        """Note what is parsed."""
        self.parsed: list[str] = []

        def note(text: str) -> dict[str, Any]:
            self.parsed.append(text)
            return readToml(text)

        self.patch(_tables, "readToml", note)

    def test_onlyTheOne(self) -> None:
        """The one that is named is parsed, and nothing of the others."""
        text = "\n".join(f"[hosts.host{n}]\nwait = {n}\n" for n in range(1, 5001))
        found = Profiles(f"# all hosts\n\n{text}")
        self.assertEqual([], self.parsed)
        self.assertEqual(Profile("host4321", wait=4321), found["host4321"])
        self.assertEqual(["# all hosts\n\n\n[hosts.host4321]\nwait = 4321\n\n"], self.parsed)
        self.assertIsNone(found.get("another"))
        self.assertLess(sum(map(len, self.parsed)), 100)

    def test_names(self) -> None:
        """The names cost no parsing of the profiles."""
        text = "".join(f"[hosts.host{n}]\nwait = {n}\n" for n in range(1, 101))
        self.assertEqual([f"host{n}" for n in range(1, 101)], [*Profiles(text)])
        self.assertEqual({""}, {*self.parsed})
        self.assertEqual(100, len(Profiles(text)))

    def test_asAParserReads(self) -> None:
        """However a text is written, each profile is what a parser of the whole text finds."""
        lists = "sequence = [\n  17001, 17203,\n  17005, 17404,\n  17002\n]\n"
        for text in (
            f"[hosts.a]\n{lists}[hosts.b]\nwait = 22\n",
            "hosts.a.wait = 21\n[hosts.b]\nwait = 22\n[hosts.c]\n",
            "hosts = {a = {wait = 21}, b = {wait = 22}}\n",
            "[hosts]\na.wait = 21\nb = {wait = 22}\n",
            '[ hosts . "a b" ] # comment\r\nwait = 21\r\n\t[hosts.\'c"d\']\r\nwait = 23\r\n',
            '[hosts."\\u0061"]\nwait = 21\n[hosts.b]\nwait = 22\n',
            '[hosts.a]\nidentity = """\n[hosts.b]\n"""\n[hosts.c]\nwait = 22\n',
            "[hosts.a]\nidentity = '''\n[hosts.b]\n'''\n",
            '[hosts.a]\nidentity = "[hosts.b]" # [hosts.c]\n',
            '["hosts".a]\nwait = 21\n["hosts"."b"]\n',
            "",
        ):
            hosts = tomllib.loads(text).get("hosts", {})
            found = Profiles(text)
            self.assertEqual([*hosts], [*found], text)
            for name, table in hosts.items():
                self.assertEqual(table.get("wait"), found[name].wait, text)
                self.assertEqual(table.get("identity"), found[name].identity, text)

    def test_wrongOthers(self) -> None:
        """A mistake in another profile does no harm; one in this profile has its own line."""
        text = '[hosts.a]\nwait = "x"\n[hosts.b]\nwait = 22\n[hosts.c]\n\nwait 22\n'
        self.assertEqual(22, Profiles(text)["b"].wait)
        error = self.assertRaises(BadValue, Profiles(text).__getitem__, "c")
        self.assertIn("(at line 7, column 6)", str(error))

    def test_twice(self) -> None:
        """A profile that is there twice is refused, as a parser refuses it."""
        text = "[hosts.a]\nwait = 22\n[hosts.b]\n[hosts.a]\n"
        error = self.assertRaises(BadValue, Profiles(text).__getitem__, "a")
        self.assertIn("line 4", str(error))


class GroupTests(SynchronousTestCase):
    """
    Tests of L{Profiles.findGroup} and L{Profiles.groups}.
    """

    HOSTS = "[hosts.a]\nwait = 22\n[hosts.b]\n[hosts.'c d']\n"

    def wrong(self, group: str, name: str = "prod") -> str:
        """Return the error for a group."""
        return str(self.assertRaises(BadValue, Profiles(self.HOSTS + group).findGroup, name))

    def test_hosts(self) -> None:
        """A group has hosts, in the order of the file; other names have none."""
        text = f'{self.HOSTS}[groups.prod]\nhosts = ["c d", "a"]\n["groups".two]\nhosts = ["b"]\n'
        for written in (text, text.replace('["groups".two]', "[groups.two]")):
            found = Profiles(written)
            self.assertEqual(("c d", "a"), found.findGroup("prod"))
            self.assertEqual(("b",), found.findGroup("two"))
            self.assertEqual(((), ()), (found.findGroup("a"), found.findGroup("other")))
            self.assertEqual(["prod", "two"], [*found.groups()])
            self.assertEqual(["a", "b", "c d"], [*found])
            self.assertEqual(22, found["a"].wait)
        self.assertEqual([], [*Profiles(self.HOSTS).groups()])

    def test_wrong(self) -> None:
        """A wrong group is refused with its name; profiles can be used all the same."""
        for lines, words in (
            ("", "hosts is not a list of names: write hosts ="),
            ('hosts = "a"', "hosts is not a list of names"),
            ("hosts = []", "hosts is not a list of names"),
            ('hosts = ["a", 22]', "hosts is not a list of names"),
            ('hosts = ["a", "x\\ny"]', "there is no profile [hosts.x?y]"),
            ('hosts = ["a", "b", "a"]', "a is in it twice: remove one"),
            ('hosts = ["a", "prod"]', "prod is a group: name its hosts instead"),
            (f"hosts = {['a'] * 1001}", "it has 1001 hosts, 1000 are allowed"),
            ('host = ["a"]', "unknown key 'host': allowed are hosts"),
        ):
            group = f"[groups.prod]\n{lines}\n"
            self.assertTrue(self.wrong(group).startswith(f"[groups.prod]: {words}"), lines)
            self.assertEqual(22, Profiles(self.HOSTS + group)["a"].wait)
        self.assertIn("[groups.prod]: it is not a table", self.wrong("[groups]\nprod = 5\n"))
        self.assertEqual("groups is not a table: write [groups.NAME]", self.wrong("[[groups]]\n"))

    def test_sameName(self) -> None:
        """A group with the name of a host is refused: nobody could tell which is meant."""
        found = self.wrong('[groups.a]\nhosts = ["b"]\n', "a")
        self.assertEqual("[groups.a]: a host has the same name: rename the group", found)

    def test_onlyTheOne(self) -> None:
        """Of many profiles only the names are read to find a group."""
        parsed: list[str] = []

        def note(text: str) -> dict[str, Any]:
            parsed.append(text)
            return readToml(text)

        self.patch(_tables, "readToml", note)
        text = "".join(f"[hosts.host{n}]\nwait = {n}\n" for n in range(1, 1001))
        found = Profiles(f'{text}[groups.prod]\nhosts = ["host7", "host8"]\n')
        self.assertEqual(("host7", "host8"), found.findGroup("prod"))
        self.assertLess(sum(map(len, parsed)), 100)


class HostsFileTests(SynchronousTestCase):
    """
    Tests of L{locateProfiles} and L{readProfiles}.
    """

    def setUp(self) -> None:
        """Make a home."""
        self.home = Path(self.mktemp()).absolute()
        self.path = self.home / ".config/pkdoors/hosts.toml"
        self.path.parent.mkdir(parents=True)

    def write(self, text: str, mode: int = 0o600) -> None:
        """Write the file."""
        self.path.write_text(text)
        self.path.chmod(mode)

    def read(self) -> dict[str, Profile]:
        """Read all profiles."""
        return dict(readProfiles({"HOME": str(self.home)}))

    def wrong(self) -> str:
        """Return the error for the file, without its path."""
        message = str(self.assertRaises(BadValue, self.read))
        self.assertTrue(message.startswith(f"{self.path}: "), message)
        return message.removeprefix(f"{self.path}: ")

    def test_path(self) -> None:
        """C{XDG_CONFIG_HOME} comes before the home, unless it is relative; Windows has neither."""
        for environment, path in (
            ({"HOME": "/h"}, "/h/.config/pkdoors/hosts.toml"),
            ({"HOME": "/h", "XDG_CONFIG_HOME": "/x"}, "/x/pkdoors/hosts.toml"),
            ({"HOME": "/h", "XDG_CONFIG_HOME": "x"}, "/h/.config/pkdoors/hosts.toml"),
            ({"HOME": "/h", "XDG_CONFIG_HOME": ""}, "/h/.config/pkdoors/hosts.toml"),
            ({"HOME": "/h", "APPDATA": "/a"}, "/h/.config/pkdoors/hosts.toml"),
            ({"APPDATA": "/a"}, "/a/pkdoors/hosts.toml"),
        ):
            self.assertEqual(path, locateProfiles(environment))
        self.assertIsNone(locateProfiles({}))

    def test_read(self) -> None:
        """The profiles are read."""
        self.write(FULL)
        self.assertEqual(["home"], list(readProfiles({"HOME": str(self.home)})))

    def test_none(self) -> None:
        """Without a file, or without a home, there are no profiles."""
        self.assertEqual({}, readProfiles({"HOME": str(self.home)}))
        self.assertEqual({}, readProfiles({}))

    def test_exposed(self) -> None:
        """A file that others can read is refused: the sequence is in it."""
        self.write(FULL, 0o644)
        self.assertEqual(f"others can read or change it: run `chmod 600 {self.path}`", self.wrong())

    def test_wrong(self) -> None:
        """An error in it names the file, the host and the key."""
        self.write("[hosts.home]\nwait = 0")
        self.assertTrue(self.wrong().startswith("[hosts.home]: wait: '0' is not a port"))

    def test_noText(self) -> None:
        """A file that is not a string is one sentence."""
        self.path.write_bytes(b"\xff")
        self.path.chmod(0o600)
        self.assertEqual("it is not UTF-8 text (line 1)", self.wrong())

    def test_folder(self) -> None:
        """A file that cannot be read is one sentence."""
        self.path.mkdir()
        self.assertEqual("it cannot be read: Is a directory", self.wrong())
