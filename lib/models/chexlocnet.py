"""CheXLocNet (Wang et al.): torchvision's Mask R-CNN with pneumothoraces as objects.

It is a baseline of Zhang (Table 1).
"""

from collections.abc import Mapping

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
# A radiograph has few objects, a photograph dozens: these are the numbers of Mask R-CNN without a
# pyramid (its section 3.1), not 512 and 1000. Regions take most of the time.
REGIONS = {"box_batch_size_per_image": 64, "rpn_post_nms_top_n_test": 300}
DETECTIONS = 20  # per image


class CheXLocNet(SegmentationNetwork):
    """Mask R-CNN of torchvision on a ResNet-FPN (paper: resnet50), with its own losses.

    The components of a mask are the objects. The parts of Mask R-CNN are called one by one, for two
    reasons: its own transform would normalise and resize the images again, and validation needs its
    losses in evaluation mode.

    Reference:
        Wang et al., CheXLocNet, PLoS One, 2020; He et al., Mask R-CNN, arXiv:1703.06870.
    """

    def __init__(self, recipe: Recipe) -> None:
        """Build the network with random weights.

        Raises:
            InputError: if the encoder is no resnet, the input does not have three channels, or the
                recipe gives weights of losses.
        """
        encoder, channels = recipe.network.encoder, len(recipe.input.mean)
        if encoder not in ENCODERS:
            raise InputError(f"chexlocnet has no encoder {encoder!r}; it has {', '.join(ENCODERS)}")
        if channels != 3:
            raise InputError(f"input.mean has {channels} entries; chexlocnet needs three")
        if any(phase.loss != LossWeights() for phase in recipe.phases):
            raise InputError("chexlocnet has its own losses: set each weight in phases.N.loss to 0")
        checks.require_divisible_sides(recipe, STRIDE)
        super().__init__(recipe.input)
        pyramid = resnet_fpn_backbone(
            backbone_name=encoder, weights=None, norm_layer=nn.BatchNorm2d, trainable_layers=5
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
        """Return the five losses of Mask R-CNN and "loss", their sum; ignore the criterion."""
        targets = [targets_of(mask.squeeze(0)) for mask in masks]
        pyramid = self._pyramid(images)
        heads = self.detector.rpn, self.detector.roi_heads
        for head in heads:  # they have no batch norm, and compute losses only in training mode
            head.train()
        with torch.autocast(images.device.type, enabled=False):
            batch = _image_list(images)
            proposals, rpn_losses = self.detector.rpn(batch, pyramid, targets)
            _, head_losses = self.detector.roi_heads(pyramid, proposals, batch.image_sizes, targets)
        for head in heads:
            head.train(self.training)
        losses = {name.removeprefix("loss_"): v for name, v in (rpn_losses | head_losses).items()}
        return {"loss": torch.stack([*losses.values()]).sum(), **losses}

    def predict(self, images: torch.Tensor) -> tuple[torch.Tensor, None]:
        """Return probabilities (N, 1, H, W): the highest score x mask of all instances."""
        pyramid = self._pyramid(images)
        with torch.autocast(images.device.type, enabled=False):
            batch = _image_list(images)
            proposals, _ = self.detector.rpn(batch, pyramid)
            detections, _ = self.detector.roi_heads(pyramid, proposals, batch.image_sizes)
        size = (images.shape[-2], images.shape[-1])
        return torch.stack([render(instances, size) for instances in detections]), None

    def evaluate(
        self, images: torch.Tensor, masks: torch.Tensor, criterion: Criterion
    ) -> tuple[dict[str, torch.Tensor], Prediction]:
        """Return both: losses of regions sampled around the truth, predictions of all regions."""
        return self.training_loss(images, masks, criterion), self.predict(images)

    def _pyramid(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return feature maps by level, in float32: half-precision boxes are off by pixels."""
        maps = self.detector.backbone(self.normalise(images))
        return {name: level.float() for name, level in maps.items()}


def targets_of(mask: torch.Tensor) -> dict[str, torch.Tensor]:
    """Return the 8-connected components of a mask as a target of torchvision's detectors.

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


def render(instances: Mapping[str, torch.Tensor], size: tuple[int, int]) -> torch.Tensor:
    """Return the probability map (1, H, W) of an image's detections: the maximum of score x mask.

    Args:
        instances: "boxes" (K, 4), "scores" (K,) and "masks" (K, 1, M, M), each over its box.
        size: height and width of the image.
    """
    if not len(instances["scores"]):
        return instances["scores"].new_zeros((1, *size))
    masks = paste_masks_in_image(instances["masks"], instances["boxes"], size)
    return masks.mul_(instances["scores"].view(-1, 1, 1, 1)).amax(dim=0)


def _image_list(images: torch.Tensor) -> ImageList:
    """Return a batch as the parts of torchvision's detectors take it: they only read its sizes."""
    return ImageList(images, [(images.shape[-2], images.shape[-1])] * len(images))
