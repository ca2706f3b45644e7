"""Tables in CSV files: ours read strictly, other people's with all their ways of writing -1."""

import csv
import zlib
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from lib import rle
from lib.errors import InputError
from lib.files import write_aside

RLE_COLUMNS = ("ImageId", "EncodedPixels")


def read(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    """Read a CSV (.gz too) as text: an ImageId such as 1.20 must not become a number.

    Header cells lose the blanks around them (stage 1 writes " EncodedPixels"), and so do all cells.

    Args:
        path: the file.
        columns: those that must be there.

    Returns:
        All columns, as str; a missing value is "". The index is the line in the file.

    Raises:
        InputError: if the file is no CSV in UTF-8, or a column is missing or there twice.
    """
    try:
        frame = pd.read_csv(
            path, dtype=str, keep_default_na=False, skipinitialspace=True, header=None,
            encoding="utf-8-sig", skip_blank_lines=False, quoting=csv.QUOTE_MINIMAL,
            compression="gzip" if path.suffix == ".gz" else None,
        )  # fmt: skip
    except FileNotFoundError:
        raise InputError(f"{path} is not there") from None
    except (ValueError, OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path} cannot be read as CSV: {str(error).splitlines()[0]}") from None
    frame.columns = [name.strip() for name in frame.iloc[0]]
    frame.index += 1
    frame = frame.iloc[1:].apply(lambda column: column.str.strip())
    _check_columns(path, list(frame.columns), columns)
    return frame[(frame != "").any(axis=1)]


def read_rles(path: Path) -> pd.DataFrame:
    """Read a label, submission or truth file: a row an annotation.

    Returns:
        ImageId and EncodedPixels, "-1" for none in all its spellings; the index is the line.

    Raises:
        InputError: as `read`, and for a row without an id or without a code.
    """
    frame = read(path, RLE_COLUMNS)[list(RLE_COLUMNS)]
    frame["EncodedPixels"] = frame["EncodedPixels"].replace("-1.0", rle.EMPTY)
    for column in RLE_COLUMNS:
        empty = frame.index[frame[column] == ""]
        if len(empty):
            raise InputError(f"{path}, line {empty[0]}: {column} is empty; -1 means no mask")
    return frame


def write(path: Path, frame: pd.DataFrame) -> None:
    """Write a CSV aside and rename it; equal tables are equal bytes."""
    with write_aside(path) as aside:
        frame.to_csv(aside, index=False, lineterminator="\n")


def _check_columns(path: Path, there: list[str], wanted: Sequence[str]) -> None:
    for name in wanted:
        if there.count(name) != 1:
            count = "no" if name not in there else "more than one"
            raise InputError(f"{path} has {count} column {name}; it has {there!r:.200}")
