"""The formats in which a profile can be exported."""

from collections.abc import Callable
from typing import NamedTuple

from pkdoors.client.export._knockonports import renderKnockOnPorts
from pkdoors.client.export._scripts import (
    renderBash,
    renderKnockd,
    renderPowerShell,
    renderTermux,
)
from pkdoors.client.export._ssh import renderScriptHost, renderSshConfig
from pkdoors.client.export.profiletext import renderToml
from pkdoors.client.export.subject import Subject
from pkdoors.client.export.uri import MAX_NAME, renderUri
from pkdoors.errors import BadValue
from pkdoors.util.oneline import oneLine

QR = "qr"
"""The format that is a picture."""


class Format(NamedTuple):
    """
    A format.

    @ivar about: what it is for, as the help says it.
    @ivar render: returns the text.
    @ivar renderBlock: for a text that must be in a file: returns what is printed beside it.
    """

    about: str
    render: Callable[[Subject], str]
    renderBlock: Callable[[Subject], str] | None = None


class Rendered(NamedTuple):
    """
    A profile in some format.

    @ivar text: what goes to the file, or to standard output if there is none.
    @ivar block: what goes to standard output beside the file.
    """

    text: str
    block: str = ""


FORMATS = {
    "toml": Format("the profile as hosts.toml has it", renderToml),
    "ssh-config": Format("for ~/.ssh/config, with `pkdoors connect`", renderSshConfig),
    "ssh-config-bash": Format(
        "for ~/.ssh/config, with a script in FILE that needs bash and nc alone",
        renderBash,
        renderScriptHost,
    ),
    "bash": Format("a script for bash", renderBash),
    "powershell": Format("a script for PowerShell on Windows", renderPowerShell),
    "termux": Format("a script for Termux on Android", renderTermux),
    "knockd": Format("a command line with knock of Debian's package knockd", renderKnockd),
    "knockonports": Format("for the Android app Knock on Ports", renderKnockOnPorts),
    "uri": Format("a line for `pkdoors import`", renderUri),
    QR: Format("that line as a QR code; with -o FILE.svg or FILE.png a picture", renderUri),
}


def render(form: str, subject: Subject) -> Rendered:
    """
    Return a profile in a format.

    @param form: a key of L{FORMATS}.
    @raise BadValue: the format cannot express it. The message names one that can.
    """
    found = FORMATS[form]
    try:
        block = found.renderBlock(subject) if found.renderBlock else ""
        return Rendered(found.render(subject), block)
    except BadValue as error:
        raise error.at(f"cannot export {oneLine(subject.name, MAX_NAME)} as {form}") from error
