"""Departures from released code that several methods share, each with the setting that undoes it (`Card.differs`)."""

from __future__ import annotations

# Scoring and precision
LAST_EPOCH = "the last epoch is scored; the code selects the best epoch on the test set (recipe.selection=best-test)"
LAST_AVERAGE = (
    "the averaged weights of the last epoch are scored; the code selects the best epoch on the test set, with averaged "
    "or raw weights (recipe.selection=best-test, with averaged weights only)"
)
ALL_TEST_IMAGES = "all test images are scored; the code drops the last incomplete batch (no setting)"
FULL_PRECISION = "precision is fp32; the code trains in half precision (recipe.precision=fp16)"

# Images and labels
LABELLESS = "training includes COCO's images without labels; the code drops them (data.labelless=drop)"
DIFFICULT_ABSENT = (
    "VOC's difficult objects are absent labels; the code trains on them as present and excludes them from the metric "
    "(data.difficult=ignored excludes them from both)"
)
DIFFICULT_PRESENT = (
    "on VOC 2012, difficult objects are present labels, as in SPLC's label files; in the code they are absent "
    "(data.difficult=negative)"
)
ALL_IMAGES = (
    "all training images are used, and the last epoch is scored; the code trains on 80 % (--mask cole) and selects the "
    "best epoch on complete labels of the rest (recipe.validation=0.2 recipe.selection=best-val, on masked labels)"
)

# Class names and word vectors
PROMPT_NAMES = (
    "on tracks other than paper, prompts contain class names in natural language (dining table) or attribute strings; "
    "the code's prompts contain diningtable, curved bill (data.names=released)"
)
WORDS_OF_NAMES = (
    "the word vector of a class name is the mean of its words' GloVe vectors; in the code's files, dining table and "
    "potted plant have different vectors for VOC and COCO (words=FILE.npy)"
)
SINGLE_WORDS = (
    "the word vectors of VOC's dining table, potted plant and tv monitor are means of two GloVe vectors; the code's "
    "file has vectors of single words, such as tv for the last one (words=FILE.npy)"
)

# Parts of HCP-MLR-PL
TEST_VIEW = "prototypes are computed on test views; the code uses training views (prototype_view=train)"
OPEN_PAIRS = (
    "label pairs that known labels leave undetermined are ignored; in the code they are negative "
    "(pair_unknown=negative)"
)
NO_DECAY = "α and β have no weight decay; in the code, weight decay pulls them to 0 (coefficient_group=shared)"

TRAINED_CLIP = (  # SCPNet and SCINet
    PROMPT_NAMES,
    FULL_PRECISION,
    "the averaged weights of the last epoch are scored; the code selects the best epoch on the test set "
    "(recipe.selection=best-test), and raw weights if they score higher (no setting)",
    "label similarities are computed from the tower's text features; the code reads them from a file (no setting)",
)
