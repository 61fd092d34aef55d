"""Tests of pkdoors. Those in L{tests.real} need root; all others need nothing."""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
"""The checkout."""

if "twisted.trial._dist.worker" in sys.modules:
    # `trial --jobs` gives its workers all folders that it imports from itself. The programs that
    # tests start must find their modules without those.
    os.environ.pop("PYTHONPATH", None)
