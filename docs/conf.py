"""How Sphinx builds the site: `make docs`.

Nothing is fetched, at build time or by the pages: no intersphinx, no web fonts, no scripts but the theme's own.
"""

import re
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "src"))

import vidscale  # noqa: E402

project = "vidscale"
author = "vidscale maintainers"
copyright = "vidscale maintainers, Apache-2.0"
release = version = vidscale.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
source_suffix = {".md": "markdown"}
myst_heading_anchors = 3
highlight_language = "none"

# The API pages list what each room exports, in the order of its __all__.
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
autodoc_default_options = {"members": True}
# An attribute's type is in the signature of its class already.
napoleon_attr_annotations = False
napoleon_use_ivar = True
napoleon_use_param = True
python_use_unqualified_type_names = True
maximum_signature_line_length = 90
# `name` in a docstring is code.
default_role = "code"

html_theme = "furo"
html_title = f"vidscale {version}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sphinx = False
html_copy_source = False
html_show_sourcelink = False
pygments_style = "friendly"
pygments_dark_style = "monokai"

#: What type checkers need to know of an array and readers do not.
_ARRAYS = {"float64": "Floats", "int64": "Ints", "int8": "Ints", "bool": "Flags", "str_": "Texts"}
_ARRAY = (r"~?(?:numpy\.)?ndarray\[(?:tuple\[~?(?:typing\.)?Any, \.\.\.\]|_AnyShape), ~?(?:numpy\.)?dtype\["
          r"~?(?:numpy\.)?(\w+)\]\]")


def _shorter_types(app: Any, what: str, name: str, obj: Any, options: Any, signature: str | None,
                   returns: str | None) -> tuple[str | None, str | None]:
    """ndarray[tuple[Any, ...], dtype[float64]] reads Floats, as in the source."""
    def short(text: str | None) -> str | None:
        return text and re.sub(_ARRAY, lambda found: _ARRAYS.get(found[1], "ndarray"), text)
    return short(signature), short(returns)


def _one_name_a_line(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """`low, high: ends of it` becomes a line for each name, which napoleon would take for a name and its type."""
    split: list[str] = []
    for line in lines:
        found = re.fullmatch(r"(\s+)(\w+(?:, \w+)+): (.*)", line)
        if found:
            first, *others = found[2].split(", ")
            split.append(f"{found[1]}{first}: {found[3]}")
            split += [f"{found[1]}{other}: see {first}" for other in others]
            continue
        split.append(line)
    lines[:] = split


def setup(app: Any) -> None:
    """Hooks of the build; the second runs before napoleon's, which has priority 500."""
    app.connect("autodoc-process-signature", _shorter_types)
    app.connect("autodoc-process-docstring", _one_name_a_line, priority=400)
