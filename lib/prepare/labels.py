"""The label file: one row for each annotation, several rows for some images.

The rows of an image are united to one mask.
"""

from pathlib import Path
from typing import NamedTuple

import pandas as pd

from lib import csv_files, frame, rle

CONFLICT = "labelled both empty and with a mask"
FRAME_CURE = "give --rle-size {side}"
MIN_AGREEING_DICE = 0.5  # two masks of one image contradict each other below it


class Labels(NamedTuple):
    """The labels of a raw folder, from a label file or a folder of masks.

    Attributes:
        rows: ImageId, EncodedPixels and area_px: one row for each annotation.
        frame_size: the side of the RLE frame, in pixels.
        sha256: digest of the source; None without labels.
        note: for the log; "" without one.
    """

    rows: pd.DataFrame
    frame_size: int
    sha256: str | None = None
    note: str = ""


def read(path: Path, frame_size: int) -> pd.DataFrame:
    """Read a label file; check every code without decoding it.

    Args:
        path: the CSV (.gz too).
        frame_size: the side of the RLE frame, in pixels.

    Returns:
        ImageId, EncodedPixels and area_px: one row for each annotation.

    Raises:
        InputError: if it is not a label file, or a code is wrong: with the line and the ImageId.
    """
    return frame.read(path, frame_size, FRAME_CURE)


def unite(rows: pd.DataFrame, frame_size: int) -> pd.DataFrame:
    """Unite the annotations of each image (OR).

    An exact repetition of a row counts once. An empty row beside one with a mask is a conflict:
    either may be right, so the image has no truth.

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
    for image_id, annotations in distinct[distinct["ImageId"].isin(several)].groupby("ImageId"):
        code = rle.encode(rle.union(annotations["EncodedPixels"], frame_size, frame_size))
        united.loc[image_id, ["EncodedPixels", "area_px"]] = code, rle.area(code)
        united.loc[image_id, "overlapping"] = rle.area(code) < annotations["area_px"].sum()
    return united.drop(columns="distinct")


def masks_agree(code: str, other: str, frame_size: int) -> bool:
    """Return True if two codes of one image are both empty, or their Dice is 0.5 or more."""
    if code == other:
        return True
    if rle.EMPTY in (code, other):
        return False
    a, b = (rle.decode(each, frame_size, frame_size) for each in (code, other))
    return bool(2 * (a & b).sum() >= MIN_AGREEING_DICE * (a.sum() + b.sum()))
