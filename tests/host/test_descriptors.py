"""
Tests of L{pkdoors.host.descriptors}, each in a process of its own: a limit cannot be raised again.
"""

import subprocess
import sys

from twisted.trial.unittest import SynchronousTestCase

_RUN = """
import resource, socket, sys
from pkdoors.host.descriptors import *
resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard}))
raiseLimit()
bound = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
bound.bind(("127.0.0.1", 0))
where = bound.getsockname()
moved = moveUp(bound)
assert moved.getsockname() == where and moved.getblocking() is False
assert not moved.get_inheritable()
assert moved is bound or bound.fileno() < 0
print(getLimit(), getSocketRoom(), moved.fileno() >= LOW)
"""


_SPARE = """
import os, resource
from pkdoors.host.descriptors import *
spare = Spare()
lowest = os.open(os.devnull, os.O_RDONLY)
resource.setrlimit(resource.RLIMIT_NOFILE, (lowest + 1, lowest + 1))

def room():
    found = []
    try:
        while True:
            found.append(os.dup(0))
    except OSError:
        return len(found)
    finally:
        for descriptor in found:
            os.close(descriptor)

print(room(), end=" ")
with spare.lend():
    print(room() == SPARE, end=" ")
    taken = os.dup(0)
print(room(), end=" ")
os.close(taken)
with spare.lend():
    pass
print(room(), end=" ")
spare.close()
print(room() == SPARE)
"""


_DROPPED = """
import os
from pkdoors.host.descriptors import *
before = os.listdir("/proc/self/fd")
spare = Spare()
print(len(os.listdir("/proc/self/fd")) - len(before) == SPARE, end=" ")
del spare
print(os.listdir("/proc/self/fd") == before)
"""


class DescriptorsTests(SynchronousTestCase):
    """
    Tests of the limit of a process.
    """

    def run_(self, soft: int, hard: int) -> str:
        """Return the output for two limits."""
        return self.runAlone(_RUN.format(soft=soft, hard=hard))

    def test_raised(self) -> None:
        """The soft limit becomes the hard one; then there are descriptors above 1,024."""
        self.assertEqual("2048 1792 True", self.run_(256, 2048))

    def test_low(self) -> None:
        """Below that a socket keeps its descriptor; half of a low limit is for other uses."""
        self.assertEqual("300 150 False", self.run_(200, 300))

    def runAlone(self, code: str) -> str:
        """Return the output of code in a process of its own."""
        command = [sys.executable, "-c", code]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        self.assertEqual("", done.stderr)
        return done.stdout.strip()

    def test_spare(self) -> None:
        """Work that must not fail has descriptors left even if other code takes all others."""
        self.assertEqual("0 True 0 0 True", self.runAlone(_SPARE))

    def test_dropped(self) -> None:
        """Descriptors that nobody has released end with what held them."""
        self.assertEqual("True True", self.runAlone(_DROPPED))
