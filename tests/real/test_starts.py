"""Whatever starts the service guards: each of the ways that Twisted has."""

import sys

from tests.lab.case import KNOCKS, PORT, SEQUENCE, RealTestCase
from tests.lab.controlled import door
from tests.lab.hosts import BIN, Process

OPTIONS = ("-m", KNOCKS, "-p", str(PORT), "-f", "nftables")

TWIST = (str(BIN / "twist"), "--log-format=text", "pkdoors")

_EMBEDDED = """
import signal, sys
from twisted.application.service import MultiService
from twisted.internet import reactor
from twisted.logger import globalLogBeginner, textFileLogObserver
from pkdoors.tap import Options, makeDoorService, makeService

globalLogBeginner.beginLoggingTo([textFileLogObserver(sys.stdout)], redirectStandardIO=False)
parent = MultiService()
if len(sys.argv) == 3:
    service = makeDoorService(reactor, sys.argv[2])
else:
    options = Options()
    options.parseOptions(sys.argv[2:])
    service = makeService(options)

def begin():
    way = sys.argv[1]
    if way == "alone":
        service.startService()
    elif way == "child":
        service.setServiceParent(parent)
        parent.startService()
    elif way == "added":
        parent.privilegedStartService()
        parent.startService()
        service.setServiceParent(parent)
    elif way == "both":
        service.privilegedStartService()
        service.privilegedStartService()
        service.startService()
        service.startService()
    elif way == "never":
        service.setServiceParent(parent)
        print("guarding door: not begun", flush=True)

def end():
    first = service.stopService()
    if service.parent:
        parent.stopService()
    return first

if "before" in sys.argv[0]:
    begin()
else:
    reactor.callWhenRunning(begin)
reactor.addSystemEventTrigger("before", "shutdown", end)
reactor.run()
"""


class StartTests(RealTestCase):
    """Each of them guards, opens, ends in order, and leaves the port closed."""

    def setUp(self) -> None:
        """Have a program behind the door."""
        super().setUp()
        self.server.serve(PORT)

    def assertGuards(self, *command: str, file: str = "") -> Process:
        """
        Assert that a command guards the door.

        @param file: the configuration; options if empty.
        """
        options = [file] if file else [*OPTIONS, "--admin", f"{self.folder}/admin.sock"]
        process = self.server.spawn(*command, *options)
        self.assertTrue(process.says("guarding door default"), process.log())
        self.assertFalse(self.client.reaches(PORT))
        self.client.send(SEQUENCE)
        self.assertTrue(self.client.comesToReach(PORT), process.log())
        process.stop()
        self.assertIn(f"stopped; door default ({PORT}/tcp) stays closed, but for 1", process.log())
        self.assertEqual(1, process.log().count("guarding door default"))
        self.assertNotIn("Traceback", process.log())
        self.assertNotIn("Unhandled", process.log())
        self.assertFalse(self.stranger.reaches(PORT))
        return process

    def script(self, name: str) -> str:
        """An application of somebody else's."""
        path = self.folder / f"{name}.py"
        path.write_text(_EMBEDDED)
        return str(path)

    def test_daemon(self) -> None:
        """
        C{pkdoors daemon}, and C{python -m pkdoors daemon}. They load no plugin: one that is broken
        or slow does not matter, and nothing is written beside it.
        """
        plugins = self.folder / "twisted" / "plugins"
        plugins.mkdir(parents=True)
        broken = "import os, sys, time; os.write(2, b'broken'); time.sleep(60); os._exit(7)"
        (plugins / "broken.py").write_text(broken)
        (plugins / "dropin.cache").write_text("no pickle")
        before = sorted(plugins.iterdir())
        environment = ("env", f"PYTHONPATH={self.folder}")
        for command in ((str(BIN / "pkdoors"),), (sys.executable, "-m", "pkdoors")):
            process = self.assertGuards(*environment, *command, "daemon")
            self.assertNotIn("broken", process.log())
            self.server.run(str(BIN / "pkdoors"), "release")
        self.assertEqual(before, sorted(plugins.iterdir()))
        self.assertEqual("no pickle", (plugins / "dropin.cache").read_text())

    def test_twistd(self) -> None:
        """C{twistd}."""
        self.assertGuards(str(BIN / "twistd"), "-n", "--pidfile=", "pkdoors")

    def test_twist(self) -> None:
        """C{twist}, which starts no service with privileges."""
        self.assertGuards(*TWIST)

    def test_module(self) -> None:
        """C{python -m twisted}."""
        self.assertGuards(sys.executable, "-m", "twisted", "--log-format=text", "pkdoors")

    def test_embedded(self) -> None:
        """An application that embeds it, before or after its reactor runs."""
        for name in ("before", "running"):
            for way in ("alone", "child", "added", "both"):
                with self.subTest(name, way=way):
                    self.assertGuards(sys.executable, self.script(name), way)
                    self.server.run(str(BIN / "pkdoors"), "release")

    def test_embeddedFile(self) -> None:
        """An application that keeps its process to itself, before or after its reactor runs."""
        file = self.folder / "pkdoors.toml"
        file.write_text(f'firewall = "nftables"\nadmin = "off"\n{door("default")}')
        file.chmod(0o600)
        for name in ("before", "running"):
            for way in ("alone", "child", "added", "both"):
                with self.subTest(name, way=way):
                    self.assertGuards(sys.executable, self.script(name), way, file=str(file))
                    self.server.run(str(BIN / "pkdoors"), "release")

    def test_never(self) -> None:
        """One that is ended before it began leaves everything as it was, without a traceback."""
        process = self.server.spawn(
            sys.executable, self.script("running"), "never", *OPTIONS, "--admin", "off"
        )
        self.assertTrue(process.says("not begun"), process.log())
        process.stop()
        self.assertNotIn("Traceback", process.log())
        self.assertNotIn("closed", process.log())
        self.assertTrue(self.client.reaches(PORT))
        self.assertGuards(*TWIST)  # it gave the lock back

    def test_refused(self) -> None:
        """Where the guard cannot be put in place, each says so in one line, and ends."""
        weak = ("setpriv", "--bounding-set", "-net_admin", "--inh-caps", "-net_admin")
        for command in ((str(BIN / "twist"),), (sys.executable, "-m", "twisted")):
            status, output = self.server.status(*weak, *command, "pkdoors", *OPTIONS)
            self.assertEqual((1, 1), (status, output.count("\n")), output)
            self.assertIn("no privilege to change the firewall", output)
