"""2ST-UNet: Abedalla et al., The 2ST-UNet for pneumothorax segmentation, 2020.

Its hold-out (20 % in experiment 1, 10 % in the others) becomes fold 0 of the common split. smp's
resnet34 approximates the residual units of its Figure 7.
"""

from dataclasses import replace

from lib.recipes.published_rules import PUBLISHED
from lib.recipes.schema import Input, Keep, LossWeights, Network, Phase, Recipe

# Gray values in 0..1 (4.1), for pretrained weights too.
RGB = Input(mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
GRAY = Input(mean=(0.0,), std=(1.0,))

# Equation 2 has sets of pixels without images: the Dice of all pixels of the batch together.
BCE_DICE = LossWeights(bce=1.0, batch_dice=1.0)

# The end of the cosine is not published: here 0, the default of the usual schedulers.
LOW = Phase(size=256, epochs=35, batch=40, lr=1e-3, loss=BCE_DICE, keep=Keep("swa", count=5))
HIGH = Phase(size=512, epochs=10, batch=14, lr=1e-3, loss=BCE_DICE, keep=Keep("swa", count=3))

EXP2 = Recipe(
    name="abedalla_exp2",
    source="2ST-UNet, 5.1 and Table 4",
    summary="resnet34 U-Net at 256 px, SWA: experiment 2",
    # 24,436,369 parameters; the channels of Table 3 are those of smp's Unet.
    network=Network("unet", encoder="resnet34"),
    input=RGB,
    augmentation="abedalla",
    phases=(LOW,),
    # Small components are removed in 4.3, small masks as a whole in 5.1: here as in 5.1.
    rule=PUBLISHED["abedalla_exp2"],
)
EXP1 = replace(
    EXP2,
    name="abedalla_exp1",
    summary="resnet34 U-Net at 256 px, gray mapped to 3 channels, plateau: experiment 1",
    network=Network("abedalla_gray_unet", encoder="resnet34"),
    input=GRAY,
    phases=(
        replace(
            # Keras (footnote 9) lowers the rate in the fifth epoch without gain; this code, like
            # torch, lowers it in the sixth.
            LOW, epochs=50, schedule="plateau", factor=0.2, patience=5, keep=Keep("best"),
        ),
    ),
    select="loss",  # the score of the plateau
    rule=PUBLISHED["abedalla_exp1"],
)  # fmt: skip
# Experiment 3 loads the weights of experiment 2, whose training is the first phase here. The paper
# does not name the epoch (4.2, 4.3): here the mean of the weights, the end of experiment 2.
EXP3 = replace(
    EXP2,
    name="abedalla_exp3",
    summary="resnet34 U-Net at 256, then 512 px, SWA: experiment 3",
    phases=(LOW, HIGH),
    rule=PUBLISHED["abedalla_exp3"],
)
EXP4 = replace(
    EXP2,
    name="abedalla_exp4",
    summary="resnet34 U-Net at 256, then 512 px, SWA, longer: experiment 4",
    phases=(replace(LOW, epochs=60), replace(HIGH, epochs=29)),
    rule=PUBLISHED["abedalla_2st_unet"],
)
# The text is "as experiment 4" and gives epochs only; batches are from Table 4 and 4.3.
EXP5 = replace(
    EXP2,
    name="abedalla_2st_unet",
    summary="2ST-UNet: resnet34 U-Net, 100 epochs at 256, then 70 at 512 px, SWA: experiment 5",
    phases=(replace(LOW, epochs=100, batch=64), replace(HIGH, epochs=70, batch=16)),
    rule=PUBLISHED["abedalla_2st_unet"],
)


def _augmentation_study(groups: str) -> Recipe:
    """Return a row of Table 10; without SWA, which is not mentioned: the epoch of the best Dice."""
    return replace(
        EXP2,
        name=f"abedalla_aug_{groups}",
        source="2ST-UNet, 5.1 and Table 10",
        summary=f"resnet34 U-Net at 256 px, 20 epochs, augmentation {groups}",
        augmentation="none" if groups == "none" else f"abedalla_{groups}",
        phases=(replace(LOW, epochs=20, batch=64, lr=1e-4, min_lr=1e-5, keep=Keep("best")),),
        rule=PUBLISHED["abedalla_exp1"],  # thresholds .5 and 2048 px, as experiment 1
    )


RECIPES = (
    EXP1, EXP2, EXP3, EXP4, EXP5,
    *(_augmentation_study(groups) for groups in ("none", "a1", "a2", "a1_a2", "a3", "a4")),
)  # fmt: skip
