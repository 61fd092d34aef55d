"""Settings of Sphinx for the manual, which C{script/manual} builds."""

import sys
from pathlib import Path

_DOCS = Path(__file__).parent
sys.path[:0] = [str(_DOCS.parent), str(_DOCS / "_ext")]

from manual.pages import forSphinx  # noqa: E402
from pkdoors import __version__  # noqa: E402

project = "pkdoors"
author = "the authors of pkdoors"
copyright = f"{author}. Licence: MIT"
version = release = __version__.public()

extensions = ["myst_parser", "manual.extension"]
exclude_patterns = ["_ext"]
nitpicky = True

# Headings get the anchors that code hosts give them, so the same links work in both.
myst_heading_anchors = 4
myst_enable_extensions = ["colon_fence", "deflist", "fieldlist"]

# Quotes are often part of a value, and a block of code can be in any language.
smartquotes = False
highlight_language = "text"

html_theme = "furo"
html_title = f"pkdoors {release}"
html_static_path = ["_static"]
html_css_files = ["manual.css"]
html_copy_source = False
html_last_updated_fmt = None
today_fmt = "%Y-%m-%d"

man_pages = forSphinx()
