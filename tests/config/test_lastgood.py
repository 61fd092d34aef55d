"""Tests of L{pkdoors.config.lastgood} and L{pkdoors.daemon.failclosed}."""

import json
import os
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from pkdoors.config import lastgood
from pkdoors.config.lastgood import MAX_BYTES, LastGood, removeCopies
from pkdoors.daemon.failclosed import keepClosed
from pkdoors.errors import FirewallError
from pkdoors.host.instance import Instance
from pkdoors.model.doors import Door
from pkdoors.model.trusted import parseTrustedList
from tests.fakes.doors import PORTS, makeDoor
from tests.fakes.firewall import FakeFirewall
from tests.fakes.log import Log

FILE = "/etc/pkdoors/pkdoors.toml"


class LastGoodTestCase(SynchronousTestCase):
    """A test with a folder."""

    def setUp(self) -> None:
        """Make the folder, and two doors."""
        self.log = Log(self)
        self.folder = Path(self.mktemp())
        self.doors = (
            makeDoor(name="ssh", ports="22,6000-6010", cutSessions=True, knockRate=7, knockBurst=9),
            makeDoor((9, 8, 7, 6, 9, 5), ports="53/udp", name="dns", authorizedKeys="/k"),
        )

    def copy(self, file: str = FILE) -> LastGood:
        """Return the copy for a file."""
        return LastGood(self.folder, file)

    def path(self) -> Path:
        """Return the path of the copy."""
        (path,) = self.folder.iterdir()
        return path


