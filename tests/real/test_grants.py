"""Sealed knocks that open for networks, and for other addresses than the sender's."""

import json
import signal
from socket import socket

from tests.lab.case import PORT, SEQUENCE
from tests.lab.controlled import ControlledTestCase
from tests.lab.hosts import (
    BIN,
    CLIENT4,
    CLIENT6,
    SERVER4,
    SERVER6,
    STRANGER4,
    Daemon,
    Host,
    eventually,
)
from tests.lab.sealing import makeKey, publicLine, sealed

PKDOORS = str(BIN / "pkdoors")
NEAR, FAR, NEAR6 = "10.9.1.77", "10.9.1.200", "fd09:1::77"
NET, NET6 = "10.9.1.0/24", "fd09:1::/64"
DOOR = f'[doors.ssh]\nsequence = {list(SEQUENCE)}\nports = [{PORT}]\nopen_for = "10m"\n'
GRANTS = "grant4 = 24\ngrant6 = 64\n"


class GrantTestCase(ControlledTestCase):
    """A sealed door, and keys with options."""

    def setUp(self) -> None:
        """Make the keys, and give the client more addresses."""
        super().setUp()
        self.anna, self.bob = makeKey(), makeKey()
        self.keys = self.folder / "authorized_keys"
        for address, option in ((f"{NEAR}/24", ()), (f"{FAR}/24", ()), (f"{NEAR6}/64", ("nodad",))):
            self.client.run("ip", "address", "add", address, "dev", "server", *option)

    def begin(self, options: str, more: str = GRANTS) -> Daemon:
        """Start the daemon with these options of Anna's key, and none of Bob's."""
        lines = publicLine(self.anna, "anna@phone"), publicLine(self.bob, "bob@desk")
        self.keys.write_text(f"{options} {lines[0]}{lines[1]}".lstrip())
        return self.controlled(self.door(more))

    def door(self, more: str = GRANTS) -> str:
        """Return the door as the file has it."""
        return f'{DOOR}authorized_keys = "{self.keys}"\n{more}'

    def knock(
        self, datagram: bytes, host: Host | None = None, address: str = SERVER4, source: str = ""
    ) -> None:
        """Send a datagram to all ports."""
        (host or self.client).send(SEQUENCE, datagram, address, source, pause=0)

    def seal(self, **fields: object) -> bytes:
        """Return a knock of Anna's."""
        return sealed(self.anna, SEQUENCE, **{"door": "ssh", **fields})

    def reached(self, source: str) -> bool:
        """Return whether one of the client's addresses reaches the port."""
        return self.client.reaches(PORT, SERVER6 if ":" in source else SERVER4, source)

    def comesToOpen(self, *sources: str) -> bool:
        """Wait until exactly this is open, in every firewall."""

        def opened() -> set[str]:
            found = self.ask("/openings")["openings"]
            return {opening["source"] if opening["open"] else "-" for opening in found}

        return bool(eventually(lambda: opened() == {*sources}))


