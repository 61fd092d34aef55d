"""Tests of C{pkdoors status}, C{open}, C{close}, C{reload} and C{watch}, with a real daemon."""

import json
import re
import signal
import time

from tests.lab.case import PORT, SEQUENCE
from tests.lab.controlled import MANY, SSH, WEB, WEB_SEQUENCE, ControlledTestCase, door
from tests.lab.costs import processorTime
from tests.lab.hosts import BIN, CLIENT4, CLIENT6, SERVER6, STRANGER4, eventually
from tests.lab.terminal import Terminal

PKDOORS = str(BIN / "pkdoors")


class ControlTests(ControlledTestCase):
    """Tests of the commands, with the guard alone."""

    count = 1000

    def inFirewalld(self) -> int:
        """Return the number of addresses that firewalld, or else the guard, lets through."""
        return len(self.inKernel())

    def pkdoors(self, command: str, *options: str) -> str:
        """Return what a command prints, which succeeds."""
        return self.server.run(PKDOORS, command, "-c", str(self.file), *options)

    def fails(self, status: int, command: str, *options: str) -> str:
        """Return the one line of a command that fails."""
        ended, output = self.server.status(PKDOORS, command, "-c", str(self.file), *options)
        self.assertEqual((ended, output.count("\n")), (status, 1), output)
        self.assertTrue(output.startswith(f"pkdoors {command}: "), output)
        return output

    def test_openAndClose(self) -> None:
        """A door is open for the address that it was opened for, until it is closed."""
        self.controlled(SSH, door("web", WEB_SEQUENCE, WEB))
        line = self.pkdoors("open", CLIENT4, "--door", "ssh", "--for", "10m")
        self.assertRegex(
            line,
            rf"^door ssh \({PORT}/tcp\) is open for {CLIENT4} until "
            r"\d\d:\d\d:\d\d \((10m|9m5\ds)\)\n$",
        )
        self.assertTrue(self.client.reaches(PORT))
        self.assertFalse(self.client.reaches(WEB))
        self.assertFalse(self.stranger.reaches(PORT))
        self.pkdoors("open", CLIENT6, "--door", "web")
        self.assertTrue(self.client.reaches(WEB, SERVER6))
        line = self.pkdoors("close", CLIENT4)
        self.assertEqual(line, f"closed door ssh for {CLIENT4}\n")
        self.assertFalse(self.client.reaches(PORT))
        line = self.pkdoors("close", "--all")
        self.assertEqual(line, f"closed door web for {CLIENT6}\n")
        self.assertFalse(self.client.reaches(WEB, SERVER6))
        self.assertEqual(self.pkdoors("close", "--all"), "no door was open\n")

    def test_name(self) -> None:
        """A client can be named: its name is looked up once, for both families, and never again."""
        hosts = self.folder / "hosts"
        names = f"{CLIENT4} laptop.example\n{CLIENT6} laptop.example\n127.0.0.1 this.example\n"
        hosts.write_text(names)
        self.server.run("mount", "--bind", str(hosts), "/etc/hosts")
        self.controlled(SSH)
        lines = self.pkdoors("open", "laptop.example", "--for", "10m").splitlines()
        start, end = f"door ssh ({PORT}/tcp) is open for", "(laptop.example, looked up once)"
        self.assertEqual(
            {f"{start} {each} {end}" for each in (CLIENT4, CLIENT6)},
            {line.partition(" until")[0] for line in lines},
        )
        self.assertTrue(self.client.reaches(PORT))
        self.assertTrue(self.client.reaches(PORT, SERVER6))
        self.assertFalse(self.stranger.reaches(PORT))
        hosts.write_text(f"{STRANGER4} laptop.example\n")
        self.assertIn("if its address has changed", self.fails(1, "close", "laptop.example"))
        self.assertTrue(self.client.reaches(PORT))
        hosts.write_text(names)
        self.assertEqual(2, self.pkdoors("close", "laptop.example").count("closed door ssh for"))
        self.assertFalse(self.client.reaches(PORT))
        self.assertIn("no address found for", self.fails(1, "open", "no.such.host.invalid"))
        self.assertIn("no client has the address", self.fails(1, "open", "this.example"))

    def test_month(self) -> None:
        """A door can be open for a month, and the daemon sleeps meanwhile."""
        daemon = self.controlled(door("ssh", more='open_for = "7d"\nmax_open_for = "30d"\n'))
        self.assertIn("(30d)", self.pkdoors("open", CLIENT4, "--for", "30d"))
        self.assertIn("(7d)", self.pkdoors("open", STRANGER4))
        self.assertTrue(self.client.reaches(PORT))
        self.assertTrue(self.stranger.reaches(PORT))
        before = processorTime(daemon.process.popen.pid)
        time.sleep(2)
        self.assertLess(processorTime(daemon.process.popen.pid) - before, 1.0)
        daemon.stop()
        daemon = self.controlled(door("ssh", more='open_for = "7d"\nmax_open_for = "30d"\n'))
        took = rf"took over door ssh .* for {CLIENT4} until .* \((30d|29d23h)"
        self.assertRegex(daemon.log(), took)
        self.assertTrue(self.client.reaches(PORT))
        self.assertNotIn("Traceback", daemon.log())

    def test_closeMany(self) -> None:
        """A thousand openings are closed with one command, whose status is 0."""
        sources = MANY[: self.count]
        self.controlled(SSH)
        self.openMany(sources)
        self.assertEqual(self.inKernel(), {("ssh", source) for source in sources})
        self.assertEqual(self.inFirewalld(), len(sources))
        lines = self.pkdoors("close", "--all")
        self.assertEqual(self.inKernel(), set())
        many = re.findall(r"^closed (\d+) openings", lines, re.MULTILINE)
        few = re.findall("^closed door ssh for ", lines, re.MULTILINE)
        self.assertEqual(sum(map(int, many)) + len(few), len(sources), lines)
        self.assertTrue(eventually(lambda: not self.openings() and not self.inFirewalld()))

    def test_refused(self) -> None:
        """A refusal is the daemon's own sentence."""
        self.controlled(SSH, door("web", WEB_SEQUENCE, WEB))
        self.assertIn("ssh, web", self.fails(1, "open", CLIENT4))
        self.assertIn("'shh'", self.fails(1, "open", CLIENT4, "--door", "shh"))
        self.assertIn("1h", self.fails(1, "open", CLIENT4, "--door", "ssh", "--for", "2h"))
        self.assertIn(CLIENT4, self.fails(1, "close", CLIENT4))
        self.assertIn("'shh'", self.fails(1, "close", "--all", "--door", "shh"))
        self.assertEqual(self.openings(), set())

    def test_status(self) -> None:
        """The output has the doors, and who has earned the openings."""
        self.controlled(SSH, door("web", WEB_SEQUENCE, WEB))
        self.assertIn("\nno door is open\n", self.pkdoors("status"))
        self.client.send(SEQUENCE)
        self.assertTrue(self.client.comesToReach(PORT))
        self.pkdoors("open", STRANGER4, "--door", "web", "--for", "5m")
        rows = [re.split("  +", line) for line in self.pkdoors("status").splitlines()]
        self.assertIn(["ssh", f"{PORT}/tcp", "sequence", "1 address", "1m, at most 1h"], rows)
        (mine,) = (row for row in rows if CLIENT4 in row)
        (other,) = (row for row in rows if STRANGER4 in row)
        self.assertEqual((mine[0], mine[3], other[0]), ("ssh", "-", "web"))
        self.assertEqual(other[3], "the operator")
        answer = json.loads(self.pkdoors("status", "--json"))
        self.assertEqual({found["source"] for found in answer["openings"]}, {CLIENT4, STRANGER4})

    def test_reload(self) -> None:
        """The output has what has changed, or why nothing has."""
        self.controlled(SSH)
        self.assertEqual(self.pkdoors("reload"), "nothing has changed\n")
        self.write(SSH, door("web", WEB_SEQUENCE, WEB))
        self.assertIn(f"web ({WEB}/tcp)", self.pkdoors("reload"))
        self.pkdoors("open", CLIENT4, "--door", "web")
        self.assertTrue(self.client.reaches(WEB))
        self.write("[doors.ssh]\n")
        self.assertIn("doors.ssh.sequence is missing", self.fails(1, "reload"))

    def test_reloadMoved(self) -> None:
        """If the usual file has got another socket path, or none, reload says so."""
        script = f"""
            cp -a /etc {self.folder}/etc && mount --bind {self.folder}/etc /etc &&
            mount -t tmpfs none /run && mkdir -p /etc/pkdoors && umask 077 || exit
            file=/etc/pkdoors/pkdoors.toml
            echo '{SSH}' >$file
            {BIN}/twistd -n --pidfile= pkdoors -f {self.firewall} &
            until {PKDOORS} reload; do sleep 0.1; done
            for place in {self.folder}/new.sock off; do
                (echo "admin = '$place'"; echo '{SSH}') >$file
                {PKDOORS} reload; echo "status $?"
            done
            kill %1; wait"""
        # A mount namespace of its own: the machine's own folders are not touched.
        process = self.server.spawn("unshare", "--mount", "bash", "-c", script)
        self.assertEqual(process.popen.wait(60), 0, process.log())
        lines = process.log().splitlines()
        found = [line for line in lines if line.startswith(("pkdoors reload: ", "status "))][-4:]
        self.assertEqual(found[1::2], ["status 1", "status 1"], process.log())
        for line in found[::2]:
            self.assertIn("admin: this cannot change while the daemon runs", line)

    def test_noDaemon(self) -> None:
        """After the daemon's end the status is 3."""
        daemon = self.controlled(SSH)
        daemon.stop()
        for command in (("status",), ("open", CLIENT4), ("close", "--all"), ("reload",)):
            self.assertRegex(
                self.fails(3, *command), "the daemon is not running .*: start it, or use --admin"
            )

    def test_watch(self) -> None:
        """The watch shows knocks, openings and closings, and survives a restart of the daemon."""
        daemon = self.controlled(SSH)
        terminal = Terminal(PKDOORS, "watch", "-c", str(self.file))
        self.addCleanup(terminal.close)
        self.assertTrue(terminal.shows("no door is open"), terminal.written)
        self.client.send(SEQUENCE)
        self.assertTrue(terminal.shows("OPEN (1)"), terminal.screen())
        bar = next(line for line in terminal.screen() if "\u2501" in line)
        self.assertRegex(bar, rf"^ssh  {re.escape(CLIENT4)}  (1m|\d\ds)  -  \u2501+")
        self.assertTrue(terminal.shows(f"opened          ssh for {CLIENT4}, 1m"))
        self.assertTrue(eventually(lambda: " 0.0 knocks/s" not in terminal.screen()[0]))
        self.pkdoors("close", CLIENT4)
        self.assertTrue(terminal.shows(f"closed          ssh for {CLIENT4}, "))
        self.assertTrue(terminal.shows("no door is open"))
        daemon.stop()
        self.assertTrue(terminal.shows("No answer, trying again: the daemon is not running"))
        self.controlled(SSH)
        self.assertTrue(eventually(lambda: "No answer" not in "\n".join(terminal.screen())))
        self.pkdoors("open", STRANGER4)
        self.assertTrue(terminal.shows(f"ssh  {STRANGER4}  "))
        terminal.type("\3")
        self.assertEqual(terminal.end(), 0)
        self.assertFalse(terminal.hidesCursor())
        self.assertEqual(terminal.settings(), terminal.before)


class FirewalldControlTests(ControlTests):
    """Tests of the commands with firewalld."""

    firewall = "firewalld"
    count = 100  # it takes firewalld a hundredth of a second for each

    def inFirewalld(self) -> int:
        """Return the number of addresses that firewalld lets through."""
        rules = self.firewalld.cmd("--list-rich-rules").splitlines()
        return sum('source address="10.7.' in rule for rule in rules)

    def test_firewalldHangs(self) -> None:
        """If firewalld does not answer, the guard closes, and the status is 0."""
        self.controlled(SSH)
        self.openMany(MANY[:30])
        self.pkdoors("open", CLIENT4)
        self.assertTrue(self.client.reaches(PORT))
        firewalld = self.firewalld.process.popen
        firewalld.send_signal(signal.SIGSTOP)
        try:
            line = self.pkdoors("close", "--all")
            self.assertEqual(self.inKernel(), set())
            self.assertFalse(self.client.reaches(PORT))
        finally:
            firewalld.send_signal(signal.SIGCONT)
        self.assertEqual(
            line, "closed 31 openings: nobody comes in any more, and firewalld follows\n"
        )
        self.assertTrue(eventually(lambda: not self.openings() and not self.inFirewalld()))
