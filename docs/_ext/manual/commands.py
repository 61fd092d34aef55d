"""The reference of the commands, made of their parsers."""

import argparse
import re
from collections.abc import Iterable, Iterator
from functools import cache

from manual.markdown import escape, fence, listDefinitions
from manual.pages import ABOUT, link
from pkdoors.cli import COMMANDS, makeParser

WIDTH = 66
"""Columns of a synopsis: with the margin of a manual page, it fits into a terminal."""

RELATED = {
    "knock": ("pkdoors-connect.1", "pkdoors-export.1", "hosts.toml.5"),
    "connect": ("pkdoors-knock.1", "hosts.toml.5", "ssh_config(5)"),
    "export": ("pkdoors-import.1", "pkdoors-init.1", "hosts.toml.5"),
    "import": ("pkdoors-export.1", "hosts.toml.5"),
    "sequence": ("pkdoors-init.1", "pkdoors.toml.5"),
    "daemon": ("pkdoors.8", "pkdoors.toml.5", "twistd(1)"),
    "trial": ("pkdoors-keep.1", "pkdoors-install-service.1", "pkdoors-release.1", "pkdoors.8"),
    "keep": ("pkdoors-trial.1", "pkdoors.8"),
    "metrics": ("pkdoors-status.1", "pkdoors-watch.1", "pkdoors.8"),
    "release": ("pkdoors.8", "pkdoors-install-service.1", "nft(8)"),
    "check": ("pkdoors-status.1", "pkdoors.8", "pkdoors.toml.5"),
    "init": (
        "pkdoors-trial.1",
        "pkdoors-install-service.1",
        "pkdoors-check.1",
        "pkdoors.toml.5",
        "hosts.toml.5",
    ),
    "install-service": ("pkdoors-init.1", "pkdoors-trial.1", "pkdoors.8", "systemctl(1)"),
    "fleet": ("fleet.toml.5", "pkdoors-status.1", "pkdoors-check.1", "pkdoors.8"),
    "status": ("pkdoors-watch.1", "pkdoors-open.1", "pkdoors-close.1", "pkdoors.8"),
    "watch": ("pkdoors-status.1", "pkdoors.8"),
    "open": ("pkdoors-close.1", "pkdoors-status.1", "pkdoors.8"),
    "close": ("pkdoors-open.1", "pkdoors-status.1", "pkdoors.8"),
    "reload": ("pkdoors-check.1", "pkdoors.8", "pkdoors.toml.5"),
}
"""Command -> the pages that its own names, beside pkdoors(1)."""


@cache
def parsers() -> dict[str, argparse.ArgumentParser]:
    """Return the parser of each command."""
    return commandsOf(makeParser())


def commandsOf(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """Return the parsers of a parser's commands; none if it has none."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            return dict(action.choices)
    return {}


def describeCommands() -> str:
    """Return the list of all commands."""
    return listDefinitions(
        (link(f"pkdoors-{name}.1"), escape(about))
        for name, about in ((name, command.about) for name, command in COMMANDS.items())
    )


def describeCommand(name: str) -> str:
    """Return what a page says of a command: its synopsis, what it does, and its options."""
    parser = parsers()[name]
    inner = commandsOf(parser)
    parts = [
        f"# pkdoors-{name}(1)\n\n## SYNOPSIS\n",
        fence("".join(map(_formatUsage, inner.values() or [parser]))),
        f"## DESCRIPTION\n\n{escape(parser.description or '')}\n",
    ]
    if inner:
        commands = "\n".join(_describeInner(*pair) for pair in inner.items())
        parts.append(f"## COMMANDS\n\n{commands}")
    arguments = [action for action in parser._actions if not action.option_strings]
    if arguments and not inner:
        parts.append(f"## ARGUMENTS\n\n{_listActions(arguments)}")
    return "\n".join([*parts, f"## OPTIONS\n\n{describeOptions(name)}"])


def _formatUsage(parser: argparse.ArgumentParser) -> str:
    usage = argparse.HelpFormatter(parser.prog, width=WIDTH)
    usage.add_usage(None, parser._actions, parser._mutually_exclusive_groups, prefix="")
    return f"{usage.format_help().rstrip()}\n"


def _describeInner(name: str, parser: argparse.ArgumentParser) -> str:
    """Return what a page says of a command of the command that it is about."""
    actions = [action for action in parser._actions if action.dest != "help"]
    about = escape(parser.description or "")
    return f"### {name}\n\n{about}\n\n{_listActions(actions)}"


def describeOptions(name: str) -> str:
    """Return the options of a command, in the groups of its C{--help}."""
    parser = parsers()[name]
    parts = []
    for group in parser._action_groups:
        actions = [action for action in group._group_actions if action.option_strings]
        if actions and group is not parser._optionals:
            title = str(group.title)
            parts.append(f"### {title[0].upper()}{title[1:]}\n\n{group.description or ''}\n")
        parts.append(_listActions(actions))
    return "\n".join(parts)


def showDaemonSynopsis() -> str:
    """Return the ways to start the daemon."""
    return fence("pkdoors daemon [OPTION ...]\ntwistd [-n] pkdoors [OPTION ...]")


def _listActions(actions: Iterable[argparse.Action]) -> str:
    """Return the options or arguments that C{--help} shows, too."""
    shown = [action for action in actions if action.help != argparse.SUPPRESS]
    return listDefinitions(map(_describeAction, shown))


def _describeAction(action: argparse.Action) -> tuple[str, str]:
    formatter = argparse.HelpFormatter("", width=WIDTH)
    meaning = escape(formatter._expand_help(action)) if action.help else ""
    return ", ".join(_nameAction(action)), meaning


def _nameAction(action: argparse.Action) -> Iterator[str]:
    word = action.metavar or action.dest.upper()
    if action.choices is not None:
        word = action.metavar or r"\|".join(map(str, action.choices))
    value = "" if action.nargs == 0 else f"*{word}*"
    if action.nargs == "?" and action.option_strings:
        value = f"[{value}]"
    if not action.option_strings:
        yield value
    for option in action.option_strings:
        yield f"`{option}` {value}".strip()


def giveExamples(name: str) -> str:
    """Return the examples of a command: those of its C{--help}."""
    parser = parsers()[name]
    found = [each.epilog or "" for each in (commandsOf(parser).values() or [parser])]
    lines = [re.sub(r"^examples?:\s*", "", each.strip(), flags=re.IGNORECASE) for each in found]
    text = "\n".join(filter(None, lines))
    return f"## EXAMPLES\n\n{fence(text, 'console')}\n" if text else ""


def seeAlso(name: str) -> str:
    """Return the pages that a command's own page names."""
    pages = ["pkdoors.1", *RELATED.get(name, ("pkdoors.8",))]
    return f"## SEE ALSO\n\n{', '.join(link(page) if page in ABOUT else page for page in pages)}\n"
