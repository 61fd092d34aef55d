"""C{pkdoors knock} with the name of a group."""

from argparse import Namespace
from collections.abc import Callable, Mapping
from typing import NoReturn

from pkdoors.client.core.attempt import Attempt
from pkdoors.client.core.events import Traced
from pkdoors.commands._run import makeReporter, runBlocking
from pkdoors.commands.parser import Parser
from pkdoors.errors import KnockError
from pkdoors.util.output import tell


class MemberParser:
    """
    A parser whose errors name a host of a group.

    @ivar prog: the program and its command, and the host.
    """

    def __init__(self, parser: Parser, name: str) -> None:
        self.prog = f"{parser.prog}: {name}"
        self._parser = parser
        self._name = name

    def error(self, message: str) -> NoReturn:
        """End with status 2."""
        self._parser.error(f"{self._name}: {message}")


def optionsFor(options: Namespace, name: str) -> Namespace:
    """Return the options of a group, for one of its hosts."""
    changed = {"host": name, "parser": MemberParser(options.parser, name)}
    return Namespace(**{**vars(options), **changed})


def knockOnAll(
    parser: Parser, attempts: Mapping[str, Attempt], traces: Mapping[str, Callable[[Traced], None]]
) -> NoReturn:
    """
    Knock on several hosts at once, and print a line for each when its attempt ends. The status is 0
    only if all succeeded.

    @param attempts: by the names that the user has for the hosts.
    @param traces: by these names, what is called with everything that happens.
    """
    from pkdoors.client.blocking.group import Result, performAll

    complain = makeReporter(parser)
    failed: list[str] = []

    def say(name: str, line: str) -> None:
        complain(f"{name}: {line}")

    def report(name: str, result: Result) -> None:
        if isinstance(result, KnockError):
            failed.append(name)
            say(name, str(result))
            return
        tell(f"{name}: {result}")
        if result.note:
            say(name, result.note)

    runBlocking(parser, lambda: performAll(attempts, say, report, traces))
    raise SystemExit(1 if failed else 0)
