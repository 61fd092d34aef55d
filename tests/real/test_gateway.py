"""Tests of a host behind a router that hides who connects."""

from tests.lab.case import PORT, SEQUENCE, RealTestCase
from tests.lab.hosts import CLIENT4, CLIENT6, SERVER4, SERVER6


class GatewayTests(RealTestCase):
    """The client is the server's router; the stranger is in a network of its own."""

    def setUp(self) -> None:
        """Let the server send everything else through the client."""
        super().setUp()
        self.server.run("ip", "route", "replace", "default", "via", CLIENT4)
        self.server.run("ip", "-6", "route", "replace", "default", "via", CLIENT6)

    def test_router(self) -> None:
        """An opening for the router is a warning, over IPv4 and IPv6; one for others is not."""
        daemon = self.start()
        self.stranger.send(SEQUENCE)
        self.assertTrue(self.stranger.comesToReach(PORT))
        self.assertNotIn("own router", daemon.log())
        for address, server in ((CLIENT4, SERVER4), (CLIENT6, SERVER6)):
            self.client.send(SEQUENCE, address=server)
            words = f"{address}, for which door default opened, is this host's own router"
            self.assertTrue(daemon.says(words), daemon.log())
