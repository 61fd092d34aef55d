"""The daemon on a host whose resources are exhausted."""

import os
import subprocess

from tests.lab.case import KNOCKS, PORT, SEQUENCE, RealTestCase
from tests.lab.controlled import ControlledTestCase, door
from tests.lab.flows import drain
from tests.lab.hosts import BIN, Daemon, Process, eventually


class DescriptorTests(ControlledTestCase):
    """A daemon without a free file descriptor."""

    def test_none(self) -> None:
        """The daemon opens, closes, restores the guard after a flush, and keeps running."""
        daemon = self.controlled(door("ssh", more='open_for = "3s"'))
        process = daemon.process.popen
        highest = max(map(int, os.listdir(f"/proc/{process.pid}/fd")))
        limit = f"--nofile={highest + 1}:"
        subprocess.run(["prlimit", f"--pid={process.pid}", limit], check=True)
        for number in range(1, 3):
            self.client.send(SEQUENCE)
            self.assertTrue(self.client.comesToReach(PORT), daemon.log())
            self.server.run("nft", "flush", "ruleset")
            self.assertTrue(eventually(self.isClosedToStrangers), daemon.log())
            self.assertTrue(eventually(lambda: daemon.log().count("closed door") == number))  # noqa: B023
            drain(self.listeners[PORT])
            self.assertFalse(self.client.reaches(PORT))
        self.assertIsNone(process.poll(), daemon.log())

    def isClosedToStrangers(self) -> bool:
        """Return whether the stranger gets no answer, although the backlog has room."""
        drain(self.listeners[PORT])
        return not self.stranger.reaches(PORT)


class CapturedDescriptorTests(DescriptorTests):
    """The same with a guard that hears the knocks."""

    listen = "capture"


class DiskTests(RealTestCase):
    """A daemon that starts while C{/run} is full."""

    def fill(self) -> None:
        """Fill the folder of the server's daemon."""
        self.server.run(
            "sh",
            "-ec",
            "mkdir -p /run/pkdoors; mount -t tmpfs -o size=64k,mode=755 tmpfs /run/pkdoors; "
            "! dd if=/dev/zero of=/run/pkdoors/full bs=4k",
        )

    def test_run(self) -> None:
        """
        The daemon guards and opens; one line says what is missing; a second daemon is refused.
        """
        self.fill()
        daemon: Daemon = self.start()
        self.assertFalse(self.stranger.reaches(PORT))
        self.client.send(SEQUENCE)
        self.assertTrue(self.client.comesToReach(PORT))
        self.assertFalse(self.stranger.reaches(PORT))
        self.assertEqual(1, daemon.log().count("No space left on device"), daemon.log())
        second: Process = self.server.spawn(
            str(BIN / "twistd"),
            "-n",
            "--pidfile=",
            "pkdoors",
            "--admin",
            "off",
            "-m",
            KNOCKS,
            "-p",
            str(PORT),
            "-f",
            "nftables",
        )
        self.assertTrue(second.says("pkdoors is already running here"), second.log())
