"""Search of a raw folder, in any layout, for images and tables; nothing is decoded here."""

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lib import artifacts
from lib.artifacts import Artifact
from lib.errors import InputError
from lib.layout import Work, check_image_id
from lib.prepare.dicom import DICOM_SUFFIXES, PICTURE_SUFFIXES

LABEL_NAMES = ("train-rle", "train_rle", "stage_1_train", "stage_2_train", "train")
SAMPLE_NAMES = tuple(f"{stage}sample{mark}submission" for stage in ("", "stage_1_", "stage_2_")
                     for mark in "_-")  # fmt: skip
TABLE_SUFFIXES = (".csv", ".csv.gz")
SYSTEM_FOLDERS = ("__MACOSX", "lost+found")
ARCHIVE_SUFFIXES = (".zip", ".tar", ".tgz", ".gz", ".7z")  # never unpacked here
MAX_TABLE_DEPTH = 2  # folders below RAW
DEMO = {"n_train": 120, "n_test": 80, "seed": 0, "size": 1024}


@dataclass(frozen=True)
class RawFolder:
    """The files of a raw folder.

    Attributes:
        images: ImageId (the file's stem) -> path relative to `root`, sorted.
        labels: the label file; None without labels.
        samples: sample submissions; the labels decide which one of several counts.
    """

    root: Path
    images: Mapping[str, str]
    labels: Path | None
    samples: Sequence[Path]

    @property
    def digest(self) -> str:
        """SHA-256 of the path and size of every image: identifies the images without reading."""
        digest = hashlib.sha256()
        for path in self.images.values():
            digest.update(f"{path}\t{(self.root / path).stat().st_size}\n".encode())
        return digest.hexdigest()

    def in_test_folder(self, image_id: str) -> bool:
        """Return True if the name of a folder around the image marks it as a test image."""
        folders = Path(self.images[image_id].lower()).parent.parts
        return any("test" in folder or folder == "stage_2_images" for folder in folders)


def scan_raw_folder(root: Path, labels: Path | None = None, work: Path | None = None) -> RawFolder:
    """Find the images and tables in a raw folder.

    Args:
        root: images in it, nested or flat; tables in it or up to two folders down. Archives are
            not unpacked.
        labels: the label file; None: search for its usual names.
        work: the working folder; it must not lie in `root`, because it has images too.

    Raises:
        InputError: if the folder is missing, or has no image, two files for an image, more than
            one label file, or the working folder in it.
    """
    if not root.is_dir():
        raise InputError(f"{root} is not a folder; --raw wants the folder with the images")
    if work and work.resolve().is_relative_to(root.resolve()):
        raise InputError(f"{work} lies in {root}; choose a --work outside the raw data")
    if labels and not labels.is_file():
        raise InputError(f"{labels} is not there; --labels wants the label CSV")
    files = list(_walk(root))
    images = _index_images(root, files)
    if not labels:
        tables = _find_tables(root, files, LABEL_NAMES)
        if len(tables) > 1:
            names = ", ".join(str(path.relative_to(root)) for path in tables)
            raise InputError(f"{root} has more than one label file ({names}); choose with --labels")
        labels = tables[0] if tables else None
    return RawFolder(root, images, labels, _find_tables(root, files, SAMPLE_NAMES))


def draw_demo(work: Work, workers: int, replace: bool) -> Artifact:
    """Return the demo's raw data; draw it first if it is missing."""
    draft = artifacts.begin(work.raw_demo, DEMO, replace=replace)
    if draft is None:
        return artifacts.read(work.raw_demo)
    from lib.prepare.phantom import write_phantoms  # late: it takes a second to load

    write_phantoms(draft.folder, **DEMO, workers=workers)
    return draft.finish()


def _walk(root: Path) -> Iterator[Path]:
    """Yield all files but hidden ones, sorted; links to folders are followed, once each."""
    visited = set()
    for parent, folders, names in os.walk(root, onerror=_raise_unreadable, followlinks=True):
        real_path = os.path.realpath(parent)
        if real_path in visited:
            folders.clear()
            continue
        visited.add(real_path)
        folders[:] = sorted(
            name for name in folders if not name.startswith(".") and name not in SYSTEM_FOLDERS
        )
        yield from (Path(parent, name) for name in sorted(names) if not name.startswith("."))


def _raise_unreadable(error: OSError) -> None:
    """Refuse a folder that os.walk would skip silently: it may hold images."""
    raise InputError(
        f"{error.filename}: {error.strerror}; make the folder readable, or take it out"
    )


def _index_images(root: Path, files: list[Path]) -> dict[str, str]:
    """Return ImageId -> path relative to root, sorted."""
    images: dict[str, str] = {}
    for path in files:
        if path.suffix.lower() not in DICOM_SUFFIXES + PICTURE_SUFFIXES:
            continue
        relative = path.relative_to(root).as_posix()
        if not path.is_file():
            raise InputError(f"{path} is a link to nothing, or no file; remove it")
        if path.stem in images:
            raise InputError(
                f"{root} has two files for the image {path.stem}: {images[path.stem]} and "
                f"{relative}; remove one, or give a folder with one of them as --raw"
            )
        images[check_image_id(path.stem)] = relative
    if not images:
        archives = [path.name for path in files if path.suffix.lower() in ARCHIVE_SUFFIXES]
        cure = f"unpack {archives[0]}" if archives else "--raw wants the folder with the images"
        raise InputError(
            f"{root} has no images (.dcm, .png or .jpg), nor has a folder in it; {cure}"
        )
    return dict(sorted(images.items()))


def _find_tables(root: Path, files: list[Path], stems: tuple[str, ...]) -> list[Path]:
    names = {stem + suffix for stem in stems for suffix in TABLE_SUFFIXES}
    return [
        path
        for path in files
        if path.name.lower() in names and len(path.relative_to(root).parts) <= MAX_TABLE_DEPTH + 1
    ]
