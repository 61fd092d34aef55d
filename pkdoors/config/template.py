"""The text of a new configuration of the daemon, with a comment for each key. Pure."""

from collections.abc import Iterable
from textwrap import wrap

from pkdoors.config._setting import Setting
from pkdoors.config.config import Config
from pkdoors.config.settings import DAEMON_SETTINGS, DOOR_SETTINGS
from pkdoors.model.doors import Door

WIDTH = 100
"""Columns of a line."""

_HEAD = """\
# The configuration of pkdoors, which the daemon reads when it starts (pkdoors daemon --conf FILE).
# It holds a secret, the sequence: nobody else may read it.
"""
_DOOR_HEAD = """\
# A door; there can be several, each with its own name.
[doors.{name}]
"""


def renderConf(door: Door, *others: Door) -> str:
    """
    Return the text of a configuration file for some doors. The first one has all keys, with
    comments; the others have those that are not the default.
    """
    daemon = renderSettings(DAEMON_SETTINGS, Config((door,)))
    keys = renderSettings(DOOR_SETTINGS, door, bool(door.authorizedKeys))
    more = "".join(map(_renderBriefly, others))
    return f"{_HEAD}\n{daemon}\n{_DOOR_HEAD.format(name=door.name)}{keys}{more}"


def _renderBriefly(door: Door) -> str:
    values = [(setting, getattr(door, setting.field)) for setting in DOOR_SETTINGS if setting.key]
    lines = [
        f"{setting.key} = {setting.kind.write(value)}"
        for setting, value in values
        if value != setting.default()
    ]
    return "\n".join([f"\n[doors.{door.name}]", *lines, ""])


def renderSettings(settings: Iterable[Setting], values: object, isSealed: bool = False) -> str:
    """
    Return the lines of the settings that a file can hold.

    @param values: has a field for each setting.
    @param isSealed: whether the settings matter that are for sealed knocks.
    """
    lines: list[str] = []
    for setting in settings:
        if not setting.key:
            continue
        value = getattr(values, setting.field)
        isDefault = value == setting.default()
        isOut = not isSealed if setting.isForSealed else bool(setting.example) and isDefault
        shown = setting.example if setting.example and isDefault else setting.kind.write(value)
        lines += [f"# {line}" for line in wrap(setting.comment, WIDTH - 2, break_on_hyphens=False)]
        lines.append(f"{'#' if isOut else ''}{setting.key} = {shown}")
    return "\n".join(lines) + "\n"
