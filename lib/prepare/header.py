"""Patient and exposure from a DICOM header, cleaned."""

import math
import re
from dataclasses import dataclass
from typing import NamedTuple

import pydicom
from pydicom.multival import MultiValue

MAX_AGE_YEARS = 110  # the competition's headers claim up to 413
MISSING_IDS = ("", "na", "n/a", "<na>", "nan", "none", "null")  # as programs write a missing id


class Cleaning(NamedTuple):
    """A header value that was changed or dropped, and its replacement."""

    element: str
    found: str
    became: str


@dataclass(frozen=True)
class Header:
    """Patient and exposure; unknown values are ""."""

    patient_id: str = ""
    sex: str = ""
    age: str = ""
    view: str = ""
    pixel_spacing_mm: str = ""
    cleaned: tuple[Cleaning, ...] = ()


def read_header(data: pydicom.Dataset) -> Header:
    """Read and clean patient and exposure from a DICOM header."""
    spacing = first_value(data, "PixelSpacing") or first_value(data, "ImagerPixelSpacing")
    fields = {
        "patient_id": clean_patient(first_value(data, "PatientID")),
        "age": clean_age(first_value(data, "PatientAge")),
        "sex": clean_sex(first_value(data, "PatientSex")),
        "view": clean_view(
            first_value(data, "ViewPosition"), first_value(data, "SeriesDescription")
        ),
        "pixel_spacing_mm": clean_spacing(spacing),
    }
    values = {name: value for name, (value, _) in fields.items()}
    return Header(**values, cleaned=tuple(note for _, note in fields.values() if note))


def clean_patient(raw: str) -> tuple[str, Cleaning | None]:
    """Return a patient id, or "" for a placeholder such as "NaN".

    As an id, a placeholder would make one patient of all images without a patient.
    """
    patient = one_line(raw)
    return ("", _missing("patient id", raw)) if patient.lower() in MISSING_IDS else (patient, None)


def clean_age(raw: str) -> tuple[str, Cleaning | None]:
    """Return years from '52' (as the competition writes it) or '052Y', '018M', '003W', '005D'."""
    match = re.fullmatch(r"([0-9]{1,3})([YMWD]?)", raw.strip().upper())
    if not match:
        return "", _missing("age", raw)
    unit = match[2]
    years = int(match[1]) // {"": 1, "Y": 1, "M": 12, "W": 52, "D": 365}[unit]
    if years > MAX_AGE_YEARS:
        return "", _missing("age", raw)
    return str(years), Cleaning("age", f"nnn{unit}", "years") if unit else None


def clean_sex(raw: str) -> tuple[str, Cleaning | None]:
    """Return F or M; anything else is missing."""
    sex = raw.strip().upper()
    return (sex, None) if sex in ("F", "M") else ("", _missing("sex", raw))


def clean_view(raw: str, description: str = "") -> tuple[str, Cleaning | None]:
    """Return AP or PA: the view position, or else that of a description such as 'view: PA'."""
    view = raw.strip().upper()
    if view in ("AP", "PA"):
        return view, None
    match = re.search(r"\bview:\s*(AP|PA)\b", description, re.IGNORECASE)
    if match:
        view = match[1].upper()
        return view, Cleaning("view", raw.strip(), f"{view}, from the series description")
    return "", _missing("view", raw)


def clean_spacing(raw: str) -> tuple[str, Cleaning | None]:
    """Return millimetres if the text is a positive number."""
    try:
        millimetres = float(raw)
    except ValueError:
        return "", _missing("pixel spacing", raw)
    if not 0 < millimetres < math.inf:
        return "", _missing("pixel spacing", raw)
    return f"{millimetres:.6g}", None


def one_line(text: str) -> str:
    """Return text on one line: control characters and line breaks become blanks."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())


def _missing(element: str, raw: str) -> Cleaning | None:
    """Return the note on a value that is dropped; None if it was missing already."""
    text = one_line(raw)[:40]
    return Cleaning(element, text, "missing") if text else None


def first_value(data: pydicom.Dataset, element: str) -> str:
    """Return the first value of an element as text; "" if it is absent or empty."""
    value = data.get(element)
    if isinstance(value, MultiValue):
        value = value[0] if value else None
    return "" if value is None else str(value)
