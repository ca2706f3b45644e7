"""What lies in a folder of raw data, whatever its layout; nothing is decoded here."""

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

LABEL_STEMS = ("train-rle", "train_rle", "stage_1_train", "stage_2_train", "train")
SAMPLES = tuple(f"{stage}sample{mark}submission" for stage in ("", "stage_1_", "stage_2_")
                for mark in "_-")  # fmt: skip
TABLE_SUFFIXES = (".csv", ".csv.gz")
NO_IMAGES = ("__MACOSX", "lost+found")  # folders that systems leave
ARCHIVE_SUFFIXES = (".zip", ".tar", ".tgz", ".gz", ".7z")  # never unpacked here
TABLE_DEPTH = 2  # folders below RAW in which tables are looked for
DEMO = {"n_train": 120, "n_test": 80, "seed": 0, "size": 1024}


@dataclass(frozen=True)
class RawFolder:
    """The files of a raw folder.

    Attributes:
        images: ImageId (the file's stem) -> path relative to `root`, sorted.
        labels: the label file, if there is one.
        samples: sample submissions; of several, the labels decide which one counts.
    """

    root: Path
    images: Mapping[str, str]
    labels: Path | None
    samples: Sequence[Path]

    @property
    def digest(self) -> str:
        """A digest of path and size of every image: what identifies the images unread."""
        listing = hashlib.sha256()
        for path in self.images.values():
            listing.update(f"{path}\t{(self.root / path).stat().st_size}\n".encode())
        return listing.hexdigest()

    def in_test_folder(self, image_id: str) -> bool:
        """Whether the name of a folder around the image says that it is a test image."""
        folders = Path(self.images[image_id].lower()).parent.parts
        return any("test" in folder or folder == "stage_2_images" for folder in folders)


def discover(root: Path, labels: Path | None = None, work: Path | None = None) -> RawFolder:
    """Find the images and tables in a raw folder.

    Args:
        root: images in it, nested or flat; tables in it or up to two folders down. Archives in it
            are left alone.
        labels: the label file; without it, it is looked for under its usual names.
        work: the working folder, whose own images must not be found.

    Raises:
        InputError: if there is no folder, no image, an image twice, more than one label file, or
            the working folder.
    """
    if not root.is_dir():
        raise InputError(f"{root} is not a folder; --raw wants the folder with the images")
    if work and work.resolve().is_relative_to(root.resolve()):
        raise InputError(f"{work} lies in {root}; choose a --work outside the raw data")
    if labels and not labels.is_file():
        raise InputError(f"{labels} is not there; --labels wants the label CSV")
    files = list(_walk(root))
    images = _by_id(root, files)
    if not labels:
        found = _tables(root, files, LABEL_STEMS)
        if len(found) > 1:
            named = ", ".join(str(path.relative_to(root)) for path in found)
            raise InputError(f"{root} has more than one label file ({named}); choose with --labels")
        labels = found[0] if found else None
    return RawFolder(root, images, labels, _tables(root, files, SAMPLES))


def demo(work: Work, workers: int, replace: bool) -> Artifact:
    """The demo's raw data, drawn if it is not there yet."""
    draft = artifacts.begin(work.raw_demo, DEMO, replace=replace)
    if draft is None:
        return artifacts.read(work.raw_demo)
    from lib.prepare.phantom import write_phantoms  # late: it takes a second to load

    write_phantoms(draft.folder, **DEMO, workers=workers)
    return draft.finish()


def _walk(root: Path) -> Iterator[Path]:
    """Every file but the hidden ones, sorted; links to folders are followed, once each."""
    seen = set()
    for parent, folders, names in os.walk(root, onerror=_refuse_folder, followlinks=True):
        location = os.path.realpath(parent)
        visible = [name for name in folders if not name.startswith(".") and name not in NO_IMAGES]
        folders[:] = [] if location in seen else sorted(visible)
        yield from (Path(parent, name) for name in sorted(names)
                    if location not in seen and not name.startswith("."))  # fmt: skip
        seen.add(location)


def _refuse_folder(error: OSError) -> None:
    """What os.walk would pass over may hold images."""
    raise InputError(
        f"{error.filename}: {error.strerror}; make the folder readable, or take it out"
    )


def _by_id(root: Path, files: list[Path]) -> dict[str, str]:
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
        packed = [path.name for path in files if path.suffix.lower() in ARCHIVE_SUFFIXES]
        cure = f"unpack {packed[0]}" if packed else "--raw wants the folder with the images"
        raise InputError(
            f"{root} has no images (.dcm, .png or .jpg), nor has a folder in it; {cure}"
        )
    return dict(sorted(images.items()))


def _tables(root: Path, files: list[Path], stems: tuple[str, ...]) -> list[Path]:
    names = {stem + suffix for stem in stems for suffix in TABLE_SUFFIXES}
    return [
        path
        for path in files
        if path.name.lower() in names and len(path.relative_to(root).parts) <= TABLE_DEPTH + 1
    ]
