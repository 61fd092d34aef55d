"""Markdown that is made of plain text."""

import re
from collections.abc import Iterable

_SPECIAL = re.compile(r"([\\*_\[\]<>|#])")


def escape(text: str) -> str:
    """Return text that shows as it is; C{`code`} in it stays code."""
    parts = text.split("`")
    parts[::2] = [_SPECIAL.sub(r"\\\1", part) for part in parts[::2]]
    return "`".join(parts)


def listDefinitions(items: Iterable[tuple[str, str]]) -> str:
    """Return a list of terms, each with what it means."""
    return "".join(f"{term}\n: {_indent(meaning)}\n\n" for term, meaning in items)


def _indent(text: str) -> str:
    return text.strip().replace("\n", "\n  ")


def fence(text: str, language: str = "") -> str:
    """Return a block of code."""
    return f"```{language}\n{text.strip()}\n```\n"
