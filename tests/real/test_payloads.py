"""Knocks over UDP from other clients: what may end a knock, and doors that hear any payload."""

from tests.lab.case import PORT, SEQUENCE
from tests.lab.controlled import SHARING, SSH, WEB, door
from tests.lab.hosts import CLIENT4, CLIENT6, SERVER4, SERVER6
from tests.real.test_flood import FloodTestCase

LOOSE = door("loose", more='payload = "any"')
STRICT = door("strict", SHARING, WEB)
"""With the same ports in another order."""


class PayloadTests(FloodTestCase):
    """With sockets."""

    listen = "sockets"

    def close(self, address: str) -> None:
        """Close the doors for the client."""
        self.curl(f"/openings?source={CLIENT6 if ':' in address else CLIENT4}", "-X", "DELETE")
        self.comes(lambda: not self.openings())

    def test_ends(self) -> None:
        """Blanks, CR and LF, or nothing, can end a knock; anything else is junk."""
        self.controlled(SSH)
        for address in (SERVER4, SERVER6):
            for payload in (b"knock", b"knock\r\n", b"knock \t\n\n", b"knock 60\r\n"):
                self.client.send(SEQUENCE, payload, address)
                self.assertTrue(self.client.comesToReach(PORT, address), payload)
                self.close(address)
            heard = self.heard()
            for payload in (b"", b"knocks", b"knock\0", b"knock" + b" " * 28):
                self.client.send(SEQUENCE, payload, address)
            self.client.send(SEQUENCE[-1:], b"knock", address)
            self.comes(lambda before=heard: self.heard() > before)  # type: ignore[misc]
            self.assertEqual(heard + 1, self.heard())
            self.assertFalse(self.client.reaches(PORT, address))

    def test_any(self) -> None:
        """With any payload Debian's knock opens; a door that shares the ports hears only knocks."""
        self.controlled(LOOSE, STRICT)
        for address, six in ((SERVER4, "-4"), (SERVER6, "-6")):
            self.client.run("knock", six, "-u", address, *map(str, SEQUENCE))
            self.assertTrue(self.client.comesToReach(PORT, address))
            self.assertFalse(self.client.reaches(WEB, address))
            self.close(address)
            self.client.send(SHARING, b"", address)
            self.assertFalse(self.client.reaches(WEB, address))

    def test_reload(self) -> None:
        """A reload takes it back, in the kernel, too."""
        self.controlled(LOOSE)
        self.write(door("loose"))
        self.reload()
        heard = self.heard()
        self.client.send(SEQUENCE, b"")
        self.client.send(SEQUENCE)
        self.assertTrue(self.client.comesToReach(PORT))
        self.assertEqual(heard + len(SEQUENCE), self.heard())


class CapturedPayloadTests(PayloadTests):
    """With capture."""

    listen = "capture"
