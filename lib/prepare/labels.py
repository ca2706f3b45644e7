"""The label file: a row an annotation, several rows an image, united to one mask each."""

from pathlib import Path

import pandas as pd

from lib import csv_files, rle
from lib.errors import InputError

CONFLICT = "labelled both empty and with a mask"
SAME_DICE = 0.5  # of two masks of one image that do not contradict each other


def read(path: Path, frame_size: int) -> pd.DataFrame:
    """Read a label file, and check every code without decoding it.

    Args:
        path: the CSV (.gz too).
        frame_size: the side of the RLE frame, in pixels.

    Returns:
        ImageId, EncodedPixels and area_px, a row an annotation.

    Raises:
        InputError: if it is no label file, or a code is wrong: with the line and the ImageId.
    """
    rows = csv_files.read_rles(path)
    rows["area_px"] = [
        _checked_area(code, frame_size, f"{path}, line {line}, image {image_id}")
        for line, image_id, code in rows[list(csv_files.RLE_COLUMNS)].itertuples()
    ]
    return rows


def unite(rows: pd.DataFrame, frame_size: int) -> pd.DataFrame:
    """Unite the annotations of each image (OR).

    A row that repeats another one exactly counts once. A row that says "none" beside one with a
    mask is a conflict: nobody can tell which is right, so the image has no truth.

    Args:
        rows: from `read`.
        frame_size: the side of the RLE frame, in pixels.

    Returns:
        Indexed by ImageId, sorted: EncodedPixels (the united code), n_annotations (rows with a
        mask), area_px (of the union), rows (in the file), repeated_rows, overlapping, conflict.
    """
    distinct = rows.drop_duplicates(list(csv_files.RLE_COLUMNS)).assign(mask=rows["area_px"] > 0)
    united = distinct.groupby("ImageId").agg(
        EncodedPixels=("EncodedPixels", "first"),
        n_annotations=("mask", "sum"),
        area_px=("area_px", "sum"),
        distinct=("mask", "size"),
    )
    united["rows"] = rows["ImageId"].value_counts()
    united["repeated_rows"] = united["rows"] - united["distinct"]
    united["overlapping"] = False
    united["conflict"] = united["n_annotations"].between(1, united["distinct"] - 1)
    several = united.index[(united["n_annotations"] > 1) & ~united["conflict"]]
    for image_id, own in distinct[distinct["ImageId"].isin(several)].groupby("ImageId"):
        code = rle.encode(rle.union(own["EncodedPixels"], frame_size, frame_size))
        united.loc[image_id, ["EncodedPixels", "area_px"]] = code, rle.area(code)
        united.loc[image_id, "overlapping"] = rle.area(code) < own["area_px"].sum()
    return united.drop(columns="distinct")


def agree(code: str, other: str, frame_size: int) -> bool:
    """Whether two codes tell the same story of one image: both empty, or much the same mask."""
    if code == other:
        return True
    if rle.EMPTY in (code, other):
        return False
    a, b = (rle.decode(each, frame_size, frame_size) for each in (code, other))
    return bool(2 * (a & b).sum() >= SAME_DICE * (a.sum() + b.sum()))


def _checked_area(code: str, frame_size: int, where: str) -> int:
    try:
        area = rle.area(code)
        # Offsets count from the end of the run before: the sum is where the last run ends.
        end = sum(map(int, code.split()))
        if end > frame_size**2:
            raise InputError(
                f"RLE runs past {frame_size}x{frame_size}: it ends at pixel {end} of "
                f"{frame_size**2}; --rle-size states another frame"
            )
    except InputError as error:
        raise InputError(f"{where}: {error}") from None
    return area
