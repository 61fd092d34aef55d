"""
Many knocks, each as C{pkdoors knock} makes it, in one process.

``python -m tests.lab.knocks COUNT PAUSE ARGUMENTS...`` with the arguments of ``pkdoors knock``.
"""

import sys
from collections.abc import Mapping
from os import environ
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater, react

from pkdoors.cli import makeParser
from pkdoors.client.reactor.driver import perform
from pkdoors.commands.knock import makeAttempt
from pkdoors.commands.knocking.target import findTarget


async def main(reactor: Any, count: str, pause: str, *arguments: str) -> None:
    """Knock so many times, with so many seconds after each."""
    environment: Mapping[str, str] = environ
    options = makeParser().parse_args(["knock", *arguments])
    profile, port = findTarget(options, environment)
    attempt = makeAttempt(options, environment, profile, port)
    for _ in range(int(count)):
        await perform(reactor, attempt, print)
        print("knocked", flush=True)
        await deferLater(reactor, float(pause))


if __name__ == "__main__":
    react(lambda *arguments: Deferred.fromCoroutine(main(*arguments)), sys.argv[1:])
