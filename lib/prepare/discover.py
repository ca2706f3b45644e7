"""Search of a raw folder, in any layout, for images and tables; nothing is decoded here."""

import hashlib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from lib import artifacts, csv_files, rle
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
TRAIN_FOLDER = re.compile("(^|[^a-z])train(ing)?([^a-z]|$)")
MASK_SUFFIX = "_mask"  # of re-hosts, after the ImageId
MAX_TABLE_DEPTH = 2  # folders below RAW
DEMO = {"n_train": 120, "n_test": 80, "seed": 0, "size": 1024}


@dataclass(frozen=True)
class RawFolder:
    """The files of a raw folder.

    Attributes:
        images: ImageId (the file's stem) -> path relative to `root`, sorted.
        labels: the label file, or the folder of masks; None without labels.
        masks: name of the image -> path of its mask relative to `labels`, sorted; empty with a
            label file.
        tables: all CSV files.
        samples: sample submissions; the labels decide which one of several counts.
    """

    root: Path
    images: Mapping[str, str]
    labels: Path | None
    samples: Sequence[Path]
    tables: Sequence[Path] = ()
    masks: Mapping[str, str] = field(default_factory=dict)

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

    def in_train_folder(self, image_id: str) -> bool:
        """Return True if the name of a folder around the image marks it as a training image."""
        folders = (self.root.resolve().name, *Path(self.images[image_id]).parent.parts)
        is_train = any(TRAIN_FOLDER.search(folder.lower()) for folder in folders)
        return is_train and not self.in_test_folder(image_id)

    def relative(self, path: Path) -> str:
        """Return the path of a table for messages: relative to the raw folder if it lies in it."""
        return str(path.relative_to(self.root) if path.is_relative_to(self.root) else path)


def scan_raw_folder(
    root: Path, labels: Path | None = None, work: Path | None = None, masks: Path | None = None
) -> RawFolder:
    """Find the images and tables in a raw folder.

    Args:
        root: images in it, nested or flat; tables in it or up to two folders down. Archives are
            not unpacked.
        labels: the label file; None: search for it by name, columns and content.
        work: the working folder; it must not lie in `root`, because it has images too.
        masks: a folder of masks in place of a label file; it may lie in `root`. Its files are named
            as the images, or all with _mask after the name.

    Raises:
        InputError: if a folder is missing, or has no image, two files for an image, more than
            one label file, or the working folder in it.
    """
    if not root.is_dir():
        raise InputError(f"{root} is not a folder; --raw wants the folder with the images")
    if work and work.resolve().is_relative_to(root.resolve()):
        raise InputError(f"{work} lies in {root}; choose a --work outside the raw data")
    if labels and not labels.is_file():
        raise InputError(f"{labels} does not exist; --labels wants the label CSV")
    if masks and not masks.is_dir():
        raise InputError(f"{masks} is not a folder; --masks wants the folder with the masks")
    if masks and root.resolve().is_relative_to(masks.resolve()):
        raise InputError(f"{masks} has the images in it; --masks wants a folder of masks alone")
    files = list(walk_files(root, masks))
    tables = [
        path
        for path in files
        if path.name.lower().endswith(TABLE_SUFFIXES)
        and len(path.relative_to(root).parts) <= MAX_TABLE_DEPTH + 1
    ]
    if masks and masks.resolve().is_relative_to(root.resolve()) and not any(map(_is_image, files)):
        raise InputError(f"{masks} has all images of {root}; --masks wants a folder of masks alone")
    images = _index_images(root, files)
    mask_paths = _index_images(masks, list(walk_files(masks)), "--masks") if masks else {}
    if images.keys().isdisjoint(mask_paths):
        mask_paths = _without_mask_suffix(mask_paths)
    return _classify_tables(RawFolder(root, images, labels or masks, (), tables, mask_paths))


def draw_demo(work: Work, workers: int, replace: bool) -> Artifact:
    """Return the demo's raw data; draw it first if it is missing."""
    draft = artifacts.begin(work.raw_demo, DEMO, replace=replace)
    if draft is None:
        return artifacts.read(work.raw_demo)
    from lib.prepare.phantom import write_phantoms  # late: it takes a second to load

    write_phantoms(draft.folder, **DEMO, workers=workers)
    return draft.finish()


def walk_files(root: Path, excluded: Path | None = None) -> Iterator[Path]:
    """Yield all files but hidden ones, sorted; links to folders are followed, once each.

    Nothing in the excluded folder is yielded.
    """
    visited = {os.path.realpath(excluded)} if excluded else set()
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


def _index_images(root: Path, files: list[Path], flag: str = "--raw") -> dict[str, str]:
    """Return ImageId -> path relative to root, sorted; the flag is the one that names root."""
    kind = "masks" if flag == "--masks" else "images"
    images: dict[str, str] = {}
    for path in files:
        if not _is_image(path):
            continue
        relative = path.relative_to(root).as_posix()
        if not path.is_file():
            raise InputError(f"{path} is a link to nothing, or no file; remove it")
        if path.stem in images:
            masks = [each for each in (images[path.stem], relative) if "mask" in each.lower()]
            if len(masks) == 1 and kind == "images":
                raise InputError(
                    f"{root} has masks beside its images: {masks[0]} for the image {path.stem}; "
                    f"give --masks {_mask_folder(root / masks[0])}, or move it out of {root}"
                )
            raise InputError(
                f"{root} has two files for the image {path.stem}: {images[path.stem]} and "
                f"{relative}; remove one, or give a folder with one of them as {flag}"
            )
        try:
            images[check_image_id(path.stem)] = relative
        except InputError as error:
            raise InputError(f"{path}: {error}; rename it, or take it out") from None
    if not images:
        archives = [
            path.name
            for path in files
            if path.suffix.lower() in ARCHIVE_SUFFIXES
            and not path.name.lower().endswith(TABLE_SUFFIXES)
        ]
        cure = f"unpack {archives[0]}" if archives else f"{flag} wants the folder with the {kind}"
        raise InputError(
            f"{root} has no {kind} (.dcm, .png or .jpg), nor has a folder in it; {cure}"
        )
    return dict(sorted(images.items()))


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in DICOM_SUFFIXES + PICTURE_SUFFIXES


