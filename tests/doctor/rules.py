"""Rulesets for tests of judges."""

from typing import Any

from pkdoors.doctor._tables import Tables
from pkdoors.doctor.packetfilter.packets import newPacket
from pkdoors.doctor.packetfilter.ruleset import Ruleset, readRuleset
from pkdoors.doctor.packetfilter.verdicts import Fate, findFilterFates
from tests.fakes.rulesets import joinListings, makeListing

TCP, UDP = ("tcp", 22), ("udp", 17001)


def makeTables(*listings: dict[str, list[Any]], versions: tuple[int, ...] = (4, 6)) -> Tables:
    """Return the tables of a kernel."""
    return Tables(readRuleset(joinListings(*listings)), versions)


def makeRuleset(*rules: list[Any], **table: Any) -> Ruleset:
    """Return the ruleset of one table of L{makeListing}."""
    return readRuleset(joinListings(makeListing(*rules, **table)))


def findFate(
    *rules: list[Any], packet: tuple[str, int] = UDP, version: int = 4, **table: Any
) -> Fate:
    """Return what happens to a packet in one chain."""
    (found,) = findFilterFates(
        makeRuleset(*rules, **table), newPacket(*packet, version), version, "input"
    )
    return found
