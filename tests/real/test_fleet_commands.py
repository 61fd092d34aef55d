"""Tests of C{pkdoors fleet ...} on real hosts with a real engine."""

import json
import signal
import subprocess
from pathlib import Path

from pkdoors.knocks.wire import fingerprint
from tests.lab.fleet.case import FleetTestCase
from tests.lab.fleet.fleet import CLIENT
from tests.lab.fleet.member import Member
from tests.lab.hosts import BIN, eventually


def runFleet(member: Member, *words: str) -> tuple[int, str]:
    """Run C{pkdoors fleet} on a host; return how it ends, and what it says."""
    conf = ("-c", str(member.file))
    return member.host.status(str(BIN / "pkdoors"), "fleet", words[0], *conf, *words[1:])


class FleetCommandsTests(FleetTestCase):
    """A fleet as its operator sees it: one gateway, two inner hosts."""

    names = ("edge1", "web1", "web2")

    def fleet_(self, name: str, *words: str) -> tuple[int, str]:
        """Run a command on a host; see L{runFleet}."""
        return runFleet(self.members[name], *words)

    def status(self) -> dict[str, list[dict[str, object]]]:
        """Return the status, as programs get it."""
        status, text = self.fleet_("web1", "status", "--json")
        self.assertEqual(0, status, text)
        found: dict[str, list[dict[str, object]]] = json.loads(text)
        return found

    def comesToShow(self, *hosts: str) -> bool:
        """Wait until the status shows the client on these hosts, and only there."""

        wanted = [[*hosts]] if hosts else []

        def look() -> bool:
            return [each["hosts"] for each in self.status()["openings"]] == wanted

        return bool(eventually(look))

    def test_dayOfAnOperator(self) -> None:
        """
        Who is in where; an order that closes; one that bans, signed elsewhere; what everybody did.
        """
        self.members["edge1"].knock(self.client, self.fleet.seal(seconds=300))
        self.assertOpen(*self.names)
        self.assertTrue(self.comesToShow(*self.names), self.status())
        address = self.lan.address(CLIENT)
        text = self.fleet.command("web2", "close", address)
        self.assertIn(f"close {address}, signed by olga@desk\nthis host obeys\n", text)
        self.assertIn("edge1, web1: read it\n", text)
        for member in self.members.values():
            self.assertTrue(member.comesToBeShutFor(self.client))
        self.assertTrue(self.comesToShow(), self.status())

        key = fingerprint(self.fleet.key.public().blob())
        self.members["edge1"].knock(self.client, self.fleet.seal(seconds=300))
        self.assertOpen(*self.names)
        operator = str(self.fleet.keys.with_name("operator.key"))
        printed = ("ban", key, "--print", "--fleet", "prod", "-i", operator)
        signed = subprocess.run(
            [str(BIN / "pkdoors"), "fleet", *printed], capture_output=True, check=True
        )
        file = Path(self.mktemp()).absolute()
        file.write_bytes(signed.stdout)
        status, text = self.fleet_("web1", "send", str(file))
        self.assertEqual(0, status, text)
        for member in self.members.values():
            self.assertTrue(member.comesToBeShutFor(self.client))
        self.members["edge1"].knock(self.client, self.fleet.seal(seconds=300))
        found = self.status()
        self.assertEqual(([key], []), (found["bans"], found["openings"]))
        self.assertShut(*self.names)
        status, text = self.fleet_("web1", "status")
        self.assertEqual(0, status, text)
        self.assertIn(f"banned: {key}\n", text)

        status, text = self.fleet_("edge1", "watch", "--end", "--json")
        self.assertEqual(0, status, text)
        events = [json.loads(line) for line in text.splitlines()]
        opened = {event["host"] for event in events if event["event"] == "opened"}
        self.assertEqual({*self.names}, opened, text)
        via = {event["via"] for event in events if event["host"] == "web1" and event["via"]}
        self.assertEqual({"edge1"}, via)

    def test_doctor(self) -> None:
        """
        All is well at first. A host that is down, a process that ended, and an engine that is away
        are found, and C{pkdoors check} finds them, too.
        """
        status, text = self.fleet_("edge1", "doctor")
        self.assertEqual({"OK"}, {line.split()[0] for line in text.splitlines()}, text)
        self.assertEqual(0, status)
        member = self.members["edge1"]
        conf = ("-c", str(member.file), "--json", "--firewall", "nftables")
        program = str(BIN / "pkdoors")
        _, text = member.host.status(program, "check", *conf)
        fleet = [each for each in json.loads(text) if each["subject"] in ("engine", "clocks")]
        self.assertEqual({"OK"}, {each["level"] for each in fleet}, text)

        self.members["web1"].relay.stop(signal.SIGKILL)
        with self.engine.client() as root:
            root.ask("DEL", "pk:prod:up:web1")
        status, text = self.fleet_("edge1", "doctor", "--quiet")
        self.assertEqual(1, status, text)
        self.assertIn("web1 has not reported for 30s", text)
        status, text = self.fleet_("web1", "doctor", "--quiet")
        self.assertIn("fleet process  it does not run", text)

        self.engine.stop(signal.SIGKILL)
        status, text = self.fleet_("edge1", "doctor", "--quiet")
        self.assertEqual(2, status, text)
        self.assertIn("it refuses the connection", text)
        _, text = member.host.status(program, "check", *conf)
        self.assertIn("it refuses the connection", text)
        status, text = self.fleet_("edge1", "status")
        self.assertEqual((1, 1), (status, text.count("\n")), text)


class OpenEngineTests(FleetTestCase):
    """A fleet whose engine is open to everybody."""

    names = ("edge1",)

    def test_openEngine(self) -> None:
        """An engine without ACL and persistence is found, and nothing stays of the search."""
        self.engine.stop()
        strict = ("user ", "appendonly")
        lines = [line for line in self.engine.lines if not line.startswith(strict)]
        password = self.fleet.passwords["edge1"]
        users = f'user edge1 on ">{password}" ~* &* +@all', "user default on nopass ~* &* +@all"
        self.engine.start([*lines, *users, "protected-mode no"])
        self.assertTrue(self.fleet.comeUp())
        status, text = runFleet(self.members["edge1"], "doctor", "--quiet")
        self.assertEqual(2, status, text)
        for part in (
            "it answers everybody who can reach it, without a password",
            "this host's user (edge1) may write for other hosts",
            "it keeps nothing when it ends",
        ):
            self.assertIn(part, text)

        def isClean() -> bool:
            with self.engine.client() as root:
                return bool(root.ask("KEYS", "*check*") == [])

        self.assertTrue(eventually(isClean))
