"""The admin interface, for many questions in a short time."""

import http.client
import json
import socket
from collections.abc import Iterable
from pathlib import Path
from typing import Any


class AdminClient(http.client.HTTPConnection):
    """Asks at the admin socket, many times and quickly."""

    def __init__(self, path: Path) -> None:
        super().__init__("pkdoors", timeout=60)
        self._path = path

    def connect(self) -> None:
        """Connect, again if need be."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(60)
        self.sock.connect(str(self._path))

    def post(self, path: str, value: object = None) -> Any:
        """Post something; the answer, which must be a good one."""
        self.request("POST", path, None if value is None else json.dumps(value))
        response = self.getresponse()
        body = response.read()
        if response.status != 200:
            raise AssertionError(f"POST {path}: {response.status} {body!r}")
        return json.loads(body)

    def openAll(self, sources: Iterable[str], name: str = "ssh", seconds: int = 3600) -> None:
        """Open a door for many addresses."""
        for source in sources:
            self.post("/openings", {"source": source, "door": name, "seconds": seconds})
