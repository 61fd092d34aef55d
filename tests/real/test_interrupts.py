"""Ctrl-C, and SIGTERM, at every moment of C{pkdoors knock}."""

import re
import signal
import subprocess
import time
from pathlib import Path

from pkdoors import cli
from tests.lab.case import KNOCKS, RealTestCase
from tests.lab.hosts import BIN, PATIENCE, SERVER4, Process, heedSignals

PKDOORS = str(BIN / "pkdoors")
WAITING = ("--wait", "22", "--timeout", "1h")
LOST = 20.0
"""Seconds after which a program that goes on has not noticed a signal."""
SENT = "send datagram 1 "
_FRAME = re.compile(r'/pkdoors/(c\w*[./]\S*)", line (\d+)')
HEAD, _, _ = Path(cli.__file__).read_text().partition("endAtOnce)\n")
BEFORE = {("cli.py", str(line)) for line in range(1, HEAD.count("\n") + 2)}
"""The lines of the program before it can handle the signal."""
LINES = ("pkdoors: interrupted\n", "pkdoors knock: interrupted\n")


class EveryMomentTests(RealTestCase):
    """A signal after some time, from the first moment to long after the first datagram."""

    def begin(self, *options: str) -> "subprocess.Popen[str]":
        """Begin to knock. It says so when it sends."""
        command = (PKDOORS, "knock", SERVER4, "-m", KNOCKS, "--interval", "10s", "-v", *options)
        with self.client.inside():
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
                preexec_fn=heedSignals,
            )

    def interrupt(self, process: "subprocess.Popen[str]", seconds: float = 0.0) -> str:
        """
        Interrupt it after a while, and return what it wrote to standard error. Python, while it
        starts, sometimes only prints a KeyboardInterrupt and goes on: that counts as its own end.
        """
        time.sleep(seconds)
        process.send_signal(signal.SIGINT)
        try:
            return process.communicate(timeout=LOST)[1]
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGINT)
            said = process.communicate(timeout=PATIENCE)[1]
            before, _, own = said.partition("pkdoors knock: ")
            self.assertIn("KeyboardInterrupt", before, f"the signal got lost: {said}")
            self.assertTrue(own.endswith("interrupted\n"), said)
            return ""

    def timeToSend(self, *options: str) -> float:
        """Return the seconds until the first datagram, which depend on the machine."""
        began = time.monotonic()
        process = self.begin(*options)
        assert process.stderr is not None
        while SENT not in process.stderr.readline():
            self.assertIsNone(process.poll())
        took = time.monotonic() - began
        self.interrupt(process)
        return took

    def check(self, steps: int, *options: str) -> None:
        """
        Assert that each signal ends it with its own line. Before C{pkdoors} can handle it,
        Python itself is interrupted, and shows that.
        """
        took, step, late = self.timeToSend(*options), 0, 0
        while step < steps or not late:
            seconds = 1.5 * took * step / steps
            said = self.interrupt(self.begin(*options), seconds)
            own = said.rpartition("bin/pkdoors")[2]
            ours = [where for where in _FRAME.findall(own) if where not in BEFORE]
            self.assertEqual([], ours, f"after {seconds} s: {said}")
            self.assertNotIn("Exception ignored in: <coroutine", said)
            isPython = not said or "KeyboardInterrupt" in own
            self.assertTrue(isPython or said.endswith(LINES), f"after {seconds} s: {said}")
            late += SENT in said
            self.assertFalse(isPython and SENT in said, said)
            step += 1

    def test_blocking(self) -> None:
        """While it is loaded, and while it knocks."""
        self.check(60)

    def test_reactor(self) -> None:
        """While Twisted is loaded, too, and while it waits."""
        self.check(60, *WAITING)


class StatusTests(RealTestCase):
    """The status of what a signal ends."""

    def spawn(self, *options: str, **environment: str) -> Process:
        """Start it."""
        return self.client.spawn(PKDOORS, "knock", *options, **environment)

    def test_interrupted(self) -> None:
        """It is 130, with one line."""
        for options in ((), WAITING):
            knock = self.spawn(SERVER4, "-m", KNOCKS, "--interval", "10s", "-v", *options)
            self.assertTrue(knock.says(SENT))
            self.assertEqual(130, knock.stop(signal.SIGINT))
            self.assertTrue(knock.log().endswith("interrupted\n"), knock.log())
            self.assertEqual(1, knock.log().count("interrupted"))

    def test_terminated(self) -> None:
        """With SIGTERM it is what a shell reports as 143."""
        for options, status in (((), -15), (WAITING, 143)):
            knock = self.spawn(SERVER4, "-m", KNOCKS, "--interval", "10s", "-v", *options)
            self.assertTrue(knock.says(SENT))
            self.assertEqual(status, knock.stop(signal.SIGTERM))
            self.assertNotIn("Traceback", knock.log())

    def test_lookUp(self) -> None:
        """A name server that does not answer does not hold it up."""
        resolver = self.folder / "resolv.conf"
        resolver.write_text(f"nameserver {SERVER4}\noptions timeout:30 attempts:1\n")
        table = "table inet mute { chain c { type filter hook prerouting priority -500; "
        self.server.run("nft", f"{table} udp dport 53 counter drop; }}; }}")

        def isAsked() -> bool:
            listing = self.server.run("nft", "list", "table", "inet", "mute")
            return "packets 0" not in listing

        for options in ((), WAITING):
            script = (
                f"mount --bind {resolver} /etc/resolv.conf && "
                f"exec {PKDOORS} knock slow.example -m {KNOCKS} {' '.join(options)}"
            )
            knock = self.client.spawn("unshare", "--mount", "sh", "-c", script)
            while not isAsked():
                time.sleep(0.05)
            self.server.run("nft", f"flush ruleset; {table} udp dport 53 counter drop; }}; }}")
            began = time.monotonic()
            self.assertEqual(130, knock.stop(signal.SIGINT), knock.log())
            self.assertLess(time.monotonic() - began, 10)
            self.assertEqual(1, knock.log().count("interrupted"), knock.log())
