"""Trusted networks and interfaces: who comes from there needs no knock."""

import signal
import threading
from itertools import count

from tests.lab.case import PORT
from tests.lab.conntrack import Flow
from tests.lab.controlled import WEB, WEB_SEQUENCE, ControlledTestCase, door
from tests.lab.echoing import DatagramEchoServer, DatagramFlow
from tests.lab.flows import Session
from tests.lab.hosts import (
    BIN,
    CLIENT4,
    CLIENT6,
    SERVER4,
    SERVER6,
    STRANGER4,
    STRANGER6,
    Host,
    eventually,
)
from tests.lab.segments import ACK, SYN, send

TARGETS = (SERVER4, SERVER6)
CLIENTS = '"10.9.1.0/24", "fd09:1::/64"'
"""The networks of the client."""
OTHER4 = "10.9.1.77"
"""Another address of the client's."""


def trusting(what: str, more: str = "", port: int = PORT) -> str:
    """Return a door that trusts something, a part of a list in TOML."""
    return door("ssh", port=port, more=f"trusted = [{what}]\n{more}")


class _TrustedCase(ControlledTestCase):
    """The usual hosts."""

    def setUp(self) -> None:
        """Number the sessions' ports."""
        super().setUp()
        self._ports = count(20001)

    def assertReach(self, host: Host, isIn: bool, port: int = PORT) -> None:
        """Check whether a host gets in over IPv4 and IPv6."""
        found = [host.reaches(port, target) for target in TARGETS]
        self.assertEqual([isIn] * 2, found)

    def session(self, host: Host, source: str, target: str) -> Session:
        """Begin a session."""
        flow = Flow(source, next(self._ports), target, PORT)
        session = Session.begin(host, self.listeners[PORT], flow)
        self.addCleanup(session.close)
        return session


