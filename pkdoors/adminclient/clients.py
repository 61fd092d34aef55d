"""The clients that an operator names: by address, or by a name that is looked up once."""

from collections.abc import Callable, Mapping
from typing import NamedTuple, TypeVar

from pkdoors.adminclient.sshorigin import findSshOrigin
from pkdoors.errors import AskError, AskNotFound, BadValue, NoDaemon
from pkdoors.host.lookup import isName, lookUp
from pkdoors.model.addresses import canonicalize
from pkdoors.model.sources import parseSource
from pkdoors.util.quoting import quoteHost

R = TypeVar("R")

ME = "me"
"""The address that the operator's own ssh comes from."""


class NamedClient(NamedTuple):
    """
    A client.

    @ivar addresses: as the daemon sees them; or one network.
    @ivar origin: how they were found; empty if the operator gave an address.
    """

    addresses: list[str]
    origin: str = ""

    def describe(self, address: str) -> str:
        """Return one of its addresses, and where it comes from."""
        return f"{address} ({self.origin})" if self.origin else address

    def askForEach(self, ask: Callable[[str], R]) -> tuple[list[R], list[AskError]]:
        """
        Ask the daemon for each address.

        @return: its answers, and what it refused.
        @raise NoDaemon: it is not running.
        """
        answers, refusals = [], []
        for address in self.addresses:
            try:
                answers.append(ask(address))
            except NoDaemon:
                raise
            except AskError as error:
                if not self.origin:
                    raise
                refusals.append(type(error)(f"{self.describe(address)}: {error}"))
        return answers, refusals

    def askForAny(self, ask: Callable[[str], R]) -> tuple[list[R], list[AskError]]:
        """
        Do the same as L{askForEach}, but an address that the daemon does not know is an error only
        if it knows none.
        """
        answers, refusals = self.askForEach(ask)
        found = [error for error in refusals if not isinstance(error, AskNotFound)]
        if answers or found or not refusals:
            return answers, found
        moved = "if its address has changed since, use the one that `pkdoors status` shows"
        return answers, [AskError(f"{'; '.join(map(str, refusals))}: {moved}")]


def checkClient(text: str) -> str:
    """
    Return an address or a network as the daemon sees it, or the name of a host, or L{ME},
    unchanged.

    @raise BadValue: the text is not one of these.
    """
    if "/" in text:
        return str(parseSource(text))
    try:
        return canonicalize(text)
    except ValueError:
        pass
    if isName(text):
        return text
    raise BadValue(
        f"{quoteHost(text)} is neither an address nor the name of a host: give an IPv4 or IPv6 "
        "address, such as 192.0.2.7, or a name, such as laptop.example.org"
    )


def findClient(checked: str, environment: Mapping[str, str]) -> NamedClient:
    """
    Return the client that a result of L{checkClient} means. This blocks.

    @param environment: of the operator's command.
    @raise BadValue: the name has no address, or too many; or nobody knows who the operator is.
    """
    if checked == ME:
        return NamedClient([str(findSshOrigin(environment))], "your ssh")
    if "/" in checked:
        return NamedClient([checked])
    try:
        return NamedClient([canonicalize(checked)])
    except ValueError:
        return NamedClient(lookUp(checked), f"{checked}, looked up once")
