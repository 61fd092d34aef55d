"""The client's part of a new configuration."""

from argparse import Namespace
from collections.abc import Sequence

from pkdoors.client.export.formats import QR
from pkdoors.client.export.subject import Subject
from pkdoors.client.profiles import Profile
from pkdoors.commands.exporting.output import Export, prepareExport
from pkdoors.errors import BadValue
from pkdoors.model.doors import Door

TOML = "toml"
"""The only format of which a file can have several."""


def makeExports(options: Namespace, doors: Sequence[Door], address: str) -> list[Export]:
    """
    Return what the client gets, a profile for each door; nothing is written yet.

    @raise PkdoorsError: the format cannot express it.
    """
    subjects = makeSubjects(options.client_output or "", doors, address)
    if len(subjects) > 1 and options.format != TOML:
        raise BadValue(
            f"there are {len(subjects)} doors, and --format {options.format} is for one: use "
            "--format toml, and `pkdoors export` on the client"
        )
    try:
        exports = [prepareExport(options.format, subject) for subject in subjects]
    except BadValue as error:
        isOurChoice = options.sealed is None and any(door.authorizedKeys for door in doors)
        raise BadValue(f"{error}, or use --plain") if isOurChoice else error from None
    if len(exports) > 1:
        text = "\n".join(export.text for export in exports)
        exports = [exports[0]._replace(text=text)]
    if options.qr:
        exports += [prepareExport(QR, subject._replace(file="")) for subject in subjects]
    return exports


def makeSubjects(file: str, doors: Sequence[Door], address: str) -> list[Subject]:
    """Return the doors as they are exported: with the host's name and, if there are several, the
    door's."""
    from pkdoors.host.names import getShortName

    name = getShortName()
    return [
        Subject(
            f"{name}-{door.name}" if len(doors) > 1 else name,
            _makeProfile(door, address),
            file=file,
        )
        for door in doors
    ]


def _makeProfile(door: Door, address: str) -> Profile:
    isSealed = bool(door.authorizedKeys)
    waiting = (ports.first for ports in door.ports if ports.protocol == "tcp" and not door.once)
    return Profile(
        address,
        door.sequence,
        # A plain knock names no door: the client refuses a door's name in its profile.
        door=door.name if isSealed else None,
        isSealed=isSealed,
        wait=next(waiting, None),
        isOnce=door.once,
        hearsAny=door.hearsAny,
    )
