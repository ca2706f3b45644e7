"""What stages leave for each other: folders that are complete or do not count.

An artifact is filled as `<folder>.partial`, which begins with config.json; every file in it is
written aside and renamed; manifest.json comes last, then the folder is renamed. So a folder without
the suffix is complete, and a stage that was killed goes on in the partial one. While it is made,
`<folder>.lock` says by whom.

    python -m lib.artifacts verify WORK
"""

from lib.artifacts.complete import Artifact, read, read_chained, verify
from lib.artifacts.draft import Draft, begin
from lib.artifacts.manifest import CONFIG, JOURNAL, LOG, MANIFEST, STATE

__all__ = [
    "CONFIG", "JOURNAL", "LOG", "MANIFEST", "STATE",
    "Artifact", "Draft", "begin", "read", "read_chained", "verify",
]  # fmt: skip
