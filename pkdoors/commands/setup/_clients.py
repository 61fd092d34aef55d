"""What a client needs for its part of a new configuration, and how it knocks with that. Pure."""

from shlex import quote
from typing import NamedTuple

_SECRET = "they hold a secret, the sequence"
_ITS_SECRET = "it holds a secret, the sequence"
_IMPORTED = {"uri": "the line", "qr": "the text of the QR code"}
_SCRIPTS = {
    "bash": ("pkdoors-knock.sh", "bash", "bash"),
    "ssh-config-bash": ("pkdoors-knock.sh", "bash", "bash"),
    "termux": ("pkdoors-knock.sh", "Termux, with the packages that its comment names", "bash"),
    "powershell": (
        "pkdoors-knock.ps1",
        "PowerShell",
        "powershell -ExecutionPolicy Bypass -File",
    ),
}
"""By the format: a name for the script, what it needs, and how to run it."""


class ClientPart(NamedTuple):
    """
    What to do on the client.

    @ivar preparing: the sentences about what to do first.
    @ivar knock: the command that knocks, or what to do instead.
    @ivar then: what joins it to the next command.
    """

    preparing: str
    knock: str
    then: str = " &&"


def describeClient(form: str, file: str, program: str, name: str) -> ClientPart:
    """
    Return what to do on the client.

    @param form: the format of its part.
    @param file: where that is; empty for standard output.
    @param program: how this host starts C{pkdoors}.
    @param name: the name of its first profile.
    """
    if form in _SCRIPTS:
        return _describeScript(form, file)
    if form == "knockd":
        where = f"Take {file} there: it" if file else "The line above is the client's part: it"
        return ClientPart(
            f"On the client, install knock (Debian's package knockd has it). {where} holds a "
            "secret, the sequence.",
            f"run the line in {_nameOf(file)}" if file else "run the line above",
            ", then:",
        )
    if form == "knockonports":
        what = file or "a file with the lines above"
        return ClientPart(
            f"On the phone, install the app Knock on Ports, and import {what} there: it holds a "
            "secret, the sequence.",
            "knock with the app",
            ", then:",
        )
    knock = f"pkdoors knock {name}"
    if form in _IMPORTED:
        what = f"{_IMPORTED[form]} in {file}" if file else f"{_IMPORTED[form]} above"
        return ClientPart(
            f"On the client, install pkdoors, and run `pkdoors import` with {what}: {_ITS_SECRET}.",
            knock,
        )
    what, secret = (file, _ITS_SECRET) if file else ("the lines above", _SECRET)
    return ClientPart(
        f"On the client, install pkdoors (one file is enough: `{program} init --client-file "
        f"pkdoors-knock.pyz` makes it). Put {what} into ~/.config/pkdoors/hosts.toml there "
        f"(chmod 600): {secret}.",
        knock,
    )


def _describeScript(form: str, file: str) -> ClientPart:
    usual, needs, run = _SCRIPTS[form]
    needed = f"The script needs {needs}, and no pkdoors."
    if file:
        taken = f"Take {file} to the client, and keep it private there: {_ITS_SECRET}."
    else:
        taken = f"Put the lines above into a private file on the client, {usual}: {_SECRET}."
    script = quote(_nameOf(file)) if file else usual
    then = ";" if form == "powershell" else " &&"  # which PowerShell 5.1 does not know
    return ClientPart(f"{taken} {needed}", f"{run} {script}", then)


def _nameOf(file: str) -> str:
    return file.rpartition("/")[2]
