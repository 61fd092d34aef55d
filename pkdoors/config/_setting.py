"""What is known of one thing that can be set; and settings that have one of two words. Pure."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Any, NamedTuple

from pkdoors.config.config import Config
from pkdoors.config.values import STRING, Kind, parseAt, readString
from pkdoors.errors import BadValue
from pkdoors.model.doors import Door
from pkdoors.util.quoting import shown
from pkdoors.util.toml import quoteString


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """
    One thing that can be set.

    @ivar field: of L{Config}, or of L{Door}.
    @ivar parse: reads the text of an option or a variable; of a repeated option, a list of them.
    @ivar key: in a file; empty if a file cannot set it.
    @ivar kind: how a file holds the value.
    @ivar option: on the command line; empty if there is none.
    @ivar formerOption: an earlier name of the option, which is still read.
    @ivar letter: the option's short form.
    @ivar about: what C{--help} says of the option.
    @ivar variable: in the environment; empty if there is none.
    @ivar comment: what a new file says of the key.
    @ivar example: TOML that a new file shows, commented out, in place of the default.
    @ivar isFlag: whether the option has no value.
    @ivar isRepeated: whether the option can be given several times.
    @ivar isFixed: whether it cannot change while the daemon runs.
    @ivar isForSealed: whether it matters for sealed knocks only.
    """

    field: str
    parse: Callable[[Any], object]
    key: str = ""
    kind: Kind = STRING
    option: str = ""
    formerOption: str = ""
    letter: str | None = None
    about: str = ""
    variable: str = ""
    comment: str = ""
    example: str = ""
    isFlag: bool = False
    isRepeated: bool = False
    isFixed: bool = False
    isForSealed: bool = False

    def read(self, value: object) -> object:
        """Return what the key's value in a file means."""
        return self.parse(self.kind.read(value))

    def default(self) -> object:
        """Return the value of the field if nothing sets it; L{None} if it must be set."""
        return _DEFAULTS[self.field]

    def describe(self) -> str:
        """Return what C{--help} says of the option."""
        default = self.default()
        if self.isFlag or default is None or default in ("", ()):
            return self.about
        text = self.kind.write(default).strip('"')
        return f"{self.about} (default: {text})"


_DEFAULTS = {
    field.name: None if field.default is MISSING else field.default
    for field in (*fields(Config), *fields(Door))
}


def listKeys(settings: Iterable[Setting]) -> list[str]:
    """Return the keys that a file can have for these settings."""
    return [setting.key for setting in settings if setting.key]


def readSettings(
    settings: Iterable[Setting], table: Mapping[str, object], where: str
) -> dict[str, Any]:
    """
    Return what a table of a file sets, by field.

    @param where: precedes the key in the message of an error.
    @raise BadValue: a value is not allowed.
    """
    return {
        setting.field: parseAt(f"{where}{setting.key}", setting.read, table[setting.key])
        for setting in settings
        if setting.key and setting.key in table
    }


class Choice(NamedTuple):
    """
    A setting that has one of two words.

    @ivar no: the word for C{False}.
    @ivar yes: the word for C{True}.
    @ivar noMeans: what the first one means.
    @ivar yesMeans: what the second one means.
    """

    no: str
    yes: str
    noMeans: str
    yesMeans: str

    def parse(self, text: str) -> bool:
        """Read one of the words."""
        if text not in (self.no, self.yes):
            raise BadValue(
                f"{shown(text)} is neither {self.no} ({self.noMeans}) "
                f"nor {self.yes} ({self.yesMeans})"
            )
        return text == self.yes

    def write(self, value: bool) -> str:
        """Return the word for a value, as a string in a file."""
        return quoteString(self.yes if value else self.no)

    @property
    def kind(self) -> Kind:
        """How a file holds it."""
        return Kind(readString, self.write, f"{{{self.no},{self.yes}}}")


def readBoolean(value: object) -> bool:
    """Return a value of a file that is true or false."""
    if not isinstance(value, bool):
        raise BadValue(
            f"{shown(value)} is neither true nor false: write one of these, without quotes"
        )
    return value


BOOLEAN = Kind(readBoolean, lambda value: "true" if value else "false")
"""How a file holds what is true or false."""

SESSIONS = Choice(
    "keep", "cut", "live sessions go on after the door has closed", "they end when it closes"
)
PAYLOAD = Choice("knock", "any", 'only datagrams with "knock" are knocks', "every datagram is one")
USES = Choice(
    "many",
    "once",
    "an opening lets in any number of connections",
    "the first connection uses it up",
)
