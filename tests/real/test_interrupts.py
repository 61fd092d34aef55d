"""Ctrl-C, and SIGTERM, at every moment of C{pkdoors knock}."""

import signal
import subprocess
import time
from collections import Counter

from tests.lab.case import KNOCKS, RealTestCase
from tests.lab.hosts import BIN, PATIENCE, SERVER4, Process, heedSignals

PKDOORS = str(BIN / "pkdoors")
WAITING = ("--wait", "22", "--timeout", "1h")
LINES = ("pkdoors: interrupted\n", "pkdoors knock: interrupted\n")


class EveryMomentTests(RealTestCase):
    """A signal after so many milliseconds."""

    def interrupted(self, milliseconds: int, *options: str) -> tuple[int, str]:
        """Return the status, and what it wrote to standard error."""
        command = (PKDOORS, "knock", SERVER4, "-m", KNOCKS, "--interval", "10s", *options)
        with self.client.inside():
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
                preexec_fn=heedSignals,
            )
        time.sleep(milliseconds / 1000)
        process.send_signal(signal.SIGINT)
        return process.returncode, process.communicate(timeout=PATIENCE)[1]

    def check(self, moments: range, *options: str) -> None:
        """
        Assert that each signal ends it as it should. Before C{pkdoors} is loaded, Python itself is
        interrupted, and shows that.
        """
        ends: Counter[str] = Counter()
        for milliseconds in moments:
            _, said = self.interrupted(milliseconds, *options)
            own = said.rpartition("bin/pkdoors")[2]
            self.assertNotIn("/pkdoors/c", own, f"after {milliseconds} ms: {said}")
            self.assertNotIn("Exception ignored in: <coroutine", said)
            ends[said] += 1
        self.assertGreater(sum(ends[line] for line in LINES), len(moments) / 2, ends)

    def test_blocking(self) -> None:
        """While it is loaded, and while it knocks."""
        self.check(range(0, 305, 5))

    def test_reactor(self) -> None:
        """While Twisted is loaded, too, and while it waits."""
        self.check(range(0, 1500, 25), *WAITING)


class StatusTests(RealTestCase):
    """The status of what a signal ends."""

    def spawn(self, *options: str, **environment: str) -> Process:
        """Start it."""
        return self.client.spawn(PKDOORS, "knock", *options, **environment)

    def test_interrupted(self) -> None:
        """It is 130, with one line."""
        for options in ((), WAITING):
            knock = self.spawn(SERVER4, "-m", KNOCKS, "--interval", "10s", "-v", *options)
            self.assertTrue(knock.says("send datagram 1 "))
            self.assertEqual(130, knock.stop(signal.SIGINT))
            self.assertTrue(knock.log().endswith("interrupted\n"), knock.log())
            self.assertEqual(1, knock.log().count("interrupted"))

    def test_terminated(self) -> None:
        """With SIGTERM it is what a shell reports as 143."""
        for options, status in (((), -15), (WAITING, 143)):
            knock = self.spawn(SERVER4, "-m", KNOCKS, "--interval", "10s", "-v", *options)
            self.assertTrue(knock.says("send datagram 1 "))
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
