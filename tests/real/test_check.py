"""Tests of what C{pkdoors check} finds on real hosts."""

import json
import os
import signal
import socket
import time
from pathlib import Path

from twisted.trial.unittest import SkipTest

from pkdoors.firewall.guard.guard import Guard
from tests.fakes.doors import makeDoor
from tests.lab.case import KNOCKS, PORT, SEQUENCE, RealTestCase
from tests.lab.guardtext import writeGuard
from tests.lab.hosts import BIN, Daemon, eventually
from tests.lab.sealing import makeKey, publicLine

OPTIONS = ("--magic-seq", KNOCKS, "--ports", str(PORT))
STATUS = {"OK": 0, "INFO": 0, "WARNING": 1, "ERROR": 2}
FILTER = (
    "table inet filter { chain input { type filter hook input priority 0; policy drop; "
    "ct state established,related accept; iif lo accept; "
    "meta l4proto { icmp, ipv6-icmp } accept; tcp dport { 22, 2222 } accept; "
    "udp dport 17000-17999 accept; }; }"
)
"""The operator's own table: it lets knocks and the protected port in, and drops the rest."""


class CheckTestCase(RealTestCase):
    """Checks the server, which has sockets; L{tests.real.test_capture} checks one without."""

    listen = "sockets"

    def check(self, *options: str, to: tuple[str, ...] = OPTIONS) -> tuple[int, str]:
        """Run it; return its status, and what it prints."""
        status, output = self.server.status(str(BIN / "pkdoors"), "check", *to, *options)
        self.assertNotIn("Traceback", output)
        return status, output

    def finds(
        self,
        level: str,
        subject: str,
        *words: str,
        options: tuple[str, ...] = (),
        to: tuple[str, ...] = OPTIONS,
    ) -> None:
        """Assert that it finds a fault, and reports it with these words."""
        status, output = self.check(*options, to=to)
        self.assertGreaterEqual(status, STATUS[level], output)
        for line in _findings(output):
            if line.startswith(f"{level} {subject} ") and all(word in line for word in words):
                return
        self.fail(output)

    def sealed(self, mode: int, *lines: str) -> tuple[str, ...]:
        """Return the option for a file of authorized keys."""
        keys = self.folder / "authorized_keys"
        keys.write_text("".join(lines))
        keys.chmod(mode)
        return ("-k", str(keys))

    def findsNot(self, subject: str, *options: str) -> None:
        """Assert that it finds no fault there."""
        _, output = self.check(*options)
        for line in _findings(output):
            levels = ("INFO", "WARNING", "ERROR")
            self.assertFalse(
                line.startswith(tuple(f"{level} {subject} " for level in levels)), output
            )


def _findings(output: str) -> list[str]:
    """Return each finding in one line, with one blank between words."""
    lines: list[str] = []
    for line in output.splitlines():
        if line.startswith(" "):
            lines[-1] += f" {line}"
        else:
            lines.append(line)
    return [" ".join(line.split()) for line in lines]


