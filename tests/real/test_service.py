"""Tests of the daemon as a service: C{pkdoors install-service}, and systemd itself."""

import json
import os
import re
import signal
import socket
from functools import partial
from pathlib import Path
from shutil import rmtree

from tests.lab import hosts
from tests.lab.case import PORT, SEQUENCE, RealTestCase
from tests.lab.hosts import CLIENT4, PATIENCE, SERVER4, eventually
from tests.lab.machine import BIN, Machine, isPossible
from tests.lab.pages import OPERATING, block

PKDOORS = str(BIN / "pkdoors")
INSTALL = (PKDOORS, "install-service")
"""The command on a machine."""
HERE = (str(hosts.BIN / "pkdoors"), "install-service")
UNIT = "/etc/systemd/system/pkdoors.service"
FLEET_UNIT = "/etc/systemd/system/pkdoors-fleet.service"
RULE = "/etc/polkit-1/rules.d/50-pkdoors.rules"
CONF = "/etc/pkdoors/pkdoors.toml"
AUDIT = "/var/log/pkdoors/audit.jsonl"
LOGROTATE = "/etc/logrotate.d/pkdoors"
LOW = (17001, 203, 17005, 404, 17002, 17009)
"""A sequence with knock ports below 1024."""


class UnitTests(RealTestCase):
    """Tests of the unit, without a running systemd."""

    def setUp(self) -> None:
        """Write the files below a folder."""
        super().setUp()
        self.output = self.server.run(*HERE, "--root", str(self.folder))
        self.unit = f"{self.folder}{UNIT}"
        self.fleetUnit = f"{self.folder}{FLEET_UNIT}"

    def test_verify(self) -> None:
        """systemd finds no fault with it, nor with that of the fleet's process."""
        verify = ("systemd-analyze", "verify", "--man=no")
        self.assertEqual(self.server.run(*verify, self.unit, self.fleetUnit), "")

    def test_security(self) -> None:
        """systemd scores its exposure 2.0 or better; 1.5 for the process with no capability."""
        analyze = ("systemd-analyze", "security", "--offline=true", "--threshold=20")
        for unit, most in ((self.unit, 2.0), (self.fleetUnit, 1.5)):
            output = self.server.run(*analyze, "--no-pager", unit)
            score = re.search(r"Overall exposure level for pkdoors\S*.service: (\d\.\d)", output)
            assert score is not None, output
            self.assertLessEqual(float(score[1]), most)

    def test_root(self) -> None:
        """C{--root} writes eight files below a folder, and does nothing else."""
        placed = [line.removeprefix("wrote      ") for line in self.output.splitlines()]
        self.assertEqual(8, len(placed))
        for path in map(Path, placed):
            self.assertEqual((0o644, True), (path.stat().st_mode & 0o7777, path.is_file()))
        self.assertIn(f'"{hosts.BIN}/pkdoors" daemon', Path(self.unit).read_text())
        removed = self.server.run(*HERE, "--uninstall", "--root", str(self.folder))
        self.assertEqual([f"removed    {path}" for path in placed], removed.splitlines())
        self.assertFalse([path for path in placed if Path(path).exists()])


class ServiceTestCase(RealTestCase):
    """With a running systemd on the server, and the service installed."""

    if os.getuid() == 0 and not isPossible():
        skip = "these tests run systemd: they need a kernel with cgroup2"

    hasJournal = False

    def setUp(self) -> None:
        """Boot, and install the service."""
        super().setUp()
        self.server.serve(PORT)
        self.machine = Machine(self.server, self.hasJournal)
        self.addCleanup(self.machine.stop)
        self.output = self.machine.run(*INSTALL)

    def file(self, path: str) -> Path:
        """Return a file below C{/etc} of the machine."""
        return self.folder / path.removeprefix("/")

    def configure(self, extra: str = "", sequence: tuple[int, ...] = SEQUENCE) -> str:
        """Write the configuration as root does, install again, and return the output."""
        ports = f"sequence = {list(sequence)}\nports = [{PORT}]\nopen_for = '1h'\n"
        self.file(CONF).touch(0o600)
        self.file(CONF).write_text(f"[doors.ssh]\n{ports}{extra}")
        return self.machine.run(*INSTALL)

    def begin(self, extra: str = "", sequence: tuple[int, ...] = SEQUENCE) -> None:
        """Configure the service and start it."""
        self.configure(extra, sequence)
        self.machine.run("systemctl", "start", "pkdoors")
        self.assertFalse(self.client.reaches(PORT))

    def opens(self, sequence: tuple[int, ...] = SEQUENCE) -> bool:
        """Return whether knocks open the door, for this client only."""
        self.client.send(sequence)
        opened = self.client.comesToReach(PORT)
        return opened and not self.stranger.reaches(PORT)

    def assertUnprivileged(self) -> None:
        """Assert that the daemon has no privileges but those that it needs."""
        lines = (self.machine.process() / "status").read_text().splitlines()
        status = dict(line.split(":\t") for line in lines)
        for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
            # CAP_NET_BIND_SERVICE is number 10, CAP_NET_ADMIN 12.
            self.assertEqual(1 << 10 | 1 << 12, int(status[name], 16), name)
        self.assertEqual(("1", "2"), (status["NoNewPrivs"], status["Seccomp"]))
        users = self.machine.run("getent", "passwd", "pkdoors").split(":")
        self.assertEqual([users[2]] * 4, status["Uid"].split("\t"))
        self.assertEqual([users[3]] * 4, status["Gid"].split("\t"))
        self.assertEqual(users[3], status["Groups"].strip())


