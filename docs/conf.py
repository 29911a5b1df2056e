"""The documentation: `python -m sphinx -W -b html docs out/docs`, after `pip install ".[docs]"`."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

import pages

project = "autograd_lite"
author = "autograd_lite contributors"
copyright = "autograd_lite contributors"
extensions = ["myst_nb", "mathematics", "pages"]
exclude_patterns = ["README.md", "out/extra"]

myst_enable_extensions = ["dollarmath", "colon_fence", "fieldlist"]
myst_heading_anchors = 3
nb_custom_formats = {".nb.py": ["jupytext.reads", {"fmt": "py:percent"}]}
nb_render_markdown_format = "myst"
nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_timeout = 120
nb_mime_priority_overrides = [  # derivations as text with formulas, pictures as SVG
    ("html", "text/markdown", 0),
    ("html", "image/svg+xml", 1),
]
suppress_warnings = ["mystnb.unknown_mime_type"]

html_theme = "furo"
html_title = "autograd_lite"
html_theme_options = pages.ways(pages.ADDRESS)
html_math_renderer = "mathml"
html_static_path = ["static"]
html_extra_path = ["out/extra"]
(HERE / "out" / "extra").mkdir(parents=True, exist_ok=True)  # filled by `pages`
html_css_files = ["style.css"]
html_copy_source = False
html_show_sourcelink = False
html_show_sphinx = False
pygments_style = "friendly"
pygments_dark_style = "monokai"
