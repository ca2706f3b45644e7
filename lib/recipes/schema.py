"""Schema of recipes: everything that changes the result of training and inference."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Interval, MinLen

from lib.decision.rules import Fraction, ThresholdRule

Count = Annotated[int, Ge(1)]
Epoch = Annotated[int, Ge(0)]  # the first one is 0
Weight = Annotated[float, Ge(0)]
Rate = Annotated[float, Gt(0)]
Seed = Annotated[int, Interval(ge=0, lt=2**63)]
PositiveRate = Annotated[float, Interval(gt=0, le=1)]

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Input:
    """Input of the network: contrast correction, channels and normalisation of the gray image.

    Contrast is corrected first, in training and inference alike (see lib.images.CONTRASTS). Gray
    values in 0..1 are then copied to one channel per entry of `mean`, and normalised.
    """

    mean: Annotated[tuple[float, ...], MinLen(1)] = IMAGENET_MEAN
    std: tuple[Rate, ...] = IMAGENET_STD
    contrast: Literal["none", "clahe"] = "none"

    def __post_init__(self) -> None:
        if len(self.mean) != len(self.std):
            raise ValueError(
                f"input.mean has {len(self.mean)} entries, std {len(self.std)}: one per channel"
            )


@dataclass(frozen=True)
class Network:
    """A network by name (see lib.models), and its options.

    A network reads some of the options; the others must have their defaults.

    Attributes:
        name: a key of lib.models.NETWORKS.
        encoder: its name in segmentation-models-pytorch.
        encoder_weights: the start of the encoder; `--encoder-weights` overrides it.
        decoder_channels: filters of the decoder's blocks, the deepest first.
        attention: squeeze and excitation in the decoder (scSE).
        image_head: adds an image-level output.
        centre: the part between encoder and decoder.
        hypercolumns: feeds all blocks of the decoder to the last layer.
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
    """Weights of the losses in their sum; a loss with weight 0 is not computed.

    Attributes:
        bce: binary cross-entropy, the mean over pixels.
        dice: one minus the soft Dice of each image, the mean over images.
        batch_dice: one minus the soft Dice of all pixels of the batch together.
        positive_dice: `dice` over the images with a pneumothorax only.
        squared_dice: `dice` with squares in the denominator.
        focal: focal loss (gamma 2), the mean over pixels.
        lovasz: symmetric Lovasz hinge of each image, the mean over images.
        lovasz_elu: `lovasz` with elu + 1 in place of the hinge's ReLU.
        image_bce: binary cross-entropy of the image-level head.
        image_focal: focal loss of the image-level head.
        dice_smooth: pixels added to both overlap and total of the four Dice losses. With one,
            images without pneumothorax have a gradient; with 1e-6 hardly.
    """

    bce: Weight = 0.0
    dice: Weight = 0.0
    batch_dice: Weight = 0.0
    positive_dice: Weight = 0.0
    squared_dice: Weight = 0.0
    focal: Weight = 0.0
    lovasz: Weight = 0.0
    lovasz_elu: Weight = 0.0
    image_bce: Weight = 0.0
    image_focal: Weight = 0.0
    dice_smooth: Rate = 1.0


