"""Sphinx's configuration of the course site. site/build.py brings together what it is made from."""

from __future__ import annotations

from docutils import nodes
from sphinx.application import Sphinx

project = "Lookback"
html_title = project
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.mathjax"]
exclude_patterns = ["README.md"]  # it is in the index
highlight_language = "text"  # of a block that does not say its own

nb_execution_mode = "off"  # the stored outputs are shown
myst_enable_extensions = ["amsmath", "dollarmath"]
myst_heading_anchors = 3

html_theme = "sphinx_book_theme"
html_theme_options = {"use_fullscreen_button": False, "navbar_persistent": [], "footer_content_items": []}
html_context = {"default_mode": "auto"}  # light or dark, as the reader's system is
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_use_index = False
html_domain_indices = False
mathjax_path = "mathjax/tex-chtml.js"  # our copy, so that no page loads anything from elsewhere
mathjax3_config = {"options": {"enableMenu": False}}


def describe_pictures(app: Sphinx, document: nodes.document) -> None:
    """Give each picture in a notebook's outputs its description: the text that stands in for it."""
    for output in document.findall(nodes.container):
        if output.get("nb_element") == "mime_bundle":
            versions = {version["mime_type"]: version for version in output.children}
            for picture in output.findall(nodes.image):
                picture["alt"] = versions["text/plain"].astext()


def setup(app: Sphinx) -> None:
    app.connect("doctree-read", describe_pictures)
