"""What C{pkdoors web HOST} loads: it also runs where Linux is not."""

from twisted.trial.unittest import SynchronousTestCase

from tests.fakes.elsewhere import MODULES
from tests.lab.sources import outside, reached

ROOTS = ("commands.web", "web.server", "web.browser", "web.keyboard", "web.channels.remoteside")
OF_LINUX = ("firewall", "daemon", "doctor", "install", "fleet", "knockports", "doorkeeper")
"""Packages for the daemon's host."""


class PortableTests(SynchronousTestCase):
    """The modules for another host."""

    def test_modules(self) -> None:
        """None of them imports what only Linux, or only UNIX, has; nor a part of the daemon."""
        found = reached(*ROOTS, atTop=True)
        self.assertIn("web.channels._child", found)
        self.assertNotIn("web.channels.localside", found)
        self.assertEqual([], [name for name in found if name.startswith(OF_LINUX)])
        hidden = {*MODULES.split()}
        for name in found:
            self.assertEqual(set(), outside(name, atTop=True) & hidden, name)
