"""Zhang, Segmentation of Pneumothorax Disease based on Deep Learning: ICA-ResUNet and baselines.

Published: 512 px, Adam, cosine, two positives per negative early and one per negative later. Our
choice: 60 epochs, of which the first third is early; batch 8; 1e-3 from scratch, and 1e-4 for
AlbuNet and CheXLocNet, which are assumed to be pretrained; down to 1e-6; BCE + Dice; flips left to
right. The paper expands the data, positives above all, before training (offline); here each epoch
augments anew. Its test set cannot be the competition's, whose truth is hidden: here fold 0 of the
common split. 92.42 % is precision in its Table 1 and accuracy in its abstract; its 28 % of
positives are rows of the label file, not images.
"""

from dataclasses import replace

from lib.recipes.published_rules import PUBLISHED
from lib.recipes.schema import Input, LossWeights, Network, Phase, Recipe

PHASE = Phase(
    size=512, epochs=60, batch=8, lr=1e-3, min_lr=1e-6, positive_rate=((0, 2 / 3), (20, 0.5)),
    loss=LossWeights(bce=1.0, dice=1.0),
)  # fmt: skip
FINE_TUNING = replace(PHASE, lr=1e-4)

ICA_RESUNET = Recipe(
    name="zhang_ica_resunet",
    source="Zhang, sections 2 and 3",
    summary="ICA-ResUNet at 512 px, from scratch; published Dice .8567",
    network=Network("zhang_ica_resunet", encoder_weights="none"),
    input=Input(mean=(0.5,), std=(0.25,)),  # one gray channel: no pretrained weights need three
    augmentation="zhang",
    phases=(PHASE,),
    rule=PUBLISHED["zhang"],
    tta="none",
)
UNET = replace(
    ICA_RESUNET,
    name="zhang_unet",
    source="Zhang, Table 1",
    summary="classic U-Net at 512 px, from scratch; published Dice .8236",
    network=Network("classic_unet", encoder_weights="none"),
)
ALBUNET = replace(
    UNET,
    name="zhang_albunet",
    summary="AlbuNet (resnet34) at 512 px; published Dice .8325",
    network=Network("albunet", encoder="resnet34"),
    input=Input(),
    phases=(FINE_TUNING,),
)
CHEXLOCNET = replace(
    ALBUNET,
    name="zhang_chexlocnet",
    summary="CheXLocNet, a Mask R-CNN (resnet50), at 512 px; published Dice .8282",
    network=Network("chexlocnet", encoder="resnet50"),
    phases=(replace(FINE_TUNING, loss=LossWeights()),),  # Mask R-CNN has its own losses
)

RECIPES = (ICA_RESUNET, UNET, ALBUNET, CHEXLOCNET)
