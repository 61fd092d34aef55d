"""C{--verbose}: what a client does and sees, for a bug report."""

import sys
import time
from argparse import Namespace
from collections.abc import Callable, Mapping

from pkdoors.client.core.attempt import Attempt
from pkdoors.client.core.events import Traced, ignore
from pkdoors.commands.parser import Parser
from pkdoors.util.output import complain


def addVerboseOption(command: Parser) -> None:
    """Add the option."""
    command.add_argument(
        "-v",
        "--verbose",
        action="store_true",
        help="show what is sent where and when, and what comes back; the sequence and the "
        "signatures are left out, so a bug report can contain it",
    )


def makeTrace(
    options: Namespace,
    environment: Mapping[str, str],
    attempt: Attempt,
    clock: Callable[[], float] = time.monotonic,
) -> Callable[[Traced], None]:
    """Return what is called with everything that happens, and prints it if the user wants that."""
    if not options.verbose:
        return ignore
    from pkdoors import __version__
    from pkdoors.client.core.trace import Tracer, describeAttempt

    tracer = Tracer(environment.get("HOME", ""))
    began = clock()

    def tell(line: str) -> None:
        complain(options.parser.prog, f"{1000 * (clock() - began):7.1f} ms: {line}")

    def trace(traced: Traced) -> None:
        if line := tracer.describe(traced):
            tell(line)

    python = ".".join(map(str, sys.version_info[:3]))
    tell(f"pkdoors {__version__.public()}, Python {python}, {sys.platform}")
    tell(describeAttempt(attempt))
    return trace
