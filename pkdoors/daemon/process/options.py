"""The options of C{twistd pkdoors}."""

import os
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Sequence as ListOf
from contextlib import contextmanager
from typing import NoReturn

from twisted.logger import LogLevel

from pkdoors.config.commandline import WRONG_USAGE
from pkdoors.config.lastgood import STATE, LastGood
from pkdoors.config.options import Options as DaemonOptions
from pkdoors.daemon.component import Component
from pkdoors.daemon.failclosed import keepClosed
from pkdoors.daemon.process.journal import PRIORITIES, isJournal
from pkdoors.daemon.process.setup import takeReactor
from pkdoors.errors import PkdoorsError
from pkdoors.host.instance import Instance
from pkdoors.util.output import complain


class Options(DaemonOptions):
    """
    The options of C{twistd pkdoors}. If they, or the file, are wrong, the ports stay closed as in
    the last good configuration; see L{keepClosed}.

    @ivar components: what else starts and stops with the daemon.
    """

    def __init__(
        self,
        environment: Mapping[str, str] = os.environ,
        components: Iterable[Component] = (),
    ) -> None:
        super().__init__(environment)
        if isJournal(environment):
            self.speaker = f"<{PRIORITIES[LogLevel.error]}>pkdoors"
        self.components = components
        self._arguments: ListOf[str] = ()

    def parseOptions(self, options: ListOf[str] | None = None) -> None:
        """See L{DaemonOptions.parseOptions}."""
        self._arguments = tuple(options or ())
        with self.closedOnFailure():
            super().parseOptions(options)

    def refuse(self, line: str, status: int = WRONG_USAGE) -> NoReturn:
        """See L{DaemonOptions.refuse}."""
        super().refuse(line + self.keepClosed(), status)

    def keepClosedFor(self, arguments: ListOf[str]) -> str:
        """See L{keepClosed}; for a command line that nobody could parse."""
        self._arguments = arguments
        return self.keepClosed()

    @contextmanager
    def closedOnFailure(self) -> Iterator[None]:
        """
        Keep the ports closed if something fails meanwhile that nobody foresaw. If the host lacks
        something, a descriptor for example, print one line; a mistake of ours has its traceback.
        """
        try:
            yield
        except PkdoorsError:
            raise
        except OSError as error:
            complain("pkdoors", f"cannot start: {error}{self.keepClosed()}")
            raise SystemExit(1) from error
        except Exception:
            complain("pkdoors", f"cannot start, by a mistake in pkdoors itself{self.keepClosed()}")
            raise

    def keepClosed(self) -> str:
        """See L{keepClosed}."""
        if self["firewall"] == "dry-run":  # it touches nothing
            return ""
        return keepClosed(self.lastGood(), Instance(), takeReactor())

    def lastGood(self) -> LastGood:
        """Return the last good copy of the configuration that is meant."""
        return LastGood(STATE, self.guessFile(self._arguments))
