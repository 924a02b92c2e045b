"""Where our defaults depart from released code in several methods, each with what restores it: for `Card.differs`."""

from __future__ import annotations

LAST_EPOCH = "the last epoch is scored: the code takes the best one on the test set (recipe.selection=best-test)"
LAST_AVERAGE = (
    "the averaged weights of the last epoch are scored: the code takes the better of these and the raw ones, in the "
    "best epoch on the test set (recipe.selection=best-test, of the averaged ones)"
)
FULL_PRECISION = "fp32: the code trains in half precision (recipe.precision=fp16)"
LABELLESS = "images of COCO without any label are trained on: the code leaves them out (data.labelless=drop)"
DIFFICULT_ABSENT = (
    "difficult objects of VOC are absent labels: the code trains them as present ones and leaves them out of the score "
    "(data.difficult=ignored leaves them out of both)"
)
DIFFICULT_PRESENT = (
    "on VOC 2012 difficult objects are present labels, as in the lists of SPLC: in the code they are absent "
    "(data.difficult=negative)"
)
ALL_IMAGES = (
    "all training images are trained on, and the last epoch is scored: the code trains on 80 % (--mask cole) and "
    "takes the best epoch by complete labels of the rest (recipe.validation=0.2 recipe.selection=best-val, by labels "
    "masked like the others)"
)
TEST_VIEW = "prototypes are gathered in the test view: in the code in training views (prototype_view=train)"
OPEN_PAIRS = (
    "pairs of labels that known ones don't decide are left out: in the code they are negative (pair_unknown=negative)"
)
NO_DECAY = "α and β don't decay: in the code like all weights, which pulls them to 0 (coefficient_group=shared)"
WORDS_OF_NAMES = (
    "a name's vector is the mean of its words by GloVe: in the code's files VOC's dining table and potted plant aren't "
    "COCO's, so one of the two is made of other words (words=FILE.npy)"
)
SINGLE_WORDS = (
    "VOC's dining table, potted plant and tv monitor are means of two words by GloVe: in the code's file they are "
    "single words, the last one tv (words=FILE.npy)"
)
PROMPT_NAMES = (
    "off the paper track prompts say dining table or attribute strings: the code says diningtable, curved bill "
    "(data.names=released)"
)
TRAINED_CLIP = (  # of scpnet and scinet
    PROMPT_NAMES,
    FULL_PRECISION,
    "the last epoch's averaged weights are scored: the code takes the epoch that is best on the test set "
    "(recipe.selection=best-test), and plain weights where they score higher (no setting)",
    "similarities of labels are computed from the tower's texts: the code reads them from a file (no setting)",
)
