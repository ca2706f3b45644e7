"""Tables as people write them: those to be read, and those to be refused with their line.

The frame has 4 x 4 pixels, so an RLE may reach pixel 16.
"""

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest

from lib.errors import InputError

FRAME = 4
HEAD = "ImageId,EncodedPixels\n"
GOOD = f"{HEAD}a,-1\nb,0 3\n"
GZIPPED = gzip.compress(GOOD.encode(), mtime=0)
Content = str | bytes
Pairs = list[tuple[str, str]]

AB = [("a", "-1"), ("b", "0 3")]
ODD_BUT_READ = [
    pytest.param(GOOD, AB, id="plain"),
    pytest.param(GOOD.encode("utf-8-sig"), AB, id="byte-order-mark"),
    pytest.param(GOOD.replace("\n", "\r\n"), AB, id="crlf"),
    pytest.param(GOOD.replace("\n", "\r"), AB, id="cr-only"),
    pytest.param(GOOD.replace("-1\n", "-1\r\n"), AB, id="line-ends-of-both-kinds"),
    pytest.param(GOOD.removesuffix("\n"), AB, id="no-line-end-at-the-end"),
    pytest.param(f"\n\n{HEAD}\na,-1\n\n\nb,0 3\n\n", AB, id="blank-lines"),
    pytest.param(GOOD.replace("b,", ",\n , \nb,"), AB, id="rows-of-empty-cells"),
    pytest.param('"ImageId","EncodedPixels"\n"a","-1"\n"b","0 3"\n', AB, id="all-in-quotes"),
    pytest.param('ImageId, "EncodedPixels"\na, "-1"\nb, "0 3"\n', AB, id="blank-before-quotes"),
    pytest.param(' ImageId , EncodedPixels \n a , -1 \n b , 0  3 \n',
                 [("a", "-1"), ("b", "0  3")], id="blanks-everywhere"),
    pytest.param("ImageId,EncodedPixels,\na,-1,\nb,0 3,\n", AB, id="comma-at-the-end"),
    pytest.param("n,EncodedPixels,note,ImageId\n1,-1,é ☃,a\n2,0 3,,b\n", AB, id="more-columns"),
    pytest.param('x,ImageId,EncodedPixels\n"1\n2\n3",a,-1\n,b,0 3\n', AB, id="quoted-line-ends"),
    pytest.param('x,ImageId,EncodedPixels\n"""1"", 2",a,-1\n,b,0 3\n', AB, id="quoted-quotes"),
    pytest.param(HEAD + "a,-1.0\nb,0 3\n", AB, id="minus-one-as-a-float"),
    pytest.param(HEAD + "1.20,-1\nNaN,-1\n1e3,-1\n007,-1\n",
                 [("1.20", "-1"), ("NaN", "-1"), ("1e3", "-1"), ("007", "-1")], id="odd-ids"),
    pytest.param(HEAD + "a,0 1\na,0 1\na,3 1\n", [("a", "0 1"), ("a", "0 1"), ("a", "3 1")],
                 id="several-rows-of-an-image"),
    pytest.param(HEAD + "a,0 1 0 2\n", [("a", "0 1 0 2")], id="runs-that-adjoin"),
    pytest.param(HEAD + "a,15 1\n", [("a", "15 1")], id="run-to-the-last-pixel"),
    pytest.param(HEAD + "a,0003 01\n", [("a", "0003 01")], id="leading-zeros"),
    pytest.param(HEAD + "x" * 128 + ",-1\n", [("x" * 128, "-1")], id="longest-id"),
]  # fmt: skip

