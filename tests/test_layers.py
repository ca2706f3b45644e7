"""Import rules: no imports between stage packages, none of them in shared modules, torch late."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
# The stage package of each script.
STAGES = {
    "01_prepare": "prepare",
    "02_train": "train",
    "03_infer": "infer",
    "04_ensemble": "ensemble",
    "05_submit": "submit",
}
STAGE_PACKAGES = set(STAGES.values())
# Above the stages: each applies what some of them do, and none imports it.
TOOLS = ("lib.predict", "lib.plan", "lib.recipes.__main__")
WITHOUT_TORCH = ["01_prepare", "04_ensemble", "05_submit"]
UNPICKLERS = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {module_name(path): path for path in [*ROOT.glob("lib/**/*.py"), *ROOT.glob("0*.py")]}
TREES = {name: ast.parse(path.read_text()) for name, path in FILES.items()}
every_module = pytest.mark.parametrize("name", sorted(FILES))


def imported_names(nodes: Iterator[ast.AST]) -> Iterator[str]:
    """Yield the modules that import statements name.

    `from a import b` names a, and a.b if that is a module of the project.
    """
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute here"
            yield node.module
            full = (f"{node.module}.{alias.name}" for alias in node.names)
            yield from (name for name in full if name in FILES)


def all_imports(name: str) -> set[str]:
    return set(imported_names(ast.walk(TREES[name])))


def imports_at_start(name: str) -> Iterator[ast.AST]:
    """Yield the nodes that run when a module is imported: all but the bodies of functions."""
    pending: list[ast.AST] = [TREES[name]]
    while pending:
        node = pending.pop()
        yield node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            pending += ast.iter_child_nodes(node)


def loaded_by(name: str) -> set[str]:
    """Return every module that an import of this one loads, followed through the project's own."""
    reached, pending = set(), {name}
    while pending:
        module = pending.pop()
        reached.add(module)
        if module in FILES:
            parents = {module.rpartition(".")[0]} - {""}
            pending |= (set(imported_names(imports_at_start(module))) | parents) - reached
    return reached


def stage_package(name: str) -> str | None:
    """Return the stage package that a module belongs to; None for a shared module."""
    parts = name.split(".")
    return parts[1] if parts[0] == "lib" and len(parts) > 1 and parts[1] in STAGE_PACKAGES else None


def is_tool(name: str) -> bool:
    return any(name == tool or name.startswith(f"{tool}.") for tool in TOOLS)


def test_the_modules_are_found() -> None:
    assert {"lib", "lib.artifacts", "lib.recipes.schema", *STAGES} <= set(FILES)


@every_module
def test_a_stage_package_is_imported_by_itself_and_its_script_only(name: str) -> None:
    if not is_tool(name):
        package = STAGES.get(name, stage_package(name))
        assert {stage_package(other) for other in all_imports(name)} <= {package, None}


@every_module
def test_a_tool_above_the_stages_is_imported_by_itself_only(name: str) -> None:
    assert is_tool(name) or not any(map(is_tool, all_imports(name)))


@every_module
def test_scripts_are_not_imported(name: str) -> None:
    assert not all_imports(name) & set(STAGES)


@every_module
def test_recipes_and_models_load_no_stage_package(name: str) -> None:
    if name.startswith(("lib.recipes", "lib.models")):
        assert not {stage_package(other) for other in loaded_by(name)} - {None}


@pytest.mark.parametrize("stage", WITHOUT_TORCH)
def test_the_stage_starts_without_torch(stage: str) -> None:
    assert not {name.split(".")[0] for name in loaded_by(stage)} & {
        "torch", "torchvision", "segmentation_models_pytorch", "albumentations", "timm",
    }  # fmt: skip


@pytest.mark.parametrize("stage", WITHOUT_TORCH)
def test_the_libraries_of_the_stage_do_not_load_torch(stage: str) -> None:
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
def test_no_module_unpickles(name: str) -> None:
    assert not {other.split(".")[0] for other in all_imports(name)} & UNPICKLERS
    for call in (node for node in ast.walk(TREES[name]) if isinstance(node, ast.Call)):
        called = ast.unparse(call.func)
        keywords = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
        assert not called.endswith(("read_pickle", "jit.load")), called
        assert keywords.get("allow_pickle", "False") == "False", f"{name}: {called}"
        if called == "torch.load":
            assert keywords.get("weights_only") == "True", f"{name}, line {call.lineno}"
