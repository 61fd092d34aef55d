"""Tests of L{pkdoors.daemon.audit}: writing and rotating."""

import json
import os

from twisted.trial.unittest import SkipTest

from pkdoors.daemon.audit import AuditFile
from pkdoors.events.event import CLOSED, KINDS, Event, fields
from pkdoors.model.principal import Principal
from tests.daemon.auditcase import ANNA, AuditTestCase, event
from tests.fakes.doors import makeDoor
from tests.fakes.modules import SERVICE, haveService
from tests.lab.pages import OPERATING, block


class WritingTests(AuditTestCase):
    """
    Nothing is wrong.
    """

    def test_line(self) -> None:
        """A line is the event as JSON, with all keys, in their order."""
        self.use()
        self.audit.hear(event(seconds=30.0, who=ANNA))
        line = self.path.read_text()
        self.assertEqual(json.dumps(fields(event(seconds=30.0, who=ANNA))) + "\n", line)
        self.assertTrue(
            line.startswith(
                '{"time": "2026-11-23T08:00:00.000Z", "event": "opened", "door": "default", '
                '"source": "192.0.2.7", "ports": ["22/tcp"], "seconds": 30.0, '
                '"user": "anna@laptop", "key": "SHA256:abc", "asked_from": "", '
                '"via": "", "reason": "", '
                '"text": "opened door '
            ),
            line,
        )

    def test_documented(self) -> None:
        """The manual shows such a line, and names each kind of event."""
        self.use()
        door = makeDoor(name="ssh")
        who = Principal("anna@laptop", "SHA256:...")
        self.audit.hear(event(CLOSED, door=door, seconds=30.0, who=who, reason="its time is over"))
        self.assertEqual(block('{"time"', OPERATING), self.path.read_text())
        self.assertEqual([], [kind for kind in KINDS if f"`{kind}`" not in OPERATING.read_text()])

    def test_everyKind(self) -> None:
        """Every kind of event can be written, even one that is not about a door."""
        self.use()
        for kind in KINDS:
            self.audit.hear(Event(kind, 1.0, reason="some", cause="other"))
        lines = [json.loads(line) for line in self.path.read_text().splitlines()]
        self.assertEqual(list(KINDS), [line["event"] for line in lines])

    def test_atOnce(self) -> None:
        """Each event is in the file as soon as it was heard."""
        self.use()
        for number in range(3):
            self.hear(str(number))
            self.assertEqual([str(each) for each in range(number + 1)], self.sources())

    def test_oneLine(self) -> None:
        """Whatever a key's comment contains, one event is one line, with the same meaning."""
        self.use()
        name = 'Zoë\n{"event": "opened"}\r\x1b[2J\u2028\ud800'
        self.audit.hear(event(who=Principal(name, "k")))
        self.hear("next")
        first, _ = self.path.read_bytes().decode().splitlines()
        self.assertTrue(first.isprintable())
        self.assertIn("Zoë", first)
        self.assertEqual(name, json.loads(first)["user"])

    def test_modes(self) -> None:
        """Only root may read the file; its folder is made, and the log says so."""
        self.addCleanup(os.umask, os.umask(0o022))
        self.use()
        made = f"created the folder {self.path.parent} for the audit file"
        self.assertEqual([made], self.log.lines())
        modes = [oct(each.stat().st_mode & 0o7777) for each in (self.path.parent, self.path)]
        self.assertEqual(["0o750", "0o600"], modes)

    def test_service(self) -> None:
        """If root writes in the folder of the service's user, the service can continue the file."""
        if os.getuid():
            raise SkipTest("this test gives a file to a user: run it as root (sudo script/test)")
        self.path = haveService(self) / "audit.jsonl"
        self.use()
        self.hear("1")
        self.assertEqual((["1"], SERVICE), (self.sources(), self.path.stat().st_uid))

    def test_mode(self) -> None:
        """The mode of an existing file stays as its owner set it."""
        self.path.parent.mkdir(parents=True)
        self.path.touch()
        self.path.chmod(0o640)
        self.use()
        self.hear("1")
        self.assertEqual(0o640, self.path.stat().st_mode & 0o7777)

    def test_restart(self) -> None:
        """The lines of an earlier daemon stay."""
        self.use()
        self.hear("1")
        again = AuditFile()
        self.addCleanup(again.close)
        again.use(str(self.path))
        again.hear(event(source="2"))
        self.assertEqual(["1", "2"], self.sources())

    def test_torn(self) -> None:
        """A last line without an end, as a power cut leaves it, damages no other line."""
        self.path.parent.mkdir(parents=True)
        self.path.write_text('{"time": "20')
        self.use()
        self.hear("1", "2")
        torn, *others = self.path.read_text().splitlines()
        self.assertEqual('{"time": "20', torn)
        self.assertEqual(["1", "2"], [json.loads(line)["source"] for line in others])

    def test_nowhere(self) -> None:
        """Without a path, before it is used and after it was closed, nothing is written."""
        self.hear("1")
        self.audit.use("")
        self.hear("2")
        self.use()
        self.audit.close()
        self.hear("3")
        self.audit.reopen()
        self.assertEqual([], self.sources())

    def test_quiet(self) -> None:
        """If nothing is wrong nothing is logged."""
        self.path.parent.mkdir(parents=True)
        self.use()
        self.hear("1", "2")
        self.audit.reopen()
        self.audit.close()
        self.assertEqual([], self.log.lines())

    def test_filesAreClosed(self) -> None:
        """
        However often it is opened again, it holds one descriptor; and none after it was closed.
        """
        before = os.listdir("/proc/self/fd")
        for _ in range(9):
            self.use()
            self.audit.reopen()
        self.use(self.path.with_name("other"))
        self.assertEqual(len(before) + 1, len(os.listdir("/proc/self/fd")))
        self.audit.close()
        self.assertEqual(len(before), len(os.listdir("/proc/self/fd")))


class RotatingTests(AuditTestCase):
    """
    The file is moved away, or another one is wanted.
    """

    def test_moved(self) -> None:
        """A file that is moved away is still written until it is reopened; then a new one is."""
        self.use()
        old = self.path.with_suffix(".1")
        self.hear("1")
        self.path.rename(old)
        self.hear("2")
        self.assertFalse(self.path.exists())
        self.audit.reopen()
        self.hear("3")
        self.assertEqual((["1", "2"], ["3"]), (self.sources(old), self.sources()))

    def test_removed(self) -> None:
        """A file that is removed is lost until then, and nothing breaks."""
        self.path.parent.mkdir(parents=True)
        self.use()
        self.path.unlink()
        self.hear("1")
        self.audit.reopen()
        self.hear("2")
        self.assertEqual((["2"], []), (self.sources(), self.log.lines()))

    def test_copied(self) -> None:
        """A file that is copied and emptied, as logrotate's copytruncate does, is still written."""
        self.use()
        self.hear("1")
        os.truncate(self.path, 0)
        self.hear("2")
        self.assertEqual(["2"], self.sources())

    def test_other(self) -> None:
        """Another path is used at once; the first file is left alone."""
        self.use()
        self.hear("1")
        other = self.path.with_name("other")
        self.use(other)
        self.hear("2")
        self.audit.use("")
        self.hear("3")
        self.assertEqual((["1"], ["2"]), (self.sources(), self.sources(other)))

    def test_same(self) -> None:
        """Use of the same path opens it again."""
        self.use()
        self.path.rename(self.path.with_suffix(".1"))
        self.use()
        self.hear("1")
        self.assertEqual(["1"], self.sources())
