"""The files of the page, which hold no secret."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

PAGE = Path(__file__).parent / "page"

_TYPES = {
    ".css": b"text/css; charset=utf-8",
    ".html": b"text/html; charset=utf-8",
    ".js": b"text/javascript; charset=utf-8",
    ".png": b"image/png",
    ".svg": b"image/svg+xml",
}
"""Files of other types are not served."""


class PageFile(NamedTuple):
    """A file, with its type as HTTP has it."""

    kind: bytes
    content: bytes


def readFiles(folder: Path = PAGE) -> Mapping[str, PageFile]:
    """
    Return all files of the page by their path from it. They are read once, so no request can name
    another file, and an upgrade does not mix two versions.
    """
    found = {
        str(file.relative_to(folder).as_posix()): PageFile(_TYPES[file.suffix], file.read_bytes())
        for file in sorted(folder.rglob("*"))
        if file.suffix in _TYPES and file.is_file()
    }
    return {"": found["index.html"], **found} if "index.html" in found else found
