"""
A flush of everything, while a stranger tries to get in.

If the daemon owns the table, a flush leaves it alone. Otherwise it is gone for a few milliseconds,
in which a stranger may connect: he is out again as soon as it is back.
"""

import socket
import time

from tests.lab.case import PORT
from tests.lab.controlled import ControlledTestCase, door
from tests.lab.echoing import GREETING, EchoServer, Prober
from tests.lab.hosts import CLIENT4, PATIENCE, eventually

FLUSHES = 8
RATE = 430
"""Attempts to connect in a second."""


class KeepTests(ControlledTestCase):
    """A door that keeps sessions."""

    policy = "keep"

    def test_slippedIn(self) -> None:
        """
        A connection that got in while the guard was away does not go on; the session of the client
        that knocked does. If the table is owned, no connection gets in.
        """
        self.controlled(door("ssh", more=f'sessions = "{self.policy}"\n'))
        owned = "owner" in self.server.run("nft", "-t", "list", "table", "inet", "pkdoors")
        with EchoServer(self.listeners[PORT]):
            self.open(CLIENT4)
            session = self.client.connect(PORT)
            self.addCleanup(session.close)
            prober = Prober(self.stranger, PORT, RATE)
            with prober:
                for _ in range(FLUSHES):
                    self.server.run("nft", "flush", "ruleset")
                    self.assertTrue(eventually(lambda: ("ssh", CLIENT4) in self.inKernel()))
                    time.sleep(0.25)  # in which the connections that got in talk
            self.assertGreater(prober.tried, FLUSHES * RATE / 10)
            slipped = len(prober.connected)
            self.assertEqual(prober.alive(), 0, f"of {slipped} that slipped in")
            if owned:
                self.assertEqual(slipped, 0)
            self.assertTrue(self.echoes(session), f"the knocker's session is dead ({slipped})")
            self.ask("/openings", "-X", "DELETE")
            self.assertEqual(self.echoes(session), self.policy == "keep")

    def echoes(self, session: socket.socket) -> bool:
        """Return whether another answer comes back."""
        token = f"{time.monotonic()};".encode()
        heard = b""
        session.settimeout(PATIENCE if self.policy == "keep" else 2)
        try:
            session.sendall(token)
            while not heard.endswith(token):
                data = session.recv(4096)
                if not data:
                    return False
                heard += data
        except OSError:
            return False
        return heard.removeprefix(GREETING) == token


class CutTests(KeepTests):
    """A door that cuts sessions."""

    policy = "cut"
