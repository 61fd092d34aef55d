"""The fleet's configuration file: what can be set in it, and how it is read and written."""

import json
from dataclasses import MISSING, dataclass, fields
from shlex import quote

from pkdoors.config._setting import Setting, listKeys, readSettings
from pkdoors.config.fleet import (
    FleetConfig,
    parseEngine,
    parseFleetHosts,
    parseWhenAlone,
)
from pkdoors.config.template import renderSettings
from pkdoors.config.values import PATH, Kind, allowKeys, parsePath, readString
from pkdoors.errors import BadValue, ConfigError
from pkdoors.files.reading import readFile
from pkdoors.files.trust import findFlaw
from pkdoors.model.fleetnames import checkFleetHost, checkFleetName
from pkdoors.util.quoting import shown
from pkdoors.util.toml import quoteString, readToml

_HEAD = """\
# The fleet. The daemon reads this file if a door has fleet = true, and so does the process that
# connects to the engine. It holds no secret, but only root may change it: it says who is trusted.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetSetting(Setting):
    """One thing that can be set; the field is one of L{FleetConfig}."""

    def default(self) -> object:
        """Return the value of the field if nothing sets it; L{None} if it must be set."""
        return _DEFAULTS[self.field]


_DEFAULTS = {
    field.name: None if field.default is MISSING else field.default for field in fields(FleetConfig)
}


def _readNames(value: object) -> list[str]:
    if not isinstance(value, list):
        raise BadValue(f'{shown(value)} is not a list of hosts: write ["gate1", "web1"]')
    return [readString(item) for item in value]


NAMES = Kind(_readNames, lambda names: json.dumps([*names]))
"""How the file holds names of hosts."""
ENGINE = Kind(readString, lambda engine: quoteString(str(engine)))
"""How it holds the engine."""

FLEET_SETTINGS = (
    FleetSetting(
        key="name",
        field="name",
        parse=checkFleetName,
        comment="The name of the fleet, the same on all its hosts.",
    ),
    FleetSetting(
        key="host",
        field="host",
        parse=checkFleetHost,
        comment="The name of this host in the fleet.",
    ),
    FleetSetting(
        key="hosts",
        field="hosts",
        parse=parseFleetHosts,
        kind=NAMES,
        comment="All hosts of the fleet, this one among them: this host reads what they write.",
    ),
    FleetSetting(
        key="engine",
        field="engine",
        parse=parseEngine,
        kind=ENGINE,
        comment="The Redis or Valkey server: rediss:// with TLS, redis:// without. With a password "
        "this host logs in under its own name, unless another stands before an @.",
    ),
    FleetSetting(
        key="password",
        field="password",
        parse=parsePath,
        kind=PATH,
        comment="The file with this host's password for the engine; only the group pkdoors-fleet "
        "may read it.",
        example='"/etc/pkdoors/fleet.password"',
    ),
    FleetSetting(
        key="ca",
        field="ca",
        parse=parsePath,
        kind=PATH,
        comment="The certificates that vouch for the engine's, instead of the system's.",
        example='"/etc/pkdoors/fleet-ca.pem"',
    ),
    FleetSetting(
        key="trust",
        field="trust",
        parse=parseFleetHosts,
        kind=NAMES,
        comment="The hosts whose word counts for the address of a knock that does not name it. "
        "A stolen host in this list can open doors for itself, and so can a stolen engine.",
        example='["gate1"]',
    ),
    FleetSetting(
        key="operators",
        field="operators",
        parse=parsePath,
        kind=PATH,
        comment="The SSH keys that can give orders to the fleet (close, ban), in a file like "
        "authorized_keys.",
        example='"/etc/pkdoors/operators"',
    ),
    FleetSetting(
        key="when_alone",
        field="whenAlone",
        parse=parseWhenAlone,
        comment="A knock that does not name its address could be used at several hosts, so the "
        'engine decides where it counts. While the engine is away, "local" lets it open this '
        'host\'s door, and "refuse" refuses it.',
    ),
)
"""What can be set in the file."""

_KEYS = listKeys(FLEET_SETTINGS)
_NEEDED = [setting.key for setting in FLEET_SETTINGS if setting.default() is None]


class NoFleetFile(ConfigError):
    """
    The configuration of a fleet is not there, or not for this user to read.

    @ivar what: the sentence without its remedy, for a caller that knows a better one.
    """

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(f"{what}: {remedy}")
        self.what = what


def readFleet(path: str) -> FleetConfig:
    """
    Return the fleet that a file describes. Anybody may read the file, but only root and the user
    that reads it may be able to change it: it says whose word opens doors.

    @raise ConfigError: it cannot be read, others can change it, or it is wrong; L{NoFleetFile} if
        it is not there, or not for this user to read.
    """
    try:
        text = readFile(path).text()
        flaw = findFlaw(path)
    except OSError as error:
        what = f"cannot read {path}: {error.strerror}"
        if isinstance(error, FileNotFoundError):
            remedy = "create it with `pkdoors fleet init`, or remove fleet = true from all doors"
            raise NoFleetFile(what, remedy) from error
        if isinstance(error, PermissionError):
            raise NoFleetFile(what, "run this as root") from error
        raise ConfigError(what) from error
    except ValueError as error:
        raise ConfigError(f"cannot read {path}: {error}") from None
    if flaw is not None:
        raise ConfigError(
            f"other users could change {path} and so open doors, because {flaw.path} {flaw.what}: "
            f"`{flaw.remedy}`"
        )
    return parseFleet(text, path)


def parseFleet(text: str, file: str) -> FleetConfig:
    """
    Read a fleet's configuration.

    @param file: the file that holds the text, for errors.
    @raise ConfigError: the text is not such a configuration. Nothing else is raised, whatever the
        text.
    """
    try:
        table = readToml(text)
    except BadValue as error:
        raise ConfigError(f"{file} is not valid TOML, the format of this file: {error}") from error
    try:
        allowKeys(table, _KEYS, "")
        for key in _NEEDED:
            if key not in table:
                raise BadValue(f"{key} is missing: a fleet needs {', '.join(_NEEDED)}")
        values = readSettings(FLEET_SETTINGS, table, "")
        try:
            return FleetConfig(**values)
        except BadValue as error:
            raise error.at(error.field) from error
    except BadValue as error:
        raise ConfigError(f"{file}: {error}") from error


def readPassword(fleet: FleetConfig) -> str:
    """
    Return this host's password for the engine; empty if there is none.

    @raise ConfigError: the file cannot be read, or others can read it.
    """
    path = fleet.password
    if not path:
        return ""
    try:
        found = readFile(path)
        text = found.text().strip()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        remedy = "run this as root, or as the user pkdoors-fleet"
        raise ConfigError(
            f"cannot read the password of the engine in {path}: {reason}"
            f"{f': {remedy}' if isinstance(error, PermissionError) else ''}"
        ) from error
    if found.status.st_mode & 0o027:
        raise ConfigError(
            f"other users can read or change {path}, the password of the engine: "
            f"`chmod 640 {quote(path)}`"
        )
    if not text or "\n" in text:
        raise ConfigError(f"{path} must have one line, the password of the engine")
    return text


def renderFleet(fleet: FleetConfig) -> str:
    """Return the text of a new file."""
    return f"{_HEAD}\n{renderSettings(FLEET_SETTINGS, fleet)}"