class PrefixTests(GrantTestCase):
    """Keys with C{prefix}, with the guard alone."""

    def test_network(self) -> None:
        """Such a key opens for its network, and any other key for its own address."""
        daemon = self.begin("prefix")
        self.knock(sealed(self.bob, SEQUENCE, door="ssh"))
        self.assertTrue(self.comesToOpen(CLIENT4))
        self.assertTrue(self.reached(CLIENT4))
        self.assertFalse(self.reached(NEAR))
        self.knock(self.seal())
        self.assertTrue(self.comesToOpen(CLIENT4, NET))
        self.assertTrue(self.reached(NEAR) and self.reached(FAR))
        self.assertFalse(self.stranger.reaches(PORT))
        self.assertRegex(
            daemon.log(), rf"for {NET} until .*, by anna@phone \(SHA256:.*\) from {CLIENT4}"
        )
        self.knock(self.seal(), address=SERVER6)
        self.assertTrue(self.comesToOpen(CLIENT4, NET, NET6))
        self.assertTrue(self.reached(NEAR6) and self.reached(CLIENT6))

    def test_close(self) -> None:
        """Its closing seal closes the network, from any address in there, and nothing of others."""
        self.begin("prefix")
        self.knock(sealed(self.bob, SEQUENCE, door="ssh"))
        self.knock(self.seal())
        self.assertTrue(self.comesToOpen(CLIENT4, NET))
        self.knock(self.seal(close=True), source=NEAR)
        self.assertTrue(self.comesToOpen(CLIENT4))
        self.assertTrue(eventually(lambda: not self.reached(NEAR)))
        self.assertTrue(self.reached(CLIENT4))

    def test_bind(self) -> None:
        """The seal may be bound to an address in the network, and to none elsewhere."""
        daemon = self.begin("prefix")
        self.knock(self.seal(bind=STRANGER4))
        self.assertTrue(daemon.says(f"bound to {STRANGER4}, but comes from elsewhere"))
        self.knock(self.seal(bind=FAR))
        self.assertTrue(self.comesToOpen(NET))

    def test_survives(self) -> None:
        """It survives the death of the daemon, a reload without grants, and a flush; who, too."""
        daemon = self.begin("prefix")
        self.knock(self.seal())
        self.assertTrue(self.comesToOpen(NET))
        daemon.stop(signal.SIGKILL)
        self.assertTrue(self.reached(NEAR))
        daemon = self.controlled(self.door())
        self.assertRegex(daemon.log(), rf"took over door ssh .* for {NET} .* from {CLIENT4}\n")
        self.write(self.door(""))
        self.assertIn("grant4, grant6", self.reload()[0])
        self.assertTrue(self.reached(NEAR))
        self.disturb(daemon, "flush ruleset")
        self.assertTrue(eventually(lambda: self.reached(NEAR)))
        self.assertFalse(self.stranger.reaches(PORT))
        (opening,) = self.ask("/openings")["openings"]
        self.assertEqual(("anna@phone", CLIENT4), (opening["user"], opening["asked_from"]))

    def test_cut(self) -> None:
        """With C{cut}, a session outlives the network if the client has an opening of its own."""
        self.begin("prefix", GRANTS + 'sessions = "cut"\n')
        self.knock(sealed(self.bob, SEQUENCE, door="ssh"), source=NEAR)
        self.knock(self.seal())
        self.assertTrue(self.comesToOpen(NEAR, NET))
        near, far = (self.client.connect(PORT, source=source) for source in (NEAR, FAR))
        self.addCleanup(near.close)
        self.addCleanup(far.close)
        self.knock(self.seal(close=True))
        self.assertTrue(self.comesToOpen(NEAR))
        self.assertTrue(eventually(lambda: self.isCut(far)))
        self.assertFalse(self.isCut(near))

    def isCut(self, session: socket) -> bool:
        """Return whether a connection has ended."""
        try:
            session.sendall(b"there?")
        except OSError:
            return True
        return False


class FirewalldPrefixTests(PrefixTests):
    """The same with firewalld before the guard."""

    firewall = "firewalld"


