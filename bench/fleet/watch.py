"""When doors open, on several hosts, as one process sees it: it follows the events of all."""

import json
import selectors
import socket
import time
from collections.abc import Iterable, Iterator

from tests.lab.fleet.member import ADMIN, Member


class Watch:
    """Follows C{GET /events} of some hosts."""

    def __init__(self, members: Iterable[Member]) -> None:
        self._selector = selectors.DefaultSelector()
        self._buffers: dict[str, bytes] = {}
        for member in members:
            connection = member.connect(ADMIN)
            connection.sendall(b"GET /events HTTP/1.1\r\nHost: pkdoors\r\n\r\n")
            while b": pkdoors" not in self._buffers.setdefault(member.name, b""):
                self._buffers[member.name] += connection.recv(4096)
            self._buffers[member.name] = b""
            connection.setblocking(False)
            self._selector.register(connection, selectors.EVENT_READ, member.name)

    def opened(self, patience: float) -> Iterator[tuple[str, str, float]]:
        """
        Yield host, source and time of each opening that the hosts report in the next moment.

        @param patience: the most seconds to wait for the first.
        """
        for key, _ in self._selector.select(patience):
            now = time.monotonic()
            assert isinstance(key.fileobj, socket.socket)
            data = self._buffers[key.data] + key.fileobj.recv(1 << 20)
            *lines, self._buffers[key.data] = data.split(b"\n")
            for line in lines:
                if line.startswith(b"data: "):
                    event = json.loads(line[6:])
                    if event["event"] == "opened":
                        yield key.data, event["source"], now

    def waitFor(self, source: str, hosts: set[str], patience: float) -> dict[str, float]:
        """Return when each host opened for a source; a host that did not is missing."""
        found: dict[str, float] = {}
        end = time.monotonic() + patience
        while hosts - {*found} and (left := end - time.monotonic()) > 0:
            found |= {host: now for host, opened, now in self.opened(left) if opened == source}
        return found

    def close(self) -> None:
        """Hang up."""
        for key in [*self._selector.get_map().values()]:
            assert isinstance(key.fileobj, socket.socket)
            key.fileobj.close()
        self._selector.close()
