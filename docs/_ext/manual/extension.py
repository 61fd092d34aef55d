"""The extension of Sphinx."""

from typing import Any

from manual import manpages
from manual.generators import complete
from manual.terminals import TerminalLexer


def setup(app: Any) -> dict[str, bool]:
    """Be an extension of Sphinx."""

    def read(app: object, name: str, source: list[str]) -> None:
        source[0] = complete(source[0])

    app.connect("source-read", read)
    app.add_lexer("console", TerminalLexer)
    manpages.connect(app)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
