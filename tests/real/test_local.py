"""Tests of what other users of the host can do with files, names and agents: nothing."""

import os
import signal
import socket
import time
from functools import partial
from pathlib import Path

from tests.lab.case import KNOCKS, PORT, SEQUENCE, RealTestCase
from tests.lab.hosts import BIN, SERVER4, Daemon, eventually

PKDOORS = str(BIN / "pkdoors")
NASTY = "\x1b[2J\x1b]0;x\x07\nOK"
"""The name of a process, which has 15 bytes at most."""

LISTENER = """
import ctypes, os, socket, sys, time
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.bind(("", int(sys.argv[1])))
os.setuid(65534)
ctypes.CDLL(None).prctl(15, os.fsencode(sys.argv[2]), 0, 0, 0)
print("ready", flush=True)
time.sleep(1000)
"""
SOON = 60.0
"""Seconds that are short for a busy machine, and much less than for ever."""


class NamesTests(RealTestCase):
    """
    Tests of names that control a terminal.
    """

    def test_check(self) -> None:
        """
        A process can neither control the terminal of root during a check, nor add a line there.
        """
        for number, name in enumerate((NASTY, "\x9b31m\udcff\udcfe", "\u202eevil")):
            port = SEQUENCE[number]
            python = str(BIN / "python")
            process = self.server.spawn(python, "-c", LISTENER, str(port), name)
            self.assertTrue(process.says("ready"), process.log())
        options = ("--magic-seq", KNOCKS, "--ports", str(PORT))
        for more in ((), ("--json",)):
            status, output = self.server.status(PKDOORS, "check", *options, *more)
            self.assertEqual(2, status, output)
            for line in output.split("\n"):
                self.assertTrue(line.isprintable(), ascii(line))
            self.assertEqual(3, output.count("has it: knocks do not reach"), output)
        self.assertEqual([], [line for line in output.split("\n") if line.startswith("OK\n")])


class HookTests(RealTestCase):
    """
    Tests of hooks that others can write.
    """

    def closed(self, daemon: Daemon, times: int) -> bool:
        """Return whether the door has closed so many times."""
        return daemon.log().count("closed door ssh") >= times

    def test_notRun(self) -> None:
        """
        A hook that everybody can write does not run as root, and the log says so once; once that is
        fixed, the hook runs.
        """
        hook, out = self.folder / "hook", self.folder / "out"
        hook.write_text(f"#!/bin/sh\necho ran >> {out}\n")
        hook.chmod(0o777)
        conf = self.folder / "pkdoors.toml"
        conf.write_text(
            f'firewall = "{self.firewall}"\n[doors.ssh]\nsequence = {list(SEQUENCE)}\n'
            f'ports = [{PORT}]\nopen_for = "1s"\npenalty = 0\non_open = ["{hook}"]\n'
            f'on_close = ["{hook}"]\n'
        )
        conf.chmod(0o600)
        self.server.serve(PORT)
        daemon = Daemon(self.server, "-c", str(conf))
        for number in range(1, 4):
            self.client.send(SEQUENCE)
            self.assertTrue(eventually(partial(self.closed, daemon, number)), daemon.log())
        remedy = f"{hook} can be written by others: run `chmod go-w {hook}`"
        self.assertTrue(daemon.says(f"others decide what it does: {remedy}"), daemon.log())
        self.assertFalse(out.exists(), daemon.log())
        self.assertEqual(1, daemon.log().count("was not run, and will not be until"), daemon.log())
        hook.chmod(0o755)
        self.client.send(SEQUENCE)
        self.assertTrue(eventually(out.exists), daemon.log())


class FileTests(RealTestCase):
    """
    Tests of pipes in the place of files.
    """

    def test_keys(self) -> None:
        """A pipe in the place of the keys neither hangs the daemon nor keeps it from ending."""
        key = self.folder / "key"
        self.client.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key))
        keys = key.with_suffix(".pub")
        daemon = self.start("-k", str(keys))
        copy = self.folder / "own"
        key.rename(copy)
        keys.unlink()
        os.mkfifo(keys, 0o600)
        knock = ("knock", SERVER4, "--magic-seq", KNOCKS, "--door", "default")
        self.client.run(PKDOORS, *knock, "--identity", str(copy))
        self.assertTrue(daemon.says("nobody may knock with a key: cannot read"), daemon.log())
        self.server.run(PKDOORS, "status", "--admin", f"{self.folder}/admin.sock")
        self.assertEqual(-signal.SIGTERM, daemon.stop(), daemon.log())

    def test_start(self) -> None:
        """With a pipe for a file, the daemon and the client exit at once, with one sentence."""
        pipe = self.folder / "pipe"
        os.mkfifo(pipe, 0o600)
        twistd = (str(BIN / "twistd"), "-n", "--pidfile=", "pkdoors")
        plain = ("--magic-seq", KNOCKS)
        for command in (
            (*twistd, "-c", str(pipe)),
            (PKDOORS, "check", "-c", str(pipe)),
            (PKDOORS, "knock", SERVER4, *plain, "--identity", str(pipe)),
        ):
            began = time.monotonic()
            status, output = self.server.status(*command, SSH_AUTH_SOCK="")
            self.assertLess(time.monotonic() - began, SOON)
            self.assertNotEqual(0, status)
            self.assertIn("it is a pipe, not a file", output)
            self.assertNotIn("Traceback", output)

    def test_guarded(self) -> None:
        """With a pipe for the keys, the door is guarded, and nobody may knock."""
        pipe = self.folder / "pipe"
        os.mkfifo(pipe, 0o600)
        daemon = self.start("-k", str(pipe))
        self.assertTrue(daemon.says("it is a pipe, not a file"), daemon.log())
        self.assertFalse(self.client.reaches(PORT))
        self.assertEqual(-signal.SIGTERM, daemon.stop(), daemon.log())


