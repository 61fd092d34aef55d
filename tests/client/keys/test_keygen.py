"""Tests of L{pkdoors.client.keys._keygen} with programs in place of ssh-keygen, some hostile."""

import os
import signal
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from threading import Thread
from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from pkdoors.client.blocking._work import workAtOnce
from pkdoors.client.keys import _keygenrun
from pkdoors.client.keys._keygen import KeygenSigner, findKeygen
from pkdoors.client.keys._keygenrun import MAX_OUTPUT, KeygenRun
from pkdoors.errors import BadValue, KnockError
from pkdoors.knocks.seal import NAMESPACE, frameMessage
from pkdoors.knocks.signatures import isGood, loadKey
from tests.client.keys.test_sshsig import armour
from tests.fakes.agent import makeKey

MESSAGE = b"the message\n"
KEY = makeKey("ed25519")


class KeygenTestCase(SynchronousTestCase):
    """A test with a program in place of ssh-keygen."""

    def setUp(self) -> None:
        """Make a folder for it, the only one in PATH that has it."""
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir()
        self.program = self.folder / "ssh-keygen"
        self.patch(os, "environ", {**os.environ, "PATH": f"{self.folder}:{os.environ['PATH']}"})

    def write(self, *lines: str) -> None:
        """Write the program, a shell script."""
        self.program.write_text("\n".join(("#!/bin/sh", *lines, "")))
        self.program.chmod(0o700)

    def writeOutput(self, output: bytes) -> None:
        """Write a program with this output."""
        (self.folder / "output").write_bytes(output)
        self.write("cat > /dev/null", f"cat {self.folder}/output")

    def sign(self, path: str = "key") -> Any:
        """Sign the message; return the result or the failure."""
        signer = KeygenSigner(findKeygen(), path, KEY.blob(), workAtOnce)
        return Deferred.fromCoroutine(signer.sign(MESSAGE))

    def wrong(self, path: str = "key") -> str:
        """Return the sentence if it fails."""
        error = str(self.failureResultOf(self.sign(path), KnockError).value)
        self.assertTrue(error.isprintable(), error)
        self.assertTrue(error.startswith(f"{path}: "), error)
        return error.removeprefix(f"{path}: ")


