"""What happens is told outside: the audit file, and hooks. No trouble there is a door's."""

import gzip
import json
import os
import re
import signal
import socket
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

from tests.lab.case import KNOCKS, PORT, SEQUENCE, RealTestCase
from tests.lab.hosts import (
    BIN,
    CLIENT4,
    PATIENCE,
    SERVER4,
    STRANGER4,
    Daemon,
    Host,
    Process,
    eventually,
)
from tests.lab.pages import OPERATING, block
from tests.lab.sealing import makeKey, publicLine, sealed
from tests.lab.spoofer import packet

AT_ONCE = 16
"""Hooks that run at a time."""
KNOCKERS = 300
FINGERPRINT = "SHA256:[A-Za-z0-9+/]{43}"


class OutletsTestCase(RealTestCase):
    """With a configuration file, and somebody who listens behind the door."""

    def setUp(self) -> None:
        """Have both."""
        super().setUp()
        self.server.serve(PORT)
        self.audit = self.folder / "log" / "audit.jsonl"

    def conf(self, openFor: str = "1h", audit: str = "", **keys: object) -> str:
        """Write a file with one door; keys of it are written as they are in JSON, as in TOML."""
        file = self.folder / "pkdoors.toml"
        door = {"sequence": SEQUENCE, "ports": [PORT], "penalty": 0, "open_for": openFor}
        file.touch(0o600)
        file.write_text(
            f'firewall = "{self.firewall}"\n'
            + (f'audit = "{audit}"\n' if audit else "")
            + "[doors.ssh]\n"
            + "".join(f"{key} = {json.dumps(value)}\n" for key, value in (door | keys).items())
        )
        return str(file)

    def daemonWith(self, openFor: str = "1h", audit: str = "", **keys: object) -> Daemon:
        """A daemon with such a file, and more in its environment, a secret, too."""
        file = self.conf(openFor, audit, **keys)
        return Daemon(self.server, "-c", file, KNOCKER_SEQ=KNOCKS, LISTEN_FDS="0")

    def opens(self, host: Host, daemon: Daemon | None = None) -> None:
        """A knock of this host opens the door."""
        host.send(SEQUENCE)
        self.assertTrue(host.comesToReach(PORT), daemon and daemon.log())

    def refuse(self) -> None:
        """Have a knock of the client's refused."""
        self.client.send((*SEQUENCE[:3], SEQUENCE[4]))


def shell(script: str) -> list[str]:
    """A hook that is a script."""
    return ["/bin/sh", "-c", script]


