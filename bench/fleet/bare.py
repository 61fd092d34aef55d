"""
The floor of the method: entries that one process appends to a stream, and others read, with the
same client library, TLS and users as the fleet's own.

C{python -m bench.fleet.bare append|follow URL PASSWORD_FILE CA}. C{append} appends an entry for
each line of its input. C{follow} writes the milliseconds that each one took, a line each.
"""

import sys
import time
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.stdio import StandardIO
from twisted.internet.task import react
from twisted.protocols.basic import LineOnlyReceiver

from pkdoors.config.fleet import parseEngine
from pkdoors.fleet.engine import BEGINNING
from pkdoors.fleet.redis import connectEngine

WRITER = "bare"
"""A host that nobody makes: the engine knows its user."""
STREAM = f"pk:prod:events:{WRITER}"
"""A stream that no fleet process reads."""


class Appender(LineOnlyReceiver):
    """Appends an entry for each line."""

    delimiter = b"\n"

    def __init__(self, engine: Any) -> None:
        self._engine = engine

    def lineReceived(self, line: bytes) -> None:
        """Append one with the time of now, and as many bytes as a seal has."""
        fields = {"s": bytes(179), "t": repr(time.monotonic()).encode()}
        Deferred.fromCoroutine(self._engine.append(STREAM, fields, most=1000))


async def main(reactor: Any, role: str, url: str, password: str, ca: str) -> None:
    """Connect, and append or follow until the process is ended."""
    engine = await connectEngine(reactor, parseEngine(url), Path(password).read_text(), ca)
    if role == "append":
        StandardIO(Appender(engine))
        print("ready", flush=True)
        await Deferred()
    position = BEGINNING
    print("ready", flush=True)
    while True:
        for entries in (await engine.follow({STREAM: position})).values():
            now = time.monotonic()
            for entry in entries:
                print(1000 * (now - float(entry.fields["t"])), flush=True)
                position = entry.id


if __name__ == "__main__":
    react(lambda *arguments: Deferred.fromCoroutine(main(*arguments)), sys.argv[1:])
