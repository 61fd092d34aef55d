"""What the command lines of the daemon and of the fleet's process have in common."""

from collections.abc import Sequence
from typing import ClassVar, NoReturn

from twisted.python.usage import Options as TwistedOptions
from twisted.python.usage import UsageError

from pkdoors import __version__
from pkdoors.util.output import complain, tell, tellText

WRONG_USAGE, WRONG_CONFIG = 2, 78
"""Exit statuses: the command line or the environment is wrong; the configuration file is, which
C{sysexits.h} calls EX_CONFIG. Starting again helps with neither."""


class CommandLine(TwistedOptions):
    """
    Options, and complaints of one line.

    @cvar program: the command that has them.
    @cvar speaker: what its complaints begin with.
    """

    program: ClassVar[str]
    speaker = "pkdoors"

    def opt_help(self) -> NoReturn:
        """print this help"""
        tellText(f"{self}\n")
        raise SystemExit(0)

    def opt_version(self) -> NoReturn:
        """print the version of pkdoors"""
        tell(f"pkdoors {__version__.public()}")
        raise SystemExit(0)

    opt_h = opt_help
    opt_V = opt_version

    def parseOptions(self, options: Sequence[str] | None = None) -> None:
        """
        Read the command line. An error is one line: twistd itself would print its whole usage with
        it.
        """
        try:
            super().parseOptions(options)
        except UsageError as error:
            self.refuse(f"{error} ({self.hintFor(error)})")

    def hintFor(self, error: UsageError) -> str:
        """Return what may help an operator who gave a wrong option."""
        return f"`{self.program} --help` shows all options"

    def refuse(self, line: str, status: int = WRONG_USAGE) -> NoReturn:
        """Print what is wrong, and end."""
        complain(self.speaker, line)
        raise SystemExit(status)
