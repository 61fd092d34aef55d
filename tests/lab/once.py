"""A host with a door of which an opening is for one connection."""

import socket
import struct
from itertools import count

from tests.lab.case import PORT
from tests.lab.conntrack import Flow
from tests.lab.controlled import ControlledTestCase, door
from tests.lab.flows import Session
from tests.lab.hosts import CLIENT4, CLIENT6, PATIENCE, SERVER4, SERVER6, eventually

ONCE = door("ssh", more='uses = "once"')
WAYS = ((CLIENT4, SERVER4), (CLIENT6, SERVER6))


class OnceTestCase(ControlledTestCase):
    """
    A test that has both ends of the client's connections.
    """

    def setUp(self) -> None:
        """Choose a port for each connection."""
        super().setUp()
        self._ports = count(20001)

    def flow(self, source: str = CLIENT4, target: str = SERVER4, port: int = PORT) -> Flow:
        """Return a flow with a source port of its own."""
        return Flow(source, next(self._ports), target, port)

    def session(self, source: str = CLIENT4, target: str = SERVER4, port: int = PORT) -> Session:
        """Begin a session."""
        flow = self.flow(source, target, port)
        session = Session.begin(self.client, self.listeners[port], flow)
        self.addCleanup(session.close)
        return session

    def accepted(self, patience: float = PATIENCE, port: int = PORT) -> socket.socket | None:
        """Return a connection that the service gets; L{None} if it gets none."""
        self.listeners[port].settimeout(patience)
        try:
            server = self.listeners[port].accept()[0]
        except TimeoutError:
            return None
        self.addCleanup(server.close)
        return server

    def reaches(self, *way: str) -> bool:
        """Return whether another connection could begin."""
        source, target = way or WAYS[0]
        return self.client.reaches(PORT, target, source)

    def states(self) -> dict[tuple[str, str], tuple[bool, bool]]:
        """Return which openings are open, and which are used, as the daemon says."""
        return {
            (each["door"], each["source"]): (each["open"], each["used"])
            for each in self.ask("/openings")["openings"]
        }

    def becomesUsed(self, source: str = CLIENT4, name: str = "ssh") -> bool:
        """Wait until the daemon says that an opening is used."""
        return bool(eventually(lambda: self.states().get((name, source)) == (False, True)))


def forged(flags: int, sequence: int, acknowledged: int, port: int = 30000) -> bytes:
    """Return a packet of the client's."""
    head = struct.pack("!HHIIBBHHH", port, PORT, sequence, acknowledged, 5 << 4, flags, 64240, 0, 0)
    ends = socket.inet_aton(CLIENT4) + socket.inet_aton(SERVER4)
    total = sum(struct.unpack("!16H", ends + struct.pack("!HH", 6, 20) + head))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    head = head[:16] + struct.pack("!H", ~total & 0xFFFF) + head[18:]
    return struct.pack("!BBHHHBBH", 0x45, 0, 40, 0, 0, 64, 6, 0) + ends + head