class LastGoodTests(LastGoodTestCase):
    """
    Tests of L{LastGood}.
    """

    def test_older(self) -> None:
        """The file is newer if it was changed after the last call, even one with the same doors."""
        file = Path(self.mktemp())
        copy = self.copy(str(file))
        self.assertFalse(copy.isOlder())
        file.touch()
        self.assertFalse(copy.isOlder())
        copy.write(self.doors)
        os.utime(file, (1000, 1000))
        self.assertFalse(copy.isOlder())
        os.utime(self.path(), (900, 900))
        self.assertTrue(copy.isOlder())
        self.assertTrue(self.copy(str(file)).isOlder())
        copy.write(self.doors)
        self.assertFalse(copy.isOlder())

    def test_removed(self) -> None:
        """A copy that somebody has removed is written again at the next reload."""
        copy = self.copy()
        copy.write(self.doors)
        self.path().unlink()
        copy.write(self.doors)
        self.assertEqual(self.doors[0].ports, copy.read()[0].ports)

    def test_noPorts(self) -> None:
        """A door without ports is read, too: its openings must not be lost."""
        door = replace(self.doors[0], ports=(), onOpen=("/bin/true",))
        self.copy().write([door])
        (found,) = self.copy().read()
        self.assertEqual(("ssh", ()), (found.name, found.ports))

    def test_trusted(self) -> None:
        """Clients that need no knock need none after a broken configuration either. A copy of an
        earlier version trusts nobody."""
        trusted = parseTrustedList("192.168.1.0/24,fd00::/8,wg0")
        self.copy().write([replace(self.doors[0], trusted=trusted)])
        (found,) = self.copy().read()
        self.assertEqual(trusted, found.trusted)
        table = json.loads(self.path().read_text())
        del table["doors"][0]["trusted"]
        self.path().write_text(json.dumps(table))
        (found,) = self.copy().read()
        self.assertEqual((), found.trusted)
        for wrong in ("0.0.0.0/0", 'a"', 7):
            table["doors"][0]["trusted"] = [wrong]
            self.path().write_text(json.dumps(table))
            self.assertEqual((), self.copy().read())

    def test_deaf(self) -> None:
        """A door that only other hosts of the fleet hear has no knock ports afterwards either."""
        doors = [
            makeDoor(name=name, authorizedKeys="/k", fleet=True, listens=listens)
            for name, listens in (("in", False), ("out", True))
        ]
        self.copy().write(doors)
        self.assertEqual(
            [(), tuple(sorted(PORTS))], [door.knockPorts for door in self.copy().read()]
        )

    def test_once(self) -> None:
        """Whether an opening is for one connection is in it; a copy without that means many."""
        self.copy().write((makeDoor(once=True),))
        self.assertEqual([True], [door.once for door in self.copy().read()])
        text = self.path().read_text()
        self.path().write_text(text.replace('"once": true, ', ""))
        self.assertNotEqual(text, self.path().read_text())
        self.assertEqual([False], [door.once for door in self.copy().read()])

    def test_reads(self) -> None:
        """A copy that was written is read: it has all that the guard needs."""
        self.copy().write(self.doors)
        for before, after in zip(self.doors, self.copy().read(), strict=True):
            for name in ("name", "ports", "cutSessions", "authorizedKeys", "knockRate"):
                self.assertEqual(getattr(before, name), getattr(after, name))
            self.assertEqual(before.knockBurst, after.knockBurst)
            self.assertEqual(0.0, after.udpGrace)
            self.assertEqual(sorted(before.sequence.ports), list(after.sequence.ports))

    def test_keysOfBefore(self) -> None:
        """A copy of an earlier version has one path of keys, or none."""
        self.copy().write(self.doors)
        text = self.path().read_text()
        self.path().write_text(text.replace('["/k"]', '"/k"').replace('"keys": []', '"keys": ""'))
        self.assertEqual([(), ("/k",)], [door.authorizedKeys for door in self.copy().read()])

    def test_secret(self) -> None:
        """Nobody else can read it, and it does not have the order of the knocks."""
        self.copy().write(self.doors)
        self.assertEqual(0o600, self.path().stat().st_mode & 0o777)
        self.assertEqual(0o700, self.folder.stat().st_mode & 0o777)
        self.assertNotIn(", ".join(map(str, PORTS)), self.path().read_text())

    def test_none(self) -> None:
        """Without a copy, or with that of another file, there is no door."""
        self.assertEqual((), self.copy().read())
        self.copy().write(self.doors)
        self.assertEqual((), self.copy("/other.toml").read())
        self.assertEqual((), self.copy("").read())

    def test_replaced(self) -> None:
        """It is replaced in one step, and only if something differs."""
        copy = self.copy()
        copy.write(self.doors)
        before = self.path().stat().st_ino
        copy.write(self.doors)
        self.assertEqual(before, self.path().stat().st_ino)
        with self.path().open() as opened:
            copy.write(self.doors[:1])
            self.assertIn("dns", opened.read())
        self.assertEqual(1, len(self.copy().read()))

    def test_large(self) -> None:
        """It has all doors of a large file."""
        keys = f"/{'k' * 8000}"
        doors = [
            makeDoor(ports=str(1000 + at), name=f"d{at}", authorizedKeys=keys) for at in range(1000)
        ]
        self.copy().write(doors)
        self.assertGreater(self.path().stat().st_size, 7_000_000)
        self.assertEqual(1000, len(self.copy().read()))

    def test_onDisk(self) -> None:
        """It is on the disk before it takes the place of the one before."""
        self.copy().write(self.doors[:1])
        before: list[str] = []
        self.patch(os, "fsync", lambda file: before.append(self.copy().read()[-1].name))
        self.copy().write(self.doors)
        self.assertEqual((["ssh"], 2), (before, len(self.copy().read())))

    def test_otherNetwork(self) -> None:
        """Without a configuration file, it is for this network namespace in this boot."""
        self.copy("").write(self.doors)
        self.assertEqual(2, len(self.copy("").read()))
        here = lastgood._identifyNetwork()
        for changed, count in (
            ({"network": 1}, 0),
            ({"boot": "another"}, 2),
            ({"boot": "another", "network": 1}, 2),
        ):
            self.patch(lastgood, "_identifyNetwork", lambda changed=changed: {**here, **changed})
            self.assertEqual(count, len(self.copy("").read()), changed)

    def test_strange(self) -> None:
        """A file that cannot be ours, or is not a copy, counts as none; nothing is raised."""
        self.copy().write(self.doors)
        path, text = self.path(), self.path().read_text()
        table = json.loads(text)
        bad: str
        for bad in (
            "",
            "x",
            "[]",
            "null",
            "{}",
            text[:-20],
            '{"file": 1}',
            "[" * 100_000,
            *(json.dumps({**table, "doors": json.loads(doors)}) for doors in ("1", "[1]", "[{}]")),
            *(
                json.dumps({**table, "doors": [{**table["doors"][0], key: value}]})
                for key, value in (
                    ("name", "a b"),
                    ("ports", ["22; flush ruleset"]),
                    ("ports", []),
                    ("knock_ports", [1]),
                    ("knock_ports", ["x"] * 5),
                    ("rate", "x"),
                )
            ),
        ):
            path.write_text(bad)
            self.assertEqual((), self.copy().read(), bad[:200])
        path.write_text(text)
        self.assertEqual(2, len(self.copy().read()))
        path.write_text(" " * MAX_BYTES + text)
        self.assertEqual((), self.copy().read())
        path.write_text(text)
        path.chmod(0o620)
        self.assertEqual((), self.copy().read())
        path.chmod(0o600)
        os.link(path, self.folder / "other")
        self.assertEqual((), self.copy().read())

    def test_otherUser(self) -> None:
        """Nor does a copy count that belongs to another user."""
        if os.getuid():
            return
        self.copy().write(self.doors)
        os.chown(self.path(), 65534, -1)
        self.assertEqual((), self.copy().read())

    def test_otherFile(self) -> None:
        """Nor one of another configuration file, whatever it is called."""
        self.copy().write(self.doors)
        text = self.path().read_text()
        self.path().unlink()
        self.copy("/other.toml").write(self.doors)
        self.path().write_text(text)
        self.assertEqual((), self.copy("/other.toml").read())

    def test_links(self) -> None:
        """Links are not followed, neither to read nor to write, and a pipe does not block."""
        self.copy().write(self.doors)
        path = self.path()
        other = self.folder / "other"
        path.rename(other)
        path.symlink_to(other.name)
        self.assertEqual((), self.copy().read())
        self.copy().write(self.doors[:1])
        self.assertEqual(2, other.read_text().count('"name"'))
        self.assertFalse(path.is_symlink())
        path.with_suffix(".new").symlink_to(other.name)
        self.copy().write(self.doors)
        self.assertIn("cannot write", self.log.lines()[-1])
        path.unlink()
        os.mkfifo(path)
        self.assertEqual((), self.copy().read())

    def test_unwritable(self) -> None:
        """If it cannot be written, that is a warning."""
        self.folder.touch()
        self.copy().write(self.doors)
        (line,) = self.log.lines()
        self.assertIn("nothing keeps the ports closed", line)

    def test_forget(self) -> None:
        """After a release, the copies of this network namespace are removed."""
        self.copy().write(self.doors)
        here = lastgood._identifyNetwork()
        self.patch(lastgood, "_identifyNetwork", lambda: {**here, "network": 1})
        self.copy("/other").write(self.doors)
        (self.folder / "lastgood-garbled.json").write_text("x")
        removeCopies(self.folder)
        self.assertEqual([True, False], [bool(self.copy(file).read()) for file in (FILE, "/other")])
        removeCopies(self.folder / "nowhere")


