"""Niu: a U-Net on SE-ResNeXt50, trained in three steps, and the encoders of its Table 1.

Published: the second step has a positive rate of .6 and a learning rate of 1e-5, the first has
larger ones, the third has fewer positives. Our choice: .8 and 1e-3 first; .4 and 1e-5 last; 512 px,
batch 16, Adam with a cosine, and 20 + 15 + 15 epochs. The loss is published without weights: here
equal weights, and Dice per image. The losses of its Table 1, near 2, cannot be compared: they must
have other weights, or sums. Its 28.37 % of positives are rows of the label file, not images.

Of its data cleaning, stage 01 has the uniform formats and the removal of duplicates and of
contradicting records. The paper fills missing values with the mean of the same indicator; here
missing header values stay missing, because no network reads them. The paper augments before
training (offline); here each epoch augments anew.
"""

from dataclasses import replace

from lib.recipes.published_rules import PUBLISHED
from lib.recipes.schema import LossWeights, Network, Phase, Recipe

# Each step starts from the best model of the one before.
FIRST = Phase(
    size=512, epochs=20, batch=16, lr=1e-3, min_lr=1e-5, positive_rate=0.8,
    loss=LossWeights(focal=1.0, dice=1.0),
)  # fmt: skip
SECOND = replace(FIRST, epochs=15, lr=1e-5, min_lr=1e-7, positive_rate=0.6)
THIRD = replace(SECOND, positive_rate=0.4)

SE_RESNEXT50 = Recipe(
    name="niu_se_resnext50",
    source="Niu, section V and Table 1",
    summary="SE-ResNeXt50 U-Net at 512 px, positives 80, 60, 40 %; published Dice .721",
    network=Network("unet", encoder="se_resnext50_32x4d"),
    augmentation="niu",
    phases=(FIRST, SECOND, THIRD),
    rule=PUBLISHED["niu"],
    tta="none",
)


def _with_encoder(name: str, encoder: str, dice: str) -> Recipe:
    return replace(
        SE_RESNEXT50,
        name=f"niu_{name}",
        summary=f"the same training with {encoder}; published Dice {dice}",
        network=replace(SE_RESNEXT50.network, encoder=encoder),
    )


RECIPES = (
    SE_RESNEXT50,
    _with_encoder("densenet121", "densenet121", ".701"),
    _with_encoder("resnet50", "resnet50", ".708"),
    _with_encoder("resnet101", "resnet101", ".711"),
    # With batch norms, as the paper has in its networks: a VGG without them does not train at 1e-3.
    _with_encoder("vgg16", "vgg16_bn", ".695"),
)
