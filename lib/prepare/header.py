"""What a DICOM header says of the patient and the exposure, cleaned."""

import math
import re
from dataclasses import dataclass
from typing import NamedTuple

import pydicom
from pydicom.multival import MultiValue

OLDEST = 110  # years; the competition's headers claim up to 413
NOBODY = ("", "na", "n/a", "<na>", "nan", "none", "null")  # how programs write a missing value


class Cleaning(NamedTuple):
    """A header value that could not be taken as it stands, and what became of it."""

    element: str
    found: str
    became: str


@dataclass(frozen=True)
class Header:
    """What is known of the patient and the exposure; "" where it is not."""

    patient_id: str = ""
    sex: str = ""
    age: str = ""
    view: str = ""
    pixel_spacing_mm: str = ""
    cleaned: tuple[Cleaning, ...] = ()


def read_header(data: pydicom.Dataset) -> Header:
    """What a DICOM header says, cleaned."""
    patient, of_patient = clean_patient(first(data, "PatientID"))
    age, of_age = clean_age(first(data, "PatientAge"))
    sex, of_sex = clean_sex(first(data, "PatientSex"))
    view, of_view = clean_view(first(data, "ViewPosition"), first(data, "SeriesDescription"))
    spacing, of_spacing = clean_spacing(
        first(data, "PixelSpacing") or first(data, "ImagerPixelSpacing")
    )
    return Header(
        patient_id=patient,
        sex=sex,
        age=age,
        view=view,
        pixel_spacing_mm=spacing,
        cleaned=tuple(note for note in (of_patient, of_age, of_sex, of_view, of_spacing) if note),
    )


def clean_patient(raw: str) -> tuple[str, Cleaning | None]:
    """An id, unless it is what a program writes for none: one patient of that name would have all
    images without one.
    """
    patient = one_line(raw)
    return ("", _missing("patient id", raw)) if patient.lower() in NOBODY else (patient, None)


def clean_age(raw: str) -> tuple[str, Cleaning | None]:
    """Years from '52' (as the competition writes it) or '052Y', '018M', '003W', '005D'."""
    match = re.fullmatch(r"([0-9]{1,3})([YMWD]?)", raw.strip().upper())
    if not match:
        return "", _missing("age", raw)
    unit = match[2]
    years = int(match[1]) // {"": 1, "Y": 1, "M": 12, "W": 52, "D": 365}[unit]
    if years > OLDEST:
        return "", _missing("age", raw)
    return str(years), Cleaning("age", f"nnn{unit}", "years") if unit else None


def clean_sex(raw: str) -> tuple[str, Cleaning | None]:
    """F or M; anything else is missing."""
    sex = raw.strip().upper()
    return (sex, None) if sex in ("F", "M") else ("", _missing("sex", raw))


def clean_view(raw: str, description: str = "") -> tuple[str, Cleaning | None]:
    """AP or PA, from the view position or else from a series description such as 'view: PA'."""
    view = raw.strip().upper()
    if view in ("AP", "PA"):
        return view, None
    match = re.search(r"\bview:\s*(AP|PA)\b", description, re.IGNORECASE)
    if match:
        view = match[1].upper()
        return view, Cleaning("view", raw.strip(), f"{view}, from the series description")
    return "", _missing("view", raw)


def clean_spacing(raw: str) -> tuple[str, Cleaning | None]:
    """Millimetres, if it is a positive number."""
    try:
        millimetres = float(raw)
    except ValueError:
        return "", _missing("pixel spacing", raw)
    if not 0 < millimetres < math.inf:
        return "", _missing("pixel spacing", raw)
    return f"{millimetres:.6g}", None


def one_line(text: str) -> str:
    """Text from a file that may hold anything: control characters and breaks become blanks."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())


def _missing(element: str, raw: str) -> Cleaning | None:
    """What cannot be read becomes missing; what was missing needs no mention."""
    found = one_line(raw)[:40]
    return Cleaning(element, found, "missing") if found else None


def first(data: pydicom.Dataset, element: str) -> str:
    """An element as text, the first of several values; "" if it is absent or empty."""
    value = data.get(element)
    if isinstance(value, MultiValue):
        value = value[0] if value else None
    return "" if value is None else str(value)
