"""C{pkdoors sequence} on the command line."""

from argparse import Namespace
from collections.abc import Mapping

from pkdoors.commands.parser import Parser, addLengthOption
from pkdoors.model.sequence import Sequence
from pkdoors.util.output import tell


def addSequenceCommand(command: Parser) -> None:
    """Add the options."""
    addLengthOption(command)
    command.set_defaults(run=_sequence)


def _sequence(options: Namespace, environment: Mapping[str, str]) -> None:
    from pkdoors.knockports.search import isFree

    tell(str(Sequence.random(options.length, isFree, options.tcp)))
