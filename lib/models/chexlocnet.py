"""CheXLocNet (Wang et al.): Mask R-CNN, with a pneumothorax for an object.

A baseline of Zhang (Table 1); torchvision's network.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import cv2
import numpy as np
import torch
from torch import nn
from torchvision.models.detection import MaskRCNN
from torchvision.models.detection.backbone_utils import resnet_fpn_backbone
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.roi_heads import paste_masks_in_image

from lib.errors import InputError
from lib.models import checks
from lib.models.base import Criterion, Prediction, SegmentationNetwork
from lib.recipes import LossWeights, Recipe

ENCODERS = ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152")
STRIDE = 32
LABEL = 1  # the background is 0
# A radiograph has a few objects where photographs have dozens: as many regions as Mask R-CNN takes
# without a pyramid (its section 3.1), not 512 and 1000. Most of the time goes into them.
REGIONS = {"box_batch_size_per_image": 64, "rpn_post_nms_top_n_test": 300}
DETECTIONS = 20  # an image


class CheXLocNet(SegmentationNetwork):
    """torchvision's Mask R-CNN on a feature pyramid, with losses of its own.

    Its parts are called one by one: images come normalised and in one size, which its own transform
    would do again, and its losses are wanted in evaluation mode too.
    """

    def __init__(self, recipe: Recipe) -> None:
        super().__init__(recipe.input)
        pyramid = resnet_fpn_backbone(
            backbone_name=recipe.network.encoder,
            weights=None,
            norm_layer=nn.BatchNorm2d,
            trainable_layers=5,
        )
        self.detector = MaskRCNN(
            pyramid, num_classes=2, box_detections_per_img=DETECTIONS, **REGIONS
        )

    @property
    def encoder(self) -> nn.Module:
        return self.detector.backbone.body

    def training_loss(
        self, images: torch.Tensor, masks: torch.Tensor, criterion: Criterion
    ) -> dict[str, torch.Tensor]:
        """The five losses of Mask R-CNN, and "loss", their sum; the criterion is not used."""
        targets = [instances(mask.squeeze(0)) for mask in masks]
        pyramid = self._pyramid(images)
        with _giving_losses(self.detector), torch.autocast(images.device.type, enabled=False):
            listed = _listed(images)
            proposals, of_proposals = self.detector.rpn(listed, pyramid, targets)
            _, of_heads = self.detector.roi_heads(pyramid, proposals, listed.image_sizes, targets)
        losses = {name.removeprefix("loss_"): v for name, v in (of_proposals | of_heads).items()}
        return {"loss": torch.stack([*losses.values()]).sum(), **losses}

    def predict(self, images: torch.Tensor) -> tuple[torch.Tensor, None]:
        """Probabilities (N, 1, H, W): of a pixel, the best score x mask of all instances."""
        pyramid = self._pyramid(images)
        with torch.autocast(images.device.type, enabled=False):
            listed = _listed(images)
            proposals, _ = self.detector.rpn(listed, pyramid)
            detections, _ = self.detector.roi_heads(pyramid, proposals, listed.image_sizes)
        side = (images.shape[-2], images.shape[-1])
        return torch.stack([render(found, side) for found in detections]), None

    def evaluate(
        self, images: torch.Tensor, masks: torch.Tensor, criterion: Criterion
    ) -> tuple[dict[str, torch.Tensor], Prediction]:
        """Both; losses come from regions drawn around the truth, predictions from all."""
        return self.training_loss(images, masks, criterion), self.predict(images)

    def _pyramid(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        """Feature maps by level; in float32, since half-precision boxes are off by pixels."""
        maps = self.detector.backbone(self.normalise(images))
        return {name: level.float() for name, level in maps.items()}


def instances(mask: torch.Tensor) -> dict[str, torch.Tensor]:
    """The 8-connected components of a mask as torchvision wants its targets.

    Args:
        mask: (H, W) uint8, 0 or 1.

    Returns:
        K boxes (x0, y0, x1, y1) along the outer edges of pixels, so that even one pixel has an
        area; K labels; masks (K, H, W) uint8. K is 0 for an empty mask.
    """
    count, label_map, stats, _ = cv2.connectedComponentsWithStats(
        mask.cpu().numpy(), connectivity=8
    )
    boxes = stats[1:, :4].astype(np.float32)  # x, y, width, height; the first is the background
    boxes[:, 2:] += boxes[:, :2]
    labels = torch.full((count - 1,), LABEL)
    components = label_map == np.arange(1, count).reshape(-1, 1, 1)
    masks = torch.from_numpy(components.view(np.uint8))
    target = {"boxes": torch.from_numpy(boxes), "labels": labels, "masks": masks}
    return {name: value.to(mask.device) for name, value in target.items()}


def render(found: Mapping[str, torch.Tensor], size: tuple[int, int]) -> torch.Tensor:
    """One probability map (1, H, W) of an image's detections: the maximum of score x mask.

    Args:
        found: "boxes" (K, 4), "scores" (K,) and "masks" (K, 1, M, M), each over its box.
        size: height and width of the image.
    """
    if not len(found["scores"]):
        return found["scores"].new_zeros((1, *size))
    pasted = paste_masks_in_image(found["masks"], found["boxes"], size)
    return pasted.mul_(found["scores"].view(-1, 1, 1, 1)).amax(dim=0)


def chexlocnet(recipe: Recipe) -> CheXLocNet:
    """Mask R-CNN with a ResNet-FPN (resnet50 in the paper); each component of a mask is an object.

    Raises:
        InputError: if the encoder is no resnet, its input is not three channels, or the recipe
            weighs losses.

    Reference:
        Wang et al., CheXLocNet, PLoS One, 2020; He et al., Mask R-CNN, arXiv:1703.06870.
    """
    if recipe.network.encoder not in ENCODERS:
        raise InputError(
            f"chexlocnet has no encoder {recipe.network.encoder!r}; it has {', '.join(ENCODERS)}"
        )
    if len(recipe.input.mean) != 3:
        raise InputError(f"input.mean has {len(recipe.input.mean)} entries; chexlocnet wants three")
    if any(phase.loss != LossWeights() for phase in recipe.phases):
        raise InputError("chexlocnet has losses of its own; give each phase loss = Loss()")
    checks.require_divisible_sides(recipe, STRIDE)
    return CheXLocNet(recipe)


def _listed(images: torch.Tensor) -> ImageList:
    """A batch as torchvision's detectors pass it on: they only look at its sizes."""
    return ImageList(images, [(images.shape[-2], images.shape[-1])] * len(images))


@contextmanager
def _giving_losses(detector: MaskRCNN) -> Iterator[None]:
    """Torchvision computes losses in training mode only; what is set here has no batch norm."""
    before = detector.training
    detector.rpn.train()
    detector.roi_heads.train()
    try:
        yield
    finally:
        detector.rpn.train(before)
        detector.roi_heads.train(before)
