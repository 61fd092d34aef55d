"""An engine that is set up as C{pkdoors fleet init} says, word for word."""

import re
from textwrap import dedent

from twisted.trial.unittest import SkipTest

from pkdoors.config.fleetfile import readFleet, readPassword
from tests.lab.case import RealTestCase
from tests.lab.fleet.engine import listPrograms
from tests.lab.fleet.resp import RespClient, RespError
from tests.lab.hosts import BIN, CLIENT4, SERVER4, Host, eventually

HOSTS = {"gate1": CLIENT4, "web1": SERVER4}


class FleetInitTests(RealTestCase):
    """The server is the engine's host, and web1 of the fleet; the client is gate1."""

    def setUp(self) -> None:
        """Give both an /etc of their own."""
        super().setUp()
        self.etcs = {host.name: host.ownEtc() for host in (self.server, self.client)}

    def init(self, host: Host, name: str, *more: str) -> list[str]:
        """Run the command; return the blocks of lines that it prints."""
        host.run("mkdir", "/etc/pkdoors")
        words = ("prod", *HOSTS, "--engine", f"rediss://{SERVER4}", "--this", name, *more)
        output = host.run(str(BIN / "pkdoors"), "fleet", "init", *words)
        found = re.findall(r"(?:^ {7}.*\n)+", output, re.MULTILINE)
        return [dedent(block) for block in found]

    def password(self, host: Host, name: str) -> str:
        """Return the password that a host has for the engine."""
        with host.inside():
            fleet = readFleet("/etc/pkdoors/fleet.toml")
            self.assertEqual((name, tuple(HOSTS)), (fleet.host, fleet.hosts))
            return readPassword(fleet)

    def append(self, path: str, text: str) -> None:
        """Put lines at the end of a file on the engine's host."""
        with self.server.inside(), open(path, "a") as file:
            file.write(text)

    def check(self, program: str) -> None:
        """Set up an engine, and check what each host can do there."""
        name = program.partition("-")[0]
        more = ("--valkey",) if name == "valkey" else ()
        lines, certificate, users, *_ = self.init(self.server, "web1", *more)
        _, _, others, *_ = self.init(self.client, "gate1", *more)
        folder = f"/etc/{name}"
        self.append(f"{folder}/{name}.conf", lines)
        self.server.run("sh", "-ec", certificate)
        self.append(f"{folder}/users.acl", users + others.split("\n")[1] + "\n")
        owner = f"chown {name}: {folder}/users.acl; chmod 600 {folder}/users.acl"
        self.server.run("sh", "-ec", owner)
        data = self.folder / "data"
        data.mkdir(mode=0o777)
        data.chmod(0o777)
        flags = ("--daemonize", "no", "--logfile", "", "--dir", str(data), "--supervised", "no")
        self.engine = self.server.spawn(program, f"{folder}/{name}.conf", *flags, "--pidfile", "")
        self.ca = self.etcs[self.server.name] / name / "tls.crt"
        self.assertTrue(eventually(self.answers), self.engine.log())
        self.checkRights()
        with self.connect(self.server, "web1") as asking:
            self.assertIn("aof_enabled:1", asking.ask("INFO", "persistence").decode())

    def answers(self) -> bool:
        """Return whether the engine does."""
        try:
            self.connect(self.server, "web1").close()
        except OSError:
            return self.engine.popen.poll() is not None
        return True

    def connect(self, host: Host, name: str) -> RespClient:
        """Log in as a host."""
        password = self.password(host, name)
        with host.inside():
            return RespClient(SERVER4, 6379, name, password, self.ca)

    def checkRights(self) -> None:
        """Check that a host writes its own streams alone, and reads all."""
        with self.connect(self.client, "gate1") as gate, self.connect(self.server, "web1") as web:
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
        with self.client.inside():
            for user, password in (("default", ""), ("default", "x"), ("web1", "x"), ("a", "x")):
                self.assertRaises(RespError, RespClient, SERVER4, 6379, user, password, self.ca)
            # Without TLS nobody gets an answer.
            self.assertRaises(OSError, RespClient, SERVER4, 6379, "web1", "x", None)

    def test_redis(self) -> None:
        """Redis, as Debian installs it."""
        self.check("redis-server")

    def test_valkey(self) -> None:
        """Valkey, if this Debian has it."""
        if "valkey-server" not in listPrograms():
            raise SkipTest("this system has no valkey-server")
        self.check("valkey-server")
