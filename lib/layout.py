"""Paths of all artifacts under WORK, and the commands that make them."""

import json
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from lib.errors import InputError

# Command that makes each kind of artifact, for error messages if none is recorded.
COMMANDS = {
    "raw_demo": "01_prepare.py --demo",
    "dataset": "01_prepare.py --raw DIR",
    "cache": "01_prepare.py --raw DIR --sizes {last}",
    "run": "02_train.py --recipe NAME --name {run}",
    "probs": "03_infer.py --run {run}",
    "ensemble": "04_ensemble.py --members RUN --name {last}",
    "decision": "04_ensemble.py --members RUN --name NAME",
    "submission": "05_submit.py --decision {last}",
}

# Flag that gives another artifact of a kind, where its stage has one.
NAME_FLAGS = {
    "raw_demo": "--work",
    "dataset": "--work",
    "cache": "--work",
    "run": "--name",
    "ensemble": "--name",
    "decision": "--tag",
}

# Folders of each kind under WORK.
PATTERNS = {
    "raw_demo": "raw_demo",
    "dataset": "dataset",
    "cache": "cache/*",
    "run": "runs/*/*",
    "probs": "probs/*/*",
    "ensemble": "ensembles/*",
    "decision": "decisions/*",
    "submission": "submissions/*",
}
UNFINISHED, REMOVED, LOCK = ".partial", ".removed", ".lock"  # suffixes that no artifact has
CONFIG, MANIFEST = "config.json", "manifest.json"  # of an unfinished artifact; of a complete one
FLIP, NO_FLIP = "flip", "none"  # values of 03 --tta: test-time augmentation
# After the run's name in probs/, for maps with other flips than the recipe's.
TTA_SUFFIXES = {FLIP: ".flip", NO_FLIP: ".noflip"}
CLASSES = "class.csv"  # p(positive) by ImageId: in probs/, ensembles/ and decisions/

Fold = int | str
ALL_DATA = "all-data"


@dataclass(frozen=True)
class ArtifactPath:
    """Location of one artifact: its path relative to WORK, and its kind."""

    root: Path
    name: str
    kind: str

    @property
    def folder(self) -> Path:
        return self.root / self.name

    @property
    def partial(self) -> Path:
        return self.root / f"{self.name}{UNFINISHED}"

    @property
    def lock(self) -> Path:
        return self.root / f"{self.name}{LOCK}"

    @property
    def command(self) -> str:
        """Command that makes the artifact, for error messages: the recorded one if there is one.

        A fold without a record takes the command of another fold of its run, a cache that of the
        dataset. In the command of COMMANDS, words in capitals stand for what the folder does not
        say.
        """
        others = self.folder.parent.glob("*") if self.kind in ("run", "probs") else ()
        for folder in (self.folder, self.partial, *sorted(others)):
            if command := self.adapt_command(recorded_command(folder)):
                return command
        if self.kind == "cache":
            dataset = self.adapt_command(recorded_command(Work(self.root).dataset.folder))
            if dataset:
                return set_flags(shlex.split(dataset), {"--sizes": [self.folder.name]})
        run, tta = split_tta(self.folder.parent.name)
        words = COMMANDS[self.kind].format(last=self.folder.name, run=run).split()
        return self.adapt_command([*words, *(["--tta", tta] if tta else [])])

    def adapt_command(self, words: Sequence[str]) -> str:
        """Return the command line of a stage as one that makes this artifact in its WORK.

        Args:
            words: of the command line.

        Returns:
            Without --replace, which the caller may add; empty for another program.
        """
        script, *_ = COMMANDS[self.kind].split()
        if not words or Path(words[0]).name != script:
            return ""
        flags: dict[str, Sequence[object]] = {"--replace": (), "--upload": ()}
        if self.kind in ("run", "probs"):
            flags["--folds"] = [self.folder.name.removeprefix("fold")]
        flags["--work"] = [] if self.root == Path("work") else [self.root]
        return set_flags([script, *words[1:]], flags)

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Work:
    """The working folder, and the locations of the artifacts in it."""

    root: Path

    @property
    def raw_demo(self) -> ArtifactPath:
        return ArtifactPath(self.root, "raw_demo", "raw_demo")

    @property
    def dataset(self) -> ArtifactPath:
        return ArtifactPath(self.root, "dataset", "dataset")

    def cache(self, size: int) -> ArtifactPath:
        return ArtifactPath(self.root, f"cache/{size}", "cache")

    def run(self, run: str, fold: Fold) -> ArtifactPath:
        return ArtifactPath(self.root, f"runs/{check_name(run)}/{fold_name(fold)}", "run")

    def probs(self, run: str, fold: Fold, tta: str | None = None) -> ArtifactPath:
        """Return the maps with the recipe's flips, or with `tta`, which are others."""
        suffix = TTA_SUFFIXES[tta] if tta else ""
        return ArtifactPath(
            self.root, f"probs/{check_name(run)}{suffix}/{fold_name(fold)}", "probs"
        )

    def trained_folds(self, run: str, requested: Sequence[str] | None) -> list[Fold]:
        """Return the requested folds; without a request, all in runs/<run>/, unfinished ones too.

        Raises:
            InputError: if there is no such run, or a request is not a fold, or is given twice.
        """
        if requested:
            return parse_folds(requested)
        folder = self.run(run, 0).folder.parent
        names = sorted({path.name.removesuffix(UNFINISHED) for path in _match_folders(folder, "*")})
        if not names:
            raise InputError(f"{folder} does not exist or is empty; run 02_train.py")
        return [parse_fold(name.removeprefix("fold")) for name in names]

    def ensemble(self, name: str) -> ArtifactPath:
        return ArtifactPath(self.root, f"ensembles/{check_name(name)}", "ensemble")

    def decision(self, name: str) -> ArtifactPath:
        return ArtifactPath(self.root, f"decisions/{check_name(name)}", "decision")

    def submission(self, name: str) -> ArtifactPath:
        return ArtifactPath(self.root, f"submissions/{check_name(name)}", "submission")


