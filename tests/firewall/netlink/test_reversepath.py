"""Tests of L{pkdoors.firewall.netlink.reversepath}."""

import errno
import socket
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.firewall.netlink.reversepath import STRICT, Interfaces, readInterfaces, sortInterfaces


def nameOf(number: int) -> str:
    """Return the name of an interface; number 9 has just gone."""
    if number == 9:
        raise OSError(errno.ENXIO, "No such device or address")
    return f"eth{number}"


class StrictTests(SynchronousTestCase):
    """Tests of L{sortInterfaces}."""

    def test_higher(self) -> None:
        """The higher value counts, the interface's own or that for all: 1 is strict, 2 is not."""
        own = {2: 0, 1: 1, 3: 2}
        for every, strict, loose in (
            (0, ("eth1",), ("eth2", "eth3")),
            (1, ("eth1", "eth2"), ("eth3",)),
            (2, (), ("eth1", "eth2", "eth3")),
        ):
            found = sortInterfaces({-1: every, -2: 0, **own}, nameOf)
            self.assertEqual((strict, loose), (found.strict, found.loose))

    def test_new(self) -> None:
        """The same counts for interfaces that appear later."""
        for every, new, expected in ((0, 0, 0), (0, 1, 1), (0, 2, 0), (1, 0, 1), (1, 2, 0)):
            found = sortInterfaces({-1: every, -2: new}, nameOf)
            self.assertEqual(Interfaces(areNewStrict=bool(expected)), found)

    def test_gone(self) -> None:
        """An interface that has gone is left out; any other failure is one."""
        self.assertEqual(("eth1",), sortInterfaces({1: 1, 9: 1}, nameOf).strict)

        def fail(number: int) -> str:
            raise OSError(errno.EMFILE, "Too many open files")

        self.assertRaises(OSError, sortInterfaces, {1: 1}, fail)

    def test_here(self) -> None:
        """The kernel's answer is what its files say."""
        settings = Path("/proc/sys/net/ipv4/conf")
        values = {
            name: int((settings / name / "rp_filter").read_text())
            for name in ("all", *(name for _, name in socket.if_nameindex()))
            if (settings / name / "rp_filter").exists()
        }
        every = values.pop("all")
        strict = {name for name, own in values.items() if max(every, own) == STRICT}
        self.assertEqual(strict, set(readInterfaces().strict))
