"""What the daemon has beside its doors, for its operator."""

from twisted.internet.defer import Deferred, succeed


class Component:
    """
    One such thing; whatever it does not say does nothing. Parts are started when the guard is in
    place, before a knock is heard, and stopped after the doors. What happens is told to them also
    before they are started.
    """

    def prepare(self) -> None:
        """
        Take what can be refused. Called before a daemon forks, while there is a terminal.

        @raise PkdoorsError: it was.
        """

    def start(self) -> None:
        """Begin. Called after the fork, mostly before the reactor runs; nothing is raised."""

    def ready(self) -> None:
        """The doors are guarded, and knocks are heard. Called when the reactor runs."""

    def reopen(self) -> None:
        """Open anew what somebody may have moved away: a file, when logs are rotated."""

    def stop(self) -> Deferred[None]:
        """
        End.

        @return: fires when that is done, and never fails.
        """
        return succeed(None)
