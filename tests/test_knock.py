"""Tests of L{pkdoors.knock}."""

import random

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.knock import MAX_DATAGRAM, plainKnock, secondsAsked


class PlainKnockTests(SynchronousTestCase):
    """
    Tests of L{plainKnock} and L{secondsAsked}.
    """

    def test_write(self) -> None:
        """A knock is C{knock} and a newline, with the seconds between where some are asked for."""
        self.assertEqual(b"knock\n", plainKnock())
        self.assertEqual(b"knock 600\n", plainKnock(600))
        self.assertEqual(b"knock 2592000\n", plainKnock(2592000))

    def test_read(self) -> None:
        """A knock is read; 0 where it asks for no time."""
        self.assertEqual(0, secondsAsked(b"knock\n"))
        self.assertEqual(1, secondsAsked(b"knock 1\n"))
        self.assertEqual(999999999, secondsAsked(b"knock 999999999\n"))
        self.assertEqual(0, secondsAsked(b"knock 0\n"))

    def test_other(self) -> None:
        """Any other payload is no knock, be it ever so close."""
        other = [
            *(b"", b"\n", b"knock", b"knock\r\n", b"knock\n\n", b" knock\n", b"Knock\n"),
            *(
                b"knock \n",
                b"knock -1\n",
                b"knock 1.5\n",
                b"knock  5\n",
                b"knock 5 \n",
                b"knock5\n",
            ),
            *(
                b"knock 1234567890\n",
                b"knock 5\n\x00",
                b"\x00knock\n",
                b"knock 5s\n",
                b"knock +5\n",
            ),
            *("knock ٣\n".encode(), b"knock 5", b"xknock\n", b"knock\nknock\n"),
        ]
        self.assertEqual([], [each for each in other if secondsAsked(each) is not None])

    def test_garbage(self) -> None:
        """Random bytes are no knock, and never raise."""
        random_ = random.Random(20261107)
        for _ in range(5000):
            self.assertIsNone(secondsAsked(random_.randbytes(random_.randrange(64))))

    def test_longest(self) -> None:
        """A datagram that is cut off where reading ends is not taken for a knock."""
        datagram = b"knock 5\n" + b"x" * 4000
        self.assertIsNone(secondsAsked(datagram[:MAX_DATAGRAM]))
