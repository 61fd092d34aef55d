"""Tests of L{pkdoors.client.core.tcpmetrics}; tests.real.test_connect has the kernel's answers."""

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from pkdoors.client.core.tcpmetrics import (
    askForFamily,
    askForMetrics,
    readFamily,
    readRoundTrip,
)

FAMILY = (
    bytes.fromhex("240000001000000001000000e84f000001020000060001001b00000010000200")
    + b"tcp_metrics\0"
)
METRICS = bytes.fromhex(
    "5c0000001b00000001000000c65e00000101000008000100"
    "7f00000108000b007f0000010c00030074010000"
    "000000002c00068008000600bc020000080001000100000008000700670200000800020001000000080004001200"
    "0000"
)
"""What Linux 6.1 answers on a little-endian machine; `ip tcp_metrics` calls it 87us and 153us."""
UNKNOWN = bytes.fromhex("300000000200000001000000c85e0000fdffffff") + bytes(28)


class MetricsTests(SynchronousTestCase):
    """
    Requests and answers.
    """

    def test_family(self) -> None:
        """The kernel gives the metrics a number."""
        self.assertEqual(27, readFamily(FAMILY))
        self.assertEqual(36, len(askForFamily()))
        self.assertRaises(ValueError, readFamily, UNKNOWN)

    def test_roundTrip(self) -> None:
        """A host has answered after the mean and four variations."""
        found = readRoundTrip(METRICS, 27)
        self.assertEqual((700 / 8 / 1e6, 615 / 4 / 1e6), (found.mean, found.variation))
        self.assertAlmostEqual((700 / 8 + 4 * 615 / 4) / 1e6, found.most)

    def test_unknown(self) -> None:
        """An address that the kernel does not know is a L{ValueError}."""
        self.assertRaises(ValueError, readRoundTrip, UNKNOWN, 27)

    def test_address(self) -> None:
        """Both families can be asked for; what is no address is a L{ValueError}."""
        self.assertEqual(
            (28, 40), tuple(len(askForMetrics(27, each)) for each in ("::1", "1.1.1.1"))[::-1]
        )
        for text in ("", "host", "1.1.1.1/8"):
            self.assertRaises(ValueError, askForMetrics, 27, text)

    @given(st.binary(max_size=120), st.integers(0, len(METRICS)))
    def test_garbage(self, junk: bytes, at: int) -> None:
        """Whatever the answer, nothing but a L{ValueError} is raised."""
        for answer in (junk, METRICS[:at] + junk, FAMILY[:at] + junk):
            for read in (readFamily, lambda data: readRoundTrip(data, 27)):
                try:
                    read(answer)
                except ValueError:
                    pass