class HostTests(CheckTestCase):
    """Tests of a host with nftables."""

    def test_well(self) -> None:
        """On a host without faults the status is 0, and the check changes nothing."""
        self.server.run("nft", FILTER)
        self.start()
        before = self.server.run("nft", "list", "ruleset")
        status, output = self.check()
        self.assertEqual((0, set()), (status, {"WARNING", "ERROR"} & set(output.split())), output)
        self.assertEqual(before, self.server.run("nft", "list", "ruleset"))

    def test_ordinary(self) -> None:
        """A host without a firewall of its own needs no action: status 0."""
        self.start()
        status, output = self.check()
        self.assertEqual((0, set()), (status, {"WARNING", "ERROR"} & set(output.split())), output)
        self.finds("INFO", "scans", "rejects")

    def test_sameForPrograms(self) -> None:
        """C{--json} has the same findings as the table, and the same status."""
        status, table = self.check()
        again, output = self.check("--json")
        self.assertEqual((2, 2), (status, again))
        lines = [
            " ".join(f"{found['level']} {found['subject']} {found['text']}".split())
            + (" -> " + " ".join(found["remedy"].split()) if found["remedy"] else "")
            for found in json.loads(output)
        ]
        self.assertEqual(lines, _findings(table))

    def test_fresh(self) -> None:
        """
        Before the daemon starts, everybody can reach the port, and nothing listens; then all is
        well.
        """
        self.finds("WARNING", "daemon", "start the daemon")
        self.finds("ERROR", "2222/tcp", "everybody can reach it", "start the daemon")
        self.finds("WARNING", "2222/tcp", "no program listens")
        self.assertIn("OK       knock ports  all 6 are free", self.check()[1])
        self.start()
        self.findsNot("daemon")
        self.findsNot("2222/tcp")

    def test_flushed(self) -> None:
        """A guard that was flushed while the daemon was stopped is missed."""
        daemon = self.start()
        daemon.stop()
        self.findsNot("2222/tcp")
        self.server.run("nft", "flush", "ruleset")
        self.finds("ERROR", "2222/tcp", "everybody can reach it")

    def test_otherOptions(self) -> None:
        """The remedy for a daemon with other ports and another sequence is to start it again."""
        daemon = self.start()
        other = ("-m", "18001,18203,18005,18404,18002,18009", "-p", "80")
        _, output = self.check(to=other)
        restart = f"`kill {daemon.process.popen.pid}`, then start the daemon"
        for subject in ("80/tcp", "knock ports"):
            self.assertTrue(
                any(f"ERROR {subject} " in line and restart in line for line in _findings(output)),
                output,
            )

    def test_notReloaded(self) -> None:
        """A changed file is one error, and the command in its remedy fixes it."""
        file, socket = self.folder / "pkdoors.toml", self.folder / "admin.sock"
        ssh = f"admin = '{socket}'\n[doors.ssh]\nsequence = [{KNOCKS}]\nports = ['{PORT}']\n"
        file.touch(0o600)
        file.write_text(ssh)
        Daemon(self.server, "-c", str(file))
        conf = ("-c", str(file))
        well = self.check(to=conf)[1]
        web = "[doors.web]\nsequence = [18001,18203,18005,18404,18002,18009]\nports = ['80']\n"
        file.write_text(ssh + web)
        errors = [line for line in _findings(self.check(to=conf)[1]) if line.startswith("ERROR ")]
        command = f"pkdoors reload --admin {socket}"
        self.assertEqual(
            [
                f"ERROR daemon the daemon has not read the current {file}: it does not listen on 6 "
                "of 12 knock ports and does not guard 80/tcp; door web (80/tcp) is new -> "
                f"`{command}`"
            ],
            errors,
        )
        self.server.run(str(BIN / "pkdoors"), *command.split()[1:])
        _, output = self.check(to=conf)
        self.assertNotIn("ERROR", output)
        self.assertIn("all 12 are heard by the daemon's sockets", output)
        self.assertNotIn("ERROR", well)
        # A change that closes nothing, a reload that is refused, and the file from before.
        file.write_text(ssh + web + "open_for = '7'\n")
        changed = f"the daemon has not read the current {file}: door web (80/tcp) changed: open_for"
        self.finds("WARNING", "daemon", f"{changed} -> `{command}`", to=conf)
        file.write_text(f"firewall = 'nftables'\n{ssh}{web}")
        self.server.status(str(BIN / "pkdoors"), *command.split()[1:])
        self.finds("ERROR", "daemon", "the last reload was refused", "firewall", to=conf)
        self.assertIn(
            "degraded: the last reload was refused",
            self.server.status(str(BIN / "pkdoors"), "status", "--admin", str(socket))[1],
        )
        file.write_text(ssh + web)
        self.assertNotIn("daemon has not read", self.check(to=conf)[1])
        self.assertNotIn("was refused", self.check(to=conf)[1])

    def test_outgoing(self) -> None:
        """Hooks that cannot run, and an audit file that cannot be written, are warnings."""
        file, hook = self.folder / "pkdoors.toml", self.folder / "hook"
        door = f"[doors.ssh]\nsequence = [{KNOCKS}]\nports = ['{PORT}']\n"
        file.touch(0o600)
        file.write_text(f"audit = '{self.folder}'\n{door}on_open = ['{hook}', 'open']\n")
        conf = ("-c", str(file))
        for mode, words in ((None, "does not exist"), (0o644, "is not executable")):
            if mode:
                hook.touch(mode)
            found = _findings(self.check(to=conf)[1])
            start = f"WARNING hooks on_open of door ssh cannot be run: {hook} {words} -> "
            self.assertTrue([line for line in found if line.startswith(start)], found)
        start = f"WARNING audit the daemon cannot write {self.folder} (it is"
        self.assertTrue([line for line in found if line.startswith(start)], found)
        hook.chmod(0o755)
        self.assertIn("on_open of door ssh can be run", self.check(to=conf)[1])

    def test_ownService(self) -> None:
        """It knows how to start the service, and what the service cannot read."""
        user = "pkdoors:x:48999:48999::/:/bin/false"
        door = f"[doors.ssh]\nsequence = [{KNOCKS}]\nports = ['{PORT}']\n"
        script = f"""
            cp -a /etc {self.folder}/etc && mount --bind {self.folder}/etc /etc
            mount -t tmpfs none /run
            sed -i /^pkdoors:/d /etc/passwd /etc/group
            echo {user} >>/etc/passwd && echo pkdoors:x:48999: >>/etc/group
            mkdir -p /etc/systemd/system && touch /etc/systemd/system/pkdoors.service
            rm -rf /etc/pkdoors && mkdir -m 750 /etc/pkdoors && chgrp pkdoors /etc/pkdoors
            cd /etc/pkdoors && umask 077
            printf '%s' "$DOOR" >pkdoors.toml
            {BIN}/pkdoors check || true
            echo; echo AGAIN
            chgrp pkdoors pkdoors.toml && chmod 640 pkdoors.toml
            {BIN}/pkdoors check || true
            {BIN}/pkdoors status"""
        # A mount namespace of its own: the machine's own folders are not touched.
        command = ("unshare", "--mount", "sh", "-euc", script)
        status, output = self.server.status(*command, DOOR=door)
        self.assertEqual(3, status, output)
        before, _, after = output.partition("\nAGAIN\n")
        self.assertIn("start the daemon: `systemctl start pkdoors`", before)
        line = (
            "ERROR configuration the service's user cannot read /etc/pkdoors/pkdoors.toml -> "
            "`pkdoors install-service` lets it read that"
        )
        self.assertIn(line, _findings(before))
        self.assertNotIn("cannot read", after)
        self.assertIn("start it with `systemctl start pkdoors`, or use --admin", after)

    def test_loopbackOnly(self) -> None:
        """A program that listens on loopback only is a warning."""
        with self.server.inside(), socket.create_server(("127.0.0.1", PORT)):
            self.finds("WARNING", "2222/tcp", "loopback interface only")

    def test_forwarded(self) -> None:
        """No program must listen on a forwarded port, as Docker publishes it."""
        self.server.run(
            "nft",
            "table ip nat { chain PREROUTING { type nat hook prerouting priority dstnat; "
            f"fib daddr type local tcp dport {PORT} dnat to 10.9.2.2:80; }}; }}",
        )
        self.assertIn("it is forwarded", self.check()[1])

    def test_knockPortTaken(self) -> None:
        """The finding about a knock port that another program has names the program."""
        other = self.server.spawn("nc", "-u", "-l", "-p", "17005")
        self.assertTrue(eventually(lambda: "17005" in self.server.run("ss", "-Hlun")))
        self.start()
        self.finds("ERROR", "17005/udp", f"nc (process {other.popen.pid}) has it")

    def test_knocksDropped(self) -> None:
        """If another table drops knocks, the remedy lets them in."""
        self.server.run("nft", FILTER.replace("udp dport 17000-17999 accept;", ""))
        daemon = self.start()
        self.client.send(SEQUENCE)
        listed = ", ".join(map(str, sorted(SEQUENCE)))
        command = f"nft 'insert rule inet filter input udp dport {{ {listed} }} accept'"
        self.finds("ERROR", "knock ports", "drops datagrams to 6 of 6 knock ports", f"`{command}`")
        self.server.run("sh", "-c", command)
        self.assertNotIn("opened door", daemon.log())
        self.assertEqual(0, self.check()[0])
        self.client.send(SEQUENCE)
        self.assertTrue(daemon.says("opened door"))

    def test_doorDropped(self) -> None:
        """If another table drops the protected port, the remedy lets it in."""
        self.server.run("nft", FILTER.replace(", 2222 ", " "))
        self.start(openFor="1h")
        self.client.send(SEQUENCE)
        self.assertFalse(self.client.reaches(PORT))
        command = f"nft insert rule inet filter input tcp dport {PORT} accept"
        self.finds("ERROR", "2222/tcp", "a knock opens nothing", f"`{command}`")
        self.server.run(*command.split())
        self.findsNot("2222/tcp")
        self.assertTrue(self.client.comesToReach(PORT))
        self.assertFalse(self.stranger.reaches(PORT))

    def test_mayBeDropped(self) -> None:
        """A possible drop is a warning, with the command that shows the rules."""
        self.server.run("nft", FILTER.replace("udp dport", "meta mark 5 udp dport"))
        command = "`nft list chain inet filter input`"
        self.finds("WARNING", "knock ports", "may drop", command)

    def test_scan(self) -> None:
        """A host that rejects is reported; the remedy makes it silent."""
        self.finds("INFO", "scans", "rejects")
        self.assertTrue(self.refuses(17500))
        _, output = self.check()
        remedy = " ".join(output[output.index("`nft 'table") :].split())
        self.server.run("sh", "-c", remedy.removeprefix("`").partition("`")[0])
        self.findsNot("scans")
        self.assertFalse(self.refuses(17500))

    def refuses(self, port: int) -> bool:
        """Return whether the client learns that a UDP port is free."""
        _, output = self.client.status(
            "python3",
            "-c",
            "import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(1);"
            f"s.connect(('10.9.1.1', {port})); s.send(b'x'); s.recv(1)",
        )
        return "refused" in output

    def test_keys(self) -> None:
        """Refused keys are warnings; a file that others can write is an error."""
        good, bad = publicLine(makeKey()), "no-pty " + publicLine(makeKey())
        words = ("line 2: this key is refused: unknown option no-pty", "-> fix")
        self.finds("WARNING", "keys", *words, options=self.sealed(0o600, good, bad))
        self.finds("ERROR", "keys", "`chmod go-w", options=self.sealed(0o620, good))

    def test_weak(self) -> None:
        """An ascending sequence is a warning, and so is a short one."""
        _, output = self.check(to=("-m", "17001,17002,17003,17004,17005", "-p", "22"))
        self.assertIn("in ascending order", output)
        self.assertIn("in only 24 tries", output)
        self.assertIn("120 tries", self.check()[1])

    def test_noIPv6(self) -> None:
        """IPv6 that is off is a warning; the command in its remedy turns it on."""
        self.server.run("sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1")
        self.finds("WARNING", "IPv6", "`sysctl -w net.ipv6.conf.all.disable_ipv6=0`")
        self.server.run("sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=0")
        self.findsNot("IPv6")

    def test_noPrivilege(self) -> None:
        """Users who are not root are told so, and get what can be found anyway."""
        self.start()
        status, output = self.server.status(
            "setpriv",
            "--reuid=65534",
            "--regid=65534",
            "--clear-groups",
            str(BIN / "pkdoors"),
            "check",
            *OPTIONS,
        )
        self.assertEqual(2, status)
        self.assertNotIn("Traceback", output)
        found = _findings(output)
        self.assertEqual(1, output.count("with sudo"), output)
        for start in ("ERROR privilege ", "OK 2222/tcp a program"):
            self.assertTrue(any(line.startswith(start) for line in found), output)

    def test_noBindings(self) -> None:
        """Missing bindings are reported with the package."""
        (self.folder / "nftables.py").write_text("raise ImportError\n")
        path = os.pathsep.join([str(self.folder), os.environ.get("PYTHONPATH", "")])
        self.server.environment["PYTHONPATH"] = path.rstrip(os.pathsep)
        self.finds("ERROR", "nftables", "bindings are missing", "install python3-nftables")

    def test_service(self) -> None:
        """An nftables service that flushes is reported while it is on."""
        if not Path("/etc/nftables.conf").exists():
            raise SkipTest("the test needs an /etc/nftables.conf to replace")
        (self.folder / "nftables.conf").write_text("flush ruleset\n")
        (self.folder / "systemctl").write_text("#!/bin/sh\nexit $OFF\n")
        (self.folder / "systemctl").chmod(0o755)
        for off in "01":
            _, output = self.server.status(
                "unshare",
                "--mount",
                "sh",
                "-c",
                "mount --bind nftables.conf /etc/nftables.conf && "
                f"PATH=.:$PATH exec {BIN}/pkdoors check {' '.join(OPTIONS)}",
                OFF=off,
            )
            self.assertEqual(off == "0", "`flush ruleset` in /etc/nftables.conf" in output, output)


