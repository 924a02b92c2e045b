"""The documentation site: `nox -s docs` builds it, and a dead link or a page outside the navigation is an error.

The source folder is the repository, so that a link works in the same way on GitHub and on the site.
"""

from __future__ import annotations

import sys
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.addnodes import download_reference, pending_xref
from sphinx.application import Sphinx

sys.path.insert(0, str(Path(__file__).parent))

import _pages

project = "pmll-bench"
author = "The pmll-bench maintainers"
release = version_of(project)
root_doc = "docs/index"
include_patterns = ["docs/**", "results/*.md", "*/README.md", "CHANGELOG.md", "CONTRIBUTING.md"]
exclude_patterns = ["docs/_*", "docs/*/_*", ".*", "build", "dist", "runs", "site"]

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton"]
myst_heading_anchors = 3  # as on GitHub
myst_enable_extensions = ["colon_fence", "deflist"]
suppress_warnings = ["misc.highlighting_failure"]  # in examples, an ellipsis stands for what depends on the place
smartquotes = False  # "--" is an option
default_role = "code"  # docstrings mark code with single backticks
add_module_names = False
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
copybutton_prompt_text = "$ "

html_theme = "furo"
html_title = f"{project} {release}"
html_short_title = project
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_extra_path = ["_root"]  # leads from the folder of the site to its first page
html_copy_source = False
html_show_copyright = html_show_sphinx = False


def offer_other_pages(app: Sphinx, page: nodes.document) -> None:
    """A link to a Markdown file of the repository that is no page of the site leads to the file itself."""
    for link in list(page.findall(pending_xref)):
        target = f"{link['reftarget']}.md"
        if link["refdomain"] != "doc" or link["reftarget"] in app.env.found_docs:
            continue
        if Path(app.srcdir, target).exists():
            file = download_reference("", "", *link.children, reftarget=f"/{target}", refdoc=app.env.docname)
            link.replace_self(file)


def leave_out_arguments(*event: Any) -> tuple[str, str] | None:
    """The signature of a protocol, which nobody calls."""
    *_, signature, _ = event
    return ("", "") if signature == "(*args, **kwargs)" else None


def setup(app: Sphinx) -> None:
    """Connect what happens while the site is built."""
    app.connect("builder-inited", lambda app: _pages.write(Path(app.confdir)))
    app.connect("autodoc-process-signature", leave_out_arguments)
    app.connect("doctree-read", offer_other_pages, priority=100)  # before downloads are collected
