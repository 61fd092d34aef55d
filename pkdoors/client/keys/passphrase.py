"""Asks the user for a passphrase."""

import os
import signal
from getpass import getpass

from pkdoors.errors import KnockError
from pkdoors.util.oneline import printable


def askPassphrase(prompt: str) -> bytes:
    """
    Ask for a passphrase on the terminal and nowhere else: standard input may be a connection.
    Nothing else happens meanwhile.

    @raise KnockError: there is no terminal, or the user gave up.
    """
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError as error:
        raise KnockError(
            "the key is encrypted, and there is no terminal to ask for its passphrase: "
            "add it to the SSH agent with ssh-add"
        ) from error
    # The reactor's own handlers would end the program only after the answer.
    ends = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, signal.default_int_handler) for number in ends]
    try:
        return os.fsencode(getpass(printable(prompt)))
    except (KeyboardInterrupt, EOFError) as error:
        raise KnockError("interrupted") from error
    finally:
        for number, handler in zip(ends, before, strict=True):
            signal.signal(number, handler)
