"""The options of C{pkdoors check}."""

from typing import NoReturn

from pkdoors.config.commandline import WRONG_USAGE
from pkdoors.config.options import Options
from pkdoors.util.output import complain


class CheckOptions(Options):
    """The daemon's options, for a program that ends with status 2 if they are wrong."""

    program = "pkdoors check"

    def refuse(self, line: str, status: int = WRONG_USAGE) -> NoReturn:
        """See L{Options.refuse}."""
        complain(self.program, line)
        raise SystemExit(WRONG_USAGE)
