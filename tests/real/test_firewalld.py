"""firewalld: its zones, and the rules that pkdoors leaves in them."""

import signal

from pkdoors.adminclient.client import AdminClient
from tests.lab.case import KNOCKS, PORT, SEQUENCE, RealTestCase
from tests.lab.hosts import BIN, CLIENT4, STRANGER4, Daemon, eventually


class ZoneTests(RealTestCase):
    """The zone to which a client's packets are assigned."""

    firewall = "firewalld"

    def rules(self, zone: str) -> str:
        """Return the rich rules of a zone."""
        return self.firewalld.cmd(f"--zone={zone}", "--list-rich-rules")

    def test_auto(self) -> None:
        """If firewalld runs, C{auto} chooses it."""
        daemon = Daemon(self.server, "-m", KNOCKS, "-p", str(PORT))
        self.assertIn("with nftables and firewalld", daemon.log())

    def test_defaultZone(self) -> None:
        """A client that is in no other zone is in the default one."""
        daemon = self.start()
        self.client.send(SEQUENCE)
        self.assertTrue(daemon.says("opened door"))
        self.assertIn(f'source address="{CLIENT4}"', self.rules("public"))

    def test_zoneOfTheInterface(self) -> None:
        """The interface on the route back to the client comes before the default."""
        self.firewalld.cmd("--zone=work", "--add-interface=client")
        daemon = self.start(openFor="1h")
        self.client.send(SEQUENCE)
        self.assertTrue(daemon.says("opened door"))
        self.assertIn(CLIENT4, self.rules("work"))
        self.assertNotIn(CLIENT4, self.rules("public"))
        self.assertTrue(self.client.reaches(PORT))
        self.stranger.send(SEQUENCE)
        self.assertTrue(self.stranger.comesToReach(PORT))
        self.assertIn("10.9.2.2", self.rules("public"))

    def test_zoneOfTheSource(self) -> None:
        """A binding of the source comes before the interface."""
        self.firewalld.cmd("--zone=work", "--add-interface=client")
        self.firewalld.cmd("--zone=home", "--add-source=10.9.1.0/29")
        daemon = self.start()
        self.client.send(SEQUENCE)
        self.assertTrue(daemon.says("opened door"))
        self.assertIn(CLIENT4, self.rules("home"))
        self.assertTrue(self.client.reaches(PORT))

    def test_zoneOfAnIpset(self) -> None:
        """An ipset can bind a source, too."""
        self.firewalld.cmd("--permanent", "--new-ipset=friends", "--type=hash:net")
        self.firewalld.cmd("--permanent", "--ipset=friends", "--add-entry=10.9.1.0/24")
        self.firewalld.cmd("--permanent", "--zone=internal", "--add-source=ipset:friends")
        self.firewalld.cmd("--reload")
        daemon = self.start()
        self.client.send(SEQUENCE)
        self.assertTrue(daemon.says("opened door"))
        self.assertIn(CLIENT4, self.rules("internal"))
        self.assertTrue(self.client.reaches(PORT))

    def test_zoneOfTheHardware(self) -> None:
        """A hardware address can bind a source, too."""
        address = self.client.run("ip", "-brief", "link", "show", "server").split()[2]
        self.firewalld.cmd("--zone=home", f"--add-source={address}")
        daemon = self.start()
        self.client.send(SEQUENCE)
        self.assertTrue(daemon.says("opened door"))
        self.assertIn(CLIENT4, self.rules("home"))
        self.assertTrue(self.client.reaches(PORT))

    def test_zonesChange(self) -> None:
        """If an interface moves to another zone, knocks and openings follow it."""
        self.listen = "sockets"  # with capture there are no rules for knocks
        daemon = self.start(openFor="1h")
        self.client.send(SEQUENCE)
        self.assertTrue(self.client.comesToReach(PORT))
        self.firewalld.cmd("--zone=work", "--change-interface=client")
        self.assertTrue(
            daemon.says("firewalld's zones were changed: restored the rules of pkdoors")
        )
        self.assertTrue(self.client.comesToReach(PORT))
        self.firewalld.cmd("--set-default-zone=home")
        self.assertTrue(eventually(lambda: "31337" in self.rules("home")))
        self.stranger.send(SEQUENCE)
        self.assertTrue(self.stranger.comesToReach(PORT))

    def test_zoneOption(self) -> None:
        """C{--zone} overrides all of that."""
        daemon = self.start("--zone", "public")
        self.firewalld.cmd("--zone=home", "--add-source=10.9.1.0/29")
        self.firewalld.cmd("--zone=home", "--add-port=17000-17999/udp")
        self.client.send(SEQUENCE)
        self.assertTrue(daemon.says("opened door"))
        self.assertIn(CLIENT4, self.rules("public"))
        self.assertNotIn(CLIENT4, self.rules("home"))

    def test_clientsOtherAccess(self) -> None:
        """A knock does not take away any access that the client had before."""
        self.server.serve(80)
        self.firewalld.cmd("--add-service=http")
        self.assertTrue(self.client.reaches(80))
        self.start()
        self.client.send(SEQUENCE)
        self.assertTrue(self.client.comesToReach(PORT))
        self.assertTrue(self.client.reaches(80))

    def test_banCounts(self) -> None:
        """
        A client that is banned by a rule of the operator's stays out, whether it knocks or not.
        """
        rule = f"rule family=ipv4 source address={CLIENT4} port port={PORT} protocol=tcp drop"
        self.firewalld.cmd("--add-rich-rule", rule)
        daemon = self.start()
        self.client.send(SEQUENCE)
        self.assertTrue(daemon.says("opened door"))
        self.assertFalse(self.client.reaches(PORT))

    def test_knockPortsAreTakenBack(self) -> None:
        """A stop leaves firewalld as it was, and makes nothing permanent."""
        self.listen = "sockets"  # with capture there are no rules for knocks
        before = self.firewalld.cmd("--list-all-zones")
        permanent = self.firewalld.cmd("--permanent", "--list-all-zones")
        daemon = self.start()
        self.assertIn(str(SEQUENCE[0]), self.rules("public"))
        daemon.stop()
        self.assertEqual(self.firewalld.cmd("--list-all-zones"), before)
        self.assertEqual(self.firewalld.cmd("--permanent", "--list-all-zones"), permanent)

    def test_leftoversOfAKilledDaemon(self) -> None:
        """The knock rules of a daemon that was killed are gone after the next one's start."""
        self.listen = "sockets"  # with capture there are no rules for knocks
        daemon = self.start()
        daemon.stop(signal.SIGKILL)
        other = "18001,18203,18005,18404,18002,18009"
        Daemon(self.server, "-m", other, "-p", str(PORT))
        self.assertNotIn(str(SEQUENCE[0]), self.rules("public"))
        self.assertIn("18001", self.rules("public"))

    def test_outlivesTheBus(self) -> None:
        """The end of the system's bus, or of firewalld, does not end the daemon."""
        daemon = self.start()
        self.firewalld.bus.stop(signal.SIGKILL)
        self.client.send(SEQUENCE)
        self.assertTrue(daemon.says("cannot open door"), daemon.log())
        self.assertIn("firewalld does not answer", daemon.log())
        self.firewalld.startBus()
        self.firewalld.process.stop()
        self.firewalld.start()
        self.firewalld.cmd("--add-port=17000-17999/udp")
        self.client.send(SEQUENCE)
        self.assertTrue(self.client.comesToReach(PORT))
        self.assertNotIn("Traceback", daemon.log())

    def test_suspended(self) -> None:
        """
        While firewalld hangs, the operator gets answers. When it goes on, clients with time left
        are let in, and clients without are in neither firewall.
        """
        daemon = self.start(openFor="1h")
        asking = AdminClient(f"{self.folder}/admin.sock")

        def timeLeft() -> dict[str, float]:
            return {each["source"]: each["seconds_left"] for each in asking.status()["openings"]}

        hanging = self.firewalld.process.popen
        self.addCleanup(hanging.send_signal, signal.SIGCONT)  # otherwise nothing would end it
        hanging.send_signal(signal.SIGSTOP)
        self.client.send(SEQUENCE, b"knock 2\n")
        self.stranger.send(SEQUENCE)
        self.assertTrue(eventually(lambda: {CLIENT4, STRANGER4} <= set(timeLeft())))
        self.assertTrue(eventually(lambda: timeLeft()[CLIENT4] == 0))
        self.assertFalse(self.stranger.reaches(PORT))
        hanging.send_signal(signal.SIGCONT)
        self.assertTrue(self.stranger.comesToReach(PORT), daemon.log())
        self.assertTrue(daemon.says(f"never opened for {CLIENT4}"), daemon.log())
        self.assertFalse(self.client.reaches(PORT))
        self.assertNotIn(CLIENT4, self.rules("public"))
        listing = self.server.run("nft", "list", "set", "inet", "pkdoors", "tcp_open4")
        self.assertNotIn(CLIENT4, listing)

    def test_silent(self) -> None:
        """
        If firewalld hangs so long that calls time out, the log has one line for all, and everything
        is restored when it goes on, including the results of calls that it did not answer.
        """
        daemon = self.start(openFor="1h")
        hanging = self.firewalld.process.popen
        self.addCleanup(hanging.send_signal, signal.SIGCONT)
        hanging.send_signal(signal.SIGSTOP)
        for other in (self.client, self.stranger):
            other.send(SEQUENCE)
        self.assertTrue(daemon.says("cannot open door"), daemon.log())
        hanging.send_signal(signal.SIGCONT)
        self.assertTrue(daemon.says("restored the rules of pkdoors in firewalld"), daemon.log())
        for other in (self.client, self.stranger):
            self.assertTrue(other.comesToReach(PORT), daemon.log())
        self.assertEqual(1, daemon.log().count("cannot open door"), daemon.log())

    def test_exposedPort(self) -> None:
        """A protected port that the zone opens to everybody is closed all the same."""
        self.server.serve(22)
        self.assertTrue(self.stranger.reaches(22))
        self.start(ports="22", openFor="1h")
        self.assertFalse(self.stranger.reaches(22))
        self.client.send(SEQUENCE)
        self.assertTrue(self.client.comesToReach(22))

    def test_publishedPort(self) -> None:
        """So is a port that is forwarded past the zones, as Docker publishes one."""
        self.server.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
        self.firewalld.cmd("--zone=trusted", "--add-interface=stranger")
        self.firewalld.cmd("--policy=allow-host-ipv6", "--list-all")
        self.server.run(
            "nft",
            "table ip nat { chain PREROUTING { type nat hook prerouting priority dstnat; "
            "ip daddr 10.9.1.1 tcp dport 8080 dnat to 10.9.2.2:80; }; }",
        )
        self.stranger.serve(80)
        self.assertTrue(self.client.reaches(8080))
        self.start(ports="8080")
        self.assertFalse(self.client.reaches(8080))
        self.client.send(SEQUENCE)
        self.assertTrue(self.client.comesToReach(8080))

    def test_unknownZone(self) -> None:
        """
        If firewalld does not have the zone, the message is one sentence, and the daemon does not
        start.
        """
        status, output = self.server.status(
            str(BIN / "twistd"),
            "-n",
            "--pidfile=",
            "pkdoors",
            "-m",
            KNOCKS,
            "-p",
            "22",
            "--zone",
            "nowhere",
        )
        self.assertEqual(status, 1)
        self.assertIn("firewalld has no zone 'nowhere': `firewall-cmd --get-zones`", output)
        self.assertNotIn("Traceback", output)
