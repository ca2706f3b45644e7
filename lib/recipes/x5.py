"""2nd place (X5): classifiers as a gate, and segmenters trained on positives only.

The stacked classifiers gate the mean of the segmenters, which predict without flips. Stacking is a
linear layer there, the mean of five folds, on the classifiers' probabilities, their mean and their
half-differences; here (04's --gate-fit stack) it is a logistic regression on their logits.

A fourth classifier and three of the segmenters were first trained on CheXpert, which is not
available here: all start from ImageNet. smp's networks and image-level head approximate the
authors'.
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


def _segmenter(
    name: str, summary: str, network: Network, size: int = 1024, batch: int = 4
) -> Recipe:
    return Recipe(
        name=f"x5_seg_{name}",
        source="2nd place (X5), write-up and code",
        summary=f"{summary} at {size} px, trained on positives alone",
        network=network,
        augmentation="x5",
        phases=(replace(TRAINING, size=size, batch=batch),),
        select="positive_dice",
        rule=PUBLISHED["x5"],  # its class gate needs the classifiers: 04's --gate
        tta="none",
    )


def _classifier(name: str, summary: str, encoder: str, size: int, batch: int) -> Recipe:
    """Return a multi-task U-Net.

    Restarts end 10 epochs earlier than those of the segmenters, and go down to 1e-5. Our choice:
    three equal losses, and the other rates of the segmenters.
    """
    phase = replace(
        TRAINING, size=size, epochs=34, batch=batch, min_lr=1e-5, steps=((30, 1e-5), (32, 5e-6)),
        positive_rate=None, loss=LossWeights(bce=1.0, image_bce=1.0, image_focal=1.0),
        keep=Keep("epochs", 6, "weights", epochs=(24, 29, 30, 31, 32, 33)),
    )  # fmt: skip
    return Recipe(
        name=f"x5_cls_{name}",
        source="2nd place (X5), write-up and code",
        summary=f"{summary} multi-task U-Net at {size} px: is there a pneumothorax",
        network=Network("unet", encoder=encoder, image_head=True),
        augmentation="x5_classifier",
        phases=(phase,),
        select="class_auc",
        rule=PUBLISHED["x5"],
    )


RECIPES = (
    _classifier("se50_768", "SE-ResNeXt50", "se_resnext50_32x4d", size=768, batch=16),
    _classifier("se50_1024", "SE-ResNeXt50", "se_resnext50_32x4d", size=1024, batch=8),
    _classifier("effb3", "EfficientNet-B3", "efficientnet-b3", size=1024, batch=16),
    # The write-up names this encoder for a classifier, the code has none with it. Size and batch
    # are our choice.
    _classifier("se101", "SE-ResNeXt101", "se_resnext101_32x4d", size=768, batch=8),
    _segmenter("se50", "SE-ResNeXt50 U-Net", Network("unet", "se_resnext50_32x4d")),
    _segmenter("se101", "SE-ResNeXt101 U-Net", Network("unet", "se_resnext101_32x4d")),
    _segmenter("effb3", "EfficientNet-B3 U-Net", Network("unet", "efficientnet-b3"), batch=6),
    _segmenter("effb5", "EfficientNet-B5 U-Net", Network("unet", "efficientnet-b5"), size=768),
    # 2ST-UNet's text has DeepLabV3 on ResNeXt50; its Table 11 and the authors' code have
    # DeepLabV3+, the code on SE-ResNeXt50.
    _segmenter(
        "deeplab", "SE-ResNeXt50 DeepLabV3+", Network("deeplabv3plus", "se_resnext50_32x4d")
    ),
)
