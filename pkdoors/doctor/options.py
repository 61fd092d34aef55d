"""The options of C{pkdoors check}."""

from typing import ClassVar, NoReturn

from twisted.python.usage import UsageError

from pkdoors.config.options import WRONG_USAGE, Options
from pkdoors.util.output import complain, requireLinux


class CheckOptions(Options):
    """The daemon's options, and how to print the findings."""

    synopsis = "Usage: pkdoors check [--conf FILE | --magic-seq PORTS --ports PORTS] [options]"
    longdesc = (
        "Finds what is wrong on this host, and changes nothing. It reads the configuration file "
        "and accepts the options that the daemon does. The exit status is 0 if all is well, "
        "1 for warnings, 2 for errors; INFO does not count."
    )
    optFlags: ClassVar = [
        ["json", None, "print a JSON list of objects, for programs"],
        ["quiet", "q", "print only warnings and errors: nothing if all is well"],
    ]

    def postOptions(self) -> None:
        """Read the configuration, as the daemon does, on the daemon's host."""
        requireLinux("pkdoors check")
        super().postOptions()

    def refuse(self, line: str, status: int = WRONG_USAGE) -> NoReturn:
        """See L{Options.refuse}."""
        complain("pkdoors check", line)
        raise SystemExit(WRONG_USAGE)

    def hintFor(self, error: UsageError) -> str:
        """See L{Options.hintFor}."""
        return "`pkdoors check --help` shows all options"
