"""Outputs of an image: mask, overlay, thumbnail, and its row of predictions.csv."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property, lru_cache
from operator import itemgetter
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
from filelock import BaseFileLock, FileLock, Timeout

from lib import csv_files, images
from lib.drawing import PREDICTED, tint
from lib.errors import InputError
from lib.files import Journal, write_bytes, write_json
from lib.predict.files import JOURNAL_FILE, Decoded, ImageFile
from lib.predict.system import CONFIG_FILE, TrainedSystem

LOCK_FILE, PREDICTIONS = ".lock", "predictions.csv"
THUMBNAIL_SIDE = 320  # pixels; twice that of the gallery, for phones
# Gray radiographs are written in 60 % of the time of images.PNG_OPTIONS, as files of equal size.
GRAY_OPTIONS = [
    *(cv2.IMWRITE_PNG_COMPRESSION, 1),
    *(cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_UP),
    *(cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_HUFFMAN_ONLY),
]
JPEG_OPTIONS = [cv2.IMWRITE_JPEG_QUALITY, 80]
MASKS, OVERLAYS, THUMBNAILS, SEGMENTATIONS = "masks", "overlays", "thumbnails", "segmentations"
SUFFIXES = {MASKS: ".png", OVERLAYS: ".png", THUMBNAILS: ".jpg", SEGMENTATIONS: ".dcm"}
WRITTEN = "written"  # state of a DICOM Segmentation object, in a record
# Of predictions.csv. A record has the size and time of the file too.
COLUMNS = ["file", "p_pneumothorax", "area_px", "area_mm2", "components", "largest_component_px",
           "top", "left", "bottom", "right", "centroid_row", "centroid_column", "rows", "columns",
           "pixel_spacing_mm", "source", "segmentation"]  # fmt: skip


def output_file(kind: str, name: str) -> str:
    """Return the path of an output of an image, relative to the folder of the outputs."""
    return f"{kind}/{name}{SUFFIXES[kind]}"


@dataclass(frozen=True)
class Prediction:
    """The mask of an image, (rows, columns) bool, and its probability."""

    image: Decoded
    mask: np.ndarray
    p_pneumothorax: float

    @cached_property
    def record(self) -> dict[str, Any]:
        """Row of predictions.csv, and size and time of the file that was read."""
        image, stat = self.image, self.image.file.path.stat()
        spacing = image.spacing_mm
        return {
            "file": image.file.name,
            "p_pneumothorax": round(self.p_pneumothorax, 6),
            **measure(self.mask, spacing),
            "rows": image.rows,
            "columns": image.columns,
            "pixel_spacing_mm": "" if spacing is None else " ".join(f"{mm:.6g}" for mm in spacing),
            "source": image.source,
            "bytes": stat.st_size,
            "modified_ns": stat.st_mtime_ns,
        }


def to_image(mask: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """Resize a mask of the frame to the image: a pixel is inside if at least half of its area is.

    Args:
        mask: (side, side) bool.

    Returns:
        (rows, columns) bool; `mask` itself if that is its size.
    """
    if mask.shape == (rows, columns):
        return mask
    interpolation = cv2.INTER_AREA if max(rows, columns) < len(mask) else cv2.INTER_LINEAR
    values = np.multiply(mask, 255, dtype=np.uint8)
    return cv2.resize(values, (columns, rows), interpolation=interpolation) > 127


def measure(mask: np.ndarray, spacing_mm: tuple[float, float] | None) -> dict[str, Any]:
    """Measure a mask.

    Args:
        mask: (rows, columns) bool.
        spacing_mm: between rows and between columns, if known.

    Returns:
        Area, 8-connected components, box (the last row and column inside it), and centroid; "" for
        what an empty mask has not.
    """
    if not mask.any():
        places = ("top", "left", "bottom", "right", "centroid_row", "centroid_column")
        area_mm2: Any = "" if spacing_mm is None else 0.0
        return {"area_px": 0, "area_mm2": area_mm2, "components": 0, "largest_component_px": 0,
                **dict.fromkeys(places, "")}  # fmt: skip
    from skimage.measure import label, regionprops_table  # late: it takes a second to load

    left, top, width, height = cv2.boundingRect(mask.view(np.uint8))
    box = mask[top : top + height, left : left + width]  # the rest only costs time
    whole = regionprops_table(box.view(np.uint8), properties=("centroid",))
    parts = regionprops_table(
        label(box, connectivity=2), properties=("num_pixels", "area"), spacing=spacing_mm or (1, 1)
    )
    return {
        "area_px": int(parts["num_pixels"].sum()),
        "area_mm2": "" if spacing_mm is None else round(float(parts["area"].sum()), 1),
        "components": len(parts["num_pixels"]),
        "largest_component_px": int(parts["num_pixels"].max()),
        "top": top,
        "left": left,
        "bottom": top + height - 1,
        "right": left + width - 1,
        "centroid_row": round(top + float(whole["centroid-0"][0]), 1),
        "centroid_column": round(left + float(whole["centroid-1"][0]), 1),
    }


def write(out: Path, prediction: Prediction) -> None:
    """Write mask, overlay and thumbnail of an image."""
    name, mask, gray = prediction.image.file.name, prediction.mask, prediction.image.display
    if mask.any():
        images.write_png(out / output_file(MASKS, name), np.multiply(mask, 255, dtype=np.uint8))
        overlay, options = draw(gray, mask), images.PNG_OPTIONS
    else:
        write_bytes(out / output_file(MASKS, name), _empty_png(*mask.shape))
        overlay, options = gray, GRAY_OPTIONS
    _, code = cv2.imencode(".png", overlay, options)
    write_bytes(out / output_file(OVERLAYS, name), code.data)
    scale = min(1, THUMBNAIL_SIDE / max(gray.shape))
    thumbnail = cv2.resize(overlay, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    _, code = cv2.imencode(".jpg", thumbnail, JPEG_OPTIONS)
    write_bytes(out / output_file(THUMBNAILS, name), code.data)


@lru_cache(maxsize=16)
def _empty_png(rows: int, columns: int) -> bytes:
    """Return the PNG of an empty mask: most images have one, and many one size."""
    _, code = cv2.imencode(".png", np.zeros((rows, columns), np.uint8), images.PNG_OPTIONS)
    return code.tobytes()


def draw(gray: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Return the image with the mask filled: (height, width, 3) uint8, BGR."""
    height, width = gray.shape
    inside = cv2.resize(mask.view(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST)
    canvas = cv2.cvtColor(gray, cv2.COLOR_GRAY2BGR)
    tint(canvas, inside, PREDICTED[::-1])
    return canvas


def begin(out: Path, system: TrainedSystem) -> BaseFileLock:
    """Make the folder of the outputs, or check that it has those of the same system, and lock it.

    Raises:
        InputError: if it has other files or outputs of another system, or another process fills it.
    """
    config = {"system": system.id, "name": system.name}
    path = out / CONFIG_FILE
    if path.is_file():
        if _read_system_id(path) != system.id:
            raise InputError(
                f"--out {out} has the masks of another decision or of other weights; give another "
                "folder, or remove this one"
            )
    elif out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(
            f"--out {out} has other files, but no outputs of this command; give a new folder"
        )
    else:
        write_json(path, config)
    lock = FileLock(out / LOCK_FILE, blocking=False)
    try:
        lock.acquire()
    except Timeout:
        raise InputError(
            f"--out {out} is being filled by another process; wait for it, or give another folder"
        ) from None
    return lock


def _read_system_id(path: Path) -> str | None:
    with suppress(ValueError, AttributeError):
        return json.loads(path.read_bytes()).get("system")
    return None


def finished_records(out: Path, segmentations: bool = False) -> dict[str, dict[str, Any]]:
    """Return the records of the images whose outputs exist, by name.

    Args:
        out: folder of the outputs. After a power cut a file may be empty.
        segmentations: count only images that were tried with --dicom-seg.
    """
    records = {record["file"]: record for record in Journal(out / JOURNAL_FILE).read()}

    def is_whole(name: str, state: str) -> bool:
        kinds = [MASKS, OVERLAYS, THUMBNAILS] + [SEGMENTATIONS] * (state == WRITTEN)
        paths = [out / output_file(kind, name) for kind in kinds]
        return all(path.is_file() and path.stat().st_size for path in paths)

    return {
        name: record
        for name, record in records.items()
        if is_whole(name, record["segmentation"]) and (record["segmentation"] or not segmentations)
    }


def is_current(record: Mapping[str, Any] | None, image: ImageFile) -> bool:
    """Return True if an image has a record, and its file did not change since."""
    if record is None:
        return False
    stat = image.path.stat()
    return (record["bytes"], record["modified_ns"]) == (stat.st_size, stat.st_mtime_ns)


def write_table(out: Path, records: Iterable[Mapping[str, Any]]) -> None:
    """Write predictions.csv, sorted by file."""
    rows = sorted(records, key=itemgetter("file"))
    table = pd.DataFrame(rows, columns=COLUMNS, dtype=object)  # counts stay whole beside blanks
    csv_files.write(out / PREDICTIONS, table)


def describe_segmentations(records: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return a line for each state of the DICOM Segmentation objects, with its number."""
    counts = Counter(record["segmentation"] for record in records)
    return [f"segmentations {state}: {count}" for state, count in counts.most_common() if state]
