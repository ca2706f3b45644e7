"""Header values: kept, cleaned or dropped, with a note on each change."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.prepare import dicom
from lib.prepare.header import (
    Cleaning,
    Header,
    clean_age,
    clean_sex,
    clean_spacing,
    clean_view,
    one_line,
)
from tests.raw_folders import noise, write_dicom


@pytest.mark.parametrize(
    ("raw", "years", "became"),
    [
        ("52", "52", None),
        ("0", "0", None),
        ("110", "110", None),
        ("", "", None),
        ("045Y", "45", "years"),
        ("018M", "1", "years"),
        ("003W", "0", "years"),
        ("413", "", "missing"),
        ("152", "", "missing"),
        ("111", "", "missing"),
        ("-5", "", "missing"),
        ("old", "", "missing"),
        ("٤٥", "", "missing"),
    ],
)
def test_ages(raw: str, years: str, became: str | None) -> None:
    age, note = clean_age(raw)
    assert age == years
    assert (note.became if note else None) == became


@pytest.mark.parametrize(
    ("raw", "sex", "noted"),
    [("F", "F", False), ("m", "M", False), ("", "", False), ("O", "", True), ("7", "", True)],
)
def test_sexes(raw: str, sex: str, noted: bool) -> None:
    assert clean_sex(raw) == (sex, Cleaning("sex", raw, "missing") if noted else None)


def test_the_view_is_the_position_or_else_that_of_the_description() -> None:
    assert clean_view("PA", "view: AP") == ("PA", None)
    assert clean_view("", "view: PA") == (
        "PA",
        Cleaning("view", "", "PA, from the series description"),
    )
    assert clean_view("LL", "") == ("", Cleaning("view", "LL", "missing"))
    assert clean_view("", "chest") == ("", None)


def test_a_whole_header(tmp_path: Path) -> None:
    path = write_dicom(
        tmp_path / "a.dcm", noise(1), PatientID=" abc  d", PatientSex="F", PatientAge="413",
        ViewPosition="AP", PixelSpacing=[0.14300000000000002, 0.143],
    )  # fmt: skip
    assert dicom.read(path).header == Header(
        "abc d", "F", "", "AP", "0.143", (Cleaning("age", "413", "missing"),)
    )


def test_an_empty_header_is_all_missing(tmp_path: Path) -> None:
    assert dicom.read(write_dicom(tmp_path / "a.dcm", noise(1))).header == Header()


@pytest.mark.parametrize(
    ("raw", "spacing"),
    [("0.143", "0.143"), ("1e-1", "0.1"), ("", ""), ("wide", ""), ("0", ""), ("-1", ""),
     ("nan", ""), ("inf", "")],
)  # fmt: skip
def test_spacings(raw: str, spacing: str) -> None:
    cleaned, note = clean_spacing(raw)
    assert cleaned == spacing
    assert (note is None) is (raw == "" or spacing != "")


def test_header_text_that_no_table_could_hold_becomes_blanks(tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "a.dcm", noise(1), PatientID="a\0b\nc\x07d")
    assert dicom.read(path).header.patient_id == "a b c d"


@given(st.text())
def test_one_line_is_one_line_that_utf_8_can_hold(text: str) -> None:
    line = one_line(text)
    assert len(line.splitlines()) <= 1
    assert line == line.encode().decode().strip()
    assert "\0" not in line
