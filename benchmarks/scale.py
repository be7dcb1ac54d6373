"""How much is measured: the full run behind RESULTS.md, and a quick one that shows that every part works."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Scale:
    """Sizes of everything that is measured."""

    pictures: int
    """Real pictures of which features are computed."""
    batch_sizes: tuple[int, ...]
    """Tried beside the default one."""
    few: int
    """Generated pictures of the smaller data set."""
    many: int
    """Generated pictures of the larger one."""
    formats: tuple[str, ...] | None
    """Formats that are read; None for all."""
    scored: int
    """Rows of features that are scored."""
    vectors: int
    """Vectors that a unit space is fitted to and scores."""
    selected: int
    """Items that a selection chooses from."""
    taught: int
    """Generated pictures that a language model learns."""
    epochs: int
    asked: int
    """Generated pictures that it is asked about, after as many epochs as it needs to know them."""
    teaching_epochs: int
    large: int
    """Generated pictures of a language model of published size, and epochs on them; 0: it is left out."""
    large_epochs: int
    cases: int
    """Generated vectors in a library of cases."""
    searches: int
    stored: tuple[int, ...]
    """Parts in a station's store."""
    digits: int | None
    """Training pictures, and test pictures, of the Siamese network; None for all."""
    siamese_epochs: tuple[int, ...]
    """Lengths of its training by kenpin; the notebook's loop takes `epochs`."""
    verdicts: int
    """Real pictures whose verdicts are compared between engines."""
    seen_small: int
    """Real pictures that a ViT-S sees."""
    seen_large: int
    """Real pictures that the vision part of a language model sees."""
    judged: int
    """Real pictures that a run and its packages judge."""
    mapped: int
    """Real pictures whose maps are compared."""
    repetitions: int
    kills: int
    """Times that a station is killed under load."""
    store_kills: int
    """Times that its PostgreSQL is."""
    few_good: tuple[tuple[int, int], ...]
    """Good parts, and how often so many are drawn."""
    few_copied: int
    """Good parts, at most, that are judged with augmented copies too."""
    folded: int | None
    """Solar cells that are judged in folds; None for all."""
    seen_parts: tuple[int, int]
    """Solar cells that are learned from, and of each kind those that are judged."""
    textile: tuple[int, int]
    """The same of textile."""
    known_parts: tuple[int, int]
    """Defective pictures of each kind among which known ones are drawn, and draws of them."""
    trimmed_parts: tuple[int, int]
    """The same where some of those learned from are bad."""
    large_wh: tuple[int, int]
    """Size of the pictures that are judged in tiles."""
    large_pictures: tuple[int, int]
    """Good ones that are learned from, and of each kind those that are judged."""
    made_defects: tuple[tuple[str, int, int], ...]
    """Where a unit space maps, good parts that defects are made in, and how often so many are drawn."""
    made_judged: int
    """Parts of each kind that thresholds by made defects judge."""
    load_s: float
    """How long a station is under load."""
    clustered: int
    """Made pictures that a cluster works on."""
    worker_kills: int
    """Times that one of its workers is killed."""
    starts: int
    """Starts of each command."""


FULL = Scale(
    pictures=256,
    batch_sizes=(1, 4, 16, 32, 64),
    few=5_000,
    many=50_000,
    formats=None,
    scored=10_000,
    vectors=1_000_000,
    selected=2_000,
    taught=60,
    epochs=10,
    asked=48,
    teaching_epochs=60,
    large=4,
    large_epochs=10,
    cases=100_000,
    searches=200,
    stored=(10_000, 1_000_000),
    digits=None,
    siamese_epochs=(2, 3, 4, 5, 10),
    verdicts=2_329,
    seen_small=64,
    seen_large=4,
    judged=1_000,
    mapped=48,
    repetitions=3,
    kills=200,
    store_kills=50,
    load_s=600,
    clustered=10_000,
    worker_kills=20,
    starts=7,
    few_good=((1, 200), (2, 200), (4, 200), (8, 200), (16, 200), (50, 200)),
    few_copied=8,
    folded=None,
    seen_parts=(300, 300),
    textile=(200, 100),
    known_parts=(40, 2),
    trimmed_parts=(150, 150),
    large_wh=(4_096, 3_072),
    large_pictures=(12, 20),
    made_defects=(("none", 40, 6), ("none", 120, 6), ("positions", 40, 5), ("pooled", 40, 3)),
    made_judged=200,
)

QUICK = Scale(
    pictures=16,
    batch_sizes=(),
    few=50,
    many=200,
    formats=("folders", "yolo"),
    scored=500,
    vectors=4_000,
    selected=40,
    taught=12,
    epochs=1,
    asked=6,
    teaching_epochs=1,
    large=0,
    large_epochs=0,
    cases=500,
    searches=10,
    stored=(500, 2_000),
    digits=500,
    siamese_epochs=(1,),
    verdicts=24,
    seen_small=8,
    seen_large=8,
    judged=16,
    mapped=2,
    repetitions=1,
    kills=2,
    store_kills=2,
    load_s=6,
    clustered=80,
    worker_kills=1,
    starts=2,
    few_good=((1, 2), (2, 2)),
    few_copied=2,
    folded=160,
    seen_parts=(12, 6),
    textile=(12, 4),
    known_parts=(4, 1),
    trimmed_parts=(20, 6),
    large_wh=(640, 512),
    large_pictures=(2, 4),
    made_defects=(("positions", 14, 1),),
    made_judged=6,
)