class AgentTests(RealTestCase):
    """
    Tests of SSH agents that attack the client.
    """

    def ask(self, answer: bytes) -> str:
        """Return what the client prints about an agent with such an answer."""
        path = self.folder / "agent"
        path.unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(str(path))
            listening.listen()
            process = self.client.spawn(
                PKDOORS,
                "knock",
                SERVER4,
                "--magic-seq",
                KNOCKS,
                "--identity",
                "agent",
                SSH_AUTH_SOCK=str(path),
            )
            connection, _ = listening.accept()
            with connection:
                connection.settimeout(SOON)
                connection.recv(100)
                try:
                    connection.sendall(answer)
                    connection.shutdown(socket.SHUT_WR)
                except OSError:  # the client has given up
                    pass
                self.assertTrue(eventually(lambda: process.popen.poll() is not None, SOON))
        self.assertEqual(1, process.popen.returncode, process.log())
        self.assertNotIn("Traceback", process.log())
        self.assertEqual(1, process.log().count("\n"), process.log())
        self.assertTrue(process.log().strip().isprintable(), process.log())
        return process.log()

    def test_hostile(self) -> None:
        """Each of them ends the client soon, with one sentence."""
        junk = b"\0\0\0\1x\0\0\0\5\x1b[2J\x07"
        for answer in (
            b"",
            b"\0",
            b"\0\0\0\0",
            b"\xff\xff\xff\xff" + b"x" * 1_000_000,
            b"\0\0\0\1\5",
            b"\0\0\0\1\x0c",
            b"\0\0\0\5\x0c\xff\xff\xff\xff",
            (5 + 20_000 * len(junk)).to_bytes(4) + b"\x0c\0\0\x4e\x20" + junk * 20_000,
            b"HTTP/1.1 400 Bad Request\r\n\r\n",
            b"x" * 50_000_000,
        ):
            self.assertIn("SSH agent", self.ask(answer), answer[:20])


class UnicastTests(RealTestCase):
    """
    Tests of addresses that belong to more than one host.
    """

    def test_refused(self) -> None:
        """No knock goes to a whole network, or to all listeners of a group."""
        for address in ("ff02::1", "0.0.0.0", "::", "224.0.0.1", "255.255.255.255"):
            status, output = self.client.status(PKDOORS, "knock", address, "--magic-seq", KNOCKS)
            self.assertEqual(1, status, output)
            self.assertIn("which is not the address of one host", output)

    def test_broadcast(self) -> None:
        """No knock goes to the broadcast address of a network of this host."""
        broadcast = SERVER4.rpartition(".")[0] + ".255"
        route = self.server.status("ip", "-4", "route", "get", broadcast)[1]
        if "broadcast" not in route:
            broadcast = "127.255.255.255"
        status, output = self.server.status(PKDOORS, "knock", broadcast, "--magic-seq", KNOCKS)
        self.assertEqual(1, status, output)
        self.assertIn("it is the address of a whole network, not of one host", output)


class InstallTests(RealTestCase):
    """
    Tests of C{install-service --root} in a folder that another user prepared.
    """

    def test_planted(self) -> None:
        """Prepared links and pipes are neither followed nor waited for."""
        root, victim = self.folder / "root", self.folder / "victim"
        victim.write_text("mine\n")
        place = root / "etc/systemd/system"
        place.mkdir(parents=True)
        (place / ".pkdoors.service.new").symlink_to(victim)
        self.server.run(PKDOORS, "install-service", "--root", str(root))
        (place / "pkdoors.service").unlink()
        for plant in (
            lambda path: path.symlink_to(victim),
            lambda path: os.mkfifo(path),
        ):
            plant(place / "pkdoors.service")
            status, output = self.server.status(PKDOORS, "install-service", "--root", str(root))
            self.assertEqual((1, 1), (status, output.count("\n")), output)
            (place / "pkdoors.service").unlink()
        (root / "etc/logrotate.d/pkdoors").unlink()
        (root / "etc/logrotate.d").rmdir()
        away = self.folder / "away"
        away.mkdir()
        (root / "etc/logrotate.d").symlink_to(away)
        status, output = self.server.status(PKDOORS, "install-service", "--root", str(root))
        self.assertEqual(1, status, output)
        self.assertEqual(("mine\n", []), (Path(victim).read_text(), list(away.iterdir())))
