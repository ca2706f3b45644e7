"""What a recipe is: everything that changes the result of training and inference."""

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Interval

Count = Annotated[int, Ge(1)]
Share = Annotated[float, Interval(ge=0, le=1)]
Weight = Annotated[float, Ge(0)]

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Rule:
    """How a probability map becomes a mask, in the units of publications.

    An image is emptied if p(positive) is below `class_min`, or if fewer than `min_area` pixels
    have p > `top`. Otherwise its mask is every pixel with p > `bottom`, without 8-connected
    components of fewer than `component_min_area` pixels, and with its holes filled if `fill_holes`.
    Areas are pixels of the RLE frame (1024 x 1024 in the competition).
    """

    top: Share = 0.5
    min_area: Annotated[int, Ge(0)] = 0
    bottom: Share = 0.5
    component_min_area: Annotated[int, Ge(0)] = 0
    fill_holes: bool = False
    class_min: Share | None = None


@dataclass(frozen=True)
class Input:
    """What the network is fed: the gray image, its contrast, and its scale.

    Gray values in 0..1 are copied to as many channels as `mean` has entries, and normalised by it.
    """

    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD


@dataclass(frozen=True)
class Network:
    """A network by name (see lib.models), and what it is built from."""

    name: str = "unet"
    encoder: str = "resnet34"
    encoder_weights: Literal["imagenet", "none"] = "imagenet"
    decoder_channels: tuple[int, ...] = (256, 128, 64, 32, 16)
    image_head: bool = False


@dataclass(frozen=True)
class Loss:
    """The weights of a sum of losses; those at 0 are not computed.

    Attributes:
        bce: binary cross-entropy, the mean over pixels.
        dice: one minus the soft Dice of each image, the mean over images.
        positive_dice: the same over the images with a pneumothorax alone.
        focal: focal loss (gamma 2), the mean over pixels.
        image_bce: binary cross-entropy of the image-level head.
    """

    bce: Weight = 0.0
    dice: Weight = 0.0
    positive_dice: Weight = 0.0
    focal: Weight = 0.0
    image_bce: Weight = 0.0


@dataclass(frozen=True)
class Phase:
    """A stretch of training with its own size, optimizer, schedule, sampling and ranking.

    Attributes:
        size: side of the images, in pixels.
        epochs: how many at most.
        batch: images an optimizer step sees before accumulation, over all ranks together.
        lr: the learning rate at the start.
        min_lr: where the schedule ends (cosine) or stops (plateau).
        accumulate: batches a step of the optimizer adds up.
        schedule: constant, cosine (over the phase, per epoch), or plateau (on the selection score).
        factor, patience: of the plateau.
        positive_rate: share of positives in an epoch; None: every image once.
        clip: the largest norm of the gradient; None: any.
        loss: weights of the losses.
        keep: how many of the best checkpoints are kept; inference averages their probabilities.
        early_stop: epochs without a better score after which the phase ends; None: never.
    """

    size: Count
    epochs: Count
    batch: Count
    lr: Annotated[float, Gt(0)]
    min_lr: Weight = 0.0
    accumulate: Count = 1
    optimizer: Literal["adam", "adamw"] = "adam"
    weight_decay: Weight = 0.0
    schedule: Literal["constant", "cosine", "plateau"] = "cosine"
    factor: Annotated[float, Interval(gt=0, lt=1)] = 0.1
    patience: Count = 5
    positive_rate: Annotated[float, Interval(gt=0, le=1)] | None = None
    clip: Annotated[float, Gt(0)] | None = None
    loss: Loss = Loss(bce=1.0, dice=1.0)
    keep: Count = 1
    early_stop: Count | None = None


@dataclass(frozen=True)
class Recipe:
    """One system, complete.

    Attributes:
        name: in lower case; the name of its run.
        source: where it is described.
        summary: one line of what it is.
        phases: in order, each from the best weights of the one before.
        augmentation: the name of a function in lib/train/augment.py.
        select: what ranks checkpoints; the Dices are at `rule`, the AUC is the image-level head's.
        rule: the published decision rule; fixed, never tuned while training.
        seed: of initial weights, sampling and augmentation.
    """

    name: str
    source: str
    summary: str
    phases: tuple[Phase, ...]
    network: Network = Network()
    input: Input = Input()
    augmentation: str = "none"
    select: Literal["dice", "positive_dice", "loss", "class_auc"] = "dice"
    rule: Rule = Rule()
    seed: int = 42

    @property
    def ranks_checkpoints(self) -> bool:
        """Whether what is kept, or when training ends, was chosen by the validation images."""
        return any(
            phase.keep < phase.epochs or phase.early_stop is not None for phase in self.phases
        )
