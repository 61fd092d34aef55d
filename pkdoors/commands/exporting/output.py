"""Where an export goes: to standard output, or to a private file."""

from typing import NamedTuple

from pkdoors.client.export.formats import FORMATS, QR, render
from pkdoors.client.export.qr import drawCode, findKind, makePicture
from pkdoors.client.export.subject import Subject
from pkdoors.commands.parser import Parser
from pkdoors.errors import PkdoorsError
from pkdoors.files.writing import writeNew
from pkdoors.util.output import tell, tellAside, tellDrawn, tellText


class Export(NamedTuple):
    """
    An export that is ready to be written.

    @ivar file: its path; empty for standard output.
    @ivar drawn: the same as a picture for a terminal; empty if it is a text.
    """

    text: str
    block: str = ""
    file: str = ""
    picture: bytes = b""
    drawn: str = ""


def addFormatOption(command: Parser, default: str | None = None, unfit: str = "") -> None:
    """
    Add the option that chooses a format, and list the formats.

    @param default: the format if none is given; L{None} if the user must choose.
    @param unfit: a format that the command refuses.
    """
    fit = {name: form.about for name, form in FORMATS.items() if name != unfit}
    formats = "; ".join(f"{name}: {about}" for name, about in fit.items())
    command.describe(f"Formats are {formats}.")
    note = f" (default: {default})" if default else ""
    command.add_argument(
        "--format",
        metavar="FORMAT",
        choices=[*FORMATS],
        default=default,
        required=default is None,
        help=f"one of {', '.join(fit)}{note}",
    )


def prepareExport(form: str, subject: Subject) -> Export:
    """
    Make an export, and write nothing yet.

    @raise PkdoorsError: the format cannot express the profile, or a library is missing.
    """
    text, block = render(form, subject)
    if form != QR:
        return Export(text, block, subject.file)
    code = text.rstrip("\n")
    if subject.file:
        findKind(subject.file)
        return Export(text, file=subject.file, picture=makePicture(code, subject.file))
    return Export(text, drawn=drawCode(code))


def writeFile(export: Export) -> None:
    """
    Write the file of an export, if it has one.

    @raise PkdoorsError: it cannot be written, or exists.
    """
    if not export.file:
        return
    try:
        writeNew(export.file, export.picture or export.text.encode())
    except FileExistsError as error:
        raise PkdoorsError(
            f"{export.file} already exists and is not overwritten: use another name"
        ) from error
    except OSError as error:
        raise PkdoorsError(f"cannot write {export.file}: {error.strerror}") from error


def showExport(export: Export) -> None:
    """Print what does not go to the file."""
    if export.drawn:
        _showDrawn(export)
    elif not export.file:
        tellText(export.text)
    else:
        tellAside(f"Wrote {export.file}, which only you may read: it holds the secret sequence.\n")
        if export.block:
            tellAside("Add these lines to ~/.ssh/config:\n")
            tellText(export.block)


def _showDrawn(export: Export) -> None:
    try:
        tellDrawn(export.drawn)
    except UnicodeEncodeError:
        tell("(no QR code: the terminal's encoding is not UTF-8)")
