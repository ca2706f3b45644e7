"""Templates of pages in Markdown and HTML: `.jinja` files beside the modules that fill them."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template


def load(path: Path, filters: Mapping[str, Callable[..., str]] | None = None) -> Template:
    """Return a template; a name in it that gets no value is an error.

    Args:
        path: the file; what goes into an .html.jinja is escaped.
        filters: functions that the template uses as filters, by name.
    """
    environment = Environment(
        loader=FileSystemLoader(path.parent),
        autoescape=path.name.endswith(".html.jinja"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    functions: dict[str, Any] = dict(filters or {})
    environment.filters |= functions
    return environment.get_template(path.name)
