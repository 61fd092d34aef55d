"""The files of the service: where they go, and what they say."""

import errno
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

from pkdoors.errors import InstallError
from pkdoors.files.beneath import Beneath

MARK = "Made by `pkdoors install-service`"
"""In each file of ours. One without it is somebody else's."""

PLACES = {
    "pkdoors.sysusers": "etc/sysusers.d/pkdoors.conf",
    "pkdoors.tmpfiles": "etc/tmpfiles.d/pkdoors.conf",
    "pkdoors.rules": "etc/polkit-1/rules.d/50-pkdoors.rules",
    "pkdoors.logrotate": "etc/logrotate.d/pkdoors",
    "pkdoors.service": "etc/systemd/system/pkdoors.service",
}
"""By the name of the template."""


class ServiceFiles:
    """
    @param root: what they are placed below.
    @param scripts: where C{twistd} and C{pkdoors} are.
    """

    def __init__(self, root: Path, scripts: Path) -> None:
        self._root = root
        self._beneath = Beneath(root)
        self._scripts = scripts

    def path(self, name: str) -> Path:
        """Where a file goes."""
        return self._root / PLACES[name]

    def place(self) -> Iterator[str]:
        """
        Put all in place.

        @return: what is done, a line each.
        @raise InstallError: one cannot be written; nothing is where one is not ours.
        """
        self.refuseForeign()
        for name in PLACES:
            yield self._place(name, self._text(name))

    def remove(self) -> Iterator[str]:
        """
        Take all away that is ours.

        @return: what is done, a line each.
        @raise InstallError: one cannot be removed; nothing is where one is not ours.
        """
        self.refuseForeign()
        for name, place in PLACES.items():
            path = self.path(name)
            try:
                isDone = self._beneath.remove(place)
            except OSError as error:
                raise _cannot("remove", path, error) from error
            yield f"{'removed  ' if isDone else 'not there'}  {path}"

    def refuseForeign(self) -> None:
        """
        See that nothing is in the place of our files but what we put there.

        @raise InstallError: there is.
        """
        for name in PLACES:
            text = self._read(name)
            if text is not None and MARK not in text:
                raise InstallError(
                    f"{self.path(name)} is not of `pkdoors install-service`, and is left alone: "
                    "move it away, then try again"
                )

    def _text(self, name: str) -> str:
        template = (files("pkdoors") / "systemd" / name).read_text()
        return template.replace("{bin}", _escaped(str(self._scripts)))

    def _place(self, name: str, text: str) -> str:
        path = self.path(name)
        if self._read(name) == text:
            return f"unchanged  {path}"
        try:
            self._beneath.write(PLACES[name], text)
        except OSError as error:
            raise _cannot("write", path, error) from error
        return f"wrote      {path}"

    def _read(self, name: str) -> str | None:
        try:
            return self._beneath.read(PLACES[name])
        except OSError as error:
            raise _cannot("read", self.path(name), error) from error


def _escaped(path: str) -> str:
    """As it stands between quotes in a unit; C{systemd.service(5)}."""
    for special in '\\"':
        path = path.replace(special, "\\" + special)
    return path.replace("%", "%%").replace("$", "$$")


def _cannot(do: str, path: Path, error: OSError) -> InstallError:
    remedy = "run it as root" if isinstance(error, PermissionError) else "move that away"
    reason = error.strerror
    if error.errno in (errno.ELOOP, errno.ENOTDIR):  # a link on the way is either
        reason = "a symbolic link, or what is not a folder, is in its way"
    return InstallError(f"cannot {do} {path}: {reason}: {remedy}")