def artifact_paths(root: Path) -> list[ArtifactPath]:
    """Return every folder under WORK that should be a complete artifact, by kind and name."""
    return [
        ArtifactPath(root, folder.relative_to(root).as_posix(), kind)
        for kind in PATTERNS
        for folder in artifact_folders(root, kind)
        if folder.suffix != UNFINISHED
    ]


def artifact_folders(root: Path, kind: str) -> Iterator[Path]:
    """Yield every folder of a kind of artifact, unfinished ones too, sorted.

    Raises:
        OSError: if a folder above them cannot be listed; it must not count as empty.
    """
    return _match_folders(root, PATTERNS[kind])


def _match_folders(parent: Path, pattern: str) -> Iterator[Path]:
    """Yield the folders of a pattern, except hidden and half-removed ones."""
    name, _, rest = pattern.partition("/")
    if not parent.is_dir():
        return
    for folder in sorted(parent.iterdir()) if name == "*" else [parent / name]:
        if folder.is_dir() and folder.suffix != REMOVED and not folder.name.startswith("."):
            yield from _match_folders(folder, rest) if rest else [folder]


def command_for(path: Path) -> str:
    """Return the command that makes the artifact of a file, for error messages."""
    for folder in path.parents:
        for kind, pattern in PATTERNS.items():
            if folder.match(pattern):
                root = folder.parents[pattern.count("/")]
                name = folder.relative_to(root).as_posix().removesuffix(UNFINISHED)
                return ArtifactPath(root, name, kind).command
    return "the stage that made it"


def recorded_command(folder: Path) -> list[str]:
    """Return the words of the command that made a folder, finished or not; none if unknown."""
    for name in (MANIFEST, CONFIG):
        with suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
            if (folder / name).is_file():  # reading a pipe would wait
                manifest = json.loads((folder / name).read_bytes())
                return shlex.split(str(manifest["made"]["command"]))
    return []


def set_flags(words: Iterable[str], flags: Mapping[str, Sequence[object]]) -> str:
    """Return a command line with other values for these flags; a flag without values goes."""
    kept, is_kept = [], True
    for word in words:
        if word.startswith("--"):
            is_kept = word.partition("=")[0] not in flags
        kept += [word] if is_kept else []
    for flag, values in flags.items():
        kept += [flag, *map(str, values)] if values else []
    return shlex.join(kept)


def parse_fold(text: str) -> Fold:
    """Return the fold that a flag or a folder names: a number, or all-data.

    Raises:
        InputError: if the text is neither.
    """
    if text == ALL_DATA:
        return ALL_DATA
    if not re.fullmatch(r"\d{1,6}", text):
        raise InputError(f"{text[:60]!r} is not a fold: give numbers such as 0 1, or {ALL_DATA}")
    return int(text)


def parse_folds(texts: Sequence[str]) -> list[Fold]:
    """Return the folds that a flag names.

    Raises:
        InputError: if a text is not a fold, or a fold is given twice.
    """
    folds = [parse_fold(text) for text in texts]
    for fold in folds:
        if folds.count(fold) > 1:
            raise InputError(f"fold {fold} is given twice; give it once")
    return folds


def fold_name(fold: Fold) -> str:
    """Return the folder of a fold: fold0, fold1, ... or all-data."""
    return ALL_DATA if fold == ALL_DATA else f"fold{int(fold)}"


def split_tta(name: str) -> tuple[str, str | None]:
    """Return the run of a folder of probs/, and its flips if they are not the recipe's."""
    for tta, suffix in TTA_SUFFIXES.items():
        if name.endswith(suffix):
            return name.removesuffix(suffix), tta
    return name, None


def check_name(name: str) -> str:
    """Return the name of a recipe, run, ensemble or tag, if it can be the name of a folder.

    Raises:
        InputError: if it is empty, too long, or holds anything but letters, digits, and `_ . + -`.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,99}", name) or name.endswith(
        (UNFINISHED, REMOVED, LOCK)
    ):
        cure = "give it without its folder" if "/" in name else "use letters, digits, _ . + and -"
        raise InputError(f"{name[:60]!r} cannot be a name: {cure}")
    return name


def check_image_id(image_id: str) -> str:
    """Return an ImageId if it is safe as a file name: it comes from files that anyone may write.

    Raises:
        InputError: if it is empty, longer than 128 characters, begins with a dot, or holds anything
            but letters, digits, and `_ . -`.
    """
    if not re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,127}", image_id):
        raise InputError(
            f"ImageId {image_id[:60]!r} cannot be a file name: use letters, digits, _ . and -"
        )
    return image_id


def image_file(image_id: str) -> str:
    """Return the path of an image, relative to cache/<size>/."""
    return f"images/{image_id}.png"


def mask_file(image_id: str) -> str:
    """Return the path of a mask, relative to cache/<size>/; only positives have one."""
    return f"masks/{image_id}.png"


def map_file(split: str, image_id: str) -> str:
    """Return the path of a probability map in probs/ or ensembles/; split is "oof" or "test"."""
    return f"{split}/{image_id}.png"
