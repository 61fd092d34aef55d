"""The fleet in C{pkdoors check}."""

import subprocess
import sys
from dataclasses import replace
from typing import Any

from pkdoors.config.config import CONF_FILE
from pkdoors.doctor.findings import ERROR, WARNING
from pkdoors.doctor.fleet.facts import EngineFacts
from tests.doctor.case import CheckTestCase
from tests.doctor.fleet.test_judging import FLEET, HOSTS, makeFacts, makeReport
from tests.fakes.agent import makeKey
from tests.fakes.doors import makeDoor

KEY = makeKey("ed25519")


class FleetCheckTests(CheckTestCase):
    """
    A host of a fleet.
    """

    def check(self, **more: Any) -> list[tuple[str, str]]:
        """Return what is wrong with the host."""
        reports = [makeReport(host, doors=(makeDoor().name,)) for host in HOSTS]
        facts: dict[str, Any] = {
            "authorizedKeys": "/etc/keys",
            "keys": (2, [], []),
            "hooks": {"fleet": True},
            "options": {"fleet": replace(FLEET, operators="")},
            "engine": makeFacts(*reports).engine,
            "conf": CONF_FILE,
            "mayService": True,
            "mayFleetService": True,
        }
        return self.bad(**{**facts, **more})

    def test_findings(self) -> None:
        """The findings of the fleet are among the others; without a fleet there are none."""
        self.assertEqual([(WARNING, "operators")], self.check())
        away = EngineFacts(trouble="the engine is away: start it")
        found = self.check(engine=away)
        self.assertIn((ERROR, "engine"), found)
        nothing = self.check(options={}, hooks={}, engine=AssertionError("nobody asks"))
        self.assertEqual([], nothing)

    def test_notRoot(self) -> None:
        """Whoever may not read the password is told to use sudo, once."""
        found = self.check(engine=PermissionError())
        self.assertEqual([(WARNING, "fleet")], found)

    def test_files(self) -> None:
        """A file that one of the two services cannot read is an error."""
        options = {"fleet": replace(FLEET, password="/etc/pw", ca="/etc/ca")}
        facts: dict[str, Any] = {"options": options, "isService": True, "operators": ([KEY], [])}
        self.assertEqual([], self.check(**facts))
        found = self.check(**facts, mayFleetService=False)
        self.assertEqual([(ERROR, "fleet process")] * 3, found)
        found = self.check(**facts, mayService=False)
        self.assertEqual([(ERROR, "configuration"), (ERROR, "keys")], found[:2])
        self.assertEqual([(ERROR, "fleet")] * 2, found[2:])

    def test_light(self) -> None:
        """Without a fleet, nothing of it is loaded by the check itself."""
        code = (
            "import sys, pkdoors.doctor.check, pkdoors.commands.check\n"
            "print(*(name for name in sys.modules if 'fleet' in name))"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        self.assertEqual(("", "\n"), (done.stderr, done.stdout))
