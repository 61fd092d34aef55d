"""The guard comes first: whatever happens to the sockets, nobody gets in without a knock."""

import json
import os
import signal
import socket
import time
from pathlib import Path

from tests.lab.case import KNOCKS, PORT, SEQUENCE, RealTestCase
from tests.lab.hosts import BIN, PATIENCE, SERVER4, Daemon, Process, eventually, ip

LATER4, LATER6 = "10.9.9.77", "fd09:9::77"
TWISTD = (str(BIN / "twistd"), "-n", "--pidfile=", "pkdoors")
GOOD = ("-m", KNOCKS, "-p", str(PORT), "-f", "nftables")


class GuardFirstTestCase(RealTestCase):
    """A test with a program behind the door."""

    def setUp(self) -> None:
        """Start the program, and a fake service manager."""
        super().setUp()
        self.server.serve(PORT)
        self.manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(self.manager.close)
        self.manager.bind(f"{self.folder}/notify")
        self.manager.settimeout(PATIENCE)

    def take(self, port: int, address: str = "0.0.0.0") -> socket.socket:
        """Take a knock port, as another program."""
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with self.server.inside():
            other = socket.socket(family, socket.SOCK_DGRAM)
        self.addCleanup(other.close)
        if family == socket.AF_INET6:
            other.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        other.bind((address, port))
        return other

    def guards(self, *options: str, **environment: str) -> Daemon:
        """Start a daemon that must guard."""
        environment["NOTIFY_SOCKET"] = f"{self.folder}/notify"
        daemon = Daemon(self.server, *GOOD, *options, **environment)
        self.assertFalse(self.client.reaches(PORT))
        return daemon

    def state(self) -> str:
        """Return the last state that the manager was given."""
        message = self.manager.recv(4096).decode()
        return message.partition("STATUS=")[2]

    def status(self) -> list[str]:
        """Return the troubles that C{pkdoors status} shows."""
        command = (str(BIN / "pkdoors"), "status", "--admin", f"{self.folder}/admin.sock")
        text = eventually(lambda: self.server.status(*command)[1].startswith("pkdoors "))
        self.assertTrue(text)
        troubles = json.loads(self.server.run(*command, "--json"))["troubles"]
        return list(troubles)

    def opens(self, address: str = SERVER4) -> bool:
        """Return whether knocks on an address open the door."""
        self.client.send(SEQUENCE, address=address)
        return self.client.comesToReach(PORT, address)


class AddressTests(GuardFirstTestCase):
    """Addresses that appear later."""

    def test_later(self) -> None:
        """
        If the host does not have some addresses yet, the guard is in place, one warning names each
        of them, and a knock opens the door as soon as they appear.
        """
        daemon = self.guards("--interface", LATER4, "--interface", LATER6)
        for address in (LATER4, LATER6):
            self.assertEqual(
                1, daemon.log().count(f"this host does not have the address {address} yet")
            )
        self.assertTrue(self.state().startswith("degraded: this host does not have"))
        self.assertEqual(2, len(self.status()))
        self.server.run("ip", "address", "add", f"{LATER4}/32", "dev", "lo")
        self.assertFalse(self.client.reaches(PORT))
        self.assertTrue(self.opens(LATER4), daemon.log())
        self.assertFalse(self.stranger.reaches(PORT))
        self.server.run("ip", "address", "add", f"{LATER6}/128", "dev", "lo", "nodad")

        def opensOver6() -> bool:
            self.stranger.send(SEQUENCE, address=LATER6)
            return self.stranger.comesToReach(PORT, LATER6)

        self.assertTrue(eventually(opensOver6), daemon.log())
        for address in (LATER4, LATER6):
            self.assertTrue(daemon.says(f"this host has the address {address} now"))
        self.assertTrue(eventually(lambda: self.state().startswith("guarding ")))
        self.assertEqual([], self.status())

    def test_onlyThose(self) -> None:
        """Knocks to other addresses than the configured ones are not heard."""
        self.guards("--interface", LATER4)
        self.client.send(SEQUENCE)
        self.client.send(SEQUENCE, address="fd09:1::1")
        self.server.run("ip", "address", "add", f"{LATER4}/32", "dev", "lo")
        self.assertTrue(self.stranger.reaches(PORT) is False)
        self.assertFalse(self.client.reaches(PORT))
        self.assertTrue(self.opens(LATER4))

    def test_linkLocal(self) -> None:
        """
        The same holds for an interface that comes, goes, and returns with another number. Knocks
        are heard there, but on a host with several networks a link-local address earns no opening.
        """
        daemon = self.heard = self.guards("--interface", "fe80::7%later0")
        self.assertIn("does not have the address fe80::7%later0 yet", daemon.log())
        for number in (1, 2):
            ip(
                "-n",
                self.server.name,
                "link",
                "add",
                "later0",
                "type",
                "veth",
                "peer",
                "name",
                "later1",
                "netns",
                self.client.name,
            )
            for host, device, address in (
                (self.server, "later0", "fe80::7/64"),
                (self.client, "later1", "fe80::8/64"),
            ):
                host.run("ip", "link", "set", device, "addrgenmode", "none", "up")
                host.run("ip", "address", "add", address, "dev", device, "nodad")
            self.assertTrue(eventually(self.isHeardLocally, 60), f"{number}: {daemon.log()}")
            self.server.run("ip", "link", "delete", "later0")
            os.kill(daemon.process.popen.pid, signal.SIGHUP)  # sooner than by itself

    def isHeardLocally(self) -> bool:
        """Return whether knocks on the link's address are heard."""
        before = self.refusals()
        with self.client.inside(), socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sender:
            for port in SEQUENCE:
                sender.sendto(b"knock\n", ("fe80::7", port, 0, socket.if_nametoindex("later1")))
                time.sleep(0.005)
        return bool(eventually(lambda: self.refusals() > before, 3))

    def refusals(self) -> int:
        """Return how often the log says that a link-local address earns no opening."""
        return self.heard.log().count("for fe80::8: a link-local address may belong to other hosts")

    def test_noIPv6(self) -> None:
        """A host that should also listen over IPv6, but does not have it, listens over IPv4."""
        self.server.run("sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1")
        self.guards("--interface", SERVER4, "--interface", "fd09:1::1")
        self.assertTrue(self.opens())