class ZoneTests(CheckTestCase):
    """Tests of a host with firewalld."""

    firewall = "firewalld"

    def test_auto(self) -> None:
        """C{auto} uses firewalld, and finds the daemon's rules; without them knocks are lost."""
        daemon = self.start().process.popen
        self.assertIn("firewalld (firewalld is running)", self.check()[1])
        self.findsNot("knock ports")
        daemon.send_signal(signal.SIGSTOP)  # or it would add the rules itself
        self.addCleanup(daemon.send_signal, signal.SIGCONT)
        self.firewalld.cmd("--zone=work", "--add-interface=client")
        self.finds("ERROR", "knock ports", "firewalld's zone work lacks the daemon's rules")

    def test_daemonFirst(self) -> None:
        """A daemon that started before firewalld must be restarted, and the remedy does it."""
        self.firewalld.process.stop()
        self.server.serve(PORT)
        before = Daemon(self.server, *OPTIONS)
        self.firewalld.start()
        self.finds("ERROR", "knock ports", "6 of 6", "probably started before firewalld", "restart")
        before.stop()
        Daemon(self.server, *OPTIONS)
        self.findsNot("knock ports")
        self.client.send(SEQUENCE)
        self.assertTrue(self.client.comesToReach(PORT))

    def test_exposed(self) -> None:
        """A port that the zone opens is reported, with the command that closes it."""
        self.firewalld.cmd("--add-port=2222/tcp")
        command = "firewall-cmd --zone=public --remove-port=2222/tcp"
        self.finds("ERROR", "2222/tcp", "zone public (port 2222/tcp)")
        guard = Guard((makeDoor(ports=str(PORT)),))
        self.server.run("nft", writeGuard(guard))
        self.finds("INFO", "2222/tcp", "between boot and", f"`{command}`")
        self.server.run(*command.split())
        self.findsNot("2222/tcp between")

    def test_scan(self) -> None:
        """A zone rejects or drops by its target."""
        self.finds("INFO", "scans", "--set-target=DROP")
        self.firewalld.cmd("--permanent", "--zone=public", "--set-target=DROP")
        self.firewalld.cmd("--reload")
        self.findsNot("scans")

    def test_nftablesBeside(self) -> None:
        """A daemon on nftables gets no knocks; the commands let them and the port in."""
        beside = ("--firewall", "nftables")
        self.server.serve(PORT)
        daemon = Daemon(self.server, *OPTIONS, *beside)
        self.client.send(SEQUENCE)
        knocks = " ".join(f"--add-port={port}/udp" for port in sorted(SEQUENCE))
        for subject, options in (
            ("knock ports", knocks),
            (f"{PORT}/tcp", f"--add-port={PORT}/tcp"),
        ):
            command = f"firewall-cmd --zone=public {options}"
            self.finds("ERROR", subject, f"`{command}`", options=beside)
            self.server.run(*command.split())
            self.findsNot(subject, *beside)
        self.assertNotIn("opened door", daemon.log())
        self.client.send(SEQUENCE)
        self.assertTrue(self.client.comesToReach(PORT))

    def test_notRunning(self) -> None:
        """A firewalld that must run and does not is an error."""
        self.firewalld.process.stop()
        start = "`systemctl start firewalld`"
        self.finds("ERROR", "firewall", start, options=("--firewall", "firewalld"))
        self.findsNot("firewall")

    def test_hangs(self) -> None:
        """A firewalld that does not answer delays nothing."""
        self.firewalld.process.popen.send_signal(signal.SIGSTOP)
        self.addCleanup(self.firewalld.process.popen.send_signal, signal.SIGCONT)
        begin = time.monotonic()
        self.finds("ERROR", "zones", "did not answer within 5s")
        self.assertLess(time.monotonic() - begin, 15)  # D-Bus itself gives up after 25
