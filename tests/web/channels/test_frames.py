"""Tests of L{pkdoors.web.channels._frames} and L{pkdoors.web.channels._channel}."""

import random
from typing import Any

from twisted.internet.error import ConnectionDone
from twisted.internet.testing import StringTransport

from pkdoors.errors import AskError
from pkdoors.web.channels._channel import WINDOW
from pkdoors.web.channels._frames import MAX_CHANNELS, Frames
from tests.web.channels.case import Collector, FramesTestCase


class Producer:
    """Notes whether it may produce."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def pauseProducing(self) -> None:
        """See L{IPushProducer}."""
        self.calls.append("pause")

    def resumeProducing(self) -> None:
        """See L{IPushProducer}."""
        self.calls.append("resume")


class ChannelTests(FramesTestCase):
    """What one channel carries."""

    def test_both(self) -> None:
        """Data of every value, of any length, goes both ways, in whatever pieces it arrives."""
        pieces = random.Random(1)
        for size in (0, 1, 7, 16384, 16385, WINDOW, 3 * WINDOW + 5):
            near, far, channel = self.open()
            sent, answer = pieces.randbytes(size), pieces.randbytes(2 * size)
            near.transport.write(sent)  # type: ignore[union-attr]
            channel.writeSequence([answer[:5], answer[5:]])
            self.carry(pieces)
            self.assertEqual((sent, answer), (far.read, near.read))

    def test_mixed(self) -> None:
        """Many channels at once keep apart."""
        pieces = random.Random(2)
        opened = [self.open() for _ in range(20)]
        texts = [pieces.randbytes(pieces.randint(0, 2 * WINDOW)) for _ in opened]
        for (_, _, channel), text in zip(opened, texts, strict=True):
            channel.write(text)
            channel.loseConnection()
        self.carry(pieces)
        self.assertEqual(texts, [near.read for near, _, _ in opened])
        for near, _, _ in opened:
            self.assertIsInstance(near.reason, ConnectionDone)

    def test_end(self) -> None:
        """The end comes after all data, also if it had to wait for credit."""
        near, far, channel = self.open()
        near.transport.pauseProducing()  # type: ignore[union-attr]
        channel.write(bytes(2 * WINDOW))
        channel.loseConnection()
        channel.write(b"too late")
        self.carry()
        self.assertIsNone(near.reason)
        near.transport.resumeProducing()  # type: ignore[union-attr]
        self.carry()
        self.assertEqual(2 * WINDOW, len(near.read))
        self.assertIsInstance(near.reason, ConnectionDone)
        self.assertIsInstance(far.reason, ConnectionDone)

    def test_fault(self) -> None:
        """A sentence comes with the end, in one line and not too long."""
        near, _, channel = self.open()
        channel.loseConnection("the daemon is not\nrunning: start it" + "x" * 9999)
        self.carry()
        self.assertIsInstance(near.reason, AskError)
        self.assertTrue(str(near.reason).startswith(r"the daemon is not\nrunning: start it"))
        self.assertLess(len(str(near.reason)), 1100)

    def test_abort(self) -> None:
        """Either end can end it at once; what is under way then is left out."""
        near, far, channel = self.open()
        channel.write(bytes(3 * WINDOW))
        near.transport.abortConnection()  # type: ignore[union-attr]
        self.assertIsInstance(near.reason, ConnectionDone)
        self.carry()
        self.assertIsInstance(far.reason, ConnectionDone)
        self.assertEqual("", self.near.fault or self.far.fault)
        near, far, _ = self.open()
        self.assertIsNone(near.reason)

    def test_lost(self) -> None:
        """If the connection ends, all channels end with a sentence, and no new one begins."""
        ends = [self.open()[:2] for _ in range(3)]
        self.lose()
        late = Collector()
        self.near.open("admin", late)
        for end in (*(each for pair in ends for each in pair), late):
            self.assertIsInstance(end.reason, AskError)
            self.assertIn("has ended", str(end.reason))


class CreditTests(FramesTestCase):
    """A reader that is slow."""

    def test_slow(self) -> None:
        """Only so much waits for it at either end, and its writer pauses; others go on."""
        near, _, channel = self.open()
        producer = Producer()
        channel.registerProducer(producer, True)
        near.transport.pauseProducing()  # type: ignore[union-attr]
        channel.write(bytes(WINDOW))
        self.assertEqual([], producer.calls)
        channel.write(b"x")
        self.assertEqual(["pause"], producer.calls)
        self.carry()
        self.assertEqual(0, len(near.read))
        other, _, free = self.open()
        free.write(bytes(5 * WINDOW))
        self.carry()
        self.assertEqual(5 * WINDOW, len(other.read))
        near.transport.resumeProducing()  # type: ignore[union-attr]
        self.carry()
        self.assertEqual(WINDOW + 1, len(near.read))
        self.assertEqual(["pause", "resume"], producer.calls)

    def test_unconnected(self) -> None:
        """A channel whose protocol is not there yet keeps what comes for it, and its end."""
        near = Collector()
        self.near.open("check", near)
        near.transport.write(b"question")  # type: ignore[union-attr]
        near.transport.loseConnection()  # type: ignore[union-attr]
        self.carry()
        far = Collector()
        self.accepted[-1][0].connect(far)
        self.assertEqual(b"question", far.read)
        self.assertIsInstance(far.reason, ConnectionDone)

    def test_greedy(self) -> None:
        """An end that sends more than it has credit for is cut off, and fills no memory."""
        near, _, _ = self.open()
        near.transport.pauseProducing()  # type: ignore[union-attr]
        for _ in range(WINDOW // 10_000 + 1):
            self.near.stringReceived(b"1d" + bytes(10_000))
        self.assertIn("credit", self.near.fault)
        self.assertTrue(self.nearPipe.disconnecting)

    def test_pausedInside(self) -> None:
        """A protocol can pause and resume while it is given data."""
        near, _, channel = self.open()

        class Fickle(Collector):
            """Pauses and resumes with each piece."""

            def dataReceived(self, data: bytes) -> None:
                """See L{Collector}."""
                transport: Any = self.transport
                transport.pauseProducing()
                super().dataReceived(data)
                transport.resumeProducing()

        fickle = Fickle()
        self.near.open("admin", fickle)
        self.carry()
        far = self.accepted[-1][0]
        far.connect(Collector())
        far.write(bytes(range(256)) * 1000)
        self.carry()
        self.assertEqual(bytes(range(256)) * 1000, fickle.read)
        self.assertEqual((b"", None), (bytes(near.read), near.reason))
        channel.abortConnection()


class StrangeTests(FramesTestCase):
    """Frames that no other end of ours sends."""

    def assertEnds(self, frame: bytes) -> None:
        """Assert that a frame ends the connection."""
        self.setUp()
        self.open()
        self.far.dataReceived(b"%d:%b," % (len(frame), frame))
        self.assertTrue(self.farPipe.disconnecting, frame)
        self.assertTrue(self.far.fault)
        self.far.dataReceived(b"1:x,")

    def test_wrong(self) -> None:
        """They end the connection."""
        for frame in (b"", b"1", b"d", b"1x", b"d1", b"-1d", b"12345678901d", b"1cx", b"1c"):
            self.assertEnds(frame)
        self.assertEnds(b"1oadmin")  # its number was used
        self.assertEnds(b"1c" + b"9" * 10)

    def test_opens(self) -> None:
        """Only one end opens channels, and not too many."""
        self.near.stringReceived(b"7oadmin")
        self.assertTrue(self.nearPipe.disconnecting)
        for _ in range(MAX_CHANNELS):
            self.near.open("admin", Collector())
        refused = Collector()
        self.near.open("admin", refused)
        self.assertIn("too many", str(refused.reason))
        for number in range(MAX_CHANNELS + 1):
            self.far.stringReceived(b"%doadmin" % (number + 1))
        self.assertTrue(self.farPipe.disconnecting)

    def test_unknown(self) -> None:
        """A channel that has ended here may not have ended there."""
        for frame in (b"9d1", b"9c5", b"9e", b"9d"):
            self.far.stringReceived(frame)
        self.assertFalse(self.farPipe.disconnecting)

    def test_garbage(self) -> None:
        """Bytes that are no frames end the connection, and raise nothing."""
        source = random.Random(3)
        for _ in range(300):
            frames, pipe = Frames(lambda channel, kind: channel.connect(Collector())), None
            pipe = StringTransport()
            frames.makeConnection(pipe)
            for _ in range(5):
                frames.dataReceived(source.randbytes(source.randint(1, 50)))
        for data in (b"99999999999:", b"16401:", b"x", b"5:1oabc;"):
            frames = Frames()
            pipe = StringTransport()
            frames.makeConnection(pipe)
            frames.dataReceived(data)
            self.assertTrue(pipe.disconnecting, data)