class BusyTests(GuardFirstTestCase):
    """Ports that another program uses."""

    def test_busy(self) -> None:
        """
        The guard is in place, and one warning without the port reports it. When the other program
        has gone, a knock opens the door, even if a third program took the port meanwhile.
        """
        other = self.take(SEQUENCE[0])
        daemon = self.guards("--interface", "0.0.0.0")
        self.assertIn("1 of 6 knock ports is not heard: another program uses", daemon.log())
        self.assertTrue(self.state().startswith("degraded: 1 of 6 knock ports"))
        self.assertEqual(1, len(self.status()))
        other.close()
        other = self.take(SEQUENCE[0])
        self.client.send(SEQUENCE)
        self.assertFalse(self.client.reaches(PORT))
        other.close()
        self.assertTrue(daemon.says("1 of 6 knock ports was not heard, and is heard now"))
        self.assertTrue(self.opens())
        self.assertEqual(1, daemon.log().count("another program uses"))
        self.assertTrue(eventually(lambda: self.state().startswith("guarding ")))
        self.assertFalse([each for each in SEQUENCE if str(each) in daemon.log()])

    def test_busyIPv6(self) -> None:
        """If the port is busy over IPv6 only, knocks over IPv4 open the door."""
        self.take(SEQUENCE[0], "::")
        daemon = self.guards()
        self.assertIn("1 of 6 knock ports is not heard over IPv6: another program", daemon.log())
        self.assertTrue(self.opens())

    def test_busyElsewhere(self) -> None:
        """If the port is busy at an address that is not configured, nothing is wrong."""
        self.take(SEQUENCE[0], "127.0.0.1")
        daemon = self.guards("--interface", SERVER4)
        self.assertTrue(self.opens())
        self.assertNotIn("another program", daemon.log())

    def test_check(self) -> None:
        """
        C{pkdoors check} names the port and its owner, and does not call it a part of a sequence.
        """
        other = self.take(SEQUENCE[0])
        self.guards()
        findings = json.loads(self.server.status(str(BIN / "pkdoors"), "check", *GOOD, "--json")[1])
        about = [each for each in findings if str(SEQUENCE[0]) in each["subject"]]
        self.assertEqual(1, len(about), about)
        self.assertIn(f"process {os.getpid()}", about[0]["text"])
        self.assertFalse([each for each in findings if "has not read" in each["text"]])
        other.close()

    def test_stopped(self) -> None:
        """A daemon that is still trying ends at once, in order; the ports stay closed."""
        self.take(SEQUENCE[0])
        daemon = self.guards()
        daemon.stop()
        self.assertIn(f"stopped; door default ({PORT}/tcp) stays closed", daemon.log())
        self.assertNotIn("Traceback", daemon.log())
        self.assertFalse(self.client.reaches(PORT))

    def test_reloadMeanwhile(self) -> None:
        """A reload tries again at once; its answer says what is missing."""
        other = self.take(SEQUENCE[0])
        self.guards("--interface", "0.0.0.0")
        reload_ = (str(BIN / "pkdoors"), "reload", "--admin", f"{self.folder}/admin.sock")
        self.assertIn("1 of 6 knock ports is not heard", self.server.run(*reload_))
        other.close()
        self.assertEqual("nothing has changed\n", self.server.run(*reload_))
        self.assertTrue(self.opens())


