"""C{pkdoors completion}, and what the shells ask then each time that TAB is pressed."""

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from os.path import abspath
from typing import Any

from pkdoors.util.output import tellText

SHELLS = ("bash", "zsh", "fish")


def completionCommand(commands: Any) -> None:
    """Add it to the commands."""
    about = "print the script with which a shell completes the command line of pkdoors"
    command = commands.add_parser(
        "completion",
        help=about,
        description=f"{about.capitalize()}. "
        'In ~/.bashrc, or after compinit in ~/.zshrc: eval "$(pkdoors completion bash)", or zsh. '
        "For fish: pkdoors completion fish > ~/.config/fish/completions/pkdoors.fish",
    )
    command.add_argument("shell", choices=SHELLS, help="which shell")
    command.set_defaults(run=_completion)


def _completion(options: Namespace, environment: Mapping[str, str]) -> None:
    from argcomplete.shell_integration import shellcode

    # bash and zsh run what was typed; fish would run another one, or none, where it is not in PATH.
    program = _quoted(abspath(sys.argv[0]))
    script = program if options.shell == "fish" else None
    # Without defaults: after a name of a door the shell would offer files.
    made = shellcode(
        ["pkdoors"], use_defaults=False, shell=options.shell, argcomplete_script=script
    )
    tellText(f"{made}\n")


def _quoted(path: str) -> str:
    """For fish, which has two characters to escape between single quotes."""
    return "'" + path.replace("\\", "\\\\").replace("'", "\\'") + "'"


def answerShell(parser: ArgumentParser, environment: Mapping[str, str]) -> None:
    """Answer a shell that asks how the command line may go on, and end; else do nothing."""
    if "_ARGCOMPLETE" not in environment:
        return
    from argcomplete import autocomplete
    from argcomplete.completers import ChoicesCompleter

    # Most values are the user's own: argcomplete would offer files for them.
    nothing = ChoicesCompleter({})
    autocomplete(parser, always_complete_options=False, default_completer=nothing)
