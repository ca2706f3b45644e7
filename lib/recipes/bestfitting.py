"""3rd place (bestfitting): Lovasz alone, balanced sampling, averaged weights.

His 0.8642 also used lung crops and pseudo-labels on external data, which are not implemented.
"""

from lib.recipes.published_rules import PUBLISHED
from lib.recipes.schema import Ema, Keep, LossWeights, Network, Phase, Recipe

LOVASZ = Recipe(
    name="bestfitting_lovasz",
    source="3rd place (bestfitting), write-up",
    summary="SE-ResNeXt50 U-Net with attention at 768 px, symmetric Lovasz, averaged weights",
    # scSE approximates the CBAM of his decoder.
    network=Network("unet", encoder="se_resnext50_32x4d", attention="scse"),
    augmentation="standard",  # our choice: not published
    phases=(
        # Published: 704 to 768 px. Our choice: the batch, and 5 epochs at the rate of epoch 35.
        Phase(
            size=768, epochs=40, batch=8, lr=1e-4, schedule="steps",
            steps=((25, 5e-5), (35, 1e-5)), positive_rate=0.5, loss=LossWeights(lovasz=1.0),
            ema=Ema(decay=0.99, start=7),
            # Published without their meaning: here weights of an average, which is one network.
            keep=Keep(count=3, average="weights", weights=(0.5, 0.3, 0.2)),
        ),
    ),
    rule=PUBLISHED["bestfitting"],
)  # fmt: skip

RECIPES = (LOVASZ,)
