"""CSV files of the pipeline and of other people: tables by ImageId, and RLE files."""

import csv
import gzip
import io
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NoReturn

import pandas as pd

from lib import rle
from lib.errors import InputError
from lib.files import write_aside
from lib.layout import check_image_id

IMAGE_ID = "ImageId"
RLE_COLUMNS = (IMAGE_ID, "EncodedPixels")
IMAGE_EXTENSIONS = (".dcm", ".dicom", ".png", ".jpg", ".jpeg")
MAX_CELL_CHARS = 2**31 - 1  # an RLE may be longer than the csv module's limit of 128 KiB


def read(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    """Read a CSV (.gz too) as text: an ImageId such as 1.20 must not become a number.

    Blanks around header and cells are removed: stage 1 of the competition has " EncodedPixels".
    Every ImageId is checked here, because it may become a file name.

    Args:
        path: the file.
        columns: required columns.

    Returns:
        All columns, as str; a missing value is "". The index is the line in the file.

    Raises:
        InputError: with the line, if the file is not a CSV in UTF-8, a column is missing or occurs
            twice, a row has more or fewer cells than the header, or an ImageId cannot be a file
            name.
    """
    rows = _parse_rows(path, _read_text(path))
    line, header = next(rows, (1, []))
    _check_header(f"{path}, line {line}", header, columns)
    lines, table = [], []
    for line, cells in rows:
        if len(cells) != len(header):
            raise InputError(
                f"{path}, line {line}: {len(cells)} cells where the header has {len(header)}; "
                "a cell with a comma in it stands in quotes"
            )
        lines.append(line)
        table.append(cells)
    frame = pd.DataFrame(table, pd.Index(lines, dtype=int), header, dtype=str)
    if IMAGE_ID in columns:
        _check_image_ids(path, frame[IMAGE_ID])
    return frame


def read_header(path: Path) -> list[str]:
    """Return the column names of a CSV (.gz too); none if it is not a CSV in UTF-8."""
    try:
        return next(_parse_rows(path, _read_text(path)), (1, []))[1]
    except InputError:
        return []


def read_images(path: Path, columns: Sequence[str], image_ids: Iterable[str] = ()) -> pd.DataFrame:
    """Read a table with one row for each image.

    Args:
        path: the file.
        columns: required columns, ImageId among them.
        image_ids: images that the table may name with or without an extension, see `match_ids`.

    Raises:
        InputError: as `read`, and for an image that occurs twice.
    """
    frame = read(path, columns)
    frame[IMAGE_ID] = replace_ids(frame[IMAGE_ID], image_ids)
    first_lines: dict[str, object] = {}
    for line, name in frame[IMAGE_ID].items():
        if name in first_lines:
            raise InputError(
                f"{path}, line {line}: {name} is there twice, first in line {first_lines[name]}; "
                "leave one row"
            )
        first_lines[name] = line
    return frame


def read_rles(path: Path, allow_blank: bool = False) -> pd.DataFrame:
    """Read a label, submission or truth file with one row for each annotation.

    Args:
        path: the file.
        allow_blank: return an empty EncodedPixels as "", instead of refusing it.

    Returns:
        ImageId and EncodedPixels, "-1" for no mask in all its spellings; the index is the line.

    Raises:
        InputError: as `read`, and for a row without an RLE.
    """
    frame = read(path, RLE_COLUMNS)[list(RLE_COLUMNS)]
    codes = frame["EncodedPixels"].replace("-1.0", rle.EMPTY)
    blank = codes.index[codes == ""]
    if len(blank) and not allow_blank:
        raise InputError(
            f"{path}, line {blank[0]}: EncodedPixels is empty; -1 means no mask: write it into "
            "each empty cell, if that is what they mean"
        )
    return frame.assign(EncodedPixels=codes)


def match_ids(names: Iterable[str], image_ids: Iterable[str]) -> dict[str, str]:
    """Return the image of each name that matches one only without the extensions of image files.

    A name that several images could stand for matches none.

    Args:
        names: from a table.
        image_ids: the images that it may name.
    """
    images = dict.fromkeys(image_ids)
    by_stem = defaultdict(list)
    for image_id in images:
        by_stem[_without_extension(image_id)].append(image_id)
    by_stem |= {image_id: [image_id] for image_id in images}
    names = dict.fromkeys(names)
    matches = {name: by_stem[_without_extension(name)] for name in names if name not in images}
    return {
        name: found[0]
        for name, found in matches.items()
        if len(found) == 1 and found[0] not in names
    }


def replace_ids(names: pd.Series, image_ids: Iterable[str]) -> pd.Series:
    """Return names from a table with the image in place of each that `match_ids` matches."""
    matches = match_ids(names, image_ids)
    return names.map(lambda name: matches.get(name, name))


def write(path: Path, frame: pd.DataFrame) -> None:
    """Write a CSV under a temporary name and rename it; equal tables give equal bytes."""
    with write_aside(path) as aside:
        frame.to_csv(aside, index=False, lineterminator="\n")


def _without_extension(image_id: str) -> str:
    """Return an id without the extension of an image file; other dots belong to the id."""
    stem, dot, extension = image_id.rpartition(".")
    return stem if (dot + extension).lower() in IMAGE_EXTENSIONS else image_id


def _read_text(path: Path) -> str:
    try:
        content = path.read_bytes()
        if path.suffix.lower() == ".gz":
            content = gzip.decompress(content)
    except FileNotFoundError:
        raise InputError(f"{path} does not exist") from None
    except (OSError, EOFError, zlib.error) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise InputError(f"{path} cannot be read as CSV: {reason}; get the file again") from None
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        _raise_bad_byte(path, content[: error.start], "a byte that is not UTF-8")
    if "\0" in text:
        _raise_bad_byte(path, content[: content.index(0)], "a null byte")
    return text


def _raise_bad_byte(path: Path, before: bytes, fault: str) -> NoReturn:
    line = len(before.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n"))
    raise InputError(f"{path}, line {line} holds {fault}; save the table as CSV in UTF-8")


def _parse_rows(path: Path, text: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows that are not blank, each with the line in which it begins."""
    csv.field_size_limit(MAX_CELL_CHARS)
    reader = csv.reader(io.StringIO(text, newline=""), skipinitialspace=True, strict=True)
    line = 1
    try:
        for row in reader:
            cells = [cell.strip() for cell in row]
            if any(cells):
                yield line, cells
            line = reader.line_num + 1
    except csv.Error as error:
        raise InputError(
            f"{path}, line {line}: quotes that do not match ({error}); close them, "
            "and double a quote inside of quotes"
        ) from None


def _check_header(location: str, header: Sequence[str], required: Sequence[str]) -> None:
    columns = [name for name in header if name]
    for name in required:
        if name not in columns:
            raise InputError(
                f"{location}: the table has no column {name}, it has {columns!r:.200}; name the "
                "columns in the first line, with commas between them"
            )
    for name in columns:
        if columns.count(name) > 1:
            raise InputError(f"{location}: more than one column {name[:60]!r}; leave one")


def _check_image_ids(path: Path, image_ids: pd.Series) -> None:
    for line, image_id in image_ids.items():
        try:
            check_image_id(image_id)
        except InputError as error:
            raise InputError(f"{path}, line {line}: {error}") from None
