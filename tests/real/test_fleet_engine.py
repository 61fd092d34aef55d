"""Real tests of the fleet's process, with a real engine and real daemons."""

from tests.lab.fleet.case import FleetTestCase


class RelayTests(FleetTestCase):
    """Tests of what travels."""

    names = ("edge1", "web1")

    def test_knock(self) -> None:
        """A knock at the edge opens the inner host, which hears none itself."""
        edge = self.fleet.members["edge1"]
        edge.knock(self.fleet.client, self.fleet.seal())
        for name in self.names:
            self.assertTrue(self.fleet.comesToBeOpen(name), self.fleet.logs())
