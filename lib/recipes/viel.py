"""Viel and Orhan, Deep Learning for Pneumothorax Segmentation: an ablation of four options.

The paper takes all 2,669 positives and as many negatives, trains on half of these 5,338 images and
validates on the other half. As there:

    python 01_prepare.py --raw RAW --balanced --n-folds 2 --recipes viel_baseline
    python 02_train.py --recipe viel_baseline --folds 0

The paper does not speak of patients; 01's --groups CSV keeps all images of one in the same half.
tests/bench/published.md has the commands for all 16 and their table. On the whole data set, fold 0
of the common split validates on all its images (balanced Dice is the paper's column), and each
epoch draws new negatives. The paper's Lovasz-Softmax (4.1) is the symmetric hinge here, because
there is a single class.

Where the paper is silent, the values are those of the authors' code: weight decay, batch norms that
train while the encoder is frozen, nearest upsampling, elu + 1 in the hinge, and no ReLU in the
classification branch.
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations

from lib.recipes.published_rules import PUBLISHED
from lib.recipes.schema import Keep, LossWeights, Network, Phase, Recipe

OPTIONS = ("lovasz", "aspp", "hypercolumns", "scse")

JOINT = Phase(
    size=256, epochs=40, batch=32, lr=5e-4, min_lr=5e-5, optimizer="radam", positive_rate=0.5,
    weight_decay=1e-4, decoder_weight_decay=1e-2,
    loss=LossWeights(bce=1.0, image_bce=0.1),
    keep=Keep("last"),  # the paper does not select epochs
)  # fmt: skip
# At first the text freezes the decoder, the authors' code the encoder, as usual: here the encoder.
FROZEN = replace(JOINT, epochs=3, min_lr=1e-4, freeze="encoder_parameters")

BASELINE = Recipe(
    name="viel_baseline",
    source="Viel and Orhan, section 3",
    summary="resnet34 U-Net with a classification branch at 256 px: the ablation's baseline",
    network=Network("viel_unet", encoder="resnet34", image_head=True),
    augmentation="hflip",
    phases=(FROZEN, JOINT),
    rule=PUBLISHED["viel"],
    tta="none",
)


def _variant(options: Sequence[str]) -> Recipe:
    """Return a row of Table 6: the baseline with some of the options."""
    if not options:
        return BASELINE
    phases = BASELINE.phases
    if "lovasz" in options:
        loss = LossWeights(lovasz_elu=1.0, image_bce=0.01)
        phases = tuple(replace(phase, loss=loss) for phase in phases)
    return replace(
        BASELINE,
        name="viel_" + "_".join(options),
        source="Viel and Orhan, section 4 and Table 6",
        summary=f"the ablation's baseline with {', '.join(options)}",
        network=replace(
            BASELINE.network,
            centre="aspp" if "aspp" in options else "block",
            hypercolumns="hypercolumns" in options,
            attention="scse" if "scse" in options else "none",
        ),
        phases=phases,
    )


# All 16 combinations, in the order of Table 6.
RECIPES = tuple(_variant(options) for count in range(5) for options in combinations(OPTIONS, count))