class TrustedTests(_TrustedCase):
    """A guard in nftables."""

    def test_network(self) -> None:
        """A client in a trusted network gets in without a knock, and nobody else does."""
        daemon = self.controlled(trusting(CLIENTS))
        self.assertReach(self.client, True)
        self.assertReach(self.stranger, False)
        self.assertIn("no knock needed from 10.9.1.0/24, fd09:1::/64", daemon.log())

    def test_otherPort(self) -> None:
        """Trust is for the ports of one door."""
        self.controlled(trusting(CLIENTS), door("web", WEB_SEQUENCE, WEB))
        self.assertReach(self.client, True)
        self.assertReach(self.client, False, WEB)

    def test_address(self) -> None:
        """One address can be trusted, and its neighbours are not."""
        self.client.run("ip", "address", "add", f"{OTHER4}/24", "dev", "server")
        self.controlled(trusting(f'"{CLIENT4}", "{CLIENT6}"'))
        self.assertReach(self.client, True)
        self.assertFalse(self.client.reaches(PORT, source=OTHER4))

    def test_interface(self) -> None:
        """A client whose packets arrive at a trusted interface gets in."""
        self.controlled(trusting('"stranger"'))
        self.assertReach(self.stranger, True)
        self.assertReach(self.client, False)

    def test_laterInterface(self) -> None:
        """An interface that appears later counts, too, also after it was away."""
        self.controlled(trusting('"late"'))
        for _ in range(2):
            late = self.network.add("late", 3)
            found = [late.reaches(PORT, target) for target in ("10.9.3.1", "fd09:3::1")]
            self.assertEqual([True, True], found)
            self.server.run("ip", "link", "delete", "late")
        self.assertReach(self.client, False)

    def test_forged(self) -> None:
        """A packet that claims a trusted source, but arrives elsewhere, does not get in."""
        for name in ("all", "stranger"):
            self.server.run("sysctl", "-qw", f"net.ipv4.conf.{name}.rp_filter=0")
        for address in (f"{CLIENT4}/32", f"{CLIENT6}/128"):
            self.stranger.run("ip", "address", "add", address, "dev", "server")
        self.controlled(trusting(CLIENTS))
        self.server.run(
            "nft",
            "table inet probe { chain after { type filter hook input priority 100; "
            f"tcp dport {PORT} iifname stranger counter comment passed; "
            f"tcp dport {PORT} iifname client counter comment honest; }}; "
            "chain before { type filter hook prerouting priority -400; "
            f"tcp dport {PORT} iifname stranger counter comment arrived; }}; }}",
        )
        flows = [Flow(CLIENT4, 4001, SERVER4, PORT), Flow(CLIENT6, 4001, SERVER6, PORT)]
        send(self.stranger, [(flow, flags) for flow in flows for flags in (SYN, ACK)])
        self.assertTrue(eventually(lambda: self.counted("arrived") == 4))
        self.assertReach(self.client, True)
        self.assertGreater(self.counted("honest"), 0)
        self.assertEqual(0, self.counted("passed"))

    def counted(self, comment: str) -> int:
        """Return what a counter of the probe has counted."""
        for line in self.server.run("nft", "list", "table", "inet", "probe").splitlines():
            if f'comment "{comment}"' in line:
                words = line.split()
                return int(words[words.index("packets") + 1])
        raise AssertionError(comment)

    def test_removed(self) -> None:
        """What is no longer trusted is closed at once; its sessions go on, or are cut."""
        for policy, goesOn in (("keep", True), ("cut", False)):
            with self.subTest(policy):
                sessions = f'sessions = "{policy}"\n'
                daemon = self.controlled(trusting(f'{CLIENTS}, "stranger"', sessions))
                live = [
                    self.session(self.client, CLIENT4, SERVER4),
                    self.session(self.client, CLIENT6, SERVER6),
                    self.session(self.stranger, STRANGER4, SERVER4),
                    self.session(self.stranger, STRANGER6, SERVER6),
                ]
                self.write(trusting("", sessions))
                self.assertEqual(1, len(self.reload()))
                self.assertReach(self.client, False)
                self.assertReach(self.stranger, False)
                patience = 10.0 if goesOn else 0.5
                self.assertEqual([goesOn] * 4, [each.carries(patience) for each in live])
                daemon.stop()

    def test_added(self) -> None:
        """A reload adds what is trusted; it does not restart anything."""
        self.controlled(trusting(""))
        self.assertReach(self.client, False)
        self.write(trusting(CLIENTS))
        (change,) = self.reload()
        self.assertIn("trusted", change)
        self.assertReach(self.client, True)
        self.assertReach(self.stranger, False)

    def test_udp(self) -> None:
        """A UDP session of a trusted client goes on after the trust has ended, for a while."""
        times = 'udp_idle = "3s"\nudp_grace = "0"\n'
        udp = trusting(CLIENTS, times).replace(f"[{PORT}]", f'["{PORT}/udp"]')
        self.controlled(udp)
        with DatagramEchoServer(self.server, PORT):
            flow = DatagramFlow(self.client, PORT)
            self.addCleanup(flow.close)
            self.assertTrue(flow.isAnswered(10.0))
            other = DatagramFlow(self.stranger, PORT)
            self.addCleanup(other.close)
            self.assertFalse(other.isAnswered())
            self.write(udp.replace(CLIENTS, ""))
            self.reload()
            self.assertTrue(flow.isAnswered(10.0))
            new = DatagramFlow(self.client, PORT)
            self.addCleanup(new.close)
            self.assertFalse(new.isAnswered())

    def test_killed(self) -> None:
        """Trust needs no daemon, and the next one takes it over, or ends it."""
        daemon = self.controlled(trusting(CLIENTS))
        session = self.session(self.client, CLIENT4, SERVER4)
        daemon.stop(signal.SIGKILL)
        self.assertReach(self.client, True)
        self.assertReach(self.stranger, False)
        daemon = self.controlled(trusting('"10.9.1.0/25", "fd09:1::/64"'))
        self.assertReach(self.client, True)
        daemon.stop(signal.SIGKILL)
        self.controlled(trusting('"10.9.1.128/25"'))
        self.assertReach(self.client, False)
        self.assertTrue(session.carries())

    def test_flushed(self) -> None:
        """A guard that somebody has flushed comes back with it."""
        daemon = self.controlled(trusting(CLIENTS))
        session = self.session(self.client, CLIENT4, SERVER4)
        self.disturb(daemon, "flush ruleset")
        self.assertReach(self.client, True)
        self.assertReach(self.stranger, False)
        self.assertTrue(session.carries())

    def test_tampered(self) -> None:
        """What somebody else trusts or distrusts in the guard does not last."""
        daemon = self.controlled(trusting(f'{CLIENTS}, "eth9"'))
        changes = (
            f"add element inet pkdoors tcp_trusted4_24 {{ 10.9.2.0 . {PORT} }}",
            f"delete element inet pkdoors tcp_trusted4_24 {{ 10.9.1.0 . {PORT} }}",
            "flush set inet pkdoors tcp_trusted6_64",
            f'add element inet pkdoors tcp_trustedif {{ "stranger" . {PORT} }}',
            f'add element inet pkdoors tcp_trustedif {{ "a}}; b" . {PORT} }}',
        )
        for change in changes:
            with self.subTest(change):
                self.server.status("nft", change)
                self.assertTrue(eventually(self.isAsTrusted), daemon.log())
        listing = self.server.run("nft", "list", "table", "inet", "pkdoors")
        self.assertNotIn("a}; b", listing)

    def isAsTrusted(self) -> bool:
        """Return whether the client gets in over both families, and the stranger does not."""
        return all(self.client.reaches(PORT, target) for target in TARGETS) and not any(
            self.stranger.reaches(PORT, target) for target in TARGETS
        )

    def test_neverKeptOut(self) -> None:
        """Who stays trusted is let in while what others are trusted changes."""
        self.controlled(trusting(CLIENTS))
        isOver = threading.Event()
        refused: list[str] = []
        tried = [0]

        def connect() -> None:
            while not isOver.is_set():
                for target in TARGETS:
                    tried[0] += 1
                    if not self.client.reaches(PORT, target):
                        refused.append(target)
                    self.listeners[PORT].accept()[0].close()

        thread = threading.Thread(target=connect)
        thread.start()
        try:
            for others in ('"10.9.7.0/24"', '"fd09:8::/64", "10.8.0.0/16"', '"wg0"', "") * 10:
                self.write(trusting(f"{CLIENTS}, {others}".removesuffix(", ")))
                self.assertTrue(self.reload())
        finally:
            isOver.set()
            thread.join()
        self.assertGreater(tried[0], 100)
        self.assertEqual([], refused)

    def test_release(self) -> None:
        """A released host trusts nobody: all rules and sets are gone."""
        daemon = self.controlled(trusting(CLIENTS))
        daemon.stop()
        self.assertReach(self.stranger, False)
        self.server.run(str(BIN / "pkdoors"), "release")
        self.assertEqual("", self.server.run("nft", "list", "tables"))