@dataclass(frozen=True)
class Keep:
    """Weights that a phase keeps, for the next phase or for inference.

    Attributes:
        strategy: best: the epochs of the highest scores; last: the last epochs; swa: the mean of
            the weights of the last epochs (stochastic weight averaging, Izmailov et al., 2018);
            epochs: those that `epochs` names.
        count: number of epochs.
        average: probabilities: inference averages the probabilities of the kept epochs; weights:
            their weights are averaged into one network, with new batch-norm statistics.
        weights: coefficients of the best epochs in an average of weights, the best first; empty:
            equal.
        epochs: for strategy epochs, from 0 within the phase, rising.
    """

    strategy: Literal["best", "last", "swa", "epochs"] = "best"
    count: Count = 1
    average: Literal["probabilities", "weights"] = "probabilities"
    weights: tuple[Weight, ...] = ()
    epochs: tuple[Epoch, ...] = ()

    def __post_init__(self) -> None:
        if bool(self.epochs) != (self.strategy == "epochs"):
            raise ValueError("keep.epochs and keep.strategy = epochs need each other")
        if self.epochs and len(self.epochs) != self.count:
            raise ValueError(
                f"keep.epochs has {len(self.epochs)} entries, keep.count is {self.count}"
            )
        if any(later <= epoch for epoch, later in pairwise(self.epochs)):
            raise ValueError(f"keep.epochs must rise: {self.epochs}")
        if self.weights and not (self.merges and self.strategy == "best"):
            raise ValueError("keep.weights needs keep.strategy = best and keep.average = weights")
        if self.weights and len(self.weights) != self.count:
            raise ValueError(
                f"keep.weights has {len(self.weights)} entries, keep.count is {self.count}"
            )

    @property
    def merges(self) -> bool:
        """True if the weights of several epochs are averaged into one network."""
        return self.strategy == "swa" or (self.average == "weights" and self.count > 1)


@dataclass(frozen=True)
class Ema:
    """Exponential moving average of the weights, which is validated and kept in their place.

    Attributes:
        decay: weight of the average so far at each step of the optimizer.
        start: the epoch (from 0) before which the average starts, as a copy of the weights.
    """

    decay: Annotated[float, Interval(gt=0, lt=1)]
    start: Epoch = 0


