"""Tests of L{pkdoors.daemon.service}: a door that sealed knocks open."""

from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from typing import Any

from twisted.logger import LogLevel

from tests.daemon.servicecase import TODAY, ServiceTestCase
from tests.fakes.doors import PORTS
from tests.fakes.firewall import FakeFirewall
from tests.lab.sealing import makeKey, publicLine, sealed


class SealedTests(ServiceTestCase):
    """
    A daemon with a door that sealed knocks open.
    """

    def setUp(self) -> None:
        """Make it."""
        super().setUp()
        self.key = makeKey()
        folder = Path(mkdtemp())
        self.addCleanup(rmtree, folder)
        self.path = folder / "keys"
        self.path.write_text(publicLine(self.key, "anna"))
        self.path.chmod(0o600)
        self.service = self.makeService(self.firewall, authorizedKeys=str(self.path))

    def seal(self, **fields: Any) -> bytes:
        """Return a knock of Anna's."""
        return sealed(self.key, PORTS, **({"stamp": TODAY * 1000} | fields))

    def send(self, datagram: bytes) -> None:
        """Deliver a datagram to every port."""
        for port in sorted(PORTS):
            self.host.find("0.0.0.0", port).reorderer.append((datagram, ("203.0.113.9", 5555)))
        for reader in self.reactor.getReaders():
            reader.doRead()
        self.reactor.advance(0)

    def assertGuardedOnly(self, reason: str) -> None:
        """Assert that the door is guarded, that nobody may knock, and that an error says why."""
        self.start()
        (line,) = self.log.lines(LogLevel.error)
        expected = f"nobody may knock with a key: {reason}"
        self.assertEqual(expected, line.replace(str(self.path), "KEYS"))
        self.assertEqual(["prepare", "start"], self.firewall.calls)
        self.send(self.seal())
        self.assertEqual({}, self.firewall.open_())

    def test_missing(self) -> None:
        """A missing file does not prevent guarding."""
        self.path.unlink()
        self.assertGuardedOnly(
            "cannot read KEYS (No such file or directory), "
            "the file of authorized keys: fill it with lines from ssh-keygen's .pub files"
        )

    def test_unsafe(self) -> None:
        """A file that others can write does not, either."""
        self.path.chmod(0o666)
        self.assertGuardedOnly("KEYS can be written by others: run `chmod go-w KEYS`")

    def test_line(self) -> None:
        """The line for the door says that its knocks are sealed, and how many packets are sent."""
        self.start()
        self.assertEqual(
            [
                "guarding door default (22/tcp) with fake: a sealed knock on its 5 ports opens it "
                "for 30s, at most 1h if asked"
            ],
            self.log.lines()[1:],
        )
        self.assertEqual(f"1 of the keys in {self.path} may knock", self.log.lines()[0])

    def startInFleet(self, listens: bool) -> None:
        """Start it with a door of a fleet."""
        keys = str(self.path)
        fields: dict[str, Any] = {"fleet": True, "listens": listens}
        self.service = self.makeService(self.firewall, authorizedKeys=keys, **fields)
        self.start()

    def test_fleet(self) -> None:
        """The line for a door of a fleet says where its knocks count."""
        self.startInFleet(listens=True)
        words = "a sealed knock on its 5 ports, here or on another host of the fleet, opens it"
        self.assertIn(f": {words} for 30s", self.log.lines()[-1])

    def test_deaf(self) -> None:
        """The host has no socket for a door that only other hosts hear; the line says so."""
        self.startInFleet(listens=False)
        words = "only a sealed knock on another host of the fleet opens it"
        self.assertIn(f": {words} for 30s", self.log.lines()[-1])
        self.assertEqual([], self.host.bound())

    def test_repeatedPorts(self) -> None:
        """
        A port that is twice in the sequence gets one copy; a weak sequence does not matter here.
        """
        self.service = self.makeService(
            self.firewall, ports=(1, 2, 1, 3, 4), authorizedKeys=str(self.path)
        )
        self.start()
        self.assertIn(": a sealed knock on its 4 ports opens it", self.log.lines()[-1])
        self.assertEqual([], self.log.lines(LogLevel.warn))

    def test_opens(self) -> None:
        """A sealed knock opens, and the line names its key."""
        self.start()
        self.send(self.seal(seconds=60))
        self.assertEqual({"203.0.113.9": 60.0}, self.firewall.open_())
        self.assertRegex(self.log.lines()[-1], r"\(1m\), by anna \(SHA256:[A-Za-z0-9+/]{43}\)\Z")

    def test_closes(self) -> None:
        """A sealed knock can close."""
        self.start()
        self.send(self.seal())
        self.send(self.seal(close=True))
        self.assertEqual({}, self.firewall.open_())

    def test_plainKnock(self) -> None:
        """Plain knocks open nothing, and are not even logged."""
        self.start()
        before = self.log.lines()
        self.receive(*PORTS)
        self.assertEqual(({}, before), (self.firewall.open_(), self.log.lines()))

    def test_nextDaemon(self) -> None:
        """A knock that opened once opens nothing with the next daemon, even if clocks are ahead."""
        self.start()
        datagram = self.seal(stamp=(TODAY + 30) * 1000)
        self.send(datagram)
        self.successResultOf(self.service.stopService())
        clock: Any = self.reactor
        self.firewall = FakeFirewall(clock)
        self.service = self.makeService(self.firewall, authorizedKeys=str(self.path))
        self.start()
        self.send(datagram)
        self.assertEqual({}, self.firewall.open_())
        self.assertIn("this knock was seen before", self.log.lines()[-1])

    def test_waits(self) -> None:
        """A knock that cannot be checked at once opens when there is time again."""
        self.start()
        self.service._smith.checks._budget.spend(1.0)
        self.send(self.seal())
        self.assertEqual({}, self.firewall.open_())
        self.reactor.advance(2.1)
        self.assertEqual(["203.0.113.9"], list(self.firewall.open_()))

    def test_stopsWhileOneWaits(self) -> None:
        """When the daemon stops, knocks that wait open nothing any more."""
        self.start()
        self.service._smith.checks._budget.spend(1.0)
        self.send(self.seal())
        self.daemon.reloader.stop()  # the first thing that a daemon does which ends
        self.reactor.advance(60.0)
        self.assertEqual({}, self.firewall.open_())

    def test_noPortsLogged(self) -> None:
        """No line names a knock port, whatever comes."""
        self.start()
        for datagram in (self.seal(), self.seal(stamp=1), b"pkdoors1 x\n", self.seal(door="x")):
            self.reactor.advance(2)
            self.send(datagram)
        text = "\n".join(self.log.lines())
        self.assertEqual(3, text.count("refused door default"))
        self.assertFalse([port for port in PORTS if str(port) in text])
