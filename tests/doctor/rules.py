"""Rulesets for tests of judges."""

from typing import Any

from pkdoors.doctor._tables import Tables
from pkdoors.doctor.packetfilter.ruleset import readRuleset
from tests.fakes import joinListings


def makeTables(*listings: dict[str, list[Any]], versions: tuple[int, ...] = (4, 6)) -> Tables:
    """Return the tables of a kernel."""
    return Tables(readRuleset(joinListings(*listings)), versions)
