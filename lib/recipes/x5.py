"""2nd place (X5): classifiers as a gate, and segmenters trained on positives only.

The classifiers are stacked on out-of-fold predictions and gate the mean of the segmenters. smp's
networks and image-level head approximate the authors'. Batches are published as "4 to 6" and
"8 to 16": here 4 and 8.
"""

from dataclasses import replace

from lib.recipes.published_rules import PUBLISHED
from lib.recipes.schema import Keep, LossWeights, Network, Phase, Recipe

# Restarts every 5 epochs (the doubling in the scheduler of the code is never reached), then two
# small rates of 2 epochs each. The mean of the weights of some epochs infers: it takes ends of
# restarts and the last epoch, so that all epochs are one phase here.
TRAINING = Phase(
    size=1024, epochs=44, batch=4, lr=5e-4, min_lr=1e-6, schedule="restarts", period=5,
    steps=((40, 1e-5), (42, 5e-6)), positive_rate=1.0,
    loss=LossWeights(squared_dice=1.0, dice_smooth=0.01),
    keep=Keep("epochs", 3, "weights", epochs=(34, 39, 43)),
)  # fmt: skip

SEGMENTER = Recipe(
    name="x5_seg_se50",
    source="2nd place (X5), write-up and code",
    summary="SE-ResNeXt50 U-Net at 1024 px, trained on positives alone",
    network=Network("unet", encoder="se_resnext50_32x4d"),
    augmentation="x5",
    phases=(TRAINING,),
    select="positive_dice",
    rule=PUBLISHED["x5"],  # its class gate needs the classifiers: 04's --gate
)


def _segmenter(name: str, summary: str, network: Network, size: int = 1024) -> Recipe:
    return replace(
        SEGMENTER,
        name=f"x5_seg_{name}",
        summary=f"{summary} at {size} px, trained on positives alone",
        network=network,
        phases=(replace(TRAINING, size=size),),
    )


def _classifier(name: str, summary: str, encoder: str) -> Recipe:
    """Return a multi-task U-Net.

    The size, rates and losses of the classifiers are not published. Here: 768 px (2ST-UNet's Table
    11 has 1024 for the whole system), three equal losses, and the rates of the segmenters, but
    restarts go down to 1e-5, and end 10 epochs earlier.
    """
    phase = replace(
        TRAINING, size=768, epochs=34, batch=8, min_lr=1e-5, steps=((30, 1e-5), (32, 5e-6)),
        positive_rate=None, loss=LossWeights(bce=1.0, image_bce=1.0, image_focal=1.0),
        keep=Keep("epochs", 6, "weights", epochs=(24, 29, 30, 31, 32, 33)),
    )  # fmt: skip
    return replace(
        SEGMENTER,
        name=f"x5_cls_{name}",
        summary=f"{summary} multi-task U-Net at 768 px: is there a pneumothorax",
        network=Network("unet", encoder=encoder, image_head=True),
        augmentation="x5_classifier",
        phases=(phase,),
        select="class_auc",
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
