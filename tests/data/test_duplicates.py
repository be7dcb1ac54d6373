"""Near-duplicates are found exactly, as brute force finds them, and many equal pictures cost nothing."""

from __future__ import annotations

import time
from io import BytesIO

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageEnhance, ImageFilter

from kenpin.data.dataset import Dataset
from kenpin.data.duplicates import (
    NEAR_DISTANCE,
    cluster_of_each,
    near_duplicate_clusters,
    near_duplicate_pairs,
    perceptual_hash,
    perceptual_hashes,
)
from kenpin.errors import ImageError
from kenpin.records import Example, ImageSource
from tests.data.made import encoded


def _hashes(seed: int, families: int, members: int, flips: int) -> np.ndarray:
    """Hashes of 256 bits: `families` random ones, and of each `members` with up to `flips` bits changed."""
    rng = np.random.default_rng(seed)
    bits = np.repeat(rng.integers(0, 2, (families, 256), np.uint8), members, axis=0)
    for row in bits:
        row[rng.choice(256, rng.integers(0, flips + 1), replace=False)] ^= 1
    return np.packbits(rng.permutation(bits), axis=1).view(np.uint64)


def _brute_force(hashes: np.ndarray, distance: int) -> list[tuple[int, int]]:
    bits = np.unpackbits(hashes.view(np.uint8), axis=1).astype(int)
    apart = (bits[:, None] != bits[None]).sum(axis=2)
    return [(i, j) for i in range(len(bits)) for j in range(i + 1, len(bits)) if apart[i, j] <= distance]


@given(
    seed=st.integers(0, 10**6), families=st.integers(0, 12), members=st.integers(1, 5), flips=st.integers(0, 20),
    distance=st.sampled_from([0, 1, 3, 8, NEAR_DISTANCE, 40, 127, 256]),
)  # fmt: skip
def test_pairs_are_those_of_brute_force(seed: int, families: int, members: int, flips: int, distance: int) -> None:
    hashes = _hashes(seed, families, members, flips)
    assert near_duplicate_pairs(hashes, distance) == _brute_force(hashes, distance)


@pytest.mark.parametrize("distance", [1, 3, 8, NEAR_DISTANCE])
def test_a_pair_is_found_wherever_its_bits_differ(distance: int) -> None:
    bits = np.random.default_rng(0).integers(0, 2, (60, 256), np.uint8)
    for place in range(30):  # neighbouring bits spoil as many bands as they can
        bits[place + 30] = bits[place]
        bits[place + 30, 5 * place : 5 * place + distance] ^= 1
    hashes = np.packbits(bits, axis=1).view(np.uint64)
    assert near_duplicate_pairs(hashes, distance) == [(place, place + 30) for place in range(30)]
    assert near_duplicate_pairs(hashes, distance - 1) == []


@given(seed=st.integers(0, 10**6), members=st.integers(1, 6), distance=st.integers(0, 30))
def test_clusters_are_the_connected_pairs(seed: int, members: int, distance: int) -> None:
    hashes = _hashes(seed, 6, members, 12)
    expected = {place: {place} for place in range(len(hashes))}
    for first, second in _brute_force(hashes, distance):
        union = expected[first] | expected[second]
        expected |= dict.fromkeys(union, union)
    assert near_duplicate_clusters(hashes, distance) == sorted(
        {tuple(sorted(cluster)) for cluster in expected.values() if len(cluster) > 1}
    )
    assert len(set(cluster_of_each(hashes, distance))) == len({tuple(sorted(c)) for c in expected.values()})


def test_fifty_thousand_equal_hashes_are_one_cluster_at_once() -> None:
    start = time.perf_counter()
    clusters = near_duplicate_clusters(np.zeros((50_000, 4), np.uint64))
    assert clusters == [tuple(range(50_000))]
    assert time.perf_counter() - start < 2  # listed as pairs they would be 1.25 thousand million


def test_many_near_but_unequal_hashes_are_one_cluster() -> None:
    hashes = np.zeros((3_000, 4), np.uint64)
    hashes[:, 0] = np.arange(3_000)  # up to 12 bits differ
    assert near_duplicate_clusters(hashes) == [tuple(range(3_000))]


def _part(seed: int) -> Image.Image:
    """A picture with structure at all scales, as photographs have it."""
    rng = np.random.default_rng(seed)
    spectrum = np.fft.rfft2(rng.normal(size=(120, 160)))
    frequency = np.hypot(np.fft.fftfreq(120)[:, None], np.fft.rfftfreq(160)[None])
    field = np.fft.irfft2(spectrum / np.maximum(frequency, 1 / 160))
    return Image.fromarray(np.interp(field, (field.min(), field.max()), (20, 230)).astype(np.uint8))


def _distance(first: Image.Image, second: Image.Image) -> int:
    return int(np.bitwise_count(perceptual_hash(first) ^ perceptual_hash(second)).sum())


def test_copies_are_near_and_others_far() -> None:
    part = _part(1)
    jpeg = BytesIO()
    part.save(jpeg, "JPEG", quality=70)
    copies = [
        Image.open(jpeg),
        part.resize((80, 60)),
        ImageEnhance.Brightness(part).enhance(1.1),
        part.filter(ImageFilter.GaussianBlur(0.7)),
        part.convert("RGB"),
    ]
    assert all(_distance(part, copy) <= NEAR_DISTANCE for copy in copies)
    assert all(_distance(part, _part(seed)) > 4 * NEAR_DISTANCE for seed in range(2, 12))


def test_hashes_come_in_the_order_of_the_data() -> None:
    pictures = [_part(seed) for seed in range(80)]
    dataset = Dataset.from_examples(
        Example(id=f"{place}", image=encoded(picture, f"{place}.png")) for place, picture in enumerate(pictures)
    )
    assert np.array_equal(perceptual_hashes(dataset), [perceptual_hash(picture) for picture in pictures])
    assert perceptual_hashes(dataset.select([])).shape == (0, 4)


def test_a_picture_that_does_not_open_is_named() -> None:
    dataset = Dataset.from_examples([Example(id="a", image=ImageSource("a.png", b"no picture"))])
    with pytest.raises(ImageError, match=r"a\.png"):
        perceptual_hashes(dataset)
