"""How blocks that show a terminal are coloured."""

from pygments.lexer import RegexLexer, bygroups
from pygments.token import Generic


class TerminalLexer(RegexLexer):
    """
    Finds the prompts and commands. Pygments' own lexer takes each C{#} in an output for a prompt.
    """

    name = "Terminal"
    tokens = {  # noqa: RUF012
        "root": [
            (r"^([$#] )(.*\n)", bygroups(Generic.Prompt, Generic.Strong)),
            (r".*\n", Generic.Output),
        ]
    }