@dataclass(frozen=True)
class Phase:
    """A part of a training with its own size, optimizer, schedule, sampling and ranking.

    Attributes:
        size: side of the images, in pixels.
        epochs: maximum number of epochs.
        batch: images per batch, over all processes together.
        lr: the learning rate at the start (linear: at the peak).
        min_lr: the last learning rate (cosine, restarts, linear) or the lowest (plateau).
        crop: side of a random crop of each augmented image, in pixels; None: the whole image.
        accumulate: batches per step of the optimizer.
        optimizer: sgd has momentum .9.
        schedule: constant; cosine: down in `period` epochs, then up and down again; restarts: down
            in `period` epochs, then from the top again; plateau: on the selection score; linear: up
            in the warm-up, then down; steps. Only linear changes within an epoch.
        period: epochs, for cosine (None: the epochs of the phase) and restarts.
        steps: (first epoch, learning rate) pairs, for steps, and for the end of restarts.
        warmup: fraction of the phase, for linear.
        factor, patience: for plateau.
        positive_rate: fraction of positives in an epoch, or (first epoch, rate) pairs; None: every
            image once.
        positive_rate_end: the rate of the last epoch, reached linearly; None: a constant rate.
        replacement: draws the negatives of an epoch with replacement.
        decoder_weight_decay: that of the decoder; None: `weight_decay`.
        clip: maximum norm of the gradient; None: no limit.
        freeze: the parts not to train: the encoder; its parameters, while its batch norms go on
            with the statistics of batches; or its batch norms (parameters and statistics).
        freeze_epochs: number of epochs with frozen parts; None: all.
        loss: weights of the losses.
        keep: weights to keep.
        ema: an average of the weights that takes their place; None: no average.
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
    decoder_weight_decay: Weight | None = None
    schedule: Literal["constant", "cosine", "restarts", "plateau", "linear", "steps"] = "cosine"
    period: Count | None = None
    steps: tuple[tuple[Count, Rate], ...] = ()
    warmup: Fraction = 0.0
    factor: Annotated[float, Interval(gt=0, lt=1)] = 0.1
    patience: Count = 5
    positive_rate: PositiveRate | tuple[tuple[int, PositiveRate], ...] | None = None
    positive_rate_end: PositiveRate | None = None
    replacement: bool = False
    clip: Rate | None = None
    freeze: Literal["nothing", "encoder", "encoder_parameters", "encoder_norms"] = "nothing"
    freeze_epochs: Count | None = None
    loss: LossWeights = LossWeights(bce=1.0, dice=1.0)
    keep: Keep = Keep()
    ema: Ema | None = None
    early_stop: Count | None = None

    def __post_init__(self) -> None:
        """Check options that would be ignored or contradict each other."""
        if self.crop is not None and self.crop > self.size:
            raise ValueError(f"crop {self.crop} is larger than size {self.size}")
        if self.steps and self.schedule not in ("steps", "restarts"):
            raise ValueError(f"schedule {self.schedule} has no steps")
        if not self.steps and self.schedule == "steps":
            raise ValueError("schedule steps needs steps")
        if self.period is not None and self.schedule not in ("cosine", "restarts"):
            raise ValueError(f"schedule {self.schedule} has no period")
        if self.period is None and self.schedule == "restarts":
            raise ValueError("schedule restarts needs a period")
        if self.warmup and self.schedule != "linear":
            raise ValueError(f"schedule {self.schedule} has no warmup")
        if self.positive_rate_end is not None and not isinstance(self.positive_rate, float):
            raise ValueError("positive_rate_end needs a number as positive_rate to start from")
        if self.replacement and self.positive_rate is None:
            raise ValueError("replacement needs a positive_rate")
        if isinstance(self.positive_rate, tuple):
            epochs = [epoch for epoch, _ in self.positive_rate]
            if epochs[:1] != [0] or any(later <= epoch for epoch, later in pairwise(epochs)):
                raise ValueError("positive_rate steps need rising epochs, the first 0")
        if self.freeze_epochs is not None and self.freeze == "nothing":
            raise ValueError("freeze_epochs needs something to freeze")
        if self.keep.epochs and self.keep.epochs[-1] >= self.epochs:
            raise ValueError(
                f"keep.epochs has epoch {self.keep.epochs[-1]}, the last of the phase is "
                f"{self.epochs - 1}"
            )
        if self.keep.epochs and self.early_stop is not None:
            raise ValueError("early_stop may end the phase before keep.epochs")


@dataclass(frozen=True)
class Recipe:
    """A complete system.

    Attributes:
        name: in lower case; the name of its run.
        source: the paper, write-up or code that describes it.
        summary: one line about it.
        phases: in order; each starts from the first weights that the one before keeps.
            See `Keep`.
        augmentation: a key of AUGMENTATIONS in lib/train/augment.py.
        select: the metric that ranks checkpoints. dice and positive_dice are computed at
            `select_rule`; tuned_dice is the Dice at the best triplet of the validation images, for
            ranking alone; class_auc is the AUC of the image-level head.
        rule: the published decision rule.
        select_rule: the fixed rule of dice and positive_dice; None: `rule`.
        tta: test-time augmentation of stage 03. flip: the mean of the maps of each image and of its
            mirror image; none: the map of the image.
        seed: of initial weights, sampling and augmentation.
    """

    name: str
    source: str
    summary: str
    phases: Annotated[tuple[Phase, ...], MinLen(1)]
    network: Network = Network()
    input: Input = Input()
    augmentation: str = "none"
    select: Literal["dice", "tuned_dice", "positive_dice", "loss", "class_auc"] = "dice"
    rule: ThresholdRule = ThresholdRule()
    select_rule: ThresholdRule | None = None
    tta: Literal["flip", "none"] = "flip"
    seed: Seed = 42

    @property
    def ranks_checkpoints(self) -> bool:
        """True if validation images affect the kept weights, the rates, or the last epoch."""
        return any(
            phase.schedule == "plateau"
            or phase.early_stop is not None
            or (phase.keep.strategy == "best" and phase.epochs > used)
            # The last phase gives all its kept weights to the maps, an earlier one the first.
            for phase, used in zip(
                self.phases,
                [1] * (len(self.phases) - 1) + [self.phases[-1].keep.count],
                strict=True,
            )
        )
