"""README.md and the pages beside the benchmarks: flags, modules and links that exist."""

import re
import shlex
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.stages.commands import ROOT, run

PAGES = [
    ROOT / "README.md",
    *sorted(ROOT.glob("tests/bench/*.md")),
    *ROOT.glob("folds/*.md"),
]
SCRIPTS = sorted(path.name for path in ROOT.glob("0*.py"))
COMMAND = re.compile(
    r"(?:-m (?P<module>(?:lib|tests)\.[\w.]+)|(?P<script>\d\d_\w+\.py))(?P<arguments>.*)"
)
LINK = re.compile(r"\]\((?P<path>[^)#]*)(?:#(?P<heading>[^)]*))?\)")


def code_blocks(page: Path) -> str:
    """Return the shell code of a page, without comments, each command in one line."""
    text = page.read_text()
    blocks = re.findall(r"```bash\n(.*?)```", text, flags=re.DOTALL)
    indented = [line for line in text.splitlines() if line.startswith("    ")]
    code = "\n".join([*blocks, *indented]).replace("\\\n", " ")
    return re.sub(r"\s# .*", "", code)


def commands(script: str) -> list[str]:
    """Return the arguments of a script in all commands of all pages."""
    matches = (match for page in PAGES for match in COMMAND.finditer(code_blocks(page)))
    all_arguments = []
    for match in matches:
        if match["script"] == script:
            arguments = re.split("[;&|]", match["arguments"])[0]
            # A quote without its pair belongs to a command around this one.
            odd = arguments.count("'") % 2
            all_arguments.append(arguments.rstrip(" '") if odd else arguments)
    return all_arguments


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as code hosts make them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), flags=re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("script", SCRIPTS)
def test_documented_flags_exist(script: str) -> None:
    flags = set(re.findall(r"--[\w-]+", run(script, "--help").stdout))
    assert "--work" in flags
    assert commands(script)
    for words in map(shlex.split, commands(script)):
        assert {word for word in words if word.startswith("--")} <= flags, words


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.parent.name + "/" + page.name)
def test_documented_modules_and_links_exist(page: Path) -> None:
    for match in COMMAND.finditer(code_blocks(page)):
        if match["module"]:
            assert find_spec(match["module"]), match["module"]
    for match in LINK.finditer(page.read_text()):
        target = (page.parent / match["path"]).resolve() if match["path"] else page
        assert target.exists(), match["path"]
        if match["heading"]:
            assert match["heading"] in anchors(target), match["heading"]


def test_the_readme_fits_a_short_read() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 170
