"""7th place (See): a feature pyramid network on resnet50.

smp's FPN approximates his. The choice of the checkpoint is not published: here the best by the
rule.
"""

from lib.recipes.published_rules import PUBLISHED
from lib.recipes.schema import LossWeights, Network, Phase, Recipe

FPN_R50 = Recipe(
    name="see_fpn_r50",
    source="7th place (See), write-up",
    summary="FPN on resnet50 at 768 px, BCE with Dice on positives",
    network=Network("fpn", encoder="resnet50"),
    augmentation="standard",  # our choice: not published
    phases=(
        # The size is not published: 768 px with batch 16 fit one large GPU.
        Phase(
            size=768, epochs=20, batch=16, lr=1e-4, optimizer="adamw", weight_decay=1e-4,
            schedule="linear", warmup=0.05, loss=LossWeights(bce=1.0, positive_dice=0.3),
        ),
    ),
    rule=PUBLISHED["see"],
)  # fmt: skip

RECIPES = (FPN_R50,)
