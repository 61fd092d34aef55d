"""An engine and a fleet that are set up as C{pkdoors fleet init} says, word for word."""

import re
from textwrap import dedent

from twisted.trial.unittest import SkipTest

from pkdoors.config.fleetfile import readFleet, readPassword
from tests.lab.case import PORT, SEQUENCE, HostsTestCase
from tests.lab.fleet.engine import listPrograms
from tests.lab.fleet.lan import Lan
from tests.lab.fleet.resp import RespClient, RespError
from tests.lab.hosts import BIN, Daemon, Host, eventually
from tests.lab.sealing import makeKey, publicLine, sealed

HOSTS = {"gate1": 11, "web1": 12}
ENGINE, CLIENT, STRANGER = 1, 101, 102
SOCKETS = "/run/pkdoors"


class FleetInitTests(HostsTestCase):
    """An engine, two hosts of a fleet, a client and a stranger on one network."""

    def setUp(self) -> None:
        """Make the hosts. Those of the fleet, and the engine's, have an /etc of their own."""
        super().setUp()
        self.lan = Lan(self.folder, 31)
        self.addCleanup(self.lan.close)
        self.engine = self.lan.add("engine", ENGINE)
        self.etc = self.engine.ownEtc()
        self.hosts = {name: self.lan.add(name, last) for name, last in HOSTS.items()}
        for host in self.hosts.values():
            host.ownEtc()
            host.run("mkdir", "-m", "755", "/etc/pkdoors", SOCKETS)
        self.client = self.lan.add("client", CLIENT)
        self.stranger = self.lan.add("stranger", STRANGER)

    def init(self, name: str, *more: str) -> list[str]:
        """Run the command on a host; return the blocks of lines that it prints."""
        words = ("prod", *HOSTS, "--engine", f"rediss://{self.lan.address(ENGINE)}")
        program = (str(BIN / "pkdoors"), "fleet", "init")
        output = self.hosts[name].run(*program, *words, "--this", name, *more)
        found = re.findall(r"(?:^ {7}.*\n)+", output, re.MULTILINE)
        return [dedent(block) for block in found]

    def append(self, host: Host, path: str, text: str) -> None:
        """Put lines at the end of a file."""
        with host.inside(), open(path, "a") as file:
            file.write(text)

    def setUpEngine(self, program: str) -> list[str]:
        """Do the first steps on all hosts; return the lines that the doors get on them."""
        name = program.partition("-")[0]
        more = ("--valkey",) if name == "valkey" else ()
        lines, certificate, users, *rest = self.init("web1", *more)
        others = self.init("gate1", *more)[2].split("\n")[1]
        folder = f"/etc/{name}"
        self.append(self.engine, f"{folder}/{name}.conf", lines)
        self.engine.run("sh", "-ec", certificate)
        self.append(self.engine, f"{folder}/users.acl", f"{users}{others}\n")
        owner = f"chown {name}: {folder}/users.acl; chmod 600 {folder}/users.acl"
        self.engine.run("sh", "-ec", owner)
        data = self.folder / "data"
        data.mkdir()
        flags = ("--daemonize", "no", "--logfile", "", "--dir", str(data), "--supervised", "no")
        conf = f"{folder}/{name}.conf"
        self.process = self.engine.spawn(program, conf, *flags, "--pidfile", "")
        self.ca = self.etc / name / "tls.crt"
        self.assertTrue(eventually(self.answers), self.process.log())
        for host in self.hosts.values():
            host.run("cp", str(self.ca), "/etc/pkdoors/fleet-ca.pem")
        return rest

    def answers(self) -> bool:
        """Return whether the engine does."""
        try:
            self.connect("web1").close()
        except OSError:
            return self.process.popen.poll() is not None
        return True

    def connect(self, name: str) -> RespClient:
        """Log in as a host."""
        with self.hosts[name].inside():
            fleet = readFleet("/etc/pkdoors/fleet.toml")
            self.assertEqual((name, tuple(HOSTS)), (fleet.host, fleet.hosts))
            password = readPassword(fleet)
            return RespClient(fleet.engine.host, fleet.engine.port, name, password, self.ca)

    def checkRights(self) -> None:
        """Check that a host writes its own streams alone, and reads all."""
        with self.connect("gate1") as gate, self.connect("web1") as web:
            for kind in ("log", "orders", "events"):
                gate.ask("XADD", f"pk:prod:{kind}:gate1", "*", "s", "x")
                self.assertEqual([{"s": b"x"}], web.entries(f"pk:prod:{kind}:gate1"))
                another = ("XADD", f"pk:prod:{kind}:gate1", "*", "s", "y")
                self.assertRaises(RespError, web.ask, *another)
            web.ask("SET", "pk:prod:up:web1", "here", "EX", 30)
            self.assertEqual(b"here", gate.ask("GET", "pk:prod:up:web1"))
            claim = ("SET", "pk:prod:claim:a", "me", "NX", "PX", 60000)
            self.assertEqual([b"OK", None], [web.ask(*claim), gate.ask(*claim)])
            for wrong in (
                ("SET", "pk:prod:up:gate1", "x"),
                ("SET", "pk:prod:log:gate1", "x"),
                ("SET", "pk:prod:log:web1", "x"),
                ("SET", "pk:prod:claim:a", "x", "GET"),
                ("XADD", "pk:prod:up:web1", "*", "s", "x"),
                ("XADD", "pk:test:log:web1", "*", "s", "x"),
                ("GET", "pk:test:up:web1"),
                ("DEL", "pk:prod:log:web1"),
                ("XTRIM", "pk:prod:log:web1", "MAXLEN", 0),
                ("EVAL", "return 1", 0),
                ("MULTI",),
                ("ACL", "LIST"),
                ("CONFIG", "GET", "*"),
                ("KEYS", "*"),
                ("FLUSHALL",),
                ("SUBSCRIBE", "x"),
            ):
                self.assertRaises(RespError, web.ask, *wrong)
        address = self.lan.address(ENGINE)
        with self.stranger.inside():
            for user, password in (("default", ""), ("default", "x"), ("web1", "x"), ("a", "x")):
                self.assertRaises(RespError, RespClient, address, 6379, user, password, self.ca)
            # Without TLS nobody gets an answer.
            self.assertRaises(OSError, RespClient, address, 6379, "web1", "x", None)

    def check(self, program: str) -> None:
        """Set up an engine, and check what each host can do there."""
        self.setUpEngine(program)
        self.checkRights()
        with self.connect("web1") as asking:
            self.assertIn("aof_enabled:1", asking.ask("INFO", "persistence").decode())

    def test_redis(self) -> None:
        """Redis, as Debian installs it."""
        self.check("redis-server")

    def test_valkey(self) -> None:
        """Valkey, if this Debian has it."""
        if "valkey-server" not in listPrograms():
            raise SkipTest("this system has no valkey-server")
        self.check("valkey-server")

    def test_fleet(self) -> None:
        """
        After all the steps, one knock at the gateway opens both hosts for the client, and for
        nobody else. An inner host has no knock port.
        """
        key = makeKey()
        _, fleet, listen, *_ = self.setUpEngine("redis-server")
        daemons = [
            self.begin("gate1", publicLine(key), fleet),
            self.begin("web1", publicLine(key), fleet + listen),
        ]
        with self.connect("web1") as asking:
            both = [f"pk:prod:up:{name}" for name in HOSTS]
            self.assertTrue(eventually(lambda: None not in [asking.ask("GET", up) for up in both]))
        seal = sealed(key, SEQUENCE, door="ssh", bind=self.lan.address(CLIENT))
        self.client.send(SEQUENCE, seal, self.lan.address(HOSTS["gate1"]), pause=0)
        for last in HOSTS.values():
            address = self.lan.address(last)
            logs = "\n".join(daemon.log() for daemon in daemons)
            self.assertTrue(self.client.comesToReach(PORT, address), logs)
            self.assertFalse(self.stranger.reaches(PORT, address))
        _, found = self.hosts["web1"].status(str(BIN / "pkdoors"), "fleet", "doctor")
        self.assertNotIn("ERROR", found)

    def begin(self, name: str, keys: str, lines: str) -> Daemon:
        """Start the daemon of a host, and the process that connects it with the engine."""
        host = self.hosts[name]
        self.append(host, "/etc/pkdoors/authorized_keys", keys)
        conf = "/etc/pkdoors/pkdoors.toml"
        door = (
            f"[doors.ssh]\nsequence = {list(SEQUENCE)}\nports = [{PORT}]\n"
            f'authorized_keys = "/etc/pkdoors/authorized_keys"\n{lines}'
        )
        self.append(host, conf, door)
        host.run("chmod", "600", conf)
        host.serve(PORT)
        daemon = Daemon(host, "-c", conf, "--admin", f"{SOCKETS}/admin.sock")
        host.spawn(str(BIN / "pkdoors"), "fleet", "daemon")
        return daemon
