"""Masks: the golden draws bit for bit, nested, and a function of ids, class names and seed alone."""

from __future__ import annotations

from hashlib import blake2b
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from golden import cases, load
from pmll_datasets.dataset import DataError, Images, OfficialList, Split
from pmll_datasets.masks import (
    RULES,
    counter,
    counter_semi,
    counter_single_positive,
    counter_uniform,
    dualcoop,
    known_entries,
)
from pmll_datasets.published import hcp
from pmll_datasets.regimes import mask_digest

IDS = st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12), min_size=1, max_size=8)
RATIOS = st.floats(0.01, 1.0)
SEEDS = st.integers(0, 2**40)

# Known entries and sha256 of the mask's bytes at 10 % … 90 %, from the released draw.
VOC_KNOWN = [10108, 20200, 30163, 40067, 50163, 60284, 70128, 80132, 90174]
VOC_SHA = [
    "90b9d4d26415ab74dc052722af4623c304197146371559f1abdfc119f4a3f094",
    "07d1f5ce8768ae3b964cce59c823fc1f8a3477a108ffc9d1499782f1302d479b",
    "04016b0756b8f80c14345d92eabaf7aa73ff7a17fda60c4fa8c0447b45139399",
    "c6811f81e0cea27a0d262016a8cdab9ac1c069bd41ba97f06f91627ba52fabb9",
    "9233edc072b335aa418c2d28c38860c3af8ed63c6dfcea81cfd04ef3c9e66cc3",
    "6bc13d65afc8516caf7187d59c7742e9da3bed3c5f3e24f01a8278a875dc6667",
    "4b4eeac11a775f38c445f80324fc3297e9b5f1f6916c4eac8fd13839949632ad",
    "e09334dd61a2e48e8d537a2f87422d1e9dc22a5a847595659536c0937549e411",
    "bc240e756d5af11146636240ccd22113e6503eb5caf1c73713a2a42ed5adc32f",
]
COCO_KNOWN = [662191, 1324207, 1986704, 2648135, 3310164, 3973592, 4635408, 5299597, 5960741]
COCO_SHA = [
    "3ea88acaa7d827d038a49d0e178bb7b1e97f1c5b4db29c6b247151b9bdeb1a8e",
    "8a63a6dd79681e352642199661ce8abda4b4d301ae266a5a4315598ee48a8b53",
    "720d89b20f25324deff9baacd4acf989d38b6f9de0ca88e981a5b01d1fbfda1b",
    "4623324f32009f328ac1ec59e68dc0840b7348d314f2d9b036181e04ff543cf4",
    "e5f8b538d57c33f294fc4ac3be66e1701ac96533ceb58fbf399445f1bd4e73dd",
    "37ab9fd2e6c0affcc7febfeb68fd6e229b0734922dd717ad7770b4aa4da97350",
    "f9090b5241fe461445878dc04f61c31db04b24eee3ac0aaffcc6edc407e0f515",
    "a6a32e047bdaafd9c9d81e2aee09a02468f4ca07c5b9ee74185954546f92453b",
    "a070293d0a47176bb5a0ed6e1984952bad40db4d5806651508c411bd8b3c0bce",
]
NINE = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]


def split_of(ids: list[str], classes: int, official: OfficialList | None = None) -> Split:
    def never(i: int) -> np.ndarray:
        raise AssertionError("masks need no image")

    return Split(Images(tuple(ids), never), np.ones((len(ids), classes), np.int8), official)


def official_of(count: int, classes: int, rows: np.ndarray | None = None) -> OfficialList:
    """An official list with every label present, and all of its rows or some."""
    return OfficialList(np.ones((count, classes), np.int8), np.arange(count) if rows is None else rows)


@pytest.mark.parametrize("path", cases("mask_counter"))
def test_golden_mask_counter(path: Path) -> None:
    arrays, meta = load(path)
    ids, classes = arrays["in.ids"].tolist(), arrays["in.classes"].tolist()
    seed, ratio = meta["options"]["seed"], meta["options"]["ratio"]
    np.testing.assert_array_equal(counter_uniform(ids, classes, seed), arrays["out.u"])
    np.testing.assert_array_equal(counter(ids, classes, ratio, seed), arrays["out.known"])