class ServiceTests(ServiceTestCase):
    """Tests of the running service, in its whole sandbox."""

    def test_works(self) -> None:
        """It opens, heals, and takes over its openings after a restart; when it ends, it closes."""
        self.begin()
        self.assertTrue(self.opens(), self.machine.log())
        self.assertNotIn("Unable to write to plugin cache", self.machine.log())
        self.machine.run("nft", "flush", "ruleset")
        self.assertTrue(
            self.isOwned() or self.machine.says("restored the rules of pkdoors in nftables"),
            self.machine.log(),
        )
        self.assertTrue(self.client.reaches(PORT))
        self.machine.run("systemctl", "restart", "pkdoors")
        self.assertTrue(self.client.reaches(PORT))
        self.assertFalse(self.stranger.reaches(PORT))
        self.machine.run("systemctl", "stop", "pkdoors")
        self.assertFalse(self.stranger.reaches(PORT))

    def test_privileges(self) -> None:
        """It has two capabilities and no others, no rights of other users, and can gain none."""
        self.begin()
        self.assertUnprivileged()

    def test_hooks(self) -> None:
        """A hook may change the firewall, as C{init --knockd} says of each, but write no file."""
        work = (
            "iptables-nft -N FROMHOOK; nft add table inet fromhook; echo x >/srv/x || echo no >&2"
        )
        self.begin(f"on_open = ['/bin/sh', '-c', '{work}; exit 1']\n")
        self.assertTrue(self.opens(), self.machine.log())
        self.assertTrue(
            eventually(lambda: "inet fromhook" in self.machine.run("nft", "list", "tables"))
        )
        self.assertIn("FROMHOOK", self.machine.run("iptables-nft", "-S"))
        self.assertTrue(eventually(lambda: "Read-only file system" in self.machine.log()))
        self.assertNotEqual(0, self.machine.status("test", "-e", "/srv/x")[0])

    def test_cannotWriteItsConfiguration(self) -> None:
        """It can read its configuration, which is a secret, but not change it."""
        self.begin()
        for path, mode in ((CONF, 0o640), ("/etc/pkdoors", 0o750)):
            now = self.file(path).stat()
            self.assertEqual((0, mode), (now.st_uid, now.st_mode & 0o7777))
        who = ("setpriv", "--reuid=pkdoors", "--regid=pkdoors", "--clear-groups")
        self.machine.run(*who, "test", "-r", CONF)
        self.assertEqual(1, self.machine.status(*who, "test", "-w", CONF)[0])

    def test_lowPorts(self) -> None:
        """It receives knocks to ports below 1024."""
        self.begin(sequence=LOW)
        self.assertTrue(self.opens(LOW), self.machine.log())

    def test_sealed(self) -> None:
        """
        Sealed knocks open doors, once the first start is longer ago than clocks may differ; the
        installation lets the service read root's keys.
        """
        key, keys = self.folder / "key", self.file("/etc/pkdoors/authorized_keys")
        self.server.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key))
        keys.touch(0o600)
        keys.write_text(key.with_suffix(".pub").read_text())
        self.begin("authorized_keys = '/etc/pkdoors/authorized_keys'\nclock_skew = '5s'\n")
        self.assertEqual((0, 0o640), (keys.stat().st_uid, keys.stat().st_mode & 0o7777))
        self.assertFalse(self.opens())
        ports = ",".join(map(str, SEQUENCE))
        self.client.run(
            HERE[0],
            "knock",
            SERVER4,
            "-m",
            ports,
            "-i",
            str(key),
            "--door",
            "ssh",
            "--wait",
            str(PORT),
            "--timeout",
            "1s",
            "--tries",
            "60",
        )
        self.assertTrue(self.machine.run("sh", "-c", "cat /var/lib/pkdoors/*.seen"))

    def test_whatRootLeft(self) -> None:
        """
        The notes and the audit file of a daemon that ran as root become the service's; so does
        C{init}'s folder.
        """
        left = ("/var/lib/pkdoors/1.seen", AUDIT)
        for path in left:
            self.machine.run("sh", "-c", f"umask 077; echo x >{path}; chown root: {path}")
        self.machine.run("sh", "-c", "chmod 700 /etc/pkdoors; chown root: /etc/pkdoors")
        self.machine.run(*INSTALL)
        folder = self.machine.run("stat", "-c%U %G %a", "/etc/pkdoors")
        self.assertEqual("root pkdoors 750\n", folder)
        owners = self.machine.run("stat", "-c%U %G %a", *left)
        self.assertEqual("pkdoors pkdoors 600\n" * 2, owners)

    def runAsRoot(self) -> None:
        """Run the daemon as root, without systemd, open the door, and kill the daemon."""
        script = (
            f"umask 077; {BIN}/twistd --pidfile=/run/byhand.pid --logfile=/run/byhand.log pkdoors; "
            "until [ -S /run/pkdoors/admin.sock ]; do sleep 0.05; done"
        )
        self.machine.run("timeout", "30", "sh", "-ec", script)
        self.assertTrue(self.opens())
        self.machine.run("sh", "-c", "kill -KILL $(cat /run/byhand.pid)")

    def test_afterRoot(self) -> None:
        """
        After a daemon that ran as root was killed, the service goes on with everything that it
        left: the admin socket, the notes, the audit file.
        """
        self.audited()
        self.runAsRoot()
        self.machine.run("systemctl", "start", "pkdoors")
        self.assertIn("1 address", self.machine.run(PKDOORS, "status"))
        self.assertNotIn("cannot ", self.machine.log())
        self.assertNotIn("no privilege", self.machine.log())
        self.machine.run("systemctl", "stop", "pkdoors")
        kinds = [json.loads(line)["event"] for line in self.machine.run("cat", AUDIT).splitlines()]
        self.assertEqual(["guarding", "opened", "taken-over", "guarding", "stopped"], kinds)
        folders = ("/run/pkdoors", "/var/lib/pkdoors", "/var/log/pkdoors")
        self.assertEqual("", self.machine.run("find", *folders, "!", "-user", "pkdoors"))

    def test_readiness(self) -> None:
        """Units that wait for the service find the guard in place."""
        self.configure()
        self.file("/etc/systemd/system/network.service").write_text(
            "[Unit]\nAfter=network-pre.target\n[Service]\nType=oneshot\n"
            "ExecStart=nft list chain inet pkdoors input\n"
        )
        self.machine.run("systemctl", "daemon-reload")
        for _ in range(3):
            self.machine.run("systemctl", "start", "pkdoors", "network")
            self.machine.run("systemctl", "stop", "pkdoors", "network-pre.target")
            self.machine.run(PKDOORS, "release")
        self.machine.run("systemctl", "start", "pkdoors")
        status = self.machine.show("StatusText")
        self.assertEqual(status, f"guarding ssh ({PORT}/tcp) with nftables")

    def test_earlyNetwork(self) -> None:
        """If the network comes before sysinit.target, as with cloud-init, there is no circle."""
        self.configure()
        units = self.file("/etc/systemd/system")
        (units / "network.service").write_text(
            "[Unit]\nDefaultDependencies=no\nAfter=network-pre.target\nBefore=sysinit.target\n"
            "[Service]\nType=oneshot\nRemainAfterExit=yes\n"
            "ExecStart=nft list chain inet pkdoors input\n"
        )
        wanted = "network.service sysinit.target pkdoors.service"
        (units / "boot.target").write_text(f"[Unit]\nWants={wanted}\nAfter={wanted}\n")
        self.machine.run("systemctl", "daemon-reload")
        self.machine.run("systemctl", "start", "boot.target")
        states = [self.machine.show("ActiveState", unit) for unit in wanted.split()]
        self.assertEqual(["active"] * 3, states, self.machine.log())

    def test_addressComesLater(self) -> None:
        """
        An address to listen on that only the network brings delays neither the network nor the
        guard; knocks to it open doors as soon as it comes.
        """
        self.configure()
        text = self.file(CONF).read_text()
        self.file(CONF).write_text(f"interfaces = ['10.9.77.1']\n{text}")
        self.file("/etc/systemd/system/network.service").write_text(
            "[Unit]\nAfter=network-pre.target\n[Service]\nType=oneshot\n"
            "ExecStart=ip address add 10.9.77.1/32 dev lo\n"
        )
        self.machine.run("systemctl", "daemon-reload")
        self.machine.run("systemctl", "start", "pkdoors")
        self.assertEqual("active", self.machine.show("ActiveState"))
        self.assertFalse(self.client.reaches(PORT))
        self.assertEqual("0", self.machine.show("NRestarts"))
        missing = "this host does not have the address 10.9.77.1 yet"
        self.assertTrue(self.machine.show("StatusText").startswith(f"degraded: {missing}"))
        self.machine.run("systemctl", "start", "network")
        self.client.send(SEQUENCE, address="10.9.77.1")
        self.assertTrue(self.client.comesToReach(PORT, "10.9.77.1"), self.machine.log())
        guarding = f"guarding ssh ({PORT}/tcp) with nftables"
        self.assertTrue(eventually(lambda: self.machine.show("StatusText") == guarding))
        self.assertEqual(1, self.machine.log().count(missing))

    def test_watchdog(self) -> None:
        """A daemon that hangs is replaced; its open door stays open meanwhile."""
        self.begin()
        self.assertTrue(self.opens())
        folder = self.file(f"{UNIT}.d")
        folder.mkdir()
        (folder / "quick.conf").write_text("[Service]\nWatchdogSec=2\nRestartSec=0\n")
        self.machine.run("systemctl", "daemon-reload")
        self.machine.run("systemctl", "restart", "pkdoors")
        before = self.machine.process()
        os.kill(int(before.name), signal.SIGSTOP)
        self.assertTrue(eventually(lambda: self.machine.show("NRestarts") != "0"))
        self.assertTrue(self.client.reaches(PORT))
        self.assertTrue(eventually(lambda: self.machine.show("ActiveState") == "active"))
        self.assertNotEqual(before, self.machine.process())

    def test_noConfiguration(self) -> None:
        """Without a configuration it is left out, which is not a failure."""
        self.assertIn(f"Create a configuration:   {PKDOORS} init\n", self.output)
        self.assertLeftOut()

    def assertLeftOut(self) -> None:
        """Assert that a start does nothing, and does not fail."""
        self.machine.run("systemctl", "start", "pkdoors")
        found = [
            self.machine.show(name) for name in ("ActiveState", "ConditionResult", "NRestarts")
        ]
        self.assertEqual(["inactive", "no", "0"], found)
        self.assertEqual("", self.machine.run("systemctl", "--failed", "--quiet"))

    def test_lostConfiguration(self) -> None:
        """
        If its configuration is lost at the next boot, it closes the ports all the same, and the log
        says why nobody can knock, until C{pkdoors release}.
        """
        self.begin()
        self.machine.run("systemctl", "stop", "pkdoors")
        self.file(CONF).rename(self.file(f"{CONF}.bak"))
        self.machine.run("nft", "flush", "ruleset")
        self.assertTrue(self.client.reaches(PORT))
        self.assertNotEqual(0, self.machine.status("systemctl", "start", "pkdoors")[0])
        self.assertTrue(self.machine.says(f"keeps {PORT}/tcp closed"), self.machine.log())
        self.assertIn("Create one with `pkdoors init`", self.machine.log())
        self.assertFalse(self.client.reaches(PORT))
        self.machine.run("systemctl", "stop", "pkdoors")
        self.machine.run(PKDOORS, "release")
        self.assertTrue(self.client.reaches(PORT))
        self.machine.run("systemctl", "reset-failed")
        self.assertLeftOut()

    def test_brokenConfiguration(self) -> None:
        """
        A broken configuration, or a wrong option, ends the daemon with one line, and it is not
        started again; the guard stays, and a start with a good one works.
        """
        self.begin()
        good = self.file(CONF).read_text()
        self.file(CONF).write_text("[doors.")
        self.machine.status("systemctl", "restart", "pkdoors")
        self.assertStaysDown(78)
        self.assertEqual(1, self.machine.log().count("is not valid TOML"))
        self.file(CONF).write_text(good)
        folder = self.file(f"{UNIT}.d")
        folder.mkdir()
        (folder / "x.conf").write_text(f"[Service]\nExecStart=\nExecStart={PKDOORS} daemon -t x\n")
        self.machine.run("systemctl", "daemon-reload")
        self.machine.status("systemctl", "restart", "pkdoors")
        self.assertStaysDown(2)
        (folder / "x.conf").unlink()
        self.machine.run("systemctl", "daemon-reload")
        self.machine.run("systemctl", "restart", "pkdoors")
        self.assertTrue(self.opens(), self.machine.log())

    def assertStaysDown(self, status: int) -> None:
        """Assert that the daemon has ended with a status for good, and that the port is closed."""
        names = ("ActiveState", "SubState", "Result", "ExecMainStatus", "NRestarts")
        found = [self.machine.show(name) for name in names]
        self.assertEqual(["failed", "failed", "exit-code", str(status), "0"], found)
        self.assertFalse(self.client.reaches(PORT))

    def test_reloadWithoutSocket(self) -> None:
        """C{systemctl reload} works without an admin socket, too, and finds a wrong file."""
        self.configure()
        conf = self.file(CONF)
        conf.write_text(f"admin = 'off'\n{conf.read_text()}")
        self.machine.run("systemctl", "start", "pkdoors")
        good = conf.read_text()
        conf.write_text(good + "port = 1\n")
        self.assertNotEqual(self.machine.status("systemctl", "reload", "pkdoors")[0], 0)
        self.assertIn("doors.ssh: unknown key 'port'", self.machine.log())
        conf.write_text(good.replace("'1h'", "'30m'"))
        self.machine.run("systemctl", "reload", "pkdoors")
        self.assertTrue(
            self.machine.says(
                f"guarding door ssh ({PORT}/tcp) with nftables: 6 knocks open it for 30m"
            ),
            self.machine.log(),
        )
        self.assertEqual("active", self.machine.show("ActiveState"))

    def test_init(self) -> None:
        """C{pkdoors init} after the installation writes for the service."""
        init = (PKDOORS, "init", "--plain", "--ports", str(PORT), "--host", SERVER4)
        output = self.machine.run(*init)
        self.assertIn("Only root and the service (user pkdoors) may read it.", output)
        self.assertIn("pkdoors trial 10m\n", output)
        self.machine.run("systemctl", "enable", "--quiet", "--now", "pkdoors")
        self.assertFalse(self.client.reaches(PORT))
        self.assertEqual("active", self.machine.show("ActiveState"))

    def test_documented(self) -> None:
        """The commands in the manual's section do what it says, in this order."""
        self.machine.run(*INSTALL, "--uninstall")
        self.configure()
        self.machine.run(*INSTALL, "--uninstall")
        commands = [
            re.sub("^pkdoors ", f"{PKDOORS} ", line.removeprefix("sudo ").partition(" #")[0])
            for line in block("sudo pkdoors install-service", OPERATING).splitlines()
            if "journalctl" not in line
        ]
        states = []
        for command in commands:
            output = self.machine.run("sh", "-c", command)
            states.append((self.machine.show("ActiveState"), self.client.reaches(PORT)))
            if "status" in command:
                self.assertIn(f"guarding ssh ({PORT}/tcp) with nftables", output)
        stages = [("inactive", True), *[("active", False)] * 2, ("inactive", False)]
        self.assertEqual([*stages, ("inactive", True)], states)

    def test_reload(self) -> None:
        """C{systemctl reload} applies a changed file, and fails if the file is wrong."""
        self.begin()
        self.assertTrue(self.opens())
        self.server.serve(PORT + 1)
        conf = self.file(CONF)
        good = conf.read_text() + (
            f"[doors.web]\nsequence = {list(SEQUENCE[::-1])}\nports = [{PORT + 1}]\n"
        )
        conf.write_text(good)
        self.machine.run("systemctl", "reload", "pkdoors")
        self.assertFalse(self.client.reaches(PORT + 1))
        self.assertTrue(self.client.reaches(PORT))
        self.assertIn("web", self.machine.show("StatusText"))
        conf.write_text(good + "port = 1\n")
        self.assertNotEqual(self.machine.status("systemctl", "reload", "pkdoors")[0], 0)
        self.assertTrue(self.machine.says("doors.web: unknown key 'port'"), self.machine.log())
        self.assertFalse(self.client.reaches(PORT + 1))
        self.assertTrue(self.client.reaches(PORT))

    def test_sessionsLiveOn(self) -> None:
        """
        Sessions from before its start live on, such as the operator's over ssh: no byte is lost.
        """
        with self.server.inside():
            listening = socket.create_server(("0.0.0.0", PORT + 1))
        self.addCleanup(listening.close)
        self.configure(sequence=SEQUENCE)
        text = self.file(CONF).read_text().replace(f"[{PORT}]", f"[{PORT + 1}]")
        self.file(CONF).write_text(text)
        session = self.client.connect(PORT + 1)
        self.addCleanup(session.close)
        there, _ = listening.accept()
        self.addCleanup(there.close)
        there.settimeout(PATIENCE)
        self.machine.run("systemctl", "start", "pkdoors")
        self.assertFalse(self.client.reaches(PORT + 1))
        for data in (b"still", b" here"):
            session.sendall(data)
            self.assertEqual(there.recv(100), data)

    def test_logrotate(self) -> None:
        """
        The audit file, begun by a daemon that ran as root, is rotated while the service writes, and
        no event is lost.
        """
        self.audited()
        self.runAsRoot()
        self.machine.run("systemctl", "start", "pkdoors")
        for number in range(1, 4):
            self.assertTrue(self.opens(), self.machine.log())
            self.machine.run("logrotate", "--force", "--state", "/run/state", LOGROTATE)
            self.assertTrue(eventually(partial(self.hasReloaded, number)), self.machine.log())
        self.machine.run("systemctl", "stop", "pkdoors")
        written = self.machine.run("sh", "-c", f"cat {AUDIT} {AUDIT}.1; zcat {AUDIT}.*.gz")
        kinds = [json.loads(line)["event"] for line in written.splitlines()]
        self.assertEqual(kinds.count("opened") + kinds.count("extended"), 4, written)
        self.assertEqual((kinds.count("guarding"), kinds.count("stopped")), (2, 1))
        self.assertEqual(kinds.count("reloaded"), 3)

    def audited(self) -> None:
        """Configure it with an audit file."""
        self.configure()
        self.file(CONF).write_text(f'audit = "{AUDIT}"\n' + self.file(CONF).read_text())

    def hasReloaded(self, times: int) -> bool:
        """Return whether it has reloaded so many times."""
        return self.machine.log().count("reloaded: nothing has changed") == times


