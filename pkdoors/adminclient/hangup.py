"""Makes a daemon without an admin socket read its configuration again."""

import os
import signal

from pkdoors.config.config import CONF_FILE
from pkdoors.config.file import readConfig
from pkdoors.errors import AskError, NoDaemon, PkdoorsError
from pkdoors.host.instance import Instance


def hangUp(conf: str | None, instance: Instance) -> int:
    """
    Send SIGHUP to the daemon of this host. It has no way to answer, so check its file before.

    @param conf: the file; L{None} for the usual one.
    @return: its process.
    @raise NoDaemon: no daemon is running.
    @raise AskError: the file is wrong, or this user may not send the signal.
    """
    file = conf or CONF_FILE
    try:
        readConfig(file)
    except PkdoorsError as error:
        raise AskError(f"nothing was changed: {error}") from error
    try:
        process = instance.findHolder()
        if process is None:
            raise NoDaemon("the daemon is not running: start it, and it reads its configuration")
        os.kill(process, signal.SIGHUP)
    except OSError as error:
        raise AskError(
            f"cannot send SIGHUP to the daemon: {error.strerror}: run this as root"
        ) from error
    return process
