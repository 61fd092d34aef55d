"""What the daemon has beside its doors."""

from twisted.internet.defer import Deferred, succeed


class Component:
    """
    Something that starts and stops with the daemon; a method that it does not have does nothing.
    Components start when the guard is in place, before a knock is heard, and stop after the doors.
    They may hear of events before they start.
    """

    def prepare(self) -> None:
        """
        Acquire whatever may be refused. Called before a daemon forks, while there is a terminal.

        @raise PkdoorsError: it was refused.
        """

    def start(self) -> None:
        """Begin. Called after the fork, mostly before the reactor runs; raises nothing."""

    def ready(self) -> None:
        """Do what must wait until the doors are guarded, knocks are heard, and the reactor runs."""

    def reopen(self) -> None:
        """Open a file again that somebody may have moved away to rotate logs."""

    def stop(self) -> Deferred[None]:
        """
        End.

        @return: fires when that is done, and never fails.
        """
        return succeed(None)
