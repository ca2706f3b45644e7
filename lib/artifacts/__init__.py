"""Artifacts: the folders through which stages exchange their results.

A folder is complete or does not count. It is filled as `<folder>.partial`, beginning with
config.json; each file is written under a temporary name and renamed; manifest.json comes last, then
the folder is renamed. So a folder without the suffix is complete, and a killed stage continues in
the partial one. Meanwhile `<folder>.lock` names the process that makes it.

    python -m lib.artifacts verify WORK
"""

from lib.artifacts.complete import (
    Artifact,
    describe_leftovers,
    describe_outdated,
    read,
    read_chained,
    verify,
)
from lib.artifacts.draft import Draft, Request, begin, begin_all
from lib.artifacts.manifest import JOURNAL, LOG, STATE
from lib.layout import CONFIG, MANIFEST

__all__ = [
    "CONFIG", "JOURNAL", "LOG", "MANIFEST", "STATE",
    "Artifact", "Draft", "Request", "begin", "begin_all", "describe_leftovers", "describe_outdated",
    "read", "read_chained", "verify",
]  # fmt: skip
