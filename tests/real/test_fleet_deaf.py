"""A door that only other hosts of a fleet hear: the host itself has no knock port for it."""

import json
import re
import xml.etree.ElementTree as ElementTree
from base64 import b64encode
from typing import Any

from tests.lab.case import PORT, SEQUENCE
from tests.lab.controlled import WEB, WEB_SEQUENCE, ControlledTestCase, door
from tests.lab.hosts import BIN, CLIENT4, SERVER4, Daemon
from tests.lab.sealing import makeKey, publicLine, sealed

FLEET = """
name = "prod"
host = "web1"
hosts = ["gate1", "web1"]
engine = "rediss://192.0.2.1"
"""
DEAF = "fleet = true\nlisten = false\n"


def _isAboutPorts(line: str) -> bool:
    """Return whether a line of the check says that something is wrong with a port."""
    return re.match(rf"(ERROR|WARNING) +(knock ports|scans|daemon|{PORT})", line) is not None


class DeafTests(ControlledTestCase):
    """With sockets for the knock ports of other doors."""

    def setUp(self) -> None:
        """Make a key that may knock, and the fleet's file."""
        super().setUp()
        self.key = makeKey()
        self.keys = self.folder / "authorized_keys"
        self.keys.write_text(publicLine(self.key))
        (self.folder / "fleet.toml").write_text(FLEET)

    def sealedDoor(self, more: str = "", *where: Any) -> str:
        """Return a door for sealed knocks; where it is, if not in the usual place."""
        name, sequence, port = where or ("ssh", SEQUENCE, PORT)
        return door(name, sequence, port, f'authorized_keys = "{self.keys}"\n{more}')

    def begin(self, *doors: str) -> Daemon:
        """Start the daemon, as one that did not just lose its notes."""
        self.server.haveNotes("-c", str(self.file))
        return self.controlled(*doors)

    def knock(self, sequence: tuple[int, ...] = SEQUENCE, name: str = "ssh") -> None:
        """Let the client knock."""
        self.client.send(sequence, sealed(self.key, sequence, door=name), pause=0)

    def relay(self) -> str:
        """Hand in what the client knocked on another host; return what came of it."""
        seal = sealed(self.key, SEQUENCE, door="ssh", bind=CLIENT4)
        line = {"host": "gate1", "source": "", "seal": b64encode(seal).decode()}
        lesser = ("curl", "-sS", "--unix-socket", str(self.folder / "fleet.sock"))
        answer = self.server.run(*lesser, "http://pkdoors/seals", "-d", json.dumps(line))
        return str(json.loads(answer)["result"])

    def inGuard(self) -> str:
        """Return all that nftables has."""
        return self.server.run("nft", "list", "ruleset")

    def assertNothingHere(self) -> None:
        """Assert that nothing on this host has anything of the door's sequence."""
        self.assertEqual(set(), self.heardPorts() & set(SEQUENCE))
        guard = self.inGuard()
        self.assertEqual([], [port for port in SEQUENCE if str(port) in guard])

    def test_nothing(self) -> None:
        """
        No socket, no element of the guard: a knock opens nothing and is not even heard, while a
        door with knock ports opens as ever. The operator and the fleet can open both.
        """
        daemon = self.begin(self.sealedDoor(DEAF), self.sealedDoor("", "web", WEB_SEQUENCE, WEB))
        self.assertNothingHere()
        self.assertEqual(set(WEB_SEQUENCE), self.heardPorts())
        self.assertIn("only a sealed knock on another host of the fleet opens it", daemon.log())
        self.knock()
        self.knock(WEB_SEQUENCE, "web")
        self.assertTrue(self.client.comesToReach(WEB), daemon.log())
        self.assertFalse(self.client.reaches(PORT))
        self.open(CLIENT4, "ssh")
        self.assertTrue(self.client.comesToReach(PORT))
        self.assertFalse(self.stranger.reaches(PORT))
        self.ask("/openings", "-X", "DELETE")
        self.assertFalse(self.client.reaches(PORT))
        self.assertEqual("opened", self.relay())
        self.assertTrue(self.client.comesToReach(PORT))

    def test_alone(self) -> None:
        """A host may have no knock port at all; status and check say so."""
        self.begin(self.sealedDoor(DEAF))
        self.assertNothingHere()
        self.assertEqual(set(), self.heardPorts())
        self.assertFalse(self.client.reaches(PORT))
        pkdoors = str(BIN / "pkdoors")
        _, found = self.server.status(pkdoors, "check", "--conf", str(self.file))
        self.assertRegex(found, "OK +knock ports +this host has none")
        self.assertEqual([], [line for line in found.splitlines() if _isAboutPorts(line)])
        shown = self.server.run(pkdoors, "status", "--admin", str(self.socket))
        self.assertIn("sealed, fleet only", shown)
        troubles = self.ask("/status")["troubles"]
        self.assertEqual([], [each for each in troubles if "knock port" in each])

    def test_scan(self) -> None:
        """A scan cannot tell the ports of the sequence from those beside them."""
        self.server.run("sysctl", "-qw", "net.ipv4.icmp_ratemask=0")
        self.begin(self.sealedDoor(DEAF))
        wanted = sorted({*SEQUENCE, *(port + 1 for port in SEQUENCE)})
        fast = ("--max-retries", "1", "--min-rate", "500", "--max-rtt-timeout", "200ms")
        command = ("nmap", "-n", "-Pn", "-sU", *fast, "-oX", "-", "-p", ",".join(map(str, wanted)))
        root = ElementTree.fromstring(self.stranger.run(*command, SERVER4))
        states = {state.get("state") for state in root.iter("state")}
        states |= {extra.get("state") for extra in root.iter("extraports")}
        self.assertEqual({"closed"}, states)

    def test_reload(self) -> None:
        """
        A reload takes a door's knock ports away and gives them back; openings survive both, and so
        do sessions.
        """
        daemon = self.begin(self.sealedDoor())
        self.knock()
        self.assertTrue(self.client.comesToReach(PORT), daemon.log())
        session = self.client.connect(PORT)
        self.addCleanup(session.close)
        self.write(self.sealedDoor(DEAF))
        self.assertEqual(
            [f"door ssh ({PORT}/tcp) changed: fleet, listen"],
            [change for change in self.reload() if "door" in change],
        )
        self.assertNothingHere()
        self.assertEqual({("ssh", CLIENT4)}, self.openings())
        self.assertEqual({("ssh", CLIENT4)}, self.inKernel())
        self.assertTrue(self.client.reaches(PORT))
        session.sendall(b"still here")
        self.ask("/openings", "-X", "DELETE")
        self.knock()
        self.assertFalse(self.client.reaches(PORT))
        self.assertEqual("opened", self.relay())
        self.assertTrue(self.client.comesToReach(PORT), daemon.log())
        self.assertFalse(self.stranger.reaches(PORT))
        self.write(self.sealedDoor("fleet = true\n"))
        self.assertEqual([f"door ssh ({PORT}/tcp) changed: listen"], self.reload())
        self.assertEqual(set(SEQUENCE), self.heardPorts())
        self.assertEqual({("ssh", CLIENT4)}, self.openings())
        self.assertTrue(self.client.reaches(PORT))
        self.ask("/openings", "-X", "DELETE")
        self.knock()
        self.assertTrue(self.client.comesToReach(PORT), daemon.log())

    def test_broken(self) -> None:
        """A reload with a broken fleet.toml changes nothing; the line says what is wrong."""
        self.begin(self.sealedDoor(DEAF))
        (self.folder / "fleet.toml").write_text(FLEET.replace("name", "nam"))
        status, line = self.refused("/reload", "-X", "POST")
        self.assertEqual(409, status)
        self.assertIn("unknown key 'nam' (did you mean name?)", line)
        self.assertFalse(self.client.reaches(PORT))

    def test_missing(self) -> None:
        """
        Without its fleet.toml the daemon does not start, says in one line how to make it, and
        leaves the ports closed. Trying again would not help, so the status is 78.
        """
        self.begin(self.sealedDoor(DEAF)).stop()
        (self.folder / "fleet.toml").unlink()
        self.server.run("nft", "flush", "ruleset")
        options = ("-c", str(self.file), "--admin", str(self.socket), "--listen", self.listen)
        status, said = self.server.status(str(BIN / "pkdoors"), "daemon", *options)
        self.assertEqual((78, 1), (status, said.count("\n")), said)
        self.assertIn("fleet.toml: No such file or directory: create it with `pkdoors fleet", said)
        self.assertFalse(self.client.reaches(PORT))
        self.assertNothingHere()


class CaptureTests(DeafTests):
    """With the packet log."""

    listen = "capture"
