"""What is said on a host's D-Bus, as soon as it is said."""

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, cast

from tests.lab.hosts import Host


@contextmanager
def watchBus(host: Host, match: str) -> Iterator[BinaryIO]:
    """Watch the messages that a D-Bus match rule selects; yields their lines."""
    with subprocess.Popen(
        ["dbus-monitor", "--system", match],
        stdout=subprocess.PIPE,
        env={**os.environ, **host.environment},
    ) as process:
        try:
            time.sleep(0.5)  # until it is connected
            assert process.stdout is not None
            yield cast(BinaryIO, process.stdout)
        finally:
            process.terminate()
