"""Tests of L{pkdoors.install.release}."""

from pathlib import Path
from tempfile import TemporaryDirectory

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.errors import FirewallError, PkdoorsError
from pkdoors.host.instance import InstanceError
from pkdoors.install import release


class CopiesTests(SynchronousTestCase):
    """What becomes of the copies of the last good configuration."""

    def setUp(self) -> None:
        folder = TemporaryDirectory(prefix="pkdoors-")
        self.addCleanup(folder.cleanup)
        self.copy = Path(folder.name) / "lastgood-1.json"
        self.copy.write_text("{}")
        self.patch(release, "STATE", Path(folder.name))

    def fail_(self, error: PkdoorsError) -> None:
        """Release, which fails with an error."""

        def fail(force: bool) -> list[str]:
            raise error

        self.patch(release, "release", fail)
        self.assertRaises(type(error), release.releaseAll)

    def test_released(self) -> None:
        """They go with everything else."""
        self.patch(release, "release", lambda force: ["removed"])
        self.assertEqual(["removed"], release.releaseAll())
        self.assertFalse(self.copy.exists())

    def test_refused(self) -> None:
        """They go, too, if firewalld cannot be asked: the guard has gone by then."""
        self.fail_(FirewallError("no firewalld"))
        self.assertFalse(self.copy.exists())

    def test_daemonStays(self) -> None:
        """They stay as long as the daemon does."""
        self.fail_(InstanceError("the daemon does not end"))
        self.assertTrue(self.copy.exists())