# Refused by every reader, with the line and the reason.
BAD_TABLES = [
    pytest.param(b"", 1, "no column ImageId", id="empty-file"),
    pytest.param("\n\n\n", 1, "no column ImageId", id="blank-lines-only"),
    pytest.param("a,-1\nb,-1\n", 1, r"no column ImageId, it has \['a', '-1'\]", id="no-header"),
    pytest.param(GOOD.replace(",", ";"), 1, "with commas between them", id="semicolons"),
    pytest.param(GOOD.replace(",", "\t"), 1, "with commas between them", id="tabs"),
    pytest.param("# made by me\n" + GOOD, 1, "no column ImageId", id="comment-before-the-header"),
    pytest.param(HEAD + "# note\na,-1\n", 2, "1 cells where the header has 2", id="comment"),
    pytest.param(HEAD + "# a,-1\n", 2, "ImageId '# a' cannot", id="row-in-a-comment"),
    pytest.param("imageid,encodedpixels\na,-1\n", 1, "no column ImageId", id="other-case"),
    pytest.param("ImageId\na\n", 1, "no column EncodedPixels", id="column-missing"),
    pytest.param("ImageId,ImageId,EncodedPixels\na,b,-1\n", 1, "more than one column 'ImageId'",
                 id="column-twice"),
    pytest.param("ImageId,x,x,EncodedPixels\na,1,2,-1\n", 1, "more than one column 'x'",
                 id="other-column-twice"),
    pytest.param(HEAD + "a,-1\nb,0,3\n", 3, "3 cells .* in quotes", id="row-too-long"),
    pytest.param(HEAD + "a,-1\nb\n", 3, "1 cells where", id="row-too-short"),
    pytest.param("x," + HEAD + '"1\n2",a,-1\n\n,b,0,3\n', 5, "4 cells where",
                 id="row-too-long-after-a-quoted-line-end"),
    pytest.param(HEAD + 'a,-1\nb,"0 3\nc,-1\n', 3, "quotes that do not", id="quote-left-open"),
    pytest.param(HEAD + 'a,-1\n"b"x,0 3\n', 3, "quotes that do not match", id="text-after-a-quote"),
    pytest.param(GOOD.encode("utf-16"), 1, "not UTF-8; save", id="utf-16"),
    pytest.param(GOOD.encode("utf-16-le"), 1, "a null byte; save", id="utf-16-without-a-mark"),
    pytest.param(GOOD.encode("utf-32"), 1, "not UTF-8", id="utf-32"),
    pytest.param((HEAD + "a,-1\né,-1\n").encode("latin-1"), 3, "not UTF-8", id="latin-1"),
    pytest.param((HEAD + "a,-1\né,-1\n").replace("\n", "\r").encode("latin-1"), 3, "not UTF-8",
                 id="latin-1-with-cr-only"),
    pytest.param(HEAD + "a,-1\nb\0,-1\n", 3, "a null byte", id="null-byte"),
    pytest.param(b"PK\x03\x04" + b"\0" * 50, 1, "a null byte", id="zip-file"),
    pytest.param(GZIPPED, 1, "not UTF-8", id="gz-by-another-name"),
    pytest.param(HEAD + "a,-1\n,-1\n", 3, "ImageId ''", id="no-id"),
    pytest.param(HEAD + "../../etc/passwd,-1\n", 2, "cannot be a file name", id="id-out-of-here"),
    pytest.param(HEAD + "/etc/passwd,-1\n", 2, "cannot be a file name", id="id-from-the-root"),
    pytest.param(HEAD + "..,-1\n", 2, "cannot be a file name", id="id-of-two-dots"),
    pytest.param(HEAD + "a\\b,-1\n", 2, "cannot be a file name", id="id-with-a-backslash"),
    pytest.param(HEAD + "é,-1\n", 2, "cannot be a file name: use letters", id="id-of-unicode"),
    pytest.param(HEAD + "a\u202eb,-1\n", 2, "cannot be a file name", id="id-turned-around"),
    pytest.param(HEAD + '"a\nb",-1\n', 2, "cannot be a file name", id="id-with-a-line-end"),
    pytest.param(HEAD + "x" * 10_000 + ",-1\n", 2, "cannot be a file name", id="very-long-id"),
    pytest.param(b"\x89PNG\r\n\x1a\n\xff\xfe", 1, "not UTF-8", id="an-image"),
]  # fmt: skip

# Refused by every reader that decodes an RLE.
BAD_RLES = [
    pytest.param(HEAD + "a,nan\n", 2, "'nan', which is not a whole number", id="nan"),
    pytest.param(HEAD + f"a,{'9' * 5000} 1\n", 2, "which is not a whole number", id="huge-number"),
    pytest.param(HEAD + f"a,{2**40} 1\n", 2, "which no image can hold", id="large-number"),
    pytest.param(HEAD + "a,1 2 3\n", 2, "3 numbers, not pairs .* cut short", id="odd-count"),
    pytest.param(HEAD + "a,4 4 -2 3\n", 2, "negative offset.*do not overlap", id="runs-overlap"),
    pytest.param(HEAD + "a,0 0\n", 2, "length 0; the shortest is 1", id="run-of-no-length"),
    pytest.param(HEAD + "\n\na,-1\n\nb,10 7\n", 6, "past 4x4", id="past-the-frame-after-blanks"),
]  # fmt: skip

BLANK_RLE = HEAD + "a,-1\nb,\n"


def saved(tmp_path: Path, content: Content, name: str = "odd.csv") -> Path:
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def refusal(reader: Callable[[], object]) -> str:
    """Return the one line of a reader's error."""
    with pytest.raises(InputError) as caught:
        reader()
    (line,) = str(caught.value).splitlines()
    assert len(line) < 600
    return line
