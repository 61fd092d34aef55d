"""The files of the service: where they go, and what they say."""

from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

from pkdoors.errors import InstallError

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
        self.refuseStrange()
        for name in PLACES:
            yield self._place(self.path(name), self._text(name))

    def remove(self) -> Iterator[str]:
        """
        Take all away that is ours.

        @return: what is done, a line each.
        @raise InstallError: one cannot be removed; nothing is where one is not ours.
        """
        self.refuseStrange()
        for path in map(self.path, PLACES):
            try:
                path.unlink()
                yield f"removed    {path}"
            except FileNotFoundError:
                yield f"not there  {path}"
            except OSError as error:
                raise _cannot("remove", path, error) from error

    def refuseStrange(self) -> None:
        """
        See that nothing is in the place of our files but what we put there.

        @raise InstallError: there is.
        """
        for path in map(self.path, PLACES):
            text = _read(path)
            if text is not None and MARK not in text:
                raise InstallError(
                    f"{path} is not of `pkdoors install-service`, and is left alone: "
                    "move it away, then try again"
                )

    def _text(self, name: str) -> str:
        template = (files("pkdoors") / "systemd" / name).read_text()
        return template.replace("{bin}", _escaped(str(self._scripts)))

    def _place(self, path: Path, text: str) -> str:
        if _read(path) == text:
            return f"unchanged  {path}"
        new = path.with_name(f".{path.name}.new")
        try:
            path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            new.write_text(text)
            new.chmod(0o644)
            new.replace(path)
        except OSError as error:
            raise _cannot("write", path, error) from error
        return f"wrote      {path}"


def _read(path: Path) -> str | None:
    try:
        return path.read_text(errors="replace")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise _cannot("read", path, error) from error


def _escaped(path: str) -> str:
    """As it stands between quotes in a unit; C{systemd.service(5)}."""
    for special in '\\"':
        path = path.replace(special, "\\" + special)
    return path.replace("%", "%%").replace("$", "$$")


def _cannot(do: str, path: Path, error: OSError) -> InstallError:
    return InstallError(f"cannot {do} {path}: {error.strerror}: run it as root")
