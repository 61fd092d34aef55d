"""C{pkdoors metrics}, for Prometheus, which cannot ask a UNIX socket itself."""

from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path

from pkdoors.commands.control import NO_DAEMON, addAdminOptions, askOrExit
from pkdoors.commands.parser import Parser, addFileOption
from pkdoors.util.output import complain, tellText

DOWN = """\
# HELP pkdoors_up Whether the daemon runs
# TYPE pkdoors_up gauge
pkdoors_up 0.0
"""
"""The metrics while no daemon runs, so that an alert has something to look at."""


def addMetricsCommand(command: Parser) -> None:
    """Add the options."""
    addAdminOptions(command)
    addFileOption(
        command,
        "-o",
        "--output",
        help="write them to this file in one step, readable by everybody; if no daemon is running, "
        "it says pkdoors_up 0",
    )
    command.epilog = (
        "Example: pkdoors metrics --output /var/lib/prometheus/node-exporter/pkdoors.prom"
    )
    command.set_defaults(run=_printMetrics, parser=command)


def _printMetrics(options: Namespace, environment: Mapping[str, str]) -> None:
    try:
        text = askOrExit(options, lambda daemon: daemon.metrics())
    except SystemExit as end:
        if end.code == NO_DAEMON and options.output:
            _write(options, DOWN)
        raise
    if options.output:
        _write(options, text)
    else:
        tellText(text)


def _write(options: Namespace, text: str) -> None:
    from pkdoors.files.writing import replaceFile

    try:
        # The collector runs as another user.
        replaceFile(Path(options.output), text.encode(), mode=0o644, follow=False)
    except OSError as error:
        complain(options.parser.prog, f"cannot write {options.output}: {error.strerror}")
        raise SystemExit(1) from error
