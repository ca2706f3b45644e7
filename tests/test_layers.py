"""Who may import whom: rooms never meet, the ground floor knows no room, three stages no torch."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
# The room that each stage opens.
STAGES = {
    "01_prepare": "prepare",
    "02_train": "train",
    "03_infer": "infer",
    "04_ensemble": "ensemble",
    "05_submit": "submit",
}
ROOMS = set(STAGES.values())
WITHOUT_TORCH = ["01_prepare", "04_ensemble", "05_submit"]
UNPICKLERS = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {module_name(path): path for path in [*ROOT.glob("lib/**/*.py"), *ROOT.glob("0*.py")]}
TREES = {name: ast.parse(path.read_text()) for name, path in FILES.items()}
every_module = pytest.mark.parametrize("name", sorted(FILES))


def imported(nodes: Iterator[ast.AST]) -> Iterator[str]:
    """What import statements name; `from a import b` names a, and a.b if that is a module."""
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute here"
            yield node.module
            full = (f"{node.module}.{alias.name}" for alias in node.names)
            yield from (name for name in full if name in FILES)


def all_imports(name: str) -> set[str]:
    return set(imported(ast.walk(TREES[name])))


def imports_at_start(name: str) -> Iterator[ast.AST]:
    """The statements that run when a module is imported: all but the bodies of functions."""
    waiting: list[ast.AST] = [TREES[name]]
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            waiting += ast.iter_child_nodes(node)


def started_by(name: str) -> set[str]:
    """Every module that importing this one imports, directly or not; ours are followed."""
    reached, waiting = set(), {name}
    while waiting:
        module = waiting.pop()
        reached.add(module)
        if module in FILES:
            parents = {module.rpartition(".")[0]} - {""}
            waiting |= (set(imported(imports_at_start(module))) | parents) - reached
    return reached


def room(name: str) -> str | None:
    """The room that a module of lib lies in; None on the ground floor."""
    parts = name.split(".")
    return parts[1] if parts[0] == "lib" and len(parts) > 1 and parts[1] in ROOMS else None


def test_the_modules_are_found() -> None:
    assert {"lib", "lib.artifacts", "lib.recipes.schema", *STAGES} <= set(FILES)


@every_module
def test_rooms_never_meet_and_the_ground_floor_knows_none(name: str) -> None:
    own = STAGES.get(name, room(name))
    assert {room(other) for other in all_imports(name)} <= {own, None}


@every_module
def test_no_script_is_imported(name: str) -> None:
    assert not all_imports(name) & set(STAGES)


@every_module
def test_recipes_and_models_know_no_stage(name: str) -> None:
    if name.startswith(("lib.recipes", "lib.models")):
        assert not {room(other) for other in started_by(name)} - {None}


@pytest.mark.parametrize("stage", WITHOUT_TORCH)
def test_the_stage_starts_without_torch(stage: str) -> None:
    assert not {name.split(".")[0] for name in started_by(stage)} & {
        "torch", "torchvision", "segmentation_models_pytorch", "albumentations", "timm",
    }  # fmt: skip


@pytest.mark.parametrize("stage", WITHOUT_TORCH)
def test_no_library_brings_torch_in_either(stage: str) -> None:
    code = (
        f"import runpy, sys; runpy.run_path('{stage}.py', run_name='not_main');"
        "sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


@every_module
def test_only_augment_imports_albumentations(name: str) -> None:
    if name != "lib.train.augment":
        assert "albumentations" not in {other.split(".")[0] for other in all_imports(name)}


@every_module
def test_nothing_unpickles(name: str) -> None:
    assert not {other.split(".")[0] for other in all_imports(name)} & UNPICKLERS
    for call in (node for node in ast.walk(TREES[name]) if isinstance(node, ast.Call)):
        called = ast.unparse(call.func)
        keywords = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
        assert not called.endswith(("read_pickle", "jit.load")), called
        assert keywords.get("allow_pickle", "False") == "False", f"{name}: {called}"
        if called == "torch.load":
            assert keywords.get("weights_only") == "True", f"{name}, line {call.lineno}"
