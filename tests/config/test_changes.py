"""Tests of L{pkdoors.config.changes}."""

from dataclasses import replace
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.config.changes import (
    describeChanges,
    findFixedChanges,
    findNewDoors,
    keepDoors,
)
from pkdoors.config.config import Config
from pkdoors.config.fleet import Engine, FleetConfig
from pkdoors.config.settings import DOOR_SETTINGS
from pkdoors.model.doors import Door
from pkdoors.model.sequence import Sequence
from pkdoors.model.trusted import parseTrustedList
from tests.fakes.doors import makeDoor, parse

SSH = makeDoor(name="ssh")
WEB = makeDoor((1, 2, 3, 4, 5), ports="443", name="web")
BEFORE = Config((SSH, WEB))

OTHERS: dict[str, Any] = {
    "sequence": Sequence((7001, 7009, 7004, 7007, 7002)),
    "ports": parse("2222"),
    "openFor": 7.0,
    "maxOpenFor": 7000.0,
    "knockTimeout": 7.0,
    "penalty": 7.0,
    "hearsAny": True,
    "cutSessions": True,
    "once": True,
    "udpIdle": 7.0,
    "udpMax": 700.0,
    "udpGrace": 7.0,
    "trusted": parseTrustedList("wg0"),
    "authorizedKeys": ("/etc/keys",),
    "revokedKeys": "/revoked",
    "clockSkew": 7.0,
    "grant4": 24,
    "grant6": 64,
    "knockRate": 700,
    "knockBurst": 700,
    "mostOpenings": 700,
    "fleet": True,
    "listens": False,
    "onOpen": ("/bin/a",),
    "onClose": ("/bin/b",),
    "onRefuse": ("/bin/c",),
}
"""Another value for each field of a door."""


class ChangesTests(SynchronousTestCase):
    """
    Tests of L{describeChanges} and L{findFixedChanges}.
    """

    def changes(self, *doors: Door) -> list[str]:
        """Return the changes that lead to these doors."""
        return describeChanges(BEFORE, replace(BEFORE, doors=doors))

    def test_nothing(self) -> None:
        """If nothing differs, or doors only change places, there is no change."""
        self.assertEqual([], self.changes(SSH, WEB))
        self.assertEqual([], self.changes(WEB, SSH))

    def test_each(self) -> None:
        """Each setting of a door is named as in the file, without its value."""
        self.assertEqual(set(OTHERS), {setting.field for setting in DOOR_SETTINGS})
        for setting in DOOR_SETTINGS:
            # Grants need keys, and any payload a door without.
            keys = "" if setting.field == "hearsAny" else "/etc/all"
            before = replace(SSH, authorizedKeys=(keys,) if keys else ())
            if setting.field == "listens":
                before = replace(before, fleet=True)
            door = replace(before, **{setting.field: OTHERS[setting.field]})
            self.assertEqual(
                [f"door {door} changed: {setting.key}"],
                describeChanges(replace(BEFORE, doors=(before,)), replace(BEFORE, doors=(door,))),
            )

    def test_fleet(self) -> None:
        """What the fleet's file says can change while the daemon runs."""
        fleet = FleetConfig("prod", "web1", ("web1",), Engine("redis.example"))
        after = replace(BEFORE, fleet=fleet)
        self.assertEqual(["the fleet's configuration changed"], describeChanges(BEFORE, after))
        self.assertEqual([], findFixedChanges(BEFORE, after))

    def test_doors(self) -> None:
        """Doors that are gone come first, then new and changed ones in their order."""
        new = makeDoor(name="new")
        web = replace(WEB, openFor=7.0, penalty=7.0)
        self.assertEqual(
            [
                "door ssh (22/tcp) is gone",
                "door new (22/tcp) is new",
                "door web (443/tcp) changed: open_for, penalty",
            ],
            self.changes(new, web),
        )

    def test_keepDoors(self) -> None:
        """Doors that are equal stay the same objects; nothing else is taken from before."""
        copy = replace(SSH, name="ssh")
        changed = replace(WEB, openFor=7.0)
        after = Config((changed, copy), audit="/var/log/audit")
        kept = keepDoors(BEFORE, after)
        self.assertEqual(after, kept)
        self.assertIs(SSH, kept.doors[1])
        self.assertIs(changed, kept.doors[0])
        self.assertEqual([changed], findNewDoors(BEFORE, kept))

    def test_daemon(self) -> None:
        """Settings of the daemon are named, too."""
        after = replace(BEFORE, interfaces=("::1",), audit="/var/log/audit")
        self.assertEqual(["interfaces changed", "audit changed"], describeChanges(BEFORE, after))

    def test_fixed(self) -> None:
        """Settings that cannot change while the daemon runs are named."""
        self.assertEqual([], findFixedChanges(BEFORE, replace(BEFORE, interfaces=("::1",))))
        after = replace(BEFORE, firewall="nftables", zone="home", admin="")
        self.assertEqual(["firewall", "zone", "admin"], findFixedChanges(BEFORE, after))