class FirewalldServiceTests(ServiceTestCase):
    """Tests of the service beside firewalld, which asks the real polkit."""

    def test_works(self) -> None:
        """It starts after firewalld and works with it, and heals after a reload of firewalld."""
        self.configure()
        self.machine.run("systemctl", "start", "--no-block", "firewalld")
        self.machine.run("systemctl", "start", "pkdoors")
        self.assertIn("with nftables and firewalld", self.machine.show("StatusText"))
        self.assertUnprivileged()
        self.assertFalse(self.client.reaches(PORT))
        self.assertTrue(self.opens(), self.machine.log())
        self.assertIn(CLIENT4, self.machine.run("firewall-cmd", "--list-rich-rules"))
        self.machine.run("firewall-cmd", "--reload")
        self.assertTrue(self.machine.says("reloaded"), self.machine.log())
        self.assertTrue(self.client.comesToReach(PORT), self.machine.log())
        self.machine.run("systemctl", "stop", "pkdoors")
        rules = self.machine.run("firewall-cmd", "--list-rich-rules")
        self.assertNotIn(str(SEQUENCE[0]), rules)

    def test_noRule(self) -> None:
        """Without polkit's rule it says what to do, in one line, and changes nothing."""
        self.configure()
        self.file(RULE).unlink()
        before = self.machine.run("nft", "list", "ruleset")
        self.machine.run("systemctl", "start", "firewalld")
        self.assertEqual(1, self.machine.status("systemctl", "start", "pkdoors")[0])
        self.machine.run("systemctl", "stop", "pkdoors")
        words = "install polkitd, then run `pkdoors install-service` to add the rule that allows it"
        self.assertTrue(self.machine.says(words), self.machine.log())
        self.assertNotIn("Traceback", self.machine.log())
        self.machine.run(*INSTALL)
        self.machine.run("systemctl", "start", "pkdoors")
        self.assertTrue(self.opens(), self.machine.log())
        self.assertNotEqual(before, self.machine.run("nft", "list", "ruleset"))


