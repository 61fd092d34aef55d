"""The first and the last line of the log, which Twisted writes, with our own name."""

from twisted.logger import ILogObserver, LogEvent
from zope.interface import implementer

from pkdoors import __version__

_THEIRS = "twisted.scripts."
"""How the logger's name begins of lines that C{twistd} writes."""
_FIRST = "twistd {version} "
"""How its first line begins."""
_OURS = "{name} {own} starts (Python {pyVersion} at {exe}, Twisted {version})"


@implementer(ILogObserver)
class OwnName:
    """
    Hands events on. Lines of C{twistd}'s get our name: nobody who runs C{pkdoors daemon} need know
    what that is.

    @param name: the name of this program.
    @param observer: writes the log.
    """

    def __init__(self, name: str, observer: ILogObserver) -> None:
        self._name = name
        self._observer = observer

    def __call__(self, event: LogEvent) -> None:
        """See L{ILogObserver}."""
        if event.get("log_namespace", "").startswith(_THEIRS):
            event = {**event, "log_namespace": self._name}
            if str(event.get("log_format")).startswith(_FIRST):
                event["log_format"] = _OURS
                event |= {"name": self._name, "own": __version__.public()}
        self._observer(event)
