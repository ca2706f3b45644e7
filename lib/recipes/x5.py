"""2nd place (X5): classifiers as a gate, and segmenters trained on positives only.

The classifiers are stacked on out-of-fold predictions and gate the mean of the segmenters. smp's
networks and image-level head approximate the authors'. Batches are published as "4 to 6" and
"8 to 16": here 4 and 8.
"""

from dataclasses import replace

from lib.recipes.published_rules import PUBLISHED
from lib.recipes.schema import Keep, LossWeights, Network, Phase, Recipe

# Restarts after 5, 15 and 35 epochs; the last period ends early at 40, as published.
RESTARTS = Phase(
    size=1024, epochs=40, batch=4, lr=5e-4, schedule="restarts", period=5,
    keep=Keep("last"),  # the start of the phase with small rates
)  # fmt: skip
SMALL_RATES = Phase(
    size=1024, epochs=4, batch=4, lr=1e-5, schedule="steps", steps=((2, 5e-6),),
    keep=Keep("swa", count=3),  # "three late checkpoints": here the last three epochs
)  # fmt: skip

SEGMENTER = Recipe(
    name="x5_seg_se50",
    source="2nd place (X5), write-up and code",
    summary="SE-ResNeXt50 U-Net at 1024 px, trained on positives alone",
    network=Network("unet", encoder="se_resnext50_32x4d"),
    augmentation="x5",
    phases=tuple(
        replace(phase, positive_rate=1.0, loss=LossWeights(squared_dice=1.0))
        for phase in (RESTARTS, SMALL_RATES)
    ),
    select="positive_dice",
    rule=PUBLISHED["x5"],  # its class gate needs the classifiers: 04's --gate
    tta="none",
)


def _segmenter(name: str, summary: str, network: Network, size: int = 1024) -> Recipe:
    return replace(
        SEGMENTER,
        name=f"x5_seg_{name}",
        summary=f"{summary} at {size} px, trained on positives alone",
        network=network,
        phases=tuple(replace(phase, size=size) for phase in SEGMENTER.phases),
    )


def _classifier(name: str, summary: str, encoder: str) -> Recipe:
    """Return a multi-task U-Net.

    The size, rates and losses of the classifiers are not published. Here: 768 px (2ST-UNet's Table
    11 has 1024 for the whole system), three equal losses, and the rates, restarts and averages of
    the segmenters.
    """
    loss = LossWeights(bce=1.0, image_bce=1.0, image_focal=1.0)
    phases = replace(RESTARTS, epochs=30), SMALL_RATES
    return replace(
        SEGMENTER,
        name=f"x5_cls_{name}",
        summary=f"{summary} multi-task U-Net at 768 px: is there a pneumothorax",
        network=Network("unet", encoder=encoder, image_head=True),
        phases=tuple(replace(phase, size=768, batch=8, loss=loss) for phase in phases),
        select="class_auc",
        tta="flip",
    )


RECIPES = (
    _classifier("se50", "SE-ResNeXt50", "se_resnext50_32x4d"),
    _classifier("se101", "SE-ResNeXt101", "se_resnext101_32x4d"),
    _classifier("effb3", "EfficientNet-B3", "efficientnet-b3"),
    SEGMENTER,
    _segmenter("se101", "SE-ResNeXt101 U-Net", Network("unet", "se_resnext101_32x4d")),
    _segmenter("effb3", "EfficientNet-B3 U-Net", Network("unet", "efficientnet-b3")),
    _segmenter("effb5", "EfficientNet-B5 U-Net", Network("unet", "efficientnet-b5"), size=768),
    # 2ST-UNet's text has DeepLabV3 on ResNeXt50, its Table 11 DeepLabV3+, the authors' code
    # SE-ResNeXt50: here DeepLabV3 as in the text, with the encoder of the code.
    _segmenter("deeplab", "SE-ResNeXt50 DeepLabV3", Network("deeplabv3", "se_resnext50_32x4d")),
)
