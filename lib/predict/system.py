"""A trained system: all that decides which mask an image gets, and the files of its networks."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from lib import images, prob_maps
from lib.artifacts import manifest
from lib.decision import histograms, schema
from lib.decision.histograms import Gate
from lib.decision.rules import LEVELS, DecisionRule
from lib.decision.tuning import LogisticGate, mean_gate
from lib.errors import InputError
from lib.files import sha256
from lib.layout import Fold
from lib.recipes import Recipe, serialize

FORMAT = 1
CONFIG_FILE = "config.json"
DISCLAIMER = "For research, not a medical device."
P_DECIMALS = 6  # of p(positive) in stage 03's class.csv
REMAKE = "make the folder again with python -m lib.predict export"


@dataclass(frozen=True)
class TrainedNetwork:
    """One fold of a run: checkpoints whose probabilities are averaged.

    Attributes:
        run: name of its maps under WORK/probs.
        flip: average the maps of an image and of its mirror image.
        checkpoints: name of each file -> SHA-256.
        map_weight: weight of its maps in the mean; 0: it is there for p(positive) only.
        p_weight: weight of its p(positive) among the members; 0 for a gate.
    """

    run: str
    fold: Fold
    flip: bool
    recipe: Recipe
    checkpoints: Mapping[str, str]
    map_weight: float
    p_weight: float

    @property
    def size(self) -> int:
        """Side of its input, in pixels."""
        return self.recipe.phases[-1].size

    @property
    def input(self) -> tuple[int, str]:
        """Size and contrast of its input: networks of equal ones share their images."""
        return self.size, self.recipe.input.contrast


@dataclass(frozen=True)
class GateRuns:
    """Runs that supply p(positive) in place of the members.

    Attributes:
        runs: their names, in order.
        stack: coefficients for the runs and, after them, for the members if they have an image
            head; None: the mean of the runs.
    """

    runs: tuple[str, ...]
    stack: LogisticGate | None = None

    def __call__(self, features: Sequence[float]) -> float:
        """Return p(positive) of an image from that of each run."""
        row = np.array([features])
        gate: Gate = self.stack or mean_gate(row, np.zeros(1))
        return float(gate(row)[0])


@dataclass(frozen=True)
class TrainedSystem:
    """The networks of a decision, their weights, and its rule.

    Attributes:
        name: NAME-TAG of the decision.
        frame_px: side of the frame in which areas are counted, in pixels.
        rule_name: value of stage 04's --rule.
        rule: turns maps of the frame into masks.
        networks: in the order in which stage 04 averages them.
        gate: other runs that supply p(positive); None: the members do.
        scores: scores of the decision, for people; they decide nothing.
        paths: file of each checkpoint, by its name.
    """

    name: str
    frame_px: int
    rule_name: str
    rule: DecisionRule
    networks: tuple[TrainedNetwork, ...]
    gate: GateRuns | None
    scores: Mapping[str, Any] = field(compare=False)
    paths: Mapping[str, Path] = field(compare=False, repr=False)

    @cached_property
    def id(self) -> str:
        """SHA-256 of all that decides the masks: equal in WORK and in an exported folder."""
        config = self.to_json()
        return manifest.digest(
            {key: config[key] for key in config if key not in ("name", "scores")}
        )

    def to_json(self) -> dict[str, Any]:
        """Return the content of config.json."""
        stack = self.gate and self.gate.stack
        return {
            "format": FORMAT,
            "name": self.name,
            "frame_px": self.frame_px,
            "rule": {"name": self.rule_name} | self.rule.to_json(),
            "networks": [asdict(network) for network in self.networks],
            "gate": self.gate and {"runs": self.gate.runs, "stack": stack and asdict(stack)},
            "scores": self.scores,
        }

    def average(self, maps: Sequence[np.ndarray]) -> np.ndarray:
        """Average the maps of an image in the frame, as stage 04 does.

        Args:
            maps: one of each network, (size, size) uint8.

        Returns:
            (frame_px, frame_px) uint8.
        """
        used = [number for number, network in enumerate(self.networks) if network.map_weight]
        weights = np.array([[self.networks[number].map_weight for number in used]])
        resized = (
            images.to_frame(prob_maps.to_probabilities(maps[number]), self.frame_px)
            for number in used
        )
        return prob_maps.weighted_means(resized, weights)[0]

    def p_positive(self, p_of_networks: Sequence[float | None]) -> float | None:
        """Combine the p(positive) of an image as stage 04 does.

        Args:
            p_of_networks: one of each network; None without an image head.

        Returns:
            None if no network has an image head.
        """
        rounded = [None if p is None else round(p, P_DECIMALS) for p in p_of_networks]
        weighted = [
            (network.p_weight * p, network.p_weight)
            for network, p in zip(self.networks, rounded, strict=True)
            if p is not None and network.p_weight
        ]
        sums = [sum(column) for column in zip(*weighted, strict=True)]
        of_members = sums[0] / sums[1] if sums else None
        if self.gate is None:
            return of_members
        of_run: dict[str, list[float]] = {run: [] for run in self.gate.runs}
        for network, p in zip(self.networks, rounded, strict=True):
            if network.run in of_run and p is not None:
                of_run[network.run].append(p)
        features = [float(np.mean(values)) for values in of_run.values()]
        if self.gate.stack and of_members is not None:
            features.append(of_members)
        return self.gate(features)

    def p_pneumothorax(self, map_8bit: np.ndarray, p_positive: float | None) -> float:
        """Return the probability to report, by `p_source`."""
        if self.rule.is_calibrated:
            p = None if p_positive is None else np.array([p_positive])
            p_empty = self.rule.p_empty(histograms.of_map(map_8bit), p)
            assert p_empty is not None
            return 1 - float(p_empty[0])
        return float(map_8bit.max()) / LEVELS if p_positive is None else p_positive

    @property
    def has_image_head(self) -> bool:
        """True if p(positive) is an output of networks."""
        return self.gate is not None or any(
            network.p_weight and network.recipe.network.image_head for network in self.networks
        )

    @property
    def p_source(self) -> str:
        """The meaning of the probability to report, in a few words."""
        if self.rule.is_calibrated:
            return "1 - P(empty), as the decision calibrated it"
        if self.has_image_head:
            return "image-level output of the networks"
        return "highest value of the probability map, which is not calibrated"

    def describe_score(self) -> str:
        """Return a sentence with the score of the decision, its interval, and the images."""
        scores = self.scores
        if scores["oof_dice"] is None:
            return "Not scored: the decision had no labelled images."
        baseline = f"all-empty baseline {scores['all_empty_dice']:.4f}"
        on = f"on {scores['images']:,} labelled images, by networks that were not trained on them"
        if scores["cross_fitted_dice"] is None:
            reason = scores["cross_fitted_reason"]
            return f"Dice {scores['oof_dice']:.4f} {on}, not cross-fitted: {reason}; {baseline}."
        interval = ""
        if scores["ci95"]:
            low, high = scores["ci95"]
            interval = f" (95 % interval {low:.4f} to {high:.4f})"
        return f"Cross-fitted Dice {scores['cross_fitted_dice']:.4f}{interval} {on}; {baseline}."


def load(folder: Path) -> TrainedSystem:
    """Open a folder that `python -m lib.predict export` wrote, and check its weights.

    Raises:
        InputError: if it is missing, unfinished, damaged, or of another format.
    """
    path = folder / CONFIG_FILE
    if not path.is_file():
        raise InputError(
            f"--model {folder} has no {CONFIG_FILE}; give a folder that python -m lib.predict "
            "export wrote to its end"
        )
    try:
        content = json.loads(path.read_bytes())
        found = content["format"]
        system = _from_json(content, folder) if found == FORMAT else None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        reason = " ".join(str(error).split())[:150]
        raise InputError(f"{path} is damaged ({reason}); {REMAKE}") from None
    if system is None:
        raise InputError(f"{path} has format {found}; this version reads {FORMAT}; {REMAKE}")
    for network in system.networks:
        for name, digest in network.checkpoints.items():
            file = system.paths[name]
            if not file.is_file() or sha256(file) != digest:
                raise InputError(f"{file} is missing or damaged; copy it again, or {REMAKE}")
    return system


def _from_json(content: Mapping[str, Any], folder: Path) -> TrainedSystem:
    networks = [
        TrainedNetwork(**entry | {"recipe": serialize.from_dict(entry["recipe"])})
        for entry in content["networks"]
    ]
    gate, stack = content["gate"], None
    if gate and gate["stack"]:
        stack = LogisticGate(gate["stack"]["intercept"], tuple(gate["stack"]["weights"]))
    return TrainedSystem(
        name=content["name"],
        frame_px=content["frame_px"],
        rule_name=content["rule"]["name"],
        rule=schema.rule_from_json(content["rule"]),
        networks=tuple(networks),
        gate=gate and GateRuns(tuple(gate["runs"]), stack),
        scores=content["scores"],
        paths={name: folder / name for network in networks for name in network.checkpoints},
    )
