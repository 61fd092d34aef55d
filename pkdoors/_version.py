"""
Provides pkdoors version information.
"""

# This file is auto-generated! Do not edit!
# Use `python -m incremental.update pkdoors` to change this file.

from incremental import Version

__version__ = Version("pkdoors", 26, 11, 0, dev=0)
__all__ = ["__version__"]
