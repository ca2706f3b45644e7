"""Published decision rules by name; `04_ensemble.py --rule NAME` applies one without tuning.

Thresholds are as published; areas are brought to pixels of the 1024 x 1024 frame.
"""

from lib.decision.rules import ThresholdRule

PUBLISHED: dict[str, ThresholdRule] = {
    # 2ST-UNet: masks of fewer than 2048 px in total are emptied (5.1). The paper does not say of
    # which frame: here of 1024 px, where 10 % of the true masks are smaller. In its predictions of
    # 512 px (4.3) it would be 8192 px here (--params top=.75 min_area=8192 bottom=.75), and 48 % of
    # the true masks are smaller. The text also removes components (--params top=.75 bottom=.75
    # component_min_area=2048). Experiment 1 has threshold .5, 2 and 3 have .55, 4 and 5 have .75.
    "abedalla_exp1": ThresholdRule(top=0.5, min_area=2048, bottom=0.5),
    "abedalla_exp2": ThresholdRule(top=0.55, min_area=2048, bottom=0.55),
    "abedalla_exp3": ThresholdRule(top=0.55, min_area=2048, bottom=0.55),
    "abedalla_2st_unet": ThresholdRule(top=0.75, min_area=2048, bottom=0.75),
    # The two blends of the 1st place. Both then keep contours above 100 px and draw them filled:
    # here components of more than 100 px, counted without their holes, which are filled then.
    "sneddy_v1": ThresholdRule(0.7, 800, 0.3, component_min_area=101, fill_holes=True),
    "sneddy_v2": ThresholdRule(0.75, 1500, 0.3, component_min_area=101, fill_holes=True),
    # The 1st place ranks checkpoints by the highest Dice of eight triplets (top .75 or .6), whose
    # areas are pixels of the training's size. This is a single one, in pixels of the frame.
    "sneddy_select": ThresholdRule(top=0.75, min_area=2000, bottom=0.3),
    # 2nd place: stacked classifiers above .65, then the segmenters' mean above .4.
    "x5": ThresholdRule(top=0.4, bottom=0.4, class_min=0.65),
    # 3rd place: one threshold, no minimum area.
    "bestfitting": ThresholdRule(top=0.5, bottom=0.5),
    # 4th place: 800 px above .8 at 768 px are 800 * (1024 / 768)**2 in the frame.
    "amirassov": ThresholdRule(top=0.8, min_area=1422, bottom=0.4, class_min=0.4),
    # 7th place: an image needs one pixel above .72.
    "see": ThresholdRule(top=0.72, min_area=1, bottom=0.2),
    # Viel and Orhan's ablation: .5, without a gate.
    "viel": ThresholdRule(top=0.5, bottom=0.5),
    # Niu and Zhang publish no threshold: here .5, and nothing is removed.
    "niu": ThresholdRule(top=0.5, bottom=0.5),
    "zhang": ThresholdRule(top=0.5, bottom=0.5),
    # Jakhar et al. publish a threshold and the removal of small regions without numbers: here .5,
    # and regions of fewer than 64 px at 256 px, which are 1024 px in the frame.
    "jakhar": ThresholdRule(top=0.5, bottom=0.5, component_min_area=1024),
}
