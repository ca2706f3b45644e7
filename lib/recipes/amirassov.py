"""4th place (amirassov): resnet34 on crops of 512 px from images of 768 px.

smp's decoder and image-level head approximate the author's. The choice of the checkpoint is not
published: here the best by the rule.
"""

from lib.recipes.published_rules import PUBLISHED
from lib.recipes.schema import LossWeights, Network, Phase, Recipe

R34_768 = Recipe(
    name="amirassov_r34_768",
    source="4th place (amirassov), configuration files",
    summary="resnet34 U-Net with an image-level head, 512 px crops of 768, fewer positives by time",
    network=Network("unet", encoder="resnet34", image_head=True),
    augmentation="amirassov",
    phases=(
        Phase(
            size=768, crop=512, epochs=60, batch=8, lr=7.5e-5, min_lr=1e-6, weight_decay=1e-5,
            period=8, positive_rate=0.8, positive_rate_end=0.22, clip=0.5, freeze="encoder_norms",
            # .9 (3 BCE + Dice) + .1 BCE of the class. The class is that of the crop, which may
            # miss its image's pneumothorax. The kind of Dice is not published: here per image.
            loss=LossWeights(bce=2.7, dice=0.9, image_bce=0.1),
        ),
    ),
    rule=PUBLISHED["amirassov"],
)  # fmt: skip

RECIPES = (R34_768,)
