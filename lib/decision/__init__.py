"""From probability maps to masks: the family of rules, and the exact search for the best one.

rules       what a rule is and does; `apply` is the one implementation
histograms  what the search needs of each image
search      every rule of a preset, scored exactly
choice      the best, or the middle of the plateau
honest      the same, refitted without each fold
uncertainty standard errors and intervals over patients
"""