class InstallTests(ServiceTestCase):
    """Tests of C{pkdoors install-service} and C{--uninstall}."""

    def test_order(self) -> None:
        """It prints what it does, a line each, and what to do next."""
        lines = self.output.splitlines()
        done = [line.split()[0] for line in lines[: lines.index("")]]
        self.assertEqual(done, ["wrote"] * 8 + ["created"] * 2 + ["reloaded"])
        self.assertIn("Start it without a trial: systemctl enable --now pkdoors", lines)

    def test_twice(self) -> None:
        """The second time it changes nothing, and says so."""
        before = self.tree()
        lines = self.configure().splitlines()
        done = [line.split()[0] for line in lines[: lines.index("")]]
        self.assertEqual(done, ["unchanged"] * 10 + ["changed", "reloaded"])
        lines = self.machine.run(*INSTALL).splitlines()
        done = [line.split()[0] for line in lines[: lines.index("")]]
        self.assertEqual(done, ["unchanged"] * 11 + ["reloaded"])
        self.assertEqual(before | {CONF.removeprefix("/etc/")}, self.tree())

    def tree(self) -> set[str]:
        """Return the files below C{/etc}."""
        etc = self.folder / "etc"
        return {str(path.relative_to(etc)) for path in etc.rglob("*") if not path.is_dir()}

    def test_uninstall(self) -> None:
        """The service stops, its files are removed, and everything else stays, also the guard."""
        self.begin()
        self.machine.run("systemctl", "enable", "--quiet", "pkdoors")
        before = self.tree()
        output = self.machine.run(*INSTALL, "--uninstall")
        gone = {f"/etc/{path}" for path in before - self.tree()}
        wants = "/etc/systemd/system/multi-user.target.wants/pkdoors.service"
        self.assertEqual(9, len(gone))
        self.assertTrue(all(f"removed    {path}\n" in output for path in gone - {wants}), output)
        self.assertIn("the guard, unless you released it, keeps the ports closed\n", output)
        for command in (
            "pkdoors release\n",
            "userdel pkdoors\n",
            "userdel pkdoors-fleet\n",
            "rm -r /etc/pkdoors",
        ):
            self.assertIn(command, output)
        self.assertEqual("inactive", self.machine.show("ActiveState"))
        self.assertFalse(self.client.reaches(PORT))
        self.assertTrue(self.file(CONF).exists())
        self.machine.run("getent", "passwd", "pkdoors")
        self.machine.run(PKDOORS, "release")
        self.assertTrue(self.client.reaches(PORT))
        again = self.machine.run(*INSTALL, "--uninstall")
        self.assertEqual(8, again.count("missing    "))

    def test_strangeFile(self) -> None:
        """A file that is not ours is not touched, and no other file either."""
        self.machine.run(*INSTALL, "--uninstall")
        self.file(UNIT).write_text("[Service]\nExecStart=true\n")
        before = self.tree()
        for options in ((), ("--uninstall",)):
            status, output = self.machine.status(*INSTALL, *options)
            self.assertEqual((1, 1), (status, output.count("\n")), output)
            self.assertIn(
                f"`pkdoors install-service` did not write {UNIT}, and does not touch", output
            )
        self.assertEqual(before, self.tree())

    def test_notRoot(self) -> None:
        """Users who are not root get an error that says so."""
        self.file(UNIT).unlink()
        status, output = self.machine.status("setpriv", "--reuid=pkdoors", *INSTALL)
        self.assertEqual(1, status)
        self.assertIn(
            "install-service: only root can install or uninstall a service: run it", output
        )
        self.assertFalse(self.file(UNIT).exists())

    def test_badConfiguration(self) -> None:
        """A bad configuration is reported, and does not prevent the installation."""
        output = self.configure("colour = 'red'\n")
        line = "trouble    /etc/pkdoors/pkdoors.toml: doors.ssh: unknown key 'colour'"
        self.assertIn(line, output)

    def test_ordering(self) -> None:
        """It starts after the firewalls, and before the network."""
        after = self.machine.show("After").split()
        before = self.machine.show("Before").split()
        self.assertLessEqual({"firewalld.service", "nftables.service", "ufw.service"}, {*after})
        self.assertLessEqual({"network-pre.target", "network-online.target"}, {*before})
        self.assertEqual(set(), {*after} & {*before})


