"""Tests of L{pkdoors.daemon.process.setup}."""

import subprocess
import sys

from twisted.trial.unittest import SynchronousTestCase


class SetUpTests(SynchronousTestCase):
    """Tests of L{setUpProcess}."""

    def test_switch(self) -> None:
        """A thread that has long work gives the reactor its turns sooner than Python would."""
        script = "from pkdoors.daemon.process.setup import *; setUpProcess(); "
        script += "print(sys.getswitchinterval())"
        command = [sys.executable, "-c", script]
        printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        self.assertLessEqual(float(printed), 0.001)