class SignerTests(KeygenTestCase):
    """
    Tests of L{KeygenSigner}.
    """

    def test_good(self) -> None:
        """
        It signs for the namespace; the message goes over standard input alone, and the agent was
        asked before.
        """
        signature = KEY.sign(frameMessage(MESSAGE))
        output = self.folder / "output"
        output.write_bytes(armour((KEY.blob(), NAMESPACE, b"", b"sha512", signature)))
        self.patch(os, "environ", {**os.environ, "SSH_AUTH_SOCK": "/agent"})
        for path, agent in (("-key", ""), ("key.pub", "/agent")):
            where = self.folder
            self.write(
                f'echo "$@" > {where}/argv; echo "$SSH_AUTH_SOCK" > {where}/agent',
                f"cat > {where}/input; cat {output}",
            )
            found = self.successResultOf(self.sign(path))
            self.assertTrue(isGood(loadKey(KEY.blob()), found, frameMessage(MESSAGE)))
            argv = (where / "argv").read_text()
            self.assertEqual(f"-q -Y sign -n knock@pkdoors -f {path}\n", argv)
            self.assertEqual(MESSAGE, (where / "input").read_bytes())
            self.assertEqual(f"{agent}\n", (where / "agent").read_text())

    def test_otherKey(self) -> None:
        """A signature of another key, or of a kind that no daemon accepts, is not sent."""
        other = makeKey("ed25519", 5)
        for blob, signature in (
            (other.blob(), other.sign(frameMessage(MESSAGE))),
            (KEY.blob(), makeKey("rsa").sign(frameMessage(MESSAGE), b"ssh-rsa")),
            (KEY.blob(), makeKey("ecdsa").sign(frameMessage(MESSAGE))),
            (KEY.blob(), b""),
            (KEY.blob(), KEY.sign(frameMessage(MESSAGE)) + b"x"),
        ):
            self.writeOutput(armour((blob, NAMESPACE, b"", b"sha512", signature)))
            self.assertIn("signed with another key, or in a way that no daemon", self.wrong())

    def test_oddOutput(self) -> None:
        """So is what is not a signature for a knock."""
        for output in (b"", b"\xff" * 100, armour((KEY.blob(), b"file", b"", b"sha512", b"x"))):
            self.writeOutput(output)
            self.assertIn("ssh-keygen does not sign: its output is", self.wrong())

    def test_complaints(self) -> None:
        """Each failure that users meet has its sentence."""
        for said, expected in (
            ("unknown option -- Y", "is too old to sign: OpenSSH 8.1 or newer is needed"),
            ("ssh-keygen: invalid option -- 'Y'", "is too old to sign"),
            (
                "Couldn't sign message: agent refused operation",
                "the SSH agent or its user declined",
            ),
            ("Couldn't sign message: device not found", "did not find the security key"),
            ("No private key found for public key", "found no good private half"),
        ):
            self.write(f'echo "{said}" >&2; echo usage: >&2; exit 255')
            self.assertIn(expected, self.wrong())

    def test_otherComplaint(self) -> None:
        """Another one is shown, if it fits into a line and does nothing to a terminal."""
        for command, expected in (
            ("printf 'one\\ntwo\\033]0;x\\007\\n\\n' >&2", "two?]0;x?"),
            ("printf %01000d 0 >&2", "0" * 200),
            ("true", "status 3"),
            ("printf '\\377\\n' >&2", "\ufffd"),
        ):
            self.write(command, "exit 3")
            self.assertEqual(f"ssh-keygen does not sign: {expected}", self.wrong())

    def test_quotedSequence(self) -> None:
        """A complaint that quotes the sequence is shown without it."""
        self.write("echo 'cannot sign 17001,17002: tcp/2222' >&2", "exit 1")
        found = self.wrong()
        self.assertEqual("ssh-keygen does not sign: cannot sign ...,...: tcp/...", found)

    def test_environment(self) -> None:
        """Neither it nor what it starts gets the sequence from the environment."""
        self.patch(os, "environ", {**os.environ, "KNOCKER_SEQ": "17001,17002"})
        for path in ("key", "key.pub"):
            self.write(f"env > {self.folder}/environment", "exit 1")
            self.wrong(path)
            self.assertNotIn("17001", (self.folder / "environment").read_text())

    def test_here(self) -> None:
        """A program in the current folder is not run, even if PATH names that."""
        self.write("exit 0")
        self.patch(
            os, "environ", {"PATH": os.pathsep.join(("", ".", os.path.relpath(self.folder)))}
        )
        self.assertRaises(BadValue, findKeygen)
        os.environ["PATH"] += f"{os.pathsep}{self.folder}"
        self.assertEqual(str(self.program), findKeygen())

    def test_missing(self) -> None:
        """Without ssh-keygen, that is one sentence."""
        self.patch(os, "environ", {"PATH": str(self.folder)})
        error = self.assertRaises(BadValue, findKeygen)
        self.assertIn("needs ssh-keygen, which is not installed or not in PATH", str(error))

    def test_notStarted(self) -> None:
        """A program that the system cannot start is one, too."""
        self.program.write_bytes(b"\x7fELFgarbage")
        self.program.chmod(0o700)
        self.assertIn("cannot be started: Exec format error", self.wrong())