class MetricsTests(ServiceTestCase):
    """The metrics of the service, for node_exporter."""

    FILE = "/var/lib/prometheus/node-exporter/pkdoors.prom"

    def test_timer(self) -> None:
        """The timer writes them where everybody can read them, also that no daemon runs."""
        folder = Path(self.FILE).parent
        if not folder.parent.exists():  # the machine shares it with this one
            self.addCleanup(rmtree, folder.parent)
        made = f"mkdir -p {folder}; mount -t tmpfs none {folder}; chown nobody {folder}"
        self.machine.run("sh", "-c", made)
        self.begin()
        self.assertTrue(self.opens())
        self.machine.run("systemctl", "enable", "--quiet", "--now", "pkdoors-metrics.timer")
        show = ("setpriv", "--reuid=nobody", "--clear-groups", "cat", self.FILE)
        self.assertTrue(eventually(lambda: self.machine.status(*show)[0] == 0), self.machine.log())
        text = self.machine.run(*show)
        for line in (
            "pkdoors_up 1.0",
            'pkdoors_opened_total{door="ssh"} 1.0',
            'pkdoors_firewall_in_place{firewall="nftables"} 1.0',
            "pkdoors_config_last_reload_successful 1.0",
        ):
            self.assertIn(f"{line}\n", text)
        self.machine.run("systemctl", "stop", "pkdoors")
        self.machine.run("systemctl", "start", "pkdoors-metrics.service")
        self.assertIn("\npkdoors_up 0.0\n", self.machine.run(*show))
        self.machine.run(*INSTALL, "--uninstall")
        self.assertEqual("inactive", self.machine.show("ActiveState", "pkdoors-metrics.timer"))

    def test_otherFolder(self) -> None:
        """With the lines from the manual, they are written to another folder."""
        lines = block("[Unit]\nConditionPath", OPERATING).replace("/usr/bin/pkdoors", PKDOORS)
        dropIn = "/etc/systemd/system/pkdoors-metrics.service.d/override.conf"
        self.file(dropIn).parent.mkdir()
        self.file(dropIn).write_text(lines.replace("/srv/textfile", "/run/textfile"))
        self.machine.run("systemctl", "daemon-reload")
        self.machine.run("mkdir", "/run/textfile")
        self.machine.run("systemctl", "start", "pkdoors-metrics.service")
        text = self.machine.run("cat", "/run/textfile/pkdoors.prom")
        self.assertIn("\npkdoors_up 0.0\n", text)