class ToldTests(_TrustedCase):
    """What the commands tell."""

    def test_status(self) -> None:
        """The status names who needs no knock, for people and for programs."""
        self.controlled(trusting(f'{CLIENTS}, "wg0"'))
        options = ("status", "--admin", str(self.socket))
        told = self.server.run(str(BIN / "pkdoors"), *options)
        self.assertIn("door ssh: no knock needed from 10.9.1.0/24, fd09:1::/64, wg0", told)
        (door,) = self.ask("/status")["doors"]
        self.assertEqual(["10.9.1.0/24", "fd09:1::/64", "wg0"], door["trusted"])

    def test_check(self) -> None:
        """The check sees that the port is closed to others, and what may be a mistake."""
        self.controlled(trusting(f'{CLIENTS}, "wg0", "client", "lo"'))
        self.server.run("ip", "route", "add", "default", "via", CLIENT4)
        options = ("check", "-c", str(self.file), "--admin", str(self.socket))
        _, told = self.server.status(str(BIN / "pkdoors"), *options)
        for line in (
            rf"OK +{PORT}/tcp +the guard keeps it closed",
            r"OK +trusted +door ssh: no knock needed from 10.9.1.0/24, fd09:1::/64, wg0, client",
            r"INFO +trusted +door ssh: there is no interface wg0 now",
            r"INFO +trusted +door ssh: lo need not be trusted",
            r"WARNING +trusted +door ssh: client has the default route",
        ):
            self.assertRegex(told, line)

    def test_changed(self) -> None:
        """The check finds a file that was changed without a reload; the remedy helps."""
        self.controlled(trusting('"10.9.1.0/24", "wg0"'))
        self.write(trusting('"10.9.1.0/25", "client"'))
        options = ("check", "-c", str(self.file), "--admin", str(self.socket))
        status, told = self.server.status(str(BIN / "pkdoors"), *options)
        self.assertEqual(2, status)
        self.assertIn("the guard still trusts 10.9.1.0/24, wg0, which the configuration", told)
        self.assertIn("the guard does not trust 10.9.1.0/25, client yet", told)
        self.reload()
        _, told = self.server.status(str(BIN / "pkdoors"), *options)
        self.assertNotIn("the guard still trusts", told)
        self.assertNotIn("does not trust", told)

    def test_refused(self) -> None:
        """Trusting everybody, or what could be mistaken by nft, is refused in one sentence; the
        running guard stays."""
        self.controlled(trusting(CLIENTS))
        for text in ("0.0.0.0/0", "::/0", "10.9.1.2/24", "a; drop", "wg*"):
            self.write(trusting(f'"{text}"'))
            _, refusal = self.refused("/reload", "-X", "POST")
            self.assertIn("doors.ssh.trusted: ", refusal)
            self.assertReach(self.client, True)
            self.assertReach(self.stranger, False)