class ForOthersTests(GrantTestCase):
    """Keys with C{for-others}."""

    def test_phone(self) -> None:
        """C{pkdoors knock --for} opens and closes for another host, and status says who asked."""
        self.begin("for-others", "")
        key = self.folder / "anna"
        key.write_bytes(self.anna.toString("openssh"))
        key.chmod(0o600)
        command = (PKDOORS, "knock", SERVER4, "-m", ",".join(map(str, SEQUENCE)), "-i", str(key))
        options = ("--door", "ssh", "--for", STRANGER4)
        said = self.client.run(*command, *options)
        self.assertEqual(f"asked {SERVER4} to open for {STRANGER4} ({SERVER4})\n", said)
        self.assertTrue(self.stranger.comesToReach(PORT))
        self.assertFalse(self.reached(CLIENT4))
        status = self.server.run(PKDOORS, "status", "--admin", str(self.socket))
        self.assertIn(f"anna@phone from {CLIENT4}", status)
        self.client.run(*command, *options, "--close")
        self.assertTrue(self.comesToOpen())
        self.assertFalse(self.stranger.reaches(PORT))

    def test_prolonged(self) -> None:
        """A key that prolongs another one's opening, and closes it, takes nothing away."""
        daemon = self.begin("for-others", "")
        self.knock(sealed(self.bob, SEQUENCE, door="ssh", seconds=600))
        self.assertTrue(self.comesToOpen(CLIENT4))
        self.knock(self.seal(bind=CLIENT4, seconds=1800), self.stranger)
        self.assertTrue(daemon.says("extended door ssh"))
        self.assertGreater(self.secondsLeft(), 1000)
        self.knock(self.seal(bind=CLIENT4, close=True), self.stranger)
        self.assertTrue(daemon.says("shortened at the request of anna@phone"))
        self.assertTrue(eventually(lambda: self.secondsLeft() <= 600), self.secondsLeft())
        self.assertTrue(self.reached(CLIENT4))
        self.knock(sealed(self.bob, SEQUENCE, door="ssh", close=True))
        self.assertTrue(self.comesToOpen())
        self.assertFalse(self.reached(CLIENT4))

    def secondsLeft(self) -> int:
        """Return the time that the kernel's only opening has left."""
        listing = self.server.run("nft", "-j", "list", "set", "inet", "pkdoors", "tcp_open4")
        *_, found = json.loads(listing)["nftables"]
        (element,) = found["set"]["elem"]
        return int(element["elem"]["expires"])

    def test_others(self) -> None:
        """A key without the option opens for nobody else."""
        daemon = self.begin("for-others", "")
        self.knock(sealed(self.bob, SEQUENCE, door="ssh", bind=STRANGER4))
        self.assertTrue(daemon.says(f"for {CLIENT4}: it is bound to {STRANGER4}, but comes from"))
        self.assertEqual(set(), self.openings())

    def test_relayed(self) -> None:
        """
        A knock that another host sends on, or again, or after a restart, opens what it names, once.
        """
        daemon = self.begin("for-others", "")
        datagram = self.seal(bind=NEAR)
        self.knock(datagram, self.stranger)
        self.assertTrue(self.comesToOpen(NEAR))
        self.assertFalse(self.stranger.reaches(PORT))
        self.assertRegex(daemon.log(), rf"for {NEAR} until .* from {STRANGER4}\n")
        self.ask("/openings", "-X", "DELETE")
        self.knock(datagram)
        self.assertTrue(daemon.says(f"for {CLIENT4}: this knock was seen before"))
        daemon.stop()
        daemon = self.controlled(self.door(""))
        for host, sender in ((self.client, CLIENT4), (self.stranger, STRANGER4)):
            self.knock(datagram, host)
            self.assertTrue(daemon.says(f"refused door ssh ({PORT}/tcp) for {sender}: "))
        self.assertEqual(set(), self.openings())

    def test_useless(self) -> None:
        """It opens for no broadcast address of this host's networks."""
        daemon = self.begin("for-others", "")
        self.knock(self.seal(bind="10.9.2.255"))
        self.assertTrue(daemon.says("no client has the address 10.9.2.255"), daemon.log())
        self.knock(self.seal(bind="224.0.0.1"), self.stranger)  # one line a second for a client
        self.assertTrue(daemon.says("224.0.0.1, which is not the address of one client"))
        self.assertEqual(set(), self.openings())

    def test_audit(self) -> None:
        """The audit file, and hooks, get who asked from where."""
        audit, hook = self.folder / "audit.jsonl", self.folder / "hook"
        script = self.folder / "told"
        script.write_text(f'#!/bin/sh\necho "$PKDOORS_SOURCE $PKDOORS_ASKED_FROM" >{hook}\n')
        script.chmod(0o755)
        self.keys.write_text(f"for-others,prefix {publicLine(self.anna, 'anna@phone')}")
        door = self.door(f'{GRANTS}on_open = ["{script}"]\n')
        self.controlled(door, more=f'audit = "{audit}"')
        self.knock(self.seal(bind=STRANGER4))
        self.assertTrue(eventually(lambda: hook.exists() and hook.read_text()))
        self.assertEqual(f"10.9.2.0/24 {CLIENT4}\n", hook.read_text())
        lines = [json.loads(line) for line in audit.read_text().splitlines()]
        (opened,) = [line for line in lines if line["event"] == "opened"]
        self.assertEqual(("10.9.2.0/24", CLIENT4), (opened["source"], opened["asked_from"]))
