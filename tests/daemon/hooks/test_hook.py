"""Tests of L{pkdoors.daemon.hooks}: which hook runs, and what it gets."""

import os
from pathlib import Path
from subprocess import PIPE, run

from twisted.internet.interfaces import IProcessTransport
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyClass

from pkdoors.config.parser import parseConfig
from pkdoors.daemon.hooks.hook import findHook, makeEnvironment
from pkdoors.events.event import CLOSED, KINDS, OPENED, REFUSED
from pkdoors.model.principal import Principal
from tests.daemon.hooks.case import CLOSE, OPEN, REFUSE, FakeProcess, HooksTestCase, event
from tests.fakes.doors import makeDoor
from tests.lab.pages import OPERATING, block


class FakeProcessTests(SynchronousTestCase):
    """
    Tests of L{FakeProcess}.
    """

    def test_interface(self) -> None:
        """The fake provides Twisted's interface."""
        verifyClass(IProcessTransport, FakeProcess)


class ChoosingTests(HooksTestCase):
    """
    Which program runs, and what it gets.
    """

    def test_kinds(self) -> None:
        """
        There are hooks for opening, closing and refusing; an extension is not an opening, and so
        on. The one for closings hears of openings that are used, too; the one for refusals of
        guessing.
        """
        self.start(*KINDS)
        commands = [each.command for each in self.system.processes]
        self.assertEqual([(OPEN, "a b"), (CLOSE,), (CLOSE,), (REFUSE,), (REFUSE,)], commands)

    def test_none(self) -> None:
        """A door without hooks, and an event without a door, run nothing."""
        for kind in KINDS:
            self.hooks.hear(event(kind, door=makeDoor()))
            self.hooks.hear(event(kind, door=None))
        self.turn()
        self.assertEqual(([], []), (self.system.processes, self.log.lines()))

    def test_environment(self) -> None:
        """A hook gets the event and nothing else; nothing of the daemon's environment."""
        os.environ["KNOCKER_SEQ"] = "secret"
        self.addCleanup(os.environ.pop, "KNOCKER_SEQ")
        who = Principal("anna@laptop", "SHA256:abc")
        self.hooks.hear(event(CLOSED, seconds=29.7, who=who, reason="its time is over"))
        self.turn()
        (environment,) = self.system.environments
        self.assertEqual(
            {
                b"PATH": b"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                b"LANG": b"C.UTF-8",
                b"PKDOORS_TIME": b"2026-11-23T08:00:00.000Z",
                b"PKDOORS_EVENT": b"closed",
                b"PKDOORS_DOOR": b"default",
                b"PKDOORS_SOURCE": b"192.0.2.7",
                b"PKDOORS_PORTS": b"22/tcp,53/udp",
                b"PKDOORS_SECONDS": b"30",
                b"PKDOORS_USER": b"anna@laptop",
                b"PKDOORS_KEY": b"SHA256:abc",
                b"PKDOORS_ASKED_FROM": b"",
                b"PKDOORS_VIA": b"",
                b"PKDOORS_REASON": b"its time is over",
                b"PKDOORS_TEXT": b"closed door default (22/tcp,53/udp) for 192.0.2.7",
            },
            environment,
        )

    def test_nasty(self) -> None:
        """No value contains a NUL, a line break or an escape, and none is longer than allowed."""
        who = Principal("a\0\n\r\x1b\u2028\ud800" + "ü" * 100_000)
        values = makeEnvironment(event(REFUSED, who=who, reason=who.name))
        self.assertEqual(("a??????" + "ü" * 1017).encode(), values[b"PKDOORS_USER"])
        self.assertTrue(all(len(each) <= 2048 for each in values.values()))
        self.assertTrue(all(each.decode().isprintable() for each in values.values()))

    def test_input(self) -> None:
        """A hook has no input to read."""
        self.assertEqual([0], self.startOne().closed)


class DocumentedTests(SynchronousTestCase):
    """
    The examples in the manual.
    """

    def test_keys(self) -> None:
        """The lines in the manual are valid in the file, and such hooks run."""
        text = block("[doors.ssh]\nsequence = [17001, 17203, 17005, 17404, 17002]", OPERATING)
        config = parseConfig(text, "f")
        for kind in (OPENED, CLOSED, REFUSED):
            hook = findHook(event(kind, door=config.doors[0]))
            assert hook is not None
            self.assertEqual(
                ("/usr/local/bin/pkdoors-ntfy", "/etc/pkdoors/ntfy.curl"), hook.command
            )

    def test_script(self) -> None:
        """The script in the manual passes on what it gets, whatever that contains."""
        folder = Path(self.mktemp()).absolute()
        folder.mkdir()
        for name, text in (
            ("tell", block("#!/bin/sh", OPERATING)),
            ("logger", '#!/bin/sh\nprintf "%s\\n" "$@"\n'),
        ):
            (folder / name).write_text(text)
            (folder / name).chmod(0o755)
        who = Principal("; touch x `id` $(id) * '\"", "SHA256:abc")
        environment = makeEnvironment(event(seconds=30.0, who=who))
        path = f"{folder}:".encode() + environment[b"PATH"]
        output = run(
            [folder / "tell"], env=environment | {b"PATH": path}, stdout=PIPE, check=True
        ).stdout.splitlines()
        self.assertEqual([b"-t", b"door", b"--", environment[b"PKDOORS_TEXT"]], output)
        self.assertIn(str(who).encode(), output[3])

    def test_variables(self) -> None:
        """The manual names all variables."""
        names = [each.decode() for each in makeEnvironment(event()) if each.startswith(b"PKDOORS")]
        text = OPERATING.read_text()
        self.assertEqual([], [each for each in names if f"`{each}`" not in text])
