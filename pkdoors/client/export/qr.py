"""QR codes, which a library draws that may be missing."""

from io import BytesIO, StringIO
from typing import Any

from pkdoors.errors import BadValue, PkdoorsError

PICTURES = ("svg", "png")
"""The kinds of pictures, which are also the ends of their names."""
SCALE = 8
"""Pixels of a module in a picture: a phone's camera reads that from a screen."""


def drawCode(text: str) -> str:
    """
    Return a QR code as a terminal shows it, with two of its rows in a line.

    @raise PkdoorsError: the library is missing.
    """
    drawn = StringIO()
    _makeCode(text).terminal(drawn, compact=True)
    return drawn.getvalue()


def makePicture(text: str, file: str) -> bytes:
    """
    Return a QR code as a picture.

    @param file: a name with the end of one of L{PICTURES}.
    @raise PkdoorsError: the library is missing.
    """
    picture = BytesIO()
    _makeCode(text).save(picture, kind=findKind(file), scale=SCALE)
    return picture.getvalue()


def findKind(file: str) -> str:
    """
    Return the kind of a picture.

    @raise BadValue: its name does not say one of L{PICTURES}.
    """
    kind = next((kind for kind in PICTURES if file.lower().endswith(f".{kind}")), "")
    if not kind:
        raise BadValue(f"a QR code goes to FILE.{' or FILE.'.join(PICTURES)}: use such a name")
    return kind


def _makeCode(text: str) -> Any:
    try:
        import segno
    except ModuleNotFoundError:
        raise PkdoorsError(
            "QR codes need the library segno: install python3-segno, or pkdoors[qr] with pip"
        ) from None
    return segno.make_qr(text, error="m")
