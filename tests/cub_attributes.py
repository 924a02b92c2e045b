"""The 312 attributes of CUB-200-2011, as attributes.txt has them."""

from __future__ import annotations

COLOURS = "blue brown iridescent purple rufous grey yellow olive green pink orange black white red buff"
PATTERN = "solid spotted striped multi-colored"
SHAPES = (
    "upright-perching_water-like chicken-like-marsh long-legged-like duck-like owl-like gull-like hummingbird-like "
    "pigeon-like tree-clinging-like hawk-like sandpiper-like upland-ground-like swallow-like perching-like"
)
GROUPS = {  # the groups of attributes.txt, in its order
    "bill_shape": "curved_(up_or_down) dagger hooked needle hooked_seabird spatulate all-purpose cone specialized",
    **dict.fromkeys(("wing_color", "upperparts_color", "underparts_color"), COLOURS),
    "breast_pattern": PATTERN,
    "back_color": COLOURS,
    "tail_shape": "forked_tail rounded_tail notched_tail fan-shaped_tail pointed_tail squared_tail",
    "upper_tail_color": COLOURS,
    "head_pattern": "spotted malar crested masked unique_pattern eyebrow eyering plain eyeline striped capped",
    **dict.fromkeys(("breast_color", "throat_color"), COLOURS),
    "eye_color": COLOURS.replace(" iridescent", ""),
    "bill_length": "about_the_same_as_head longer_than_head shorter_than_head",
    **dict.fromkeys(("forehead_color", "under_tail_color", "nape_color", "belly_color"), COLOURS),
    "wing_shape": "rounded-wings pointed-wings broad-wings tapered-wings long-wings",
    "size": "large_(16_-_32_in) small_(5_-_9_in) very_large_(32_-_72_in) medium_(9_-_16_in) very_small_(3_-_5_in)",
    "shape": SHAPES,
    **dict.fromkeys(("back_pattern", "tail_pattern", "belly_pattern"), PATTERN),
    **dict.fromkeys(("primary_color", "leg_color", "bill_color", "crown_color"), COLOURS),
    "wing_pattern": PATTERN,
}
ATTRIBUTES = tuple(f"has_{group}::{value}" for group, values in GROUPS.items() for value in values.split())