class JournalTests(ServiceTestCase):
    """Tests of what the service writes to the journal."""

    hasJournal = True

    def journal(self, *matches: str) -> list[dict[str, str]]:
        """Return what the journal has."""
        self.machine.run("journalctl", "--sync")
        output = self.machine.run("journalctl", "--quiet", "--output=json", *matches)
        return [json.loads(line) for line in output.splitlines()]

    def test_fields(self) -> None:
        """
        Each line has a priority and no second time; the fields of the events find a client's lines.
        The lines of the start and the end are the unit's, too.
        """
        self.begin()
        self.assertTrue(self.opens())
        (opened,) = self.journal(f"PKDOORS_SOURCE={CLIENT4}")
        self.assertEqual(("opened", "ssh"), (opened["PKDOORS_EVENT"], opened["PKDOORS_DOOR"]))
        self.assertEqual(("6", "pkdoors"), (opened["PRIORITY"], opened["SYSLOG_IDENTIFIER"]))
        self.assertTrue(opened["MESSAGE"].startswith("opened door ssh"), opened)
        self.assertEqual(f"{PORT}/tcp", opened["PKDOORS_PORTS"])
        self.machine.run("systemctl", "stop", "pkdoors")
        texts = [
            each["MESSAGE"] for each in self.journal("--unit=pkdoors", "SYSLOG_IDENTIFIER=pkdoors")
        ]
        for beginning in ("guarding door ssh", "opened door ssh", "stopped; door ssh"):
            self.assertEqual(1, sum(text.startswith(beginning) for text in texts), texts)

    def test_priorities(self) -> None:
        """What is wrong has another priority, and so has a start that fails."""
        self.configure("authorized_keys = '/etc/pkdoors/nothing'\n")
        self.machine.run("systemctl", "start", "pkdoors")
        self.file(CONF).write_text("[doors.")
        self.machine.status("systemctl", "restart", "pkdoors")
        errors = self.journal("--priority=err", "_COMM=pkdoors")
        keys, toml = (each["MESSAGE"] for each in errors)
        self.assertIn("cannot read /etc/pkdoors/nothing", keys)
        self.assertTrue(toml.startswith(f"pkdoors: {CONF} is not valid TOML"), toml)