class RunTests(KeygenTestCase):
    """
    Tests of L{KeygenRun} with programs that do not end, or write without end.
    """

    def setUp(self) -> None:
        """Have little patience."""
        super().setUp()
        self.patch(_keygenrun, "_GRACE", 0.3)

    def run_(self, *lines: str, seconds: float = 30) -> str:
        """Return the sentence if a program fails; it is gone then."""
        self.write(*lines)
        run = KeygenRun((str(self.program),), b"", seconds)
        error = str(self.assertRaises(KnockError, run))
        self.checkGone(run)
        return error

    def checkGone(self, run: KeygenRun) -> None:
        """Assert that the program has ended."""
        self.assertRaises(ProcessLookupError, os.kill, run._process.pid, 0)

    def test_slow(self) -> None:
        """It is ended when its time is over, gently or not."""
        for first in ("true", "trap '' TERM"):
            found = self.run_(first, "while true; do sleep 0.05; done", seconds=0.3)
            self.assertEqual("ssh-keygen did not sign within 300ms", found)

    def test_flood(self) -> None:
        """Not more of its output is kept than is allowed."""
        for where in ("", ">&2"):
            found = self.run_(f"exec cat /dev/zero {where}")
            self.assertIn(f"writes more than the {MAX_OUTPUT} bytes allowed", found)

    def test_silent(self) -> None:
        """It is ended even if it has closed its output."""
        found = self.run_("exec >&- 2>&-", "while true; do sleep 0.05; done", seconds=0.3)
        self.assertEqual("ssh-keygen did not sign within 300ms", found)

    def test_stopped(self) -> None:
        """Another thread can stop it."""
        self.write(f"touch {self.folder}/started; exec sleep 30")
        run = KeygenRun((str(self.program),), b"", 30)

        def stop() -> None:
            while not (self.folder / "started").exists():
                time.sleep(0.01)
            run.stop()

        stopper = Thread(target=stop)
        stopper.start()
        error = self.assertRaises(KnockError, run)
        stopper.join()
        self.assertEqual("interrupted", str(error))
        self.checkGone(run)

    def test_signalled(self) -> None:
        """
        SIGTERM, and Ctrl-C, end it, and what it changed at the terminal is undone, even if they
        come while it starts.
        """
        undone: list[bool] = []
        self.patch(_keygenrun, "saveTerminal", lambda: lambda: undone.append(True))
        self.write("exec sleep 30")
        for number in (signal.SIGTERM, signal.SIGINT):
            before = signal.signal(number, signal.default_int_handler)
            self.addCleanup(signal.signal, number, before)
            for moment in ("_start", "_wait", "_feed"):
                run = KeygenRun((str(self.program),), b"", 30)
                self.patch(run, moment, partial(self.signal, number, getattr(run, moment)))
                self.assertRaises(KeyboardInterrupt, run)
                self.checkGone(run)
                self.assertEqual([True], undone)
                undone.clear()
                self.assertEqual(signal.default_int_handler, signal.getsignal(number))

    def signal(self, number: int, call: Callable[..., Any], *arguments: Any) -> Any:
        """Make a call, and have two signals when it has ended, or before if it waits."""
        answer = None if call.__name__ == "_wait" else call(*arguments)
        os.kill(os.getpid(), number)
        os.kill(os.getpid(), number)
        return answer

    def test_ignored(self) -> None:
        """If SIGINT is ignored, as below nohup, that stays so."""
        self.addCleanup(signal.signal, signal.SIGINT, signal.signal(signal.SIGINT, signal.SIG_IGN))
        self.write("exit 3")
        run = KeygenRun((str(self.program),), b"", 30)
        self.patch(run, "_wait", partial(self.signal, signal.SIGINT, run._wait))
        self.patch(_keygenrun, "_end", lambda process: process.wait())
        self.assertEqual(3, run().status)

    def test_heldOpen(self) -> None:
        """A child of its own that holds its output open is not waited for."""
        self.write("sleep 20 & echo $! ; exit 0")
        begin = time.monotonic()
        ran = KeygenRun((str(self.program),), b"", 30)()
        os.kill(int(ran.output), 9)
        self.assertLess(time.monotonic() - begin, 15)
        self.assertEqual(0, ran.status)

    def test_deaf(self) -> None:
        """A program that does not read the message is judged by its status."""
        self.write("exec <&-; exit 3")
        run = KeygenRun((str(self.program),), b"x" * 2000, 30)
        self.assertEqual(3, run().status)

    def test_repr(self) -> None:
        """What is signed is in no text about it."""
        run = KeygenRun((sys.executable,), MESSAGE, 30)
        self.assertNotIn("message", repr(run))
