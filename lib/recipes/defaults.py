"""Recipes of this project: a default for one GPU, one for a laptop, and one for the phantoms."""

from lib.decision.rules import ThresholdRule
from lib.recipes.schema import Ema, Input, Keep, LossWeights, Network, Phase, Recipe

R34_512 = Recipe(
    name="r34_512",
    source="this project",
    summary="resnet34 U-Net with an image-level head at 512 px: the default for one GPU",
    network=Network("unet", encoder="resnet34", image_head=True),
    augmentation="standard",
    phases=(
        Phase(
            size=512, epochs=12, batch=16, lr=3e-4, min_lr=1e-5, optimizer="adamw",
            weight_decay=1e-4, positive_rate=0.6, clip=1.0,
            loss=LossWeights(bce=1.0, positive_dice=0.5, image_bce=0.2),
        ),
        # A positive rate nearer to the real 22 % gives fewer false positives.
        Phase(
            size=512, epochs=18, batch=16, lr=1e-4, min_lr=1e-6, optimizer="adamw",
            weight_decay=1e-4, positive_rate=0.35, clip=1.0, keep=Keep(count=3), early_stop=8,
            loss=LossWeights(bce=1.0, positive_dice=0.5, image_bce=0.2),
        ),
    ),
    # At a fixed rule an epoch that finds nothing scores .83 of real images, and the next ones less.
    select="tuned_dice",
    rule=ThresholdRule(top=0.7, min_area=800, bottom=0.3),
)  # fmt: skip

SMALL = Recipe(
    name="small",
    source="this project",
    summary="EfficientNet-Lite2 U-Net with an image-level head at 288 px: an hour or two on two "
    "CPU cores",
    network=Network(
        # A slim decoder: at the largest sides most of the time of a step would be spent there.
        "unet", encoder="timm-tf_efficientnet_lite2", decoder_channels=(96, 48, 32, 16, 8),
        image_head=True,
    ),
    # One gray channel: pretrained weights of three are summed at the start.
    input=Input(mean=(0.498,), std=(0.502,)),
    augmentation="standard",
    phases=(
        # Most of what pretrained weights have to learn costs less than half at the smaller size.
        Phase(
            size=192, epochs=30, batch=16, lr=1e-3, min_lr=4e-4, optimizer="adamw",
            weight_decay=1e-2, schedule="linear", warmup=0.05, clip=1.0,
            positive_rate=0.5, positive_rate_end=0.35, keep=Keep("last"), ema=Ema(decay=0.998),
            loss=LossWeights(bce=1.0, positive_dice=0.5, image_bce=0.5),
        ),
        Phase(
            size=288, epochs=30, batch=16, lr=7e-4, min_lr=1e-6, optimizer="adamw",
            weight_decay=1e-2, schedule="linear", warmup=0.05, clip=1.0,
            positive_rate=0.35, positive_rate_end=0.22, keep=Keep("last"), ema=Ema(decay=0.998),
            loss=LossWeights(bce=1.0, positive_dice=0.5, image_bce=0.5),
        ),
    ),
    select="tuned_dice",
    rule=ThresholdRule(top=0.7, min_area=800, bottom=0.3),
)  # fmt: skip

DEMO = Recipe(
    name="demo",
    source="this project",
    summary="mobilenet_v2 U-Net of depth 4 at 128 px from random weights: minutes on two CPU cores",
    network=Network(
        "unet", encoder="mobilenet_v2", encoder_weights="none",
        decoder_channels=(64, 32, 16, 8), image_head=True,
    ),
    # One gray channel: no pretrained weights need three, and the first layer costs a third.
    input=Input(mean=(0.5,), std=(0.25,)),
    augmentation="standard",
    phases=(
        Phase(
            # Small batches: a hundred images give few steps.
            size=128, epochs=60, batch=4, lr=2e-3, min_lr=1e-5, positive_rate=0.5, clip=1.0,
            loss=LossWeights(bce=1.0, positive_dice=0.5, image_bce=0.2),
        ),
    ),
    select="loss",  # Dice at a fixed rule hardly moves on 24 images
    rule=ThresholdRule(top=0.7, min_area=800, bottom=0.3),
)  # fmt: skip

RECIPES = (R34_512, SMALL, DEMO)