def isAlive(pid: str | int) -> bool:
    """Whether a process is there that has not ended."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


def lines(path: Path) -> list[dict[str, Any]]:
    """What is in an audit file: each line has to be JSON."""
    data = path.read_bytes() if path.exists() else b""
    text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode()
    return [json.loads(line) for line in text.splitlines()]


class AuditTests(OutletsTestCase):
    """The audit file."""

    def test_refusedKey(self) -> None:
        """A refusal of a good seal names its key; two keys are refused in two lines at once."""
        one, other = makeKey(), makeKey()
        (keys := self.folder / "keys").write_text(
            f'expiry-time="20200101" {publicLine(one, "anna")}from="10.0.0.1" '
            f"{publicLine(other, 'bob')}"
        )
        keys.chmod(0o600)
        daemon = self.daemonWith("1s", str(self.audit), authorized_keys=str(keys))
        for key in (one, other):
            self.client.send(SEQUENCE, sealed(key, SEQUENCE, door="ssh"))
        self.assertTrue(daemon.says("may not knock from here"), daemon.log())
        daemon.stop()
        refused = [each for each in lines(self.audit) if each["event"] == "refused"]
        self.assertEqual(["anna", "bob"], [each["user"] for each in refused])
        for each in refused:
            self.assertRegex(each["key"], f"^{FINGERPRINT}$")

    def test_events(self) -> None:
        """Each event is a line: who opened, for how long, who was refused and why."""
        key = makeKey()
        (keys := self.folder / "keys").write_text(publicLine(key, "Zoë@laptop"))
        daemon = self.daemonWith("1s", str(self.audit), authorized_keys=str(keys))
        for each in (makeKey(), key):
            self.client.send(SEQUENCE, sealed(each, SEQUENCE, door="ssh"))
        self.assertTrue(daemon.says("closed door ssh"), daemon.log())
        daemon.stop()
        events = {each["event"]: each for each in lines(self.audit)}
        about = {"door": "ssh", "source": CLIENT4, "ports": [f"{PORT}/tcp"]}
        for kind in ("opened", "closed", "refused"):
            self.assertEqual(events[kind], events[kind] | about)
            self.assertRegex(events[kind]["time"], r"^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
            self.assertIn(events[kind]["text"], daemon.log())
        self.assertEqual(events["opened"]["user"], "Zoë@laptop")
        self.assertRegex(events["opened"]["key"], f"^{FINGERPRINT}$")
        self.assertLessEqual(events["opened"]["seconds"], 1)
        self.assertGreaterEqual(events["closed"]["seconds"], 0.5)
        self.assertEqual(events["closed"]["reason"], "its time is over")
        self.assertIn("key is not known", events["refused"]["reason"])
        self.assertEqual(("", ""), (events["refused"]["user"], events["refused"]["key"]))
        self.assertEqual(self.audit.stat().st_mode & 0o7777, 0o600)

    def test_logrotate(self) -> None:
        """
        logrotate, as the manual has it, moves it away and sends SIGHUP; no event is lost, whenever
        it comes.
        """
        daemon = self.daemonWith(audit=str(self.audit))
        conf = self.folder / "rotate.conf"
        rotation = block("/var/log/pkdoors/audit.jsonl {", OPERATING)
        for shown, here in (
            ("/var/log/pkdoors/audit.jsonl", str(self.audit)),
            ("$(cat /run/pkdoors.pid)", str(daemon.process.popen.pid)),
        ):
            self.assertIn(shown, rotation)
            rotation = rotation.replace(shown, here)
        conf.write_text(rotation)
        conf.chmod(0o600)
        state = str(self.folder / "rotate.state")
        for _ in range(3):
            for _ in range(5):
                self.client.send(SEQUENCE)
            self.server.run("logrotate", "--force", "--state", state, str(conf))
            self.assertTrue(eventually(self.audit.exists), daemon.log())
            self.assertNotEqual(lines(self.audit.with_name("audit.jsonl.1")), [])
        self.client.send(SEQUENCE)
        self.assertTrue(eventually(lambda: lines(self.audit)), daemon.log())
        self.assertEqual(self.kinds(daemon), self.written())
        self.assertEqual(self.kinds(daemon)["extended"], 15)

    def kinds(self, daemon: Daemon) -> Counter[str]:
        """How many events of each kind the log has."""
        return Counter(re.findall(r"(opened|extended|closed) door ssh", daemon.log()))

    def written(self) -> Counter[str]:
        """How many the audit files have, those that were moved away, too."""
        files = self.audit.parent.glob("audit.jsonl*")
        kinds = Counter(each["event"] for file in files for each in lines(file))
        return Counter({kind: kinds[kind] for kind in ("opened", "extended", "closed")}) + Counter()

    def test_fullDisk(self) -> None:
        """
        A full disk is one warning, doors open all the same, and every line stays whole; when there
        is room again it goes on, and says how many are missing.
        """
        process = self.onSmallDisk()
        audit = Path(f"/proc/{process.popen.pid}/root{self.audit}")
        self.assertTrue(process.says("guarding door ssh"), process.log())
        for _ in range(40):
            self.client.send(SEQUENCE)
        self.assertTrue(process.says("cannot write the audit file"), process.log())
        self.assertIn(f"{self.audit} (No space left on device)", process.log())
        written = lines(audit)
        self.assertTrue(3 < len(written) < 40, written)
        self.client.send(SEQUENCE)
        self.opens(self.stranger)
        self.assertEqual(lines(audit), written)
        self.assertEqual(process.log().count("cannot write"), 1)
        audit.with_name("ballast").unlink()
        self.client.send(SEQUENCE)
        self.assertTrue(process.says("is written again"), process.log())
        missing = re.search("events missing in it: (.*)", process.log())
        events = len(re.findall("(?:opened|extended|guarding) door ssh", process.log()))
        assert missing is not None
        self.assertEqual(events, int(missing[1]) + len(lines(audit)))
        self.assertEqual(lines(audit)[: len(written)], written)

    def onSmallDisk(self) -> Process:
        """A daemon whose audit file is on a disk of two pages, of which one is taken."""
        self.audit.parent.mkdir()
        # A mount namespace of its own: nobody else sees that disk.
        script = f"""
            mount -t tmpfs -o size=8k,mode=700 small {self.audit.parent}
            head -c 4096 /dev/zero > {self.audit.parent}/ballast
            exec {BIN}/twistd -n --pidfile= pkdoors -c {self.conf(audit=str(self.audit))}"""
        return self.server.spawn("unshare", "--mount", "sh", "-ec", script)

    def test_unwritable(self) -> None:
        """Where it cannot be made at all the daemon starts, warns and does its work."""
        (self.folder / "log").write_text("")
        daemon = self.daemonWith(audit=str(self.audit))
        self.assertTrue(daemon.says("cannot write the audit file"))
        self.opens(self.client)

    def test_fifo(self) -> None:
        """A FIFO that nobody reads blocks nothing."""
        os.mkfifo(self.folder / "fifo")
        daemon = self.daemonWith(audit=str(self.folder / "fifo"))
        self.assertTrue(daemon.says("(it is not a regular file)"))
        self.opens(self.client)


class FirewalldAuditTests(OutletsTestCase):
    """The audit file with firewalld."""

    firewall = "firewalld"

    def test_healed(self) -> None:
        """What was put back after a reload is an event of all doors."""
        daemon = self.daemonWith(audit=str(self.audit))
        self.opens(self.client)
        self.server.run("firewall-cmd", "--reload")
        self.assertTrue(daemon.says("restored the rules of pkdoors in firewalld"), daemon.log())
        daemon.stop()
        (healed,) = [each for each in lines(self.audit) if each["event"] == "healed"]
        self.assertEqual((healed["door"], healed["ports"]), ("", []))
        self.assertIn("reload", healed["reason"])


class HookTests(OutletsTestCase):
    """Hooks."""

    def setUp(self) -> None:
        """Have a place where they write."""
        super().setUp()
        self.out = self.folder / "out"
        self.out.mkdir()

    def written(self, name: str) -> str:
        """What a hook has written there; waits until the file is there."""
        file = self.out / name
        self.assertTrue(eventually(file.exists), name)
        return file.read_text()

    def test_told(self) -> None:
        """
        Each is told of its event, and has nothing of the daemon's: neither its environment, nor its
        input, nor its files, nor its session.
        """
        # Not the shell's list: that keeps more files open while it redirects.
        files = "open('fds', 'w').write(' '.join(os.listdir(f'/proc/{os.getppid()}/fd')))"
        script = f"""
            cd {self.out}; {sys.executable} -c "import os; {files}"
            {{ tr '\\0' '\\n' < /proc/$$/environ; echo $(cat fds); wc -c
            ps -o pgid=,sid= -p $$; echo $$ "$@"; }} > $PKDOORS_EVENT.new
            mv $PKDOORS_EVENT.new $PKDOORS_EVENT"""
        hook = [*shell(script), "name", "$PKDOORS_SOURCE; `id` *"]
        daemon = self.daemonWith("1s", on_open=hook, on_close=hook, on_refuse=hook)
        self.refuse()
        self.written("refused")
        self.opens(self.client, daemon)
        texts = {kind: self.written(kind) for kind in ("opened", "closed", "refused")}
        for kind, text in texts.items():
            *environment, fds, size, ids, arguments = text.splitlines()
            values = dict(line.split("=", 1) for line in environment)
            self.assertEqual(
                sorted(values),
                [
                    "LANG",
                    "PATH",
                    *[f"PKDOORS_{name}" for name in ("ASKED_FROM", "DOOR", "EVENT", "KEY")],
                    *[f"PKDOORS_{name}" for name in ("PORTS", "REASON")],
                    *[
                        f"PKDOORS_{name}"
                        for name in ("SECONDS", "SOURCE", "TEXT", "TIME", "USER", "VIA")
                    ],
                ],
            )
            self.assertEqual((values["PKDOORS_EVENT"], values["PKDOORS_DOOR"]), (kind, "ssh"))
            self.assertEqual(values["PKDOORS_SOURCE"], CLIENT4)
            self.assertEqual(values["PKDOORS_PORTS"], f"{PORT}/tcp")
            self.assertIn(values["PKDOORS_TEXT"], daemon.log())
            self.assertEqual((fds, size), ("0 1 2", "0"))
            pid, argument = arguments.split(maxsplit=1)
            self.assertEqual(ids.split(), [pid, pid])
            self.assertEqual(argument, "$PKDOORS_SOURCE; `id` *")
        self.assertIn("PKDOORS_SECONDS=1\n", texts["opened"])
        self.assertNotIn("on_", daemon.log())

    def test_hangs(self) -> None:
        """
        One that hangs, and does not heed SIGTERM, is killed with what it started; meanwhile the
        door does as it ought to, and other hooks go on.
        """
        hang = f"""
            cd {self.out}; trap '' TERM; sleep 1000 & echo $$ $! > new; mv new hung
            echo working; sleep 1000"""
        other = shell(f"echo > {self.out}/$PKDOORS_EVENT")
        daemon = self.daemonWith("1s", on_open=shell(hang), on_close=other, on_refuse=other)
        self.opens(self.client, daemon)
        pids = self.written("hung").split()
        self.written("closed")
        self.assertFalse(self.client.reaches(PORT))
        self.refuse()
        self.written("refused")
        self.assertEqual([isAlive(pid) for pid in pids], [True, True])
        self.assertTrue(eventually(lambda: not any(map(isAlive, pids)), 30))
        said = f"on_open of door ssh for {CLIENT4} (/bin/sh) did not end within 10s, and was killed"
        self.assertTrue(daemon.says(f"{said}: working"), daemon.log())

    def test_leavesChildren(self) -> None:
        """One that ends, but leaves a child which holds its output, is treated likewise."""
        script = f"sleep 1000 & echo $! > {self.out}/new; mv {self.out}/new {self.out}/left"
        daemon = self.daemonWith(on_open=shell(script))
        self.opens(self.client, daemon)
        pid = self.written("left").strip()
        self.assertTrue(daemon.says("did not end within 10s"), daemon.log())
        self.assertTrue(eventually(lambda: not isAlive(pid)))

    def test_background(self) -> None:
        """A child that does not hold the output is no part of it, and outlives the daemon."""
        script = f"sleep 1000 > /dev/null 2>&1 & echo $! > {self.out}/new; mv {self.out}/new {{}}"
        daemon = self.daemonWith(on_open=shell(script.format(f"{self.out}/left")))
        self.opens(self.client, daemon)
        pid = int(self.written("left"))
        self.addCleanup(os.kill, pid, signal.SIGKILL)
        daemon.stop()
        self.assertTrue(isAlive(pid))
        self.assertNotIn("on_open", daemon.log())

    def test_fails(self) -> None:
        """One that fails is one warning that tells why; the door does not care."""
        plain = self.folder / "plain"
        plain.write_text("no program")
        killed = shell("kill -SEGV $$")
        for hook, reason in (
            (shell("echo some; echo it broke >&2; exit 3"), "ended with status 3: it broke"),
            (["/nowhere/tell"], "/nowhere/tell: No such file or directory"),
            ([str(plain)], f"{plain}: Permission denied"),
            ([str(self.folder)], f"{self.folder}: Permission denied"),
            (killed, "was ended by signal 11"),
        ):
            with self.subTest(reason):
                daemon = self.daemonWith("1s", on_open=hook)
                self.opens(self.client, daemon)
                self.assertTrue(daemon.says(reason), daemon.log())
                self.assertTrue(daemon.says("closed door ssh"), daemon.log())
                self.assertEqual(daemon.log().count("on_open of door ssh for"), 1, daemon.log())
                self.assertNotIn("Traceback", daemon.log())
                daemon.stop()

    def test_printsForEver(self) -> None:
        """One that prints for ever is ended, and costs no memory."""
        daemon = self.daemonWith(on_open=["/usr/bin/yes", "x" * 1000], on_refuse=["/usr/bin/yes"])
        before = self.memory(daemon)
        self.refuse()
        self.opens(self.client, daemon)
        self.assertTrue(daemon.says("printed more than 1000000 bytes: xxx"), daemon.log())
        self.assertTrue(daemon.says("printed more than 1000000 bytes: y\n"), daemon.log())
        self.assertEqual(self.sessions(daemon), set())
        self.assertLess(self.memory(daemon) - before, 5000)

    def memory(self, daemon: Daemon) -> int:
        """What the daemon has in memory, in KB."""
        status = Path(f"/proc/{daemon.process.popen.pid}/status").read_text()
        (size,) = re.findall(r"VmRSS:\s+(\d+) kB", status)
        return int(size)

    def sessions(self, daemon: Daemon) -> set[int]:
        """The sessions of the daemon's hooks that run; each hook has one."""
        mark = f"PKDOORS_PORTS={PORT}/tcp".encode()
        found = set()
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                isOurs = self.isOnServer(pid)
                if isOurs and mark in Path(f"/proc/{pid}/environ").read_bytes() and isAlive(pid):
                    found.add(os.getsid(int(pid)))
            except OSError:  # it has ended
                continue
        # One that was started just now may not have its own yet.
        return found - {daemon.process.popen.pid}

    def isOnServer(self, pid: str) -> bool:
        """Whether a process is on this test's server."""
        return os.stat(f"/proc/{pid}/ns/net").st_ino == self.server.namespaces.number

    def knockAll(self, daemon: Daemon, host: Host, sources: list[str]) -> None:
        """Have the door opened for all these."""
        todo = sources

        def areOpen() -> bool:
            nonlocal todo
            log = daemon.log()
            todo = [source for source in todo if f"for {source} until" not in log]
            return not todo

        for _ in range(20):  # a datagram may be lost
            self.knockInTheirNames(host, todo)
            if eventually(areOpen, 2):
                return
        self.fail(f"not open for {todo}: {daemon.log()}")

    def knockInTheirNames(self, host: Host, sources: list[str]) -> None:
        """Send from a host what all these would."""
        kind = (socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
        with host.inside(), socket.socket(*kind) as raw:
            for source in sources:
                for port in SEQUENCE:
                    raw.sendto(packet(source, SERVER4, port, b"knock\n"), (SERVER4, 0))
                time.sleep(0.002)  # so that the daemon's buffers suffice

    def test_many(self) -> None:
        """
        300 that open at once do so, while their hooks all wait for something: 16 of those run at a
        time, others wait, and what is too much is left out, and counted.
        """
        wait = f"""
            echo $PKDOORS_SOURCE >> {self.out}/started
            while [ ! -e {self.out}/go ]; do sleep 0.1; done"""
        daemon = self.daemonWith(on_open=shell(wait))
        for host, net, number in ((self.client, 1, KNOCKERS - 50), (self.stranger, 2, 50)):
            self.knockAll(daemon, host, [f"10.9.{net}.{3 + each}" for each in range(number)])
        most = len(self.sessions(daemon))
        self.opens(self.client, daemon)
        most = max(most, len(self.sessions(daemon)))
        self.assertEqual(most, AT_ONCE)
        self.assertEqual(daemon.log().count("opened door ssh"), KNOCKERS + 1)
        self.assertTrue(daemon.says("hooks that were left out"), daemon.log())
        (self.out / "go").touch()

        def allAreDone() -> bool:
            left = sum(map(int, re.findall(r"hooks that were left out.*: (\d+)", daemon.log())))
            started = (self.out / "started").read_text().split()
            return left + len(set(started)) == KNOCKERS + 1 == left + len(started)

        self.assertTrue(eventually(allAreDone, 60), daemon.log())
        self.assertTrue(eventually(lambda: not self.sessions(daemon)))

    def test_stops(self) -> None:
        """A hook that is quick ends before a daemon that stops, and one that hangs with it."""
        script = f"""
            echo $$ > {self.out}/new.$PKDOORS_SOURCE
            mv {self.out}/new.$PKDOORS_SOURCE {self.out}/$PKDOORS_SOURCE
            [ $PKDOORS_SOURCE = {CLIENT4} ] || sleep 1000
            while [ -e {self.out}/hold ]; do sleep 0.1; done; echo > {self.out}/done"""
        (self.out / "hold").touch()
        daemon = self.daemonWith(on_open=shell(script))
        for host in (self.client, self.stranger):
            self.opens(host, daemon)
        pids = [self.written(each).strip() for each in (CLIENT4, STRANGER4)]
        daemon.process.popen.send_signal(signal.SIGTERM)
        (self.out / "hold").unlink()
        self.assertEqual(daemon.process.popen.wait(PATIENCE), -signal.SIGTERM)
        self.written("done")
        self.assertTrue(eventually(lambda: not any(map(isAlive, pids))))
        ended = f"for {STRANGER4} (/bin/sh) did not end before the daemon stopped, and was killed"
        self.assertIn(ended, daemon.log())
        self.assertEqual(daemon.log().count("on_open of"), 1)
