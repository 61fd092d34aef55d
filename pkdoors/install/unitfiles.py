"""The files of the service: their places, and their contents."""

import errno
import re
from collections.abc import Iterator, Mapping
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

from pkdoors.errors import InstallError
from pkdoors.files.beneath import Beneath
from pkdoors.host.systemd import PACKAGE_UNIT


class Layout(NamedTuple):
    """
    Where the files are, and what is different in them.

    @ivar places: the place of each file below the root, by the name of its template.
    @ivar mark: this is in each of the files. A file without it is not ours.
    @ivar heading: what follows the mark in a file's first line.
    """

    places: Mapping[str, str]
    mark: str
    heading: str


LOCAL = Layout(
    {
        "pkdoors.sysusers": "etc/sysusers.d/pkdoors.conf",
        "pkdoors.tmpfiles": "etc/tmpfiles.d/pkdoors.conf",
        "pkdoors.rules": "etc/polkit-1/rules.d/50-pkdoors.rules",
        "pkdoors.logrotate": "etc/logrotate.d/pkdoors",
        "pkdoors-metrics.service": "etc/systemd/system/pkdoors-metrics.service",
        "pkdoors-metrics.timer": "etc/systemd/system/pkdoors-metrics.timer",
        "pkdoors-fleet.service": "etc/systemd/system/pkdoors-fleet.service",
        "pkdoors.service": "etc/systemd/system/pkdoors.service",
    },
    "Made by `pkdoors install-service`",
    ", which replaces it each time.",
)
"""For C{pkdoors install-service}."""

PACKAGE = Layout(
    {
        "pkdoors.sysusers": "usr/lib/sysusers.d/pkdoors.conf",
        "pkdoors.tmpfiles": "usr/lib/tmpfiles.d/pkdoors.conf",
        "pkdoors.rules": "usr/share/polkit-1/rules.d/50-pkdoors.rules",
        "pkdoors.logrotate": "etc/logrotate.d/pkdoors",
        **{
            name: str(PACKAGE_UNIT.with_name(name).relative_to("/"))
            for name in (
                "pkdoors-metrics.service",
                "pkdoors-metrics.timer",
                "pkdoors-fleet.service",
                "pkdoors.service",
            )
        },
    },
    "Part of the package pkdoors",
    ".",
)
"""For a package of a distribution."""


class ServiceFiles:
    """
    The files below a root folder.

    @param scripts: the folder of C{pkdoors}.
    @param layout: where they are.
    """

    def __init__(self, root: Path, scripts: Path, layout: Layout = LOCAL) -> None:
        self._root = root
        self._layout = layout
        self._beneath = Beneath(root)
        self._scripts = scripts

    def path(self, name: str) -> Path:
        """Return the path of a file."""
        return self._root / self._layout.places[name]

    def place(self) -> Iterator[str]:
        """
        Write all files.

        @return: what is done, a line each.
        @raise InstallError: a file cannot be written. If one is not ours, none is written.
        """
        self.refuseForeign()
        for name in self._layout.places:
            yield self._place(name, self._text(name))

    def remove(self) -> Iterator[str]:
        """
        Remove all files.

        @return: what is done, a line each.
        @raise InstallError: a file cannot be removed. If one is not ours, none is removed.
        """
        self.refuseForeign()
        for name, place in self._layout.places.items():
            path = self.path(name)
            try:
                isDone = self._beneath.remove(place)
            except OSError as error:
                raise _installError("remove", path, error) from error
            yield f"{'removed' if isDone else 'missing'}    {path}"

    def refuseForeign(self) -> None:
        """
        Check that all files at our places are ours.

        @raise InstallError: one is not.
        """
        for name in self._layout.places:
            text = self._read(name)
            if text is not None and self._layout.mark not in text:
                raise InstallError(
                    f"`pkdoors install-service` did not write {self.path(name)}, and does not "
                    "touch it: move it away, then try again"
                )

    def areRunningThis(self) -> bool:
        """Return whether the unit is there, and runs the programs of this installation."""
        program = f'^ExecStart="{re.escape(_escape(str(self._scripts)))}/[^/"]+"'
        unit = self._read("pkdoors.service") or ""
        return re.search(program, unit, re.MULTILINE) is not None

    def _text(self, name: str) -> str:
        text = (files("pkdoors.install") / "systemd" / name).read_text()
        values = {
            "heading": self._layout.mark + self._layout.heading,
            "bin": _escape(str(self._scripts)),  # the last one, as any text may be in it
        }
        for key, value in values.items():
            text = text.replace(f"{{{key}}}", value)
        return text

    def _place(self, name: str, text: str) -> str:
        path = self.path(name)
        if self._read(name) == text:
            return f"unchanged  {path}"
        try:
            self._beneath.write(self._layout.places[name], text)
        except OSError as error:
            raise _installError("write", path, error) from error
        return f"wrote      {path}"

    def _read(self, name: str) -> str | None:
        try:
            return self._beneath.read(self._layout.places[name])
        except OSError as error:
            raise _installError("read", self.path(name), error) from error


def _escape(path: str) -> str:
    """Return a path as it must be between quotes in a unit; C{systemd.service(5)}."""
    for special in '\\"':
        path = path.replace(special, "\\" + special)
    return path.replace("%", "%%").replace("$", "$$")


def _installError(do: str, path: Path, error: OSError) -> InstallError:
    remedy = "run it as root" if isinstance(error, PermissionError) else "move that away"
    reason = error.strerror
    if error.errno in (errno.ELOOP, errno.ENOTDIR):  # a link on the way raises either
        reason = "a symbolic link, or something that is not a folder, is in its way"
    return InstallError(f"cannot {do} {path}: {reason}: {remedy}")
