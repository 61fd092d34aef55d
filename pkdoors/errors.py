"""What can go wrong. Each message is one sentence to the operator: what, where, and what to do."""

from pkdoors.util.oneline import printable


class PkdoorsError(Exception):
    """
    Anything that pkdoors itself reports; C{str()} of it is fit to be shown as it is, in one line,
    whatever the names, files and answers held that it quotes.

    @ivar isLogged: whether its sentence is in the log already.
    """

    isLogged = False

    def __str__(self) -> str:
        return printable(super().__str__())


class BadValue(PkdoorsError):
    """
    A value from the command line, the environment or a file is not allowed.

    @ivar field: the field of a L{pkdoors.model.doors.Door} that it was for, where only the whole
        door shows that it is wrong.
    """

    def __init__(self, message: str, field: str = "") -> None:
        super().__init__(message)
        self.field = field

    def at(self, where: str) -> "BadValue":
        """The same error, with the option, variable or key in front that held the value."""
        return BadValue(f"{where}: {self}")


class ConfigError(PkdoorsError):
    """A configuration file cannot be read or written, or what is in it is not allowed."""


class NotFound(PkdoorsError):
    """What the operator means is not there."""


class FirewallError(PkdoorsError):
    """The firewall cannot be used, or refused what was asked of it."""


class DeadlinePassed(FirewallError):
    """The time of an opening was over before the firewall got to it: it was not made."""


class ListenError(PkdoorsError):
    """A knock port cannot be listened on."""


class InstallError(PkdoorsError):
    """The service cannot be put in place, or taken away."""


class KnockError(PkdoorsError):
    """The client could not knock."""


class RelayError(PkdoorsError):
    """A connection that the client relays broke, or what it is relayed to."""


class AskError(PkdoorsError):
    """The daemon could not be asked, or does not do what it was asked for."""


class NoDaemon(AskError):
    """There is no daemon to ask."""
