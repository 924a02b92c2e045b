"""Recipes, tracks and statements that several methods share, and long tables of values per data set.

recipes.py           recipes: HCP-MLR-PL's, and ours for frozen trunks and the tracks `smoke` and `controlled`
trunks.py            tracks and settings of methods on a CNN trunk, after HCP-MLR-PL
prompts.py           tracks and settings of methods with learned prompts, after SARL
single_positive.py   tracks per data set of methods for single positive labels (Cole et al., Large Loss)
semi.py              tracks per data set of the semi-supervised methods (CAP, SSMLL)
scpnet.py scinet.py  tracks per data set of SCPNet and SCINet
departures.py        departures from released code, for `Card.differs`
"""
