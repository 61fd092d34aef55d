"""
Real tests of the fleet's process with a real engine that fails in every way: local doors open as
ever, one line says what is wrong, and everything comes back by itself.
"""

import signal
import time
from pathlib import Path

from tests.lab.fleet.case import FleetTestCase
from tests.lab.fleet.certificates import Authority
from tests.lab.fleet.engine import Engine
from tests.lab.fleet.fleet import CLIENT, ENGINE
from tests.lab.fleet.resp import RespError
from tests.lab.hosts import eventually

EDGE, INNER = "edge1", "web1"
MOST_MEMORY = 60.0
"""Megabytes that the process may take."""


class EngineTests(FleetTestCase):
    """A gateway and an inner host."""

    names = (EDGE, INNER)

    def setUp(self) -> None:
        super().setUp()
        self.edge, self.inner = self.members[EDGE], self.members[INNER]
        self.last = CLIENT
        self.addCleanup(self.assertNoMistake)

    def assertNoMistake(self) -> None:
        """Assert that nothing went wrong that nobody foresaw."""
        for member in self.members.values():
            self.assertNotIn("Traceback", member.relay.log())

    def knock(self) -> int:
        """
        Let a client knock at the gateway, from an address that has not knocked yet, and assert that
        the gateway's own door opens, within the second that a client waits. Return the address's
        last number.
        """
        self.last += 1
        self.fleet.addAddress(self.last)
        began = time.monotonic()
        self.edge.knock(self.client, self.fleet.seal(self.last), self.lan.address(self.last))
        self.assertTrue(self.fleet.comesToBeOpen(EDGE, self.last), self.edge.daemon.log())
        self.assertLess(time.monotonic() - began, 5)
        return self.last

    def assertTravels(self) -> None:
        """Assert that a knock at the gateway opens the inner host."""
        last = self.knock()
        self.assertTrue(self.fleet.comesToBeOpen(INNER, last), self.fleet.logs())

    def troubles(self, text: str) -> int:
        """Return how many lines of the gateway's process name a trouble."""
        return self.edge.relay.log().count(text)

    def assertTrouble(self, text: str) -> None:
        """Assert that a line names a trouble."""
        self.assertTrue(self.edge.relay.says(text), self.edge.relay.log())

    def test_killed(self) -> None:
        """After C{kill -9} of the engine nothing is lost: what was heard meanwhile is passed on."""
        self.assertTravels()
        self.engine.stop(signal.SIGKILL)
        lasts = [self.knock() for _ in range(3)]
        self.assertTrouble("it refuses the connection")
        self.assertFalse(self.fleet.isOpen(INNER, lasts[0]))
        self.engine.start()
        for last in lasts:
            self.assertTrue(self.fleet.comesToBeOpen(INNER, last), self.fleet.logs())
        self.assertTrouble("the engine answers again")
        self.assertEqual(1, self.troubles("it refuses the connection"))
        for member in self.members.values():
            self.assertLess(member.memory(), MOST_MEMORY)

    def test_partition(self) -> None:
        """A silent partition is noticed within 10 s."""
        self.assertTravels()
        self.lan.part(ENGINE)
        began = time.monotonic()
        last = self.knock()
        self.assertTrouble("no answer for 10s")
        self.assertLess(time.monotonic() - began, 15)
        self.lan.rejoin(ENGINE)
        self.assertTrue(self.fleet.comesToBeOpen(INNER, last), self.fleet.logs())
        self.assertTrue(self.fleet.comesToBeOpen(EDGE, last), "it is read again by its own host")

    def test_slow(self) -> None:
        """An engine that stops for a while delays what travels, and nothing here."""
        self.engine.suspend()
        last = self.knock()
        self.assertFalse(self.fleet.isOpen(INNER, last))
        self.engine.resume()
        self.assertTrue(self.fleet.comesToBeOpen(INNER, last), self.fleet.logs())

    def test_fullDisk(self) -> None:
        """While the engine's disk is full it takes nothing in; then it gets what has waited."""
        self.engine.stop()
        disk = self.engine.folder / "disk"
        disk.mkdir()
        mount = ("mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", str(disk))
        self.engine.host.run(*mount)
        self.engine.start([*self.engine.lines, f"dir {disk}"])
        self.assertTravels()
        fill = f"dd if=/dev/zero of={disk}/filler bs=1k count=600 2>&1 || true"
        self.engine.host.run("sh", "-c", fill)
        last = self.knock()
        self.assertTrouble("it cannot write to its disk")
        self.engine.host.run("rm", f"{disk}/filler")
        self.assertTrue(self.fleet.comesToBeOpen(INNER, last), self.fleet.logs())
        self.assertTrouble("the engine takes in again")

    def test_wrongPassword(self) -> None:
        """A wrong password is reported, and one that is corrected is tried by itself."""
        password = self.edge.folder / "password"
        right = password.read_text()
        password.write_text("wrong")
        self.edge.relay.popen.send_signal(signal.SIGHUP)
        self.assertTrouble(f"wrong password for user '{EDGE}'")
        last = self.knock()
        time.sleep(1)
        password.write_text(right)
        self.assertTrue(self.fleet.comesToBeOpen(INNER, last), self.fleet.logs())
        self.assertEqual(1, self.troubles("wrong password"))

    def restart(self, certificate: Path, key: Path) -> None:
        """Start the engine again with another certificate."""
        self.engine.stop()
        names = ("tls-cert-file", "tls-key-file")
        lines = [line for line in self.engine.lines if not line.startswith(names)]
        self.engine.start([*lines, f"tls-cert-file {certificate}", f"tls-key-file {key}"])

    def test_wrongCertificate(self) -> None:
        """A certificate of somebody else, or for another name, is refused, whoever shows it."""
        address = self.lan.address(ENGINE)
        folder = self.engine.folder / "other"
        folder.mkdir()
        good = self.engine.certificate, self.engine.key
        trusted = self.engine.authority
        self.engine.authority = Authority(folder, "another")
        self.restart(*self.engine.authority.issue(address, "stranger"))
        self.assertTrouble("its certificate is not from the authority in `ca`")
        last = self.knock()
        self.engine.authority = trusted
        careful = self.patch(Engine, "_answers", lambda engine: True)  # as the fleet's process is
        self.restart(*trusted.issue("10.30.0.99", "elsewhere"))
        careful.restore()
        self.assertTrouble("its certificate is for another name")
        self.assertFalse(self.fleet.isOpen(INNER, last))
        self.restart(*good)
        self.assertTrue(self.fleet.comesToBeOpen(INNER, last), self.fleet.logs())

    def test_rights(self) -> None:
        """A host can write its own streams alone, and has no commands but those it needs."""
        self.assertTravels()
        with self.engine.client(EDGE, self.fleet.passwords[EDGE]) as asking:
            for words in (
                ("XADD", f"pk:prod:log:{INNER}", "*", "s", "x"),
                ("SET", f"pk:prod:up:{INNER}", "{}"),
                ("EVAL", "return 1", 0),
                ("MULTI",),
                ("DEL", f"pk:prod:log:{EDGE}"),
                ("XTRIM", f"pk:prod:log:{EDGE}", "MAXLEN", 0),
                ("CONFIG", "GET", "*"),
                ("ACL", "LIST"),
            ):
                error = self.assertRaises(RespError, asking.ask, *words)
                self.assertIn("NOPERM", str(error), words)

    def test_restartedDaemon(self) -> None:
        """A daemon that starts again goes on with its fleet, and so does a process that does."""
        self.assertTravels()
        self.inner.daemon.stop(signal.SIGKILL)
        self.inner.startDaemon()
        self.assertTravels()
        self.edge.relay.stop(signal.SIGKILL)
        last = self.knock()
        self.edge.startRelay()
        self.assertTrue(self.fleet.comesToBeOpen(INNER, last), self.fleet.logs())
        self.assertEqual(-signal.SIGTERM, self.edge.relay.stop(), "as twistd ends")

    def test_unsuitable(self) -> None:
        """A wrong configuration at the start is one line, and status 78."""
        (self.edge.folder / "fleet.toml").write_text('name = "prod"\n')
        self.edge.startRelay()
        self.assertTrue(eventually(lambda: self.edge.relay.popen.poll() is not None))
        self.assertEqual(78, self.edge.relay.popen.returncode)
        (line,) = [line for line in self.edge.relay.log().splitlines() if "is missing" in line]
        self.assertTrue(line.startswith("pkdoors-fleet: "), line)