def _without_mask_suffix(masks: dict[str, str]) -> dict[str, str]:
    """Return ID -> path for masks that are all named ID_mask; others stay as they are."""
    is_named = all(name.endswith(MASK_SUFFIX) for name in masks)
    return {name.removesuffix(MASK_SUFFIX) if is_named else name: path
            for name, path in masks.items()}  # fmt: skip


def _mask_folder(path: Path) -> Path:
    """Return the innermost folder around a mask that is named as one of masks."""
    named = (folder for folder in path.parents if "mask" in folder.name.lower())
    return next(named, path.parent)


def _classify_tables(source: RawFolder) -> RawFolder:
    """Add the label file, unless it is given, and the sample submissions.

    Tables of the competition are known by name. Any other one with the columns of an RLE file
    counts if it names an image: it is a sample submission if all its masks are empty, unless there
    is one by name or an image of it lies in a training folder; it is a truth or a submission, and
    ignored, if it names test images alone; otherwise it is a label file, ignored if another one has
    all its rows.

    Raises:
        InputError: if there is more than one label file.
    """
    named_labels = _named(source.tables, LABEL_NAMES)
    label_files = list(named_labels)
    named_samples = _named(source.tables, SAMPLE_NAMES)
    others: dict[Path, tuple[set[str], set[str]]] = {}  # its images, and those with a mask
    samples = list(named_samples)
    for path in source.tables:
        is_rle_file = {*csv_files.RLE_COLUMNS} <= {*csv_files.read_header(path)}
        if path in (source.labels, *label_files, *named_samples) or not is_rle_file:
            continue
        rows = csv_files.read_rles(path, allow_blank=True)
        named = csv_files.replace_ids(rows["ImageId"], source.images)
        images, masked = (
            {*some} & source.images.keys()
            for some in (named, named[~rows["EncodedPixels"].isin(["", rle.EMPTY])])
        )
        is_training = any(map(source.in_train_folder, images))
        if images and not masked and not is_training:
            samples += [] if named_samples else [path]
        elif images:
            others[path] = images, masked
    if source.labels is None:
        test = {name for name in source.images if source.in_test_folder(name)}
        for path in samples:
            if csv_files.IMAGE_ID in csv_files.read_header(path):
                rows = csv_files.read(path, (csv_files.IMAGE_ID,))
                test.update(csv_files.replace_ids(rows[csv_files.IMAGE_ID], source.images))
        for path, (images, masked) in others.items():
            if not images <= test:
                _check_labels_of_test_images(source, path, images, masked)
                label_files.append(path)
        if len(label_files) > 1:
            label_files = _without_subsets(label_files, named_labels)
        if len(label_files) > 1:
            names = ", ".join(map(source.relative, label_files))
            raise InputError(
                f"{source.root} has more than one label file ({names}); choose with --labels"
            )
    return replace(source, labels=source.labels or next(iter(label_files), None), samples=samples)


def _check_labels_of_test_images(
    source: RawFolder, path: Path, images: set[str], masked: set[str]
) -> None:
    """Refuse a table whose rows of images in a test folder are all empty.

    It may be labels joined with a sample submission.
    """
    of_test = {name for name in images if source.in_test_folder(name)}
    if of_test and of_test.isdisjoint(masked):
        raise InputError(
            f"{path} labels training images, and images of a test folder ({len(of_test)}) that are "
            "all without a mask, as in a sample submission: take those rows out, or give "
            f"--labels {path} if they are labels"
        )


def _without_subsets(label_files: Sequence[Path], named: Sequence[Path]) -> list[Path]:
    """Return the label files but those whose rows another one has too; of equal ones, the first.

    A file that has a name of the competition's gives way only to another such file.
    """
    rows: dict[Path, set[tuple[str, ...]]] = {}
    for path in label_files:
        if not {*csv_files.RLE_COLUMNS} <= {*csv_files.read_header(path)}:
            return list(label_files)
        table = csv_files.read_rles(path, allow_blank=True)
        rows[path] = set(table.itertuples(index=False, name=None))
    kept: list[Path] = []
    for path in sorted(rows, key=lambda path: len(rows[path]), reverse=True):
        rivals = [other for other in kept if other in named or path not in named]
        if not any(rows[path] <= rows[other] for other in rivals):
            kept.append(path)
    return [path for path in label_files if path in kept]


def _named(tables: Sequence[Path], stems: Sequence[str]) -> list[Path]:
    names = {stem + suffix for stem in stems for suffix in TABLE_SUFFIXES}
    return [path for path in tables if path.name.lower() in names]
