"""Templates: what goes into a page of HTML is escaped, and nothing is left out in silence."""

from pathlib import Path

import pytest
from jinja2 import UndefinedError

from lib import templates


@pytest.mark.parametrize(
    ("name", "text"), [("a.html.jinja", "&lt;b&gt; &amp;"), ("a.md.jinja", "<b> &")]
)
def test_html_is_escaped_and_markdown_is_not(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text("{{ value | twice }}\n")
    template = templates.load(tmp_path / name, {"twice": lambda value: value})
    assert template.render(value="<b> &") == f"{text}\n"


def test_a_name_without_a_value_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.md.jinja").write_text("{{ score }}")
    with pytest.raises(UndefinedError, match="score"):
        templates.load(tmp_path / "a.md.jinja").render()
