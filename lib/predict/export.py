"""Export of a system: a folder of plain files that holds all that prediction needs."""

import shutil
from pathlib import Path

from lib import templates
from lib.errors import InputError
from lib.files import sha256, write_aside, write_bytes, write_json
from lib.predict.system import CONFIG_FILE, DISCLAIMER, TrainedSystem
from lib.provenance import library_versions

README_FILE = "README.md"
TEMPLATE = Path(__file__).with_name("export_readme.md.jinja")


def export(system: TrainedSystem, folder: Path, onnx: bool = False) -> None:
    """Write config.json, README.md and the checkpoints of a system.

    The config is written last: a folder without it is unfinished, and the same call goes on.

    Args:
        system: what to write.
        folder: a new folder, or one of an interrupted call.
        onnx: write each checkpoint as an ONNX network too.

    Raises:
        InputError: if the folder has other files, a package is missing, or an ONNX network differs
            from torch's.
    """
    checkpoints = [name for network in system.networks for name in network.checkpoints]
    onnx_files = {name: onnx_file(name) for name in checkpoints} if onnx else {}
    expected = {CONFIG_FILE, README_FILE, *checkpoints, *onnx_files.values()}
    _check_files(folder, expected)
    if onnx:
        from lib.predict import onnx_export  # late: optional packages

        onnx_export.require_packages()
    for network in system.networks:
        for name, digest in network.checkpoints.items():
            target = folder / name
            if not target.is_file() or sha256(target) != digest:
                with write_aside(target) as aside:
                    shutil.copyfile(system.paths[name], aside)
            if onnx and not (folder / onnx_files[name]).is_file():
                onnx_export.write(network.recipe, target, folder / onnx_files[name])
    write_bytes(folder / README_FILE, _readme(system, bool(onnx)).encode())
    write_json(folder / CONFIG_FILE, system.to_json() | {"libraries": library_versions()})


def onnx_file(checkpoint: str) -> str:
    """Return the path of the ONNX network of a checkpoint, relative to the folder."""
    return str(Path("onnx", *Path(checkpoint).parts[1:]).with_suffix(".onnx"))


def _check_files(folder: Path, expected: set[str]) -> None:
    """Refuse a folder with files that are not of this export, or of another one."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise InputError(f"--out {folder} is a file; give a new folder")
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    others = sorted(name for name in files if name.removesuffix(".tmp") not in expected)
    if others:
        raise InputError(
            f"--out {folder} has files of something else ({', '.join(others[:3])}); give a new "
            "folder, or remove this one"
        )


def _readme(system: TrainedSystem, has_onnx: bool) -> str:
    page = templates.load(TEMPLATE)
    return page.render(system=system, disclaimer=DISCLAIMER, has_onnx=has_onnx)