class OthersTests(GuardFirstTestCase):
    """Other troubles that must not affect the guard."""

    def test_keys(self) -> None:
        """A key file that cannot be read: nobody may knock, and an error says why."""
        daemon = self.guards("-k", f"{self.folder}/keys")
        self.assertIn("nobody may knock with a key: cannot read", daemon.log())
        self.assertTrue(self.state().startswith("degraded: nobody may knock with a key"))
        self.assertEqual(1, len(self.status()))

    def test_adminSocket(self) -> None:
        """Another file in the place of the admin socket."""
        (self.folder / "busy").touch()
        daemon = self.guards("--admin", f"{self.folder}/busy")
        self.assertIn("cannot create the admin socket", daemon.log())
        self.assertTrue(self.opens())

    def test_lock(self) -> None:
        """A folder in which the lock file cannot be created."""
        self.server.run("touch", "/run/pkdoors")
        daemon = self.guards()
        self.assertIn("a second daemon would not be noticed", daemon.log())
        self.assertTrue(self.opens())

    def test_killedBetween(self) -> None:
        """A daemon that is killed after guarding, before it listens, leaves the ports closed."""
        self.folder.joinpath("sitecustomize.py").write_text(
            "import os, sys\n"
            "if 'twistd' in sys.argv[0]:\n"
            "    from pkdoors.knockports.knockports import KnockPorts\n"
            "    KnockPorts.listen = lambda *_: os.kill(os.getpid(), 9)\n"
        )
        process = self.server.spawn(*TWISTD, *GOOD, PYTHONPATH=str(self.folder))
        self.assertEqual(-signal.SIGKILL, process.popen.wait(15), process.log())
        self.assertNotIn(f":{SEQUENCE[0]}", self.server.run("ss", "-Hlun"))
        self.assertFalse(self.client.reaches(PORT))


class LimitTests(GuardFirstTestCase):
    """More knock ports than the process may have sockets."""

    def write(self, doors: int) -> str:
        """Write a configuration of some doors with eight ports each, and return its path."""
        lines = ['firewall = "nftables"']
        for number in range(doors):
            first = 20_000 + 16 * number
            ports = [first + each for each in (7, 2, 5, 0, 3, 6, 1, 4)]
            lines += [f"[doors.d{number}]", f"sequence = {ports}", f"ports = [{PORT + number}]"]
        file = self.folder / "many.toml"
        file.touch(0o600)
        file.write_text("\n".join(lines))
        return str(file)

    def daemon_(self, doors: int, limit: str) -> Process:
        """Start a daemon with a limit, soft and hard."""
        return self.server.spawn(
            "prlimit",
            f"--nofile={limit}",
            *TWISTD,
            "-c",
            self.write(doors),
            "--admin",
            f"{self.folder}/admin.sock",
        )

    def reload(self) -> tuple[int, str]:
        """Reload the configuration."""
        command = (str(BIN / "pkdoors"), "reload", "--admin", f"{self.folder}/admin.sock")
        return self.server.status(*command)

    def test_raised(self) -> None:
        """The soft limit is raised; then 70 doors work, and so does a reload with 1,120 sockets."""
        daemon = self.daemon_(70, "256:8192")
        self.assertTrue(daemon.says("AdminSite starting", 60), daemon.log())
        self.assertNotIn("not heard", daemon.log())
        self.assertIn("20000", self.server.run("ss", "-Hlun"))
        self.write(71)
        self.assertIn("door d70", self.reload()[1])
        self.assertIsNone(daemon.popen.poll())
        self.assertFalse(self.client.reaches(PORT))

    def test_tooMany(self) -> None:
        """
        Beyond the hard limit a start is refused in one sentence, which says what to do, and the
        last good guard keeps the ports closed. A reload that needs too many changes nothing.
        """
        daemon = self.daemon_(2, "1024:1024")
        self.assertTrue(daemon.says("AdminSite starting", 60), daemon.log())
        before = self.server.run("nft", "-s", "list", "ruleset").count("\n")
        self.write(71)
        status, output = self.reload()
        self.assertEqual(1, status)
        self.assertIn("need 1136 sockets", output)
        self.assertEqual(before, self.server.run("nft", "-s", "list", "ruleset").count("\n"))
        daemon.stop(signal.SIGKILL)
        self.server.run("nft", "flush", "ruleset")
        refused = self.daemon_(70, "1024:1024")
        self.assertEqual(1, refused.popen.wait(60), refused.log())
        sentence = "the knock ports need 1120 sockets, and this process may open 1024 files"
        self.assertEqual(1, refused.log().count(sentence), refused.log())
        self.assertIn("the guard of the last good configuration keeps", refused.log())
        self.assertFalse(self.client.reaches(PORT))


