"""C{pkdoors sequence} on the command line."""

from argparse import Namespace
from collections.abc import Mapping
from typing import Any

from pkdoors.commands.parser import addCommand, addLengthOption
from pkdoors.model.sequence import Sequence
from pkdoors.util.output import tell


def addSequenceCommand(commands: Any) -> None:
    """Add the command."""
    about = "print a new random sequence, of ports that are free on this host"
    command = addCommand(commands, "sequence", about)
    addLengthOption(command)
    command.set_defaults(run=_sequence)


def _sequence(options: Namespace, environment: Mapping[str, str]) -> None:
    from pkdoors.knockports.search import isFree

    tell(str(Sequence.random(options.length, isFree, options.tcp)))
