"""Decision rules, from probability maps to masks, and the exact search for the best one.

rules             decision rules: from a map to a mask
histograms        pixel counts of maps, and the out-of-fold sample
components        connected components of masks
threshold_search  exact search of thresholds and minimum area
plateau           the middle of the rules that score as well as the best
component_search  search of component areas and hole filling
gate_search       search of a class gate
calibration       calibrated probabilities of pixels and of empty images
expected_dice     the mask of the highest expected Dice, without a threshold
tuning            fitting a rule; cross-fitting
schema            decision.json
"""