@pytest.mark.parametrize("path", cases("mask_hcp"))
def test_golden_mask_hcp(path: Path) -> None:
    arrays, meta = load(path)
    if "in.labels" in arrays:
        labels = arrays["in.labels"]
        for ratio in meta["options"]["ratios"]:
            partial = arrays[f"out.partial_{ratio}".replace("0.", "0")]
            np.testing.assert_array_equal(np.where(hcp(labels.shape, ratio), labels, 0), partial)
        return
    rows, columns = arrays["in.shape"].tolist()
    for at, ratio in enumerate(arrays["in.ratios"].tolist()):
        known = hcp((rows, columns), ratio)
        assert mask_digest(known) == arrays["out.sha256"][at].tobytes().hex()
        assert known.sum() == arrays["out.known_count"][at]
        assert (~known.any(axis=1)).sum() == arrays["out.rows_all_unknown"][at]
        np.testing.assert_array_equal(known.sum(axis=0), arrays["out.col_known"][at])
        if "out.mask" in arrays:
            np.testing.assert_array_equal(known, arrays["out.mask"][at])


@pytest.mark.parametrize(
    ("shape", "known", "sha"),
    [((5011, 20), VOC_KNOWN, VOC_SHA), ((82783, 80), COCO_KNOWN, COCO_SHA)],
    ids=["VOC 2007", "COCO 2014"],
)
def test_the_released_draw_is_reproduced_at_all_ratios(
    shape: tuple[int, int], known: list[int], sha: list[str]
) -> None:
    masks = [hcp(shape, ratio) for ratio in NINE]
    assert [int(mask.sum()) for mask in masks] == known
    assert [mask_digest(mask) for mask in masks] == sha


def test_the_published_voc_lists_are_this_mask(shared: Path) -> None:
    with np.load(shared / "data/labels/partial/tai_dpt-voc2007.npz", allow_pickle=False) as file:
        for ratio in NINE:
            published = np.unpackbits(file[f"known_{ratio}_packed"], axis=1)[:, :20]
            np.testing.assert_array_equal(hcp((5011, 20), ratio), published)


def test_the_released_draw_does_not_change_numpys_global_state() -> None:
    np.random.seed(7)
    expected = np.random.random()
    np.random.seed(7)
    hcp((7, 5), 0.5)
    assert np.random.random() == expected


@given(IDS, IDS, RATIOS, RATIOS, SEEDS)
def test_what_is_known_at_one_ratio_is_known_at_a_larger_one(
    ids: list[str], classes: list[str], one: float, other: float, seed: int
) -> None:
    split = split_of(ids, len(classes), official_of(len(ids), len(classes)))
    for rule in ("counter/1", "hcp"):
        small, large = (known_entries(rule, split, classes, ratio, seed) for ratio in sorted((one, other)))
        assert not (small & ~large).any()
        assert known_entries(rule, split, classes, 1.0, seed).all()


def test_a_large_mask_is_that_of_its_numbers_and_has_the_rows_of_small_ones() -> None:
    ids, classes = [f"image {number}" for number in range(2500)], ["a", "b", "c"]
    numbers = counter_uniform(ids, classes, 7)
    for ratio in NINE:
        np.testing.assert_array_equal(counter(ids, classes, ratio, 7), numbers < ratio)
    for row in (0, 1023, 1024, 2499):
        np.testing.assert_array_equal(counter_uniform(ids[row : row + 1], classes, 7)[0], numbers[row])
        np.testing.assert_array_equal(
            dualcoop(ids[row : row + 1], classes, 0.3, 7)[0], dualcoop(ids, classes, 0.3, 7)[row]
        )


@given(IDS, IDS, SEEDS, st.data())
def test_an_entry_does_not_depend_on_other_images_classes_or_the_order(
    ids: list[str], classes: list[str], seed: int, data: st.DataObject
) -> None:
    rows = data.draw(st.lists(st.sampled_from(range(len(ids))), unique=True))
    columns = data.draw(st.lists(st.sampled_from(range(len(classes))), unique=True))
    part = counter_uniform([ids[row] for row in rows], [classes[column] for column in columns], seed)
    np.testing.assert_array_equal(part, counter_uniform(ids, classes, seed)[np.ix_(rows, columns)])


