"""Tests of L{pkdoors.firewall.netlink.reversepath}."""

import errno
import socket
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.firewall.netlink.reversepath import STRICT, listStrict, readStrict


def nameOf(number: int) -> str:
    """Return the name of an interface; number 9 has just gone."""
    if number == 9:
        raise OSError(errno.ENXIO, "No such device or address")
    return f"eth{number}"


class StrictTests(SynchronousTestCase):
    """Tests of L{listStrict}."""

    def test_higher(self) -> None:
        """The higher value counts, the interface's own or that for all: 1 is strict, 2 is not."""
        own = {2: 0, 1: 1, 3: 2}
        self.assertEqual(("eth1",), listStrict({-1: 0, -2: 1, **own}, nameOf))
        self.assertEqual(("eth1", "eth2"), listStrict({-1: 1, -2: 0, **own}, nameOf))
        self.assertEqual((), listStrict({-1: 2, -2: 0, **own}, nameOf))

    def test_gone(self) -> None:
        """An interface that has gone is left out; any other failure is one."""
        self.assertEqual(("eth1",), listStrict({1: 1, 9: 1}, nameOf))

        def fail(number: int) -> str:
            raise OSError(errno.EMFILE, "Too many open files")

        self.assertRaises(OSError, listStrict, {1: 1}, fail)

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
        self.assertEqual(strict, set(readStrict()))
