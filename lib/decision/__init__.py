"""From probability maps to masks: the family of rules, and the exact search for the best one.

rules       what a rule is and does; `apply` is the one implementation
histograms  what the search needs of each image
shapes      the same for component areas and holes
sample      images to fit on, and what any rule makes of them
search      every rule of a preset, scored exactly, as far as histograms go
choice      the middle of the plateau
calibration how often pixels of a value are true, and images empty
expected    the mask of the highest expected Dice, for which no threshold is searched
deciders    a rule of thresholds or the expected Dice: written, read, applied
fits        the best and the middle, of a preset; in components and gated of those beyond histograms
honest      the same, refitted without each fold
"""
