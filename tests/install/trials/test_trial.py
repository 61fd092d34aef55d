"""Tests of L{pkdoors.install.trials.trial}."""

import json
import os
from collections.abc import Sequence
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.errors import FirewallError, InstallError, PkdoorsError
from pkdoors.install.trials import trial
from pkdoors.install.trials.notes import NotesFile
from pkdoors.install.trials.trial import (
    Host,
    beginTrial,
    describeRest,
    endInTime,
    endTrial,
    keepTrial,
)


class FakeDaemon:
    """A daemon on trial, in memory."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.command: Sequence[str] = ()
        self.isRunning = False
        self.fails = self.isEnabled = False

    def arm(self, command: Sequence[str], seconds: float) -> None:
        """See L{IDaemon.arm}."""
        self.done.append(f"arm {seconds:g}")
        self.command = command

    def disarm(self) -> None:
        """See L{IDaemon.disarm}."""
        self.done.append("disarm")

    def start(self) -> None:
        """See L{IDaemon.start}."""
        self.done.append("start")
        self.isEnabled = False
        if self.fails:
            raise InstallError("the file is wrong")
        self.isRunning = True

    def stop(self) -> None:
        """See L{IDaemon.stop}."""
        self.done.append("stop")
        self.isRunning = False

    def keep(self) -> str:
        """See L{IDaemon.keep}."""
        self.done.append("keep")
        self.isEnabled = True
        return "it goes on"

    def startsAtBoot(self) -> bool:
        """See L{IDaemon.startsAtBoot}."""
        return self.isEnabled


class TrialTests(SynchronousTestCase):
    """A trial takes everything back unless it is kept."""

    def setUp(self) -> None:
        """Make a host."""
        self.daemon = FakeDaemon()
        self.now = 1000.0
        self.folder = Path(self.mktemp()).absolute()
        self.refusals = 0
        self.onSleep = lambda: None
        self.host = Host(
            daemon=lambda isService: self.daemon,
            isService=True,
            program=["pkdoors"],
            notes=NotesFile(self.folder),
            findDaemon=lambda: 7 if self.daemon.isRunning else None,
            release=self.release,
            seconds=lambda: self.now,
            sleep=self.sleep,
        )

    def release(self) -> list[str]:
        """Take the rules away, if the firewall does not refuse."""
        self.daemon.done.append("release")
        if self.refusals:
            self.refusals -= 1
            raise FirewallError("the firewall refuses")
        return ["removed from nftables"]

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds
        self.onSleep()

    def begin(self) -> str:
        """Begin a trial of a minute; return its token."""
        beginTrial(self.host, 60.0)
        *words, token = self.daemon.command
        self.assertEqual(["pkdoors", "trial", "--take-back"], words)
        return token

    def refused(self, work: object, *arguments: object) -> str:
        """Return why something is refused."""
        assert callable(work)
        return str(self.assertRaises(PkdoorsError, work, self.host, *arguments))

    def test_order(self) -> None:
        """What takes it back is there before anything closes."""
        self.begin()
        self.assertEqual(["arm 60", "start"], self.daemon.done)
        notes = self.host.notes.read()
        assert notes is not None
        self.assertEqual("1m", describeRest(self.host, notes))
        self.assertEqual(0o700, os.stat(self.folder).st_mode & 0o777)

    def test_over(self) -> None:
        """When the time is over, the daemon ends, the rules go, and then the order to do it."""
        token = self.begin()
        self.assertEqual(["removed from nftables"], endInTime(self.host, token))
        self.assertGreaterEqual(self.now, 1060.0)
        self.assertEqual(["stop", "release", "disarm"], self.daemon.done[2:])
        self.assertIsNone(self.host.notes.read())

    def test_kept(self) -> None:
        """What is kept stays, also if the order to take it back comes all the same."""
        token = self.begin()
        self.assertEqual("it goes on", keepTrial(self.host))
        self.assertEqual(["keep", "disarm"], self.daemon.done[2:])
        self.assertEqual([], endInTime(self.host, token))
        self.now += 100
        self.assertEqual([], endInTime(self.host, token))
        self.assertTrue(self.daemon.isRunning)
        self.assertEqual("no trial is running: the daemon runs, and stays", self.refused(keepTrial))

    def test_keptWhileWaiting(self) -> None:
        """The process that waits ends without doing anything as soon as the trial is kept."""
        token = self.begin()
        self.onSleep = lambda: None if self.now < 1010 else self.keepOnce()
        self.assertEqual([], endInTime(self.host, token))
        self.assertLess(self.now, 1012.0)
        self.assertTrue(self.daemon.isRunning)

    def keepOnce(self) -> None:
        """Keep the trial."""
        keepTrial(self.host)

    def test_otherTrial(self) -> None:
        """What was to end an earlier trial does not end a later one."""
        token = self.begin()
        keepTrial(self.host)
        self.daemon.isRunning = False
        self.begin()
        self.now += 100
        self.assertEqual([], endInTime(self.host, token))
        self.assertIsNotNone(self.host.notes.read())

    def test_endNow(self) -> None:
        """A trial can be ended at once."""
        self.begin()
        self.assertEqual(["removed from nftables"], endTrial(self.host))
        self.assertFalse(self.daemon.isRunning)
        self.assertEqual("no trial is running", self.refused(endTrial))

    def test_startFails(self) -> None:
        """A daemon that does not start leaves nothing."""
        self.daemon.fails = True
        self.assertEqual("the file is wrong", self.refused(beginTrial, 60.0))
        self.assertEqual(["arm 60", "start", "stop", "release", "disarm"], self.daemon.done)
        self.assertIsNone(self.host.notes.read())

    def test_startFailsOfEnabled(self) -> None:
        """A service that started at boot does so after a trial that could not begin."""
        self.daemon.fails = self.daemon.isEnabled = True
        self.refused(beginTrial, 60.0)
        self.assertTrue(self.daemon.isEnabled)
        self.daemon.fails = False
        self.begin()
        endTrial(self.host)
        self.assertFalse(self.daemon.isEnabled)

    def test_refuses(self) -> None:
        """A firewall that refuses is asked again; a trial is over only after that."""
        token = self.begin()
        self.refusals = 3
        self.assertEqual(["removed from nftables"], endInTime(self.host, token))
        self.assertEqual(4, self.daemon.done.count("release"))
        token = self.begin()
        self.refusals = 10**6
        self.assertEqual("the firewall refuses", self.refused(endInTime, token))
        self.assertGreater(self.now, 1000 + trial.GIVE_UP)
        self.assertIsNotNone(self.host.notes.read())
        self.assertNotIn("disarm", self.daemon.done[-2:])

    def test_second(self) -> None:
        """A second trial, and one while the daemon runs, are refused, each with a way."""
        self.begin()
        self.now += 20
        self.assertEqual(
            "a trial is running, for 40s more: `pkdoors keep` keeps the daemon, `pkdoors trial "
            "--end` ends the trial now",
            self.refused(beginTrial, 60.0),
        )
        keepTrial(self.host)
        self.assertIn("already running (process 7)", self.refused(beginTrial, 60.0))

    def test_keepNothing(self) -> None:
        """There may be no trial, or its daemon may have died."""
        self.assertEqual("no trial is running: `pkdoors trial` begins one", self.refused(keepTrial))
        self.begin()
        self.daemon.isRunning = False
        self.assertIn("does not run, so there is nothing to keep", self.refused(keepTrial))
        self.assertIsNotNone(self.host.notes.read())

    def test_atOnce(self) -> None:
        """Two commands do not change a trial at the same time."""
        with self.host.notes.lock():
            for work in (keepTrial, endTrial):
                self.assertIn("another command starts or ends", self.refused(work))

    def test_boot(self) -> None:
        """No trial outlives a boot, whatever the file says; nor does garbage count."""
        self.begin()
        (file,) = self.folder.glob("*.json")
        found = json.loads(file.read_text())
        for text in (json.dumps({**found, "boot": "other"}), "[]", "{}", "", "[1", '{"a": 1}'):
            file.write_text(text)
            self.assertIsNone(self.host.notes.read(), text)
