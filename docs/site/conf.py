"""Sphinx's settings: `python -m docs.site` uses them."""

project = "mali-delegate-repro"
extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
root_doc = "index"
html_theme = "furo"
html_title = "mali-delegate-repro"
smartquotes = False  # `--option` stays two dashes
html_copy_source = False
html_show_sphinx = False
html_show_copyright = False
html_theme_options = {"navigation_with_keys": True}
myst_heading_anchors = 4
suppress_warnings = [
    "misc.highlighting_failure",  # output of commands is no language
    "myst.header",  # a report's headings may begin at the second level
]
