"""Tests of L{pkdoors.model.enginelocation}."""

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.errors import BadValue
from pkdoors.model.enginelocation import EngineLocation, parseEngineLocation


class EngineLocationTests(SynchronousTestCase):
    """Tests of the addresses of engines."""

    def test_good(self) -> None:
        """The scheme says whether the connection is encrypted; the port has a default."""
        for text, wanted in {
            "rediss://web3@log.example.org:6380": EngineLocation("log.example.org", 6380, "web3"),
            "valkeys://web3@[2001:db8::1]": EngineLocation("2001:db8::1", 6379, "web3"),
            "redis://127.0.0.1": EngineLocation("127.0.0.1", 6379, "", isTLS=False),
            "rediss://a%40b@h/": EngineLocation("h", 6379, "a@b"),
        }.items():
            self.assertEqual(wanted, parseEngineLocation(text))

    def test_bad(self) -> None:
        """Everything else is refused with the form that is wanted, and no password is quoted."""
        for text in ("", "log", "http://h", "redis://", "redis://h:x", "redis://h:70000"):
            self.assertIn("rediss://USER@", str(self.assertRaises(BadValue, parse, text)))
        for text in ("redis://h/3", "redis://h?x=1", "redis://h#x"):
            self.assertRaises(BadValue, parseEngineLocation, text)
        error = self.assertRaises(BadValue, parseEngineLocation, "redis://u:hush@h")
        self.assertNotIn("hush", str(error))


parse = parseEngineLocation
