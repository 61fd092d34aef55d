"""Errors. Each message is one sentence for the operator: what is wrong, where, and what to do."""

from pkdoors.util.oneline import printable


class PkdoorsError(Exception):
    """
    The base class of all errors that pkdoors reports. C{str()} gives one line that can be shown as
    it is, whatever the names, files and answers hold that the message quotes.

    @ivar isLogged: whether the log has the message already.
    """

    isLogged = False

    def __str__(self) -> str:
        return printable(super().__str__())


class BadValue(PkdoorsError):
    """
    A value from the command line, the environment or a file is not allowed.

    @ivar field: the field of a L{pkdoors.model.doors.Door} that is wrong, if only the whole door
        shows it.
    """

    def __init__(self, message: str, field: str = "") -> None:
        super().__init__(message)
        self.field = field

    def at(self, where: str) -> "BadValue":
        """Return this error with the option, variable or key that held the value in front."""
        return BadValue(f"{where}: {self}")


class ConfigError(PkdoorsError):
    """A configuration file cannot be read or written, or holds something that is not allowed."""


class NotFound(PkdoorsError):
    """The operator named something that does not exist."""


class FirewallError(PkdoorsError):
    """The firewall cannot be used, or refused a request."""


class DeadlinePassed(FirewallError):
    """The firewall did not make an opening, because its deadline had passed already."""


class ListenError(PkdoorsError):
    """The daemon cannot listen on a knock port."""


class InstallError(PkdoorsError):
    """The service cannot be installed or removed."""


class KnockError(PkdoorsError):
    """The client could not knock, or not to any effect."""


class NoAddress(KnockError):
    """The host has no address that could be knocked on."""


class NoKey(KnockError):
    """There is no key to seal the knock with, or it cannot be used."""


class NotOpen(KnockError):
    """The port did not open after the knock."""


class RelayError(PkdoorsError):
    """One end of a connection that the client relays broke."""


class AskError(PkdoorsError):
    """The daemon could not be reached, or refused a request."""


class AskNotFound(AskError):
    """The daemon does not have what a request was about."""


class NoDaemon(AskError):
    """No daemon is running."""


class EngineError(PkdoorsError):
    """The engine of the fleet cannot be reached, or the connection to it broke."""


class EngineHungUp(EngineError):
    """The connection ended, and nothing else is known to be wrong."""


class EngineRefusal(EngineError):
    """The engine refused one request; others may succeed."""


class EngineTooMuch(EngineError):
    """An answer of the engine was too long to be read."""


class EngineNoStream(EngineRefusal):
    """The engine has something else in place of a stream, which whoever owns it can put there."""