@given(st.lists(st.integers(0, 49), unique=True, max_size=50).map(np.array), RATIOS)
def test_the_released_draw_is_restricted_to_the_images_of_the_split(rows: np.ndarray, ratio: float) -> None:
    places = rows.astype(np.int64)
    split = split_of([str(row) for row in rows], 3, official_of(50, 3, places))
    np.testing.assert_array_equal(known_entries("hcp", split, "abc", ratio, 0), hcp((50, 3), ratio)[places])


LABELS = st.lists(st.lists(st.sampled_from([-1, 1]), min_size=4, max_size=4), min_size=1, max_size=30)


@given(LABELS, SEEDS)
def test_one_present_label_per_image_is_known_if_there_is_one(rows: list[list[int]], seed: int) -> None:
    labels, ids = np.array(rows, np.int8), [str(row) for row in range(len(rows))]
    known = counter_single_positive(labels, ids, "abcd", seed)
    np.testing.assert_array_equal(known.sum(axis=1), (labels == 1).any(axis=1))
    assert (labels[known] == 1).all()


@given(LABELS, SEEDS, st.data())
def test_the_single_positive_depends_on_its_image_alone(rows: list[list[int]], seed: int, data: st.DataObject) -> None:
    labels, ids = np.array(rows, np.int8), [str(row) for row in range(len(rows))]
    order = data.draw(st.permutations(range(len(rows))).map(lambda order: np.array(order[: 1 + len(order) // 2])))
    columns = np.array(data.draw(st.permutations(range(4))))
    part = counter_single_positive(
        labels[np.ix_(order, columns)], [ids[row] for row in order], ["abcd"[column] for column in columns], seed
    )
    np.testing.assert_array_equal(part, counter_single_positive(labels, ids, "abcd", seed)[np.ix_(order, columns)])


def test_each_present_label_is_equally_likely_to_be_the_single_positive() -> None:
    labels = np.tile(np.array([1, 1, -1, 1], np.int8), (6000, 1))
    known = counter_single_positive(labels, [f"{i:06d}" for i in range(6000)], "abcd", 3)
    np.testing.assert_allclose(known.mean(axis=0), [1 / 3, 1 / 3, 0, 1 / 3], atol=0.02)


def test_the_single_positive_is_the_present_label_with_the_smallest_word() -> None:
    """The first of the words that the rule spells out, worked out by hand from its hashes."""
    labels = np.ones((3, 4), np.int8)
    known = counter_single_positive(labels, ["000005", "000007", "000009"], ["cat", "dog", "cow", "person"], 0)
    words = np.array([[reference_word("counter/1:single-positive:0", i, c) for c in ("cat", "dog", "cow", "person")]
                      for i in ("000005", "000007", "000009")], np.uint64)  # fmt: skip
    np.testing.assert_array_equal(known.argmax(axis=1), words.argmin(axis=1))


def reference_word(key: str, image: str, name: str) -> int:
    """mix(mix(key XOR row) XOR col), in Python's own integers."""
    hashed = [int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little") for text in (key, image, name)]
    return reference_mix(reference_mix(hashed[0] ^ hashed[1]) ^ hashed[2])


def reference_mix(word: int) -> int:
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        word = ((word ^ (word >> shift)) * factor) % 2**64
    return word ^ (word >> 31)


@given(IDS, RATIOS, RATIOS, SEEDS)
def test_images_labelled_at_one_ratio_are_labelled_at_a_larger_one(
    ids: list[str], one: float, other: float, seed: int
) -> None:
    small, large = (counter_semi(ids, ratio, seed) for ratio in sorted((one, other)))
    assert not (small & ~large).any()
    known = known_entries("counter/1", split_of(ids, 3), "abc", one, seed, "semi")
    np.testing.assert_array_equal(known, np.repeat(counter_semi(ids, one, seed)[:, None], 3, axis=1))


def test_the_labelled_fraction_is_close_to_the_ratio() -> None:
    ids = [f"{i:06d}" for i in range(5000)]
    assert counter_semi(ids, 0.2, 0).mean() == pytest.approx(0.2, abs=0.02)
    assert (counter_semi(ids, 0.2, 0) != counter_semi(ids, 0.2, 1)).mean() == pytest.approx(2 * 0.2 * 0.8, abs=0.03)


def test_the_three_regimes_of_a_rule_draw_independently() -> None:
    ids = [f"{i:06d}" for i in range(2000)]
    rows = counter_semi(ids, 0.5, 0)
    assert np.corrcoef(rows, counter_uniform(ids, ["a"], 0)[:, 0] < 0.5)[0, 1] == pytest.approx(0, abs=0.06)


def test_the_rule_of_dualcoop_draws_anew_for_every_ratio() -> None:
    ids, classes = [f"{i:06d}" for i in range(2000)], [str(c) for c in range(20)]
    small, large = (dualcoop(ids, classes, ratio, 0) for ratio in (0.1, 0.5))
    assert [small.mean(), large.mean()] == pytest.approx([0.1, 0.5], abs=0.01)
    assert (small & ~large).mean() == pytest.approx(0.1 * 0.5, abs=0.01)


@pytest.mark.parametrize("rule", sorted(RULES))
def test_a_rule_is_refused_in_a_regime_that_it_does_not_support(rule: str) -> None:
    for regime in {"partial", "single-positive", "semi"} - set(RULES[rule].draws):
        with pytest.raises(DataError, match=f"the mask {rule} is for the regime") as caught:
            known_entries(rule, split_of(["1"], 1), ["cat"], 1.0, 0, regime)
        assert "counter/1" in str(caught.value.hint)


def test_another_seed_draws_another_mask_of_similar_density() -> None:
    ids = [f"{i:06d}" for i in range(2000)]
    one, other = (counter(ids, [str(c) for c in range(20)], 0.3, seed) for seed in (0, 1))
    assert (one != other).mean() == pytest.approx(2 * 0.3 * 0.7, abs=0.02)
    for known in (one, other):
        assert known.mean() == pytest.approx(0.3, abs=0.01)


def test_the_released_draw_without_the_official_list_is_refused() -> None:
    with pytest.raises(DataError, match="complete official training list") as caught:
        known_entries("hcp", split_of(["1"], 1), ["cat"], 0.5, 0)
    assert "counter/1" in str(caught.value.hint)


@pytest.mark.parametrize("ratio", [0.0, -0.1, 1.0001, 10.0, float("nan")])
def test_a_ratio_outside_0_to_1_is_refused(ratio: float) -> None:
    with pytest.raises(DataError, match="ratio"):
        known_entries("counter/1", split_of(["1"], 1), ["cat"], ratio, 0)


def test_an_unknown_mask_suggests_the_nearest() -> None:
    with pytest.raises(DataError, match="unknown mask 'counter'") as caught:
        known_entries("counter", split_of(["1"], 1), ["cat"], 0.5, 0)
    assert "counter/1" in str(caught.value.hint)


@pytest.mark.parametrize("u", [0.25, 0.5])
def test_an_entry_is_known_where_its_number_is_below_the_ratio_not_where_it_equals_it(
    u: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("masks", "counter"):
        monkeypatch.setattr(f"pmll_datasets.{module}.uniform", lambda words: np.full(words.shape, u))
    below = u < 0.5
    assert counter(["a", "b"], ["c"], 0.5, 0).all() == below
    assert dualcoop(["a", "b"], ["c"], 0.5, 0).all() == below
    assert counter_semi(["a", "b"], 0.5, 0).all() == below


def test_a_rule_says_whether_it_has_a_draw_per_mask_seed() -> None:
    """Where it has none, one seed stands for all: a second one would repeat the number."""
    assert {name for name, rule in RULES.items() if rule.seeded} == {"counter/1", "dualcoop/1"}
    for rule in ("counter/1", "dualcoop/1"):
        one, other = (known_entries(rule, split_of(list("abcdefgh"), 4), list("wxyz"), 0.5, seed) for seed in (0, 1))
        assert (one != other).any()
