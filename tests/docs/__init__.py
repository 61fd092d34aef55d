"""Tests of the manual, and of what it is made of."""

import sys

from tests import ROOT

EXTENSIONS = ROOT / "docs" / "_ext"
"""Where Sphinx finds the package C{manual}, whose tests these are."""
if str(EXTENSIONS) not in sys.path:
    sys.path.append(str(EXTENSIONS))
