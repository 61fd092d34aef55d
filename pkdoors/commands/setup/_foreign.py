"""Configurations of other programs, from which C{pkdoors init} makes one of ours."""

from argparse import Namespace
from collections.abc import Mapping
from dataclasses import replace

from pkdoors.commands.setup._doors import Plan
from pkdoors.config.parser import parseSeed
from pkdoors.errors import ConfigError


def convertSeed(options: Namespace, environment: Mapping[str, str], keys: tuple[str, ...]) -> Plan:
    """Return the door of port-knocking-doors' file, with its sequence."""
    from pkdoors.config.file import readConf

    for name in ("length", "ports", "tcp"):
        if getattr(options, name) not in (None, False):
            options.parser.error(
                f"argument --{name}: --seed takes this from its file: use only one of the two"
            )
    file = _findSeed(options, environment)
    door, lines = parseSeed(readConf(file), file)
    warnings = [] if keys else door.sequence.warnings()
    lines += [f"warning: {warning}" for warning in warnings]
    report = f"From {file}, which stays as it is:\n" + "".join(f"  {line}\n" for line in lines)
    return Plan((replace(door, name=options.door or door.name, authorizedKeys=keys),), None, report)


def _findSeed(options: Namespace, environment: Mapping[str, str]) -> str:
    from pkdoors.config.file import isThere, listSeedPlaces

    places = listSeedPlaces(environment) if options.seed is True else [options.seed]
    found = next(filter(isThere, places), "")
    if not found:
        raise ConfigError(
            f"no configuration of port-knocking-doors found (looked for {', '.join(places)}): "
            "use --seed FILE to name it"
        )
    return found
