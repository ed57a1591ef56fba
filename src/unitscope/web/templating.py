"""Renders a page's values as HTML, by one Jinja2 template per page, or as JSON.

In: a template's name, values, links. Out: text. Jinja2 escapes all values.
"""

import dataclasses
import json
import re
from functools import cache
from typing import Any

import jinja2
from markupsafe import Markup

from unitscope.text import count_noun, json_safe
from unitscope.web import plotly_asset as charting
from unitscope.web.glossary import DEFINITIONS
from unitscope.web.links import Links
from unitscope.web.number_format import number, share

_INDENT = re.compile(r"\n\s+")


def render(template: str, links: Links, **values: Any) -> str:
    """Return a page as HTML, without the templates' indentation."""
    text = _environment().get_template(f"{template}.html").render(links=links, **values)
    return _INDENT.sub("\n", text)


def to_json(page: Any) -> str:
    """Return a page as JSON text; NaN and infinity become null."""
    values = dataclasses.asdict(page) if dataclasses.is_dataclass(page) and not isinstance(page, type) else page
    return json.dumps(json_safe(values), allow_nan=False, separators=(",", ":"))


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("unitscope.web"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": number, "share": share, "amount": count_noun, "data": _data}
    environment.globals["definitions"] = DEFINITIONS
    environment.globals["plotly_style_ids"] = charting.style_ids
    return environment


def _data(values: Any) -> str:
    """Return JSON that is safe inside a script element: it can neither close the element nor open a comment."""
    text = to_json(values).replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    return Markup(text)
