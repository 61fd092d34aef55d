"""Blocks for ssh's configuration: a host behind a door. Pure."""

import re
from shlex import quote

from pkdoors.client.export.subject import Subject
from pkdoors.errors import BadValue

SSH_PORT = 22

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
"""A name that means itself to ssh and to every shell."""


def renderSshConfig(subject: Subject) -> str:
    """Return a block that knocks with C{pkdoors connect}. No secret is in it."""
    _checkName(subject)
    return _renderHost(subject, f"{_quote(subject.program)} connect {subject.name} %p")


def renderScriptHost(subject: Subject) -> str:
    """
    Return a block that knocks with the script in the subject's file.

    @raise BadValue: no file is named. A command that knocks by itself would show the sequence to
        everybody who runs C{ps}.
    """
    if not subject.file:
        raise BadValue(
            "it needs -o FILE for a script that knocks: if the sequence were in the ProxyCommand, "
            "`ps` would show it"
        )
    _checkName(subject)
    return _renderHost(subject, f"bash {_quote(subject.file)} %p")


def _renderHost(subject: Subject, command: str) -> str:
    address, port = subject.address, subject.profile.wait or SSH_PORT
    names = " ".join(dict.fromkeys((subject.name, address)))
    lines = [
        f"Host {names}",
        f"    HostName {address.replace('%', '%%')}",
        *([f"    Port {port}"] if port != SSH_PORT else []),
        f"    ProxyCommand {command}",
    ]
    return "\n".join(lines) + "\n"


def _checkName(subject: Subject) -> None:
    if not _NAME.fullmatch(subject.name):
        raise BadValue(
            "ssh cannot have a host of that name: rename the profile, with letters, digits, dots, "
            "hyphens and underscores only"
        )


def _quote(path: str) -> str:
    """Quote a path for ssh, which then gives it to a shell."""
    if not path.isprintable() or set(path) & set("'\"\\"):
        raise BadValue("ssh cannot have quotes or backslashes in a path: use another path")
    return quote(path).replace("%", "%%")
