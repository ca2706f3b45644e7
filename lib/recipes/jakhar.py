"""Jakhar et al., Pneumothorax Segmentation: a U-Net with a ResNet encoder.

Its 20 % for testing and validation become fold 0 of the common split.
"""

from lib.recipes.published_rules import PUBLISHED
from lib.recipes.schema import Input, LossWeights, Network, Phase, Recipe

JAKHAR = Recipe(
    name="jakhar_resnet_unet",
    source="Jakhar et al., sections III and IV",
    summary="resnet34 U-Net at 256 px, contrast corrected, BCE; published Dice .843",
    network=Network("unet", encoder="resnet34"),  # "ResNet": the depth is not published
    input=Input(contrast="clahe"),  # "contrast correction" without a method
    augmentation="jakhar",
    phases=(
        # Figure 6 ends at 40 epochs. Batch, patience and schedule are not published; the paper
        # gives one rate: here constant.
        Phase(
            size=256, epochs=40, batch=16, lr=1e-4, schedule="constant", early_stop=8,
            loss=LossWeights(bce=1.0),
        ),
    ),
    select="loss",  # the default of early stopping in Keras, which the paper uses
    rule=PUBLISHED["jakhar"],
    tta="none",
)  # fmt: skip

RECIPES = (JAKHAR,)