class KeepClosedTests(LastGoodTestCase):
    """
    Tests of L{keepClosed}.
    """

    def setUp(self) -> None:
        """Make a firewall."""
        super().setUp()
        self.firewall = FakeFirewall(Clock())
        self.guarded: tuple[Door, ...] = ()
        self.isGuarded = False
        self.instance = Instance(self.folder / "run")

    def keep(self) -> str:
        """Keep the ports closed, and return the log."""
        clock: Any = Clock()
        return keepClosed(
            self.copy(), self.instance, clock, lambda _: self.firewall, self.isGuardedNow
        )

    def isGuardedNow(self, doors: Collection[Door]) -> bool:
        """Whether there is a guard; it is asked for the doors of the copy."""
        self.assertEqual([door.name for door in self.copy().read()], [door.name for door in doors])
        return self.isGuarded

    def test_noPorts(self) -> None:
        """If no door has ports, none is named."""
        self.copy().write([replace(self.doors[0], ports=())])
        self.assertEqual("; nobody can knock until you fix this", self.keep())

    def test_never(self) -> None:
        """If there never was a good configuration, nothing is touched, and the log says so."""
        self.assertEqual(
            "; pkdoors has closed no port, because it has no earlier configuration to use",
            self.keep(),
        )
        self.firewall.failures = [FirewallError("no privilege")]
        self.assertIn("closed no port", self.keep())
        self.assertEqual([], self.firewall.calls)

    def test_unknown(self) -> None:
        """A guard that exists stays, whoever made it."""
        self.isGuarded = True
        self.assertIn("the guard that is in place stays", self.keep())
        self.assertEqual([], self.firewall.calls)

    def test_closes(self) -> None:
        """The doors of the last good configuration are closed, and nobody waits for them."""
        self.copy().write(self.doors)
        self.assertEqual(
            "; the guard of the last good configuration keeps 22/tcp, 6000-6010/tcp, 53/udp "
            "closed, and nobody can knock until you fix this",
            self.keep(),
        )
        self.assertEqual(["prepare", "start", "stop"], self.firewall.calls)
        self.assertEqual(["ssh", "dns"], [door.name for door in self.firewall.guarded])

    def test_stays(self) -> None:
        """A guard that exists is left as it is, with all that is open."""
        self.copy().write(self.doors)
        self.isGuarded = True
        self.assertIn("the guard that is in place stays", self.keep())
        self.assertEqual([], self.firewall.calls)

    def test_running(self) -> None:
        """Nor is anything touched while another daemon runs."""
        self.copy().write(self.doors)
        self.patch(self.instance, "findHolder", lambda: 17)
        self.assertEqual("", self.keep())
        self.assertEqual([], self.firewall.calls)

    def test_fails(self) -> None:
        """If the guard cannot be made either, the log says so."""
        self.copy().write(self.doors)
        self.firewall.failures = [FirewallError("no privilege")]
        self.assertEqual(
            "; the last good guard could not be put in place: no privilege", self.keep()
        )

    def test_unknownGuard(self) -> None:
        """Without a good configuration, the log does not mention a guard that it cannot see."""
        self.patch(self.instance, "refuseSecond", self.refuse)
        self.assertEqual("", self.keep())
        self.copy().write(self.doors)
        self.assertIn("could not be put in place: no privilege", self.keep())

    def refuse(self) -> None:
        """Nothing can be seen."""
        raise FirewallError("no privilege")