class FirewalldTests(_TrustedCase):
    """firewalld, which closes the port in all zones, before the guard."""

    firewall = "firewalld"

    def rules(self, zone: str) -> list[str]:
        """Return our rules for what is trusted."""
        rules = self.firewalld.cmd(f"--zone={zone}", "--list-rich-rules").splitlines()
        return [rule for rule in rules if "32338" in rule]

    def test_letsThrough(self) -> None:
        """It lets trusted networks and interfaces through, also after a reload and a restart."""
        self.firewalld.cmd("--zone=work", "--add-interface=client")
        daemon = self.controlled(trusting(f'{CLIENTS}, "stranger"'))
        for change in (lambda: None, self.reloadFirewalld, self.restartFirewalld):
            change()
            for host in (self.client, self.stranger):
                for target in TARGETS:
                    self.assertTrue(host.comesToReach(PORT, target), daemon.log())
        self.write(trusting(CLIENTS))
        self.reload()
        self.assertReach(self.client, True)
        self.assertReach(self.stranger, False)
        self.assertTrue(eventually(lambda: len(self.rules("public")) == 2))

    def reloadFirewalld(self) -> None:
        """Reload it: it forgets all runtime rules."""
        self.firewalld.cmd("--reload")

    def restartFirewalld(self) -> None:
        """End it, and start it again."""
        self.firewalld.process.stop()
        self.firewalld.start()

    def test_written(self) -> None:
        """firewalld writes the rules as pkdoors does, so a restoration touches nothing."""
        ours = f'{CLIENTS}, "{STRANGER4}", "{STRANGER6}", "fd00:0:0:1:2::/96", "stranger"'
        daemon = self.controlled(trusting(ours))
        self.assertTrue(eventually(lambda: len(self.rules("public")) == 6), self.rules("public"))
        before = self.handles()
        self.assertEqual(6, len(before))
        self.firewalld.cmd("--zone=work", "--add-interface=client")
        self.assertTrue(daemon.says("zones were changed: restored"), daemon.log())
        self.assertLessEqual(before, self.handles())

    def handles(self) -> set[str]:
        """Return the rules for the port, with their handles: a rule that is added again has a new
        one."""
        ruleset = self.server.run("nft", "-a", "list", "table", "inet", "firewalld")
        return {line.strip() for line in ruleset.splitlines() if f"dport {PORT}" in line}

    def test_release(self) -> None:
        """A stop leaves the rules, and C{release} removes them."""
        daemon = self.controlled(trusting(CLIENTS))
        for target in TARGETS:
            self.assertTrue(self.client.comesToReach(PORT, target))
        daemon.stop()
        self.assertReach(self.client, True)
        self.server.run(str(BIN / "pkdoors"), "release")
        self.assertEqual([], self.rules("public"))
        self.assertReach(self.client, False)
