"""Sphinx extension: repair the HTML of docutils and pandas where it is not accessible.

``tools/check_pages.py`` finds the errors that this extension repairs.
"""

REPLACEMENTS = {
    # Citations have a role that ARIA deprecates, in a list whose children are no list items.
    '<div role="list" class="citation-list">': '<div class="citation-list">',
    ' role="doc-biblioentry"': "",
    # The corner of a table by pandas is no header.
    "<th></th>": "<td></td>",
}


def setup(app):
    app.connect("html-page-context", make_accessible)
    return {"parallel_read_safe": True}


def make_accessible(app, pagename, templatename, context, doctree):
    """Replace the inaccessible elements of a page."""
    for before, after in REPLACEMENTS.items():
        context["body"] = context.get("body", "").replace(before, after)