class BrokenTests(GuardFirstTestCase):
    """A broken configuration, with or without a good one before it."""

    def setUp(self) -> None:
        """Write a good configuration."""
        super().setUp()
        self.file = self.folder / "pkdoors.toml"
        self.file.touch(0o600)
        self.good()

    def good(self) -> None:
        """Write the good configuration."""
        self.file.write_text(
            f'firewall = "nftables"\n[doors.ssh]\nsequence = {list(SEQUENCE)}\nports = [{PORT}]\n'
        )

    def run_(self) -> Daemon:
        """Start a daemon that can start."""
        daemon = Daemon(self.server, "-c", str(self.file))
        with self.server.inside():
            self.assertTrue(eventually(lambda: list(Path("/var/lib/pkdoors").glob("lastgood-*"))))
        return daemon

    def fails(self, *options: str, expected: int = os.EX_CONFIG, **environment: str) -> str:
        """Start a daemon that cannot start, and return its line."""
        command = (*TWISTD, *(options or ("-c", str(self.file))))
        status, output = self.server.status(*command, **environment)
        self.assertEqual((status, output.count("\n")), (expected, 1), output)
        return output

    def boot(self) -> None:
        """Remove all firewall rules, as a boot does."""
        self.server.run("nft", "flush", "ruleset")
        self.assertTrue(self.client.reaches(PORT))

    def test_never(self) -> None:
        """If no configuration was ever good, nothing changes: nobody is locked out."""
        self.file.write_text("[doors.ssh]\n")
        self.assertIn("; pkdoors has closed no port", self.fails())
        self.assertEqual("", self.server.run("nft", "list", "ruleset"))
        self.assertTrue(self.client.reaches(PORT))

    def test_boot(self) -> None:
        """
        After a boot the ports are closed as the last good configuration says, and the line says so,
        however the file is broken.
        """
        self.run_().stop()
        for break_ in (
            lambda: self.file.write_text("[doors.ssh]\n"),
            lambda: self.file.write_text("\0"),
            lambda: self.file.chmod(0o666),
            lambda: self.file.unlink(),
        ):
            self.boot()
            break_()
            output = self.fails()
            self.assertIn(f"the guard of the last good configuration keeps {PORT}/tcp", output)
            self.assertFalse(self.client.reaches(PORT))
            self.client.send(SEQUENCE)
            self.assertFalse(self.client.reaches(PORT))
        self.file.touch(0o600)
        self.good()
        self.run_()
        self.client.send(SEQUENCE)
        self.assertTrue(self.client.comesToReach(PORT))

    def test_firewall(self) -> None:
        """The same holds if the file is good, but a firewall that it asks for is missing."""
        self.run_().stop()
        self.boot()
        self.good()
        self.file.write_text(self.file.read_text().replace("nftables", "firewalld"))
        output = self.fails(expected=1, DBUS_SYSTEM_BUS_ADDRESS=f"unix:path={self.folder}/nothing")
        self.assertIn("firewalld is not running: start it", output)
        self.assertIn("the guard of the last good configuration keeps", output)
        self.assertFalse(self.client.reaches(PORT))

    def test_stays(self) -> None:
        """A guard that is in place stays, and every opening stays for the rest of its time."""
        daemon = self.run_()
        self.client.send(SEQUENCE)
        self.assertTrue(self.client.comesToReach(PORT))
        daemon.stop()
        self.file.write_text("[doors.ssh]\n")
        self.assertIn("the guard that is in place stays", self.fails())
        self.assertTrue(self.client.reaches(PORT))
        self.assertFalse(self.stranger.reaches(PORT))

    def test_saved(self) -> None:
        """
        A table of our name is not a guard yet: a saved ruleset may bring one with other doors, or
        with openings of an earlier time, and somebody may have emptied it.
        """
        daemon = self.run_()
        self.client.send(SEQUENCE)
        self.assertTrue(self.client.comesToReach(PORT), daemon.log())
        same = self.server.run("nft", "list", "ruleset")
        daemon.stop()
        Daemon(self.server, "-m", KNOCKS, "-p", "2299", "-f", "nftables").stop()
        other = self.server.run("nft", "list", "ruleset")
        self.file.write_text("[doors.ssh]\n")
        self.assertIn(
            f"keeps {PORT}/tcp closed", self.fails()
        )  # another daemon's guard is in place
        self.assertFalse(self.stranger.reaches(PORT))
        self.server.run("nft", "flush", "table", "inet", "pkdoors")
        self.assertIn(f"keeps {PORT}/tcp closed", self.fails())
        self.assertFalse(self.stranger.reaches(PORT))
        saved = self.folder / "saved.nft"
        for text in (same, other, "table inet pkdoors {}\n"):
            self.boot()
            saved.write_text(text)
            self.server.run("nft", "-f", str(saved))
            self.assertIn(f"keeps {PORT}/tcp closed", self.fails())
            self.assertFalse(self.client.reaches(PORT))
            self.assertFalse(self.stranger.reaches(PORT))
            self.assertIn("the guard that is in place stays", self.fails())

    def test_otherFile(self) -> None:
        """A configuration in another file closes nothing."""
        self.run_().stop()
        self.boot()
        other = self.folder / "other.toml"
        other.touch(0o600)
        self.assertNotIn("guard", self.fails("-c", str(other)))
        self.assertNotIn("guard", self.fails("-m", "1,2", "-p", "22", expected=2))
        self.assertTrue(self.client.reaches(PORT))

    def test_released(self) -> None:
        """Ports that were released are not closed again."""
        self.run_().stop()
        self.server.run(str(BIN / "pkdoors"), "release")
        self.file.write_text("[doors.ssh]\n")
        self.assertNotIn("guard", self.fails())
        self.assertTrue(self.client.reaches(PORT))

    def test_running(self) -> None:
        """A second daemon with a broken file leaves the first one alone."""
        daemon = self.run_()
        self.server.run("nft", "flush", "ruleset")
        self.file.write_text("[doors.ssh]\n")
        self.assertNotIn("guard", self.fails())
        self.assertTrue(eventually(lambda: not self.client.reaches(PORT)), daemon.log())

    def test_options(self) -> None:
        """The same holds for options without a file, on the same host."""
        Daemon(self.server, *GOOD).stop()
        self.boot()
        self.assertIn(
            "of the last good configuration keeps", self.fails(*GOOD, "-t", "never", expected=2)
        )
        self.assertFalse(self.client.reaches(PORT))

    def test_reload(self) -> None:
        """The configuration of the last successful reload is the last good one."""
        daemon = self.run_()
        self.file.write_text(self.file.read_text().replace(str(PORT), f'{PORT}, "53/udp"'))
        os.kill(daemon.process.popen.pid, signal.SIGHUP)
        self.assertTrue(daemon.says("reloaded: door ssh"))
        self.file.write_text("[doors.ssh]\n")
        os.kill(daemon.process.popen.pid, signal.SIGHUP)
        self.assertTrue(daemon.says("not reloaded"))
        daemon.stop(signal.SIGKILL)
        self.boot()
        self.assertIn(f"keeps {PORT}/tcp, 53/udp closed", self.fails())


class FirewalldTests(GuardFirstTestCase):
    """A firewalld that hangs when the daemon starts."""

    firewall = "firewalld"

    def test_hangs(self) -> None:
        """It keeps no port open: the guard is in place before firewalld has answered, and stays."""
        os.kill(self.firewalld.process.popen.pid, signal.SIGSTOP)
        self.addCleanup(os.kill, self.firewalld.process.popen.pid, signal.SIGCONT)
        options = ("-m", KNOCKS, "-p", str(PORT), "-f", "firewalld", "--admin", "off")
        daemon = self.server.spawn(*TWISTD, *options)
        self.assertTrue(eventually(lambda: "pkdoors" in self.server.run("nft", "list", "tables")))
        self.assertIsNone(daemon.popen.poll())
        self.assertTrue(daemon.says("not started: firewalld does not answer", 60), daemon.log())
        self.assertTrue(daemon.says("; the guard that is in place stays"), daemon.log())
        self.assertEqual(1, daemon.popen.wait(15))
        self.assertIn("pkdoors", self.server.run("nft", "list", "tables"))
        self.assertFalse(self.client.reaches(PORT))
