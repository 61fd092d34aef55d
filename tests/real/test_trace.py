"""
Tests of the trace that everyone leaves who tried to open a door and failed, with sockets and with
the kernel's packet log.
"""

import time

from tests.lab.case import PORT, SEQUENCE, RealTestCase
from tests.lab.hosts import CLIENT4, STRANGER4, Daemon, eventually
from tests.lab.sealing import makeKey, publicLine, sealed

TIMEOUT = "2s"
LINE = f"door default ({PORT}/tcp) stays closed for"


class TraceTests(RealTestCase):
    """Hearing with sockets."""

    listen = "sockets"

    def lines(self, daemon: Daemon) -> list[str]:
        """Return the lines about tries without success."""
        return [line for line in daemon.log().splitlines() if "stays closed for" in line]

    def start(self, *options: str, ports: str = str(PORT), openFor: str = "1h") -> Daemon:
        """Start a daemon whose clients have two seconds for all knocks."""
        return self.daemon("--knock-timeout", TIMEOUT, *options, ports=ports, openFor=openFor)

    def test_incomplete(self) -> None:
        """A client that loses its last datagrams is told, once; one that opens the door is not."""
        daemon = self.start()
        self.client.send(SEQUENCE[:4])
        self.stranger.send(SEQUENCE)
        self.assertTrue(daemon.says(f"{LINE} {CLIENT4}: 4 of 6 knocks came within 2s"))
        time.sleep(3)
        self.assertEqual(1, len(self.lines(daemon)), daemon.log())

    def test_wrongOrder(self) -> None:
        """So is one that has lost its first datagram, and one that knocks backwards."""
        daemon = self.start()
        self.client.send(SEQUENCE[1:])
        self.stranger.send(SEQUENCE[::-1])
        self.assertTrue(
            daemon.says(
                f"{LINE} {CLIENT4}: 5 knocks came out of order within 2s, and none of them was "
                "the first"
            )
        )
        self.assertTrue(
            daemon.says(
                f"{LINE} {STRANGER4}: 1 of 6 knocks came in order within 2s, and 5 out of order"
            )
        )
        for port in SEQUENCE:
            self.assertNotIn(str(port), "".join(self.lines(daemon)))

    def test_sealed(self) -> None:
        """So is a sealed knock that reaches some ports only."""
        key = makeKey()
        keys = self.folder / "authorized_keys"
        keys.write_text(publicLine(key))
        daemon = self.start("-k", str(keys))
        self.client.send(SEQUENCE[2:4], sealed(key, SEQUENCE))
        self.assertTrue(
            daemon.says(f"{LINE} {CLIENT4}: a sealed knock reached 2 of 6 ports within 2s")
        )

    def test_plainAtSealed(self) -> None:
        """So is a plain knock on a door that only sealed knocks open."""
        keys = self.folder / "authorized_keys"
        keys.write_text(publicLine(makeKey()))
        daemon = self.start("-k", str(keys))
        self.client.send(SEQUENCE)
        line = "6 plain knocks came within 2s, and only sealed knocks open this door"
        self.assertTrue(daemon.says(f"{LINE} {CLIENT4}: {line}"), daemon.log())

    def test_logKnocks(self) -> None:
        """With C{--log-knocks} each datagram has its verdict, also what the kernel would filter."""
        daemon = self.start("--log-knocks")
        self.client.send(SEQUENCE[:1], b"")
        self.client.send(SEQUENCE[:1], b"KNOCK!")
        self.client.send(SEQUENCE[:1], b"pkdoors1 default 0 1 2 3 *\n" + bytes(80))
        self.client.send((*SEQUENCE[:2], SEQUENCE[4]))
        start = f"datagram from {CLIENT4}, "
        for line in (
            "0 bytes, b'': door default: not a plain knock",
            "6 bytes, b'KNOCK!': door default: not a plain knock",
            "107 bytes, b'pkdoors1 default 0 1 2 3 *\\n",
            "6 bytes, b'knock\\n': door default: knock 2 of 6",
            "6 bytes, b'knock\\n': door default: refused: wrong port after 2 of 6 knocks",
        ):
            self.assertTrue(daemon.says(start + line), daemon.log())
        for port in SEQUENCE:
            self.assertNotIn(str(port), daemon.log().partition("guarding door")[2])
        self.stranger.send(SEQUENCE)
        self.assertTrue(daemon.says("opened door"))

    def test_garbage(self) -> None:
        """A flood of garbage is logged with a limit, and knocks are heard beside it."""
        daemon = self.start("--log-knocks")
        began = time.monotonic()
        for _ in range(40):
            self.client.send(SEQUENCE * 20, b"garbage", pause=0)
        self.stranger.send(SEQUENCE)
        self.assertTrue(daemon.says(f"opened door default ({PORT}/tcp) for {STRANGER4}"))
        took = time.monotonic() - began
        lines = daemon.log().count("b'garbage'")
        self.assertLess(0, lines)
        self.assertLess(lines, 100 * (took + 2))
        self.client.send(SEQUENCE[:1], b"more garbage")
        self.assertTrue(eventually(lambda: "more datagrams not logged" in daemon.log()))


class CapturedTraceTests(TraceTests):
    """Hearing with the packet log."""

    listen = "capture"
