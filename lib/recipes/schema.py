"""What a recipe is: everything that changes the result of training and inference."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Interval, MinLen

from lib.decision.rules import Fraction, ThresholdRule

Count = Annotated[int, Ge(1)]
Weight = Annotated[float, Ge(0)]
Rate = Annotated[float, Gt(0)]
Seed = Annotated[int, Interval(ge=0, lt=2**63)]
PositiveRate = Annotated[float, Interval(gt=0, le=1)]

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Input:
    """What the network is fed: the gray image, its contrast, and its scale.

    Gray values in 0..1 are copied to as many channels as `mean` has entries, and normalised by it.
    Contrast is corrected before, in training and inference alike (see lib.images.CONTRASTS).
    """

    mean: Annotated[tuple[float, ...], MinLen(1)] = IMAGENET_MEAN
    std: tuple[Rate, ...] = IMAGENET_STD
    contrast: Literal["none", "clahe"] = "none"

    def __post_init__(self) -> None:
        if len(self.mean) != len(self.std):
            raise ValueError(
                f"input.mean has {len(self.mean)} entries, std {len(self.std)}: give one a channel"
            )


@dataclass(frozen=True)
class Network:
    """A network by name (see lib.models), and what it is built from.

    A network reads some of these and refuses the others where they differ from their defaults.

    Attributes:
        name: of an entry of lib.models.NETWORKS.
        encoder: by its name in segmentation-models-pytorch.
        encoder_weights: what the encoder starts from, unless `--encoder-weights` says otherwise.
        decoder_channels: filters of the decoder's blocks, the deepest first.
        attention: squeeze and excitation in the decoder (scSE).
        image_head: whether there is an image-level output.
        centre: between encoder and decoder.
        hypercolumns: whether the last layer sees all layers of the decoder.
    """

    name: str = "unet"
    encoder: str = "resnet34"
    encoder_weights: Literal["imagenet", "none"] = "imagenet"
    decoder_channels: tuple[Count, ...] = (256, 128, 64, 32, 16)
    attention: Literal["none", "scse"] = "none"
    image_head: bool = False
    centre: Literal["block", "aspp"] = "block"
    hypercolumns: bool = False


@dataclass(frozen=True)
class LossWeights:
    """The weights of a sum of losses; those at 0 are not computed.

    Attributes:
        bce: binary cross-entropy, the mean over pixels.
        dice: one minus the soft Dice of each image, the mean over images.
        batch_dice: one minus the soft Dice of all pixels of the batch together.
        positive_dice: `dice` over the images with a pneumothorax alone.
        squared_dice: `dice` with squares in the denominator.
        focal: focal loss (gamma 2), the mean over pixels.
        lovasz: symmetric Lovasz hinge of each image, the mean over images.
        image_bce: binary cross-entropy of the image-level head.
        image_focal: focal loss of the image-level head.
    """

    bce: Weight = 0.0
    dice: Weight = 0.0
    batch_dice: Weight = 0.0
    positive_dice: Weight = 0.0
    squared_dice: Weight = 0.0
    focal: Weight = 0.0
    lovasz: Weight = 0.0
    image_bce: Weight = 0.0
    image_focal: Weight = 0.0


@dataclass(frozen=True)
class Keep:
    """What a phase leaves behind: for the next phase to start from, or for inference.

    Attributes:
        strategy: best: the epochs of the highest scores; last: the last epochs; swa: the mean of
            the weights of the last epochs (stochastic weight averaging, Izmailov et al., 2018).
        count: how many epochs.
        average: whether inference averages the probabilities of the best epochs, or their weights
            are averaged into one network. Averaged weights get new batch-norm statistics.
        weights: of the best epochs in averaged weights, the best first; empty: equal.
    """

    strategy: Literal["best", "last", "swa"] = "best"
    count: Count = 1
    average: Literal["probabilities", "weights"] = "probabilities"
    weights: tuple[Weight, ...] = ()

    def __post_init__(self) -> None:
        if self.weights and not (self.merges and self.strategy == "best"):
            raise ValueError(
                "keep.weights are for the weights of the best: strategy best, average weights"
            )
        if self.weights and len(self.weights) != self.count:
            raise ValueError(
                f"keep.weights has {len(self.weights)} entries, keep.count is {self.count}"
            )

    @property
    def merges(self) -> bool:
        """Whether one network is made of several epochs."""
        return self.strategy == "swa" or (self.average == "weights" and self.count > 1)


@dataclass(frozen=True)
class Ema:
    """An exponential moving average of the weights: it is validated and kept in their place.

    Attributes:
        decay: what is left of the average at each step of the optimizer.
        start: the first epoch (from 0) at whose beginning the average starts from the weights.
    """

    decay: Annotated[float, Interval(gt=0, lt=1)]
    start: Annotated[int, Ge(0)] = 0


@dataclass(frozen=True)
class Phase:
    """A stretch of training with its own size, optimizer, schedule, sampling and ranking.

    Attributes:
        size: side of the images, in pixels.
        epochs: how many at most.
        batch: images an optimizer step sees before accumulation, over all ranks together.
        lr: the learning rate at the start (linear: at the peak).
        min_lr: where the schedule ends (cosine, restarts, linear) or stops (plateau).
        crop: side of a random crop of each augmented image, in pixels; None: the whole image.
        accumulate: batches a step of the optimizer adds up.
        optimizer: sgd has momentum .9.
        schedule: constant; cosine, down in `period` epochs, then up and down again; restarts, down
            in `period` epochs, then from the top in a period twice as long; plateau (on the
            selection score); linear, up in the first `warmup` of all steps, then down; steps.
            All but linear change between epochs only.
        period: of cosine (None: the epochs of the phase) and restarts.
        steps: (epoch, learning rate from it on), of steps.
        warmup: share of the phase, of linear.
        factor, patience: of the plateau.
        positive_rate: share of positives in an epoch; (epoch, rate from it on) pairs slide it;
            None: every image once.
        positive_rate_end: the rate of the last epoch, reached linearly; None: no slope.
        clip: the largest norm of the gradient; None: any.
        freeze: what is not trained: the encoder, or its batch norms (weights and statistics both).
        freeze_epochs: for how many epochs; None: all.
        loss: weights of the losses.
        keep: what is left of it.
        ema: an average of the weights that takes their place; None: none.
        early_stop: epochs without a better score after which the phase ends; None: never.
    """

    size: Count
    epochs: Count
    batch: Count
    lr: Rate
    min_lr: Weight = 0.0
    crop: Count | None = None
    accumulate: Count = 1
    optimizer: Literal["adam", "adamw", "radam", "sgd"] = "adam"
    weight_decay: Weight = 0.0
    schedule: Literal["constant", "cosine", "restarts", "plateau", "linear", "steps"] = "cosine"
    period: Count | None = None
    steps: tuple[tuple[Count, Rate], ...] = ()
    warmup: Fraction = 0.0
    factor: Annotated[float, Interval(gt=0, lt=1)] = 0.1
    patience: Count = 5
    positive_rate: PositiveRate | tuple[tuple[int, PositiveRate], ...] | None = None
    positive_rate_end: PositiveRate | None = None
    clip: Rate | None = None
    freeze: Literal["nothing", "encoder", "encoder_norms"] = "nothing"
    freeze_epochs: Count | None = None
    loss: LossWeights = LossWeights(bce=1.0, dice=1.0)
    keep: Keep = Keep()
    ema: Ema | None = None
    early_stop: Count | None = None

    def __post_init__(self) -> None:
        """Refuse what would be ignored, or cannot be."""
        if self.crop is not None and self.crop > self.size:
            raise ValueError(f"crop {self.crop} is larger than size {self.size}")
        if bool(self.steps) != (self.schedule == "steps"):
            raise ValueError("steps and schedule steps need each other")
        if self.period is not None and self.schedule not in ("cosine", "restarts"):
            raise ValueError(f"schedule {self.schedule} has no period")
        if self.period is None and self.schedule == "restarts":
            raise ValueError("schedule restarts needs a period")
        if self.warmup and self.schedule != "linear":
            raise ValueError(f"schedule {self.schedule} has no warmup")
        if self.positive_rate_end is not None and not isinstance(self.positive_rate, float):
            raise ValueError("positive_rate_end needs a number as positive_rate to start from")
        if isinstance(self.positive_rate, tuple):
            epochs = [epoch for epoch, _ in self.positive_rate]
            if epochs[:1] != [0] or any(later <= epoch for epoch, later in pairwise(epochs)):
                raise ValueError("positive_rate steps need rising epochs, the first 0")
        if self.freeze_epochs is not None and self.freeze == "nothing":
            raise ValueError("freeze_epochs needs something to freeze")


@dataclass(frozen=True)
class Recipe:
    """One system, complete.

    Attributes:
        name: in lower case; the name of its run.
        source: where it is described.
        summary: one line of what it is.
        phases: in order, each from the best weights of the one before.
        augmentation: the name of a function in lib/train/augment.py.
        select: what ranks checkpoints; the Dices are at `select_rule`, the AUC is the image-level
            head's.
        rule: the published decision rule.
        select_rule: fixed, never tuned while training; None: `rule`.
        seed: of initial weights, sampling and augmentation.
    """

    name: str
    source: str
    summary: str
    phases: Annotated[tuple[Phase, ...], MinLen(1)]
    network: Network = Network()
    input: Input = Input()
    augmentation: str = "none"
    select: Literal["dice", "positive_dice", "loss", "class_auc"] = "dice"
    rule: ThresholdRule = ThresholdRule()
    select_rule: ThresholdRule | None = None
    seed: Seed = 42

    @property
    def ranks_checkpoints(self) -> bool:
        """Whether the validation images chose what is kept, the rates, or when training ends."""
        return any(
            (phase.keep.strategy == "best" and phase.keep.count < phase.epochs)
            or phase.schedule == "plateau"
            or phase.early_stop is not None
            for phase in self.phases
        )
