"""Near-duplicates: pictures that show the same part, found by perceptual hashes of 256 bits.

The hash is the pHash of 16 × 16 frequencies; two hashes are compared by their Hamming distance. Inspection pictures of
one product look alike, so bits and limit were chosen on the 2,624 solar cells of elpv-dataset (3.4 million pairs):

- Copies of one picture: JPEG of quality 60, half the size, 15 % brighter, blurred by 1 pixel or noisy stay within
  distance 12 in nine cases of ten; of those shifted by 2 pixels of 300, half lie beyond 32.
- Of different files, 192 pairs (259 pictures) lie within distance 16. Two thirds of these pairs are at most 20 lines
  apart in the list, by chance 1.5 % would be; the pairs looked at show one cell twice, or sister cells with the same
  pattern.
- The usual 64 bits do not separate: there 1,673 pairs lie within distance 6, and half of all pairs within 28.

The hash sees structure only: blank pictures are alike whatever their grey, as are pictures that differ in hue alone.
"""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any

import numpy as np

from kenpin.data.images import read_image
from kenpin.data.streaming import stream

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray
    from PIL import Image

    from kenpin.data.dataset import Dataset

HASH_WORDS = 4
NEAR_DISTANCE = 16
"""Bits of 256 by which near-duplicates may differ."""


def perceptual_hash(picture: Image.Image) -> NDArray[np.uint64]:
    """Hash of one picture. -> (4,) uint64."""
    import imagehash

    bits = imagehash.phash(picture, hash_size=16).hash
    return np.packbits(bits.ravel()).view(np.uint64)


def perceptual_hashes(dataset: Dataset) -> NDArray[np.uint64]:
    """Hash of every picture, in order. -> (n, 4) uint64. Raises ImageError."""
    sources = (example.image for example in dataset)
    hashes = list(stream(lambda source: perceptual_hash(read_image(source)), sources))
    return np.array(hashes, np.uint64).reshape(-1, HASH_WORDS)


def near_duplicate_pairs(hashes: NDArray[np.uint64], distance: int = NEAR_DISTANCE) -> list[tuple[int, int]]:
    """Every pair (i, j), i < j, at most `distance` bits apart, sorted. hashes: (n, words).

    n equal hashes are n² / 2 pairs; `near_duplicate_clusters` does not list them.
    """
    pairs = {(int(min(pair)), int(max(pair))) for block in _near_pairs(hashes, distance) for pair in block}
    return sorted(pairs)


def near_duplicate_clusters(hashes: NDArray[np.uint64], distance: int = NEAR_DISTANCE) -> list[tuple[int, ...]]:
    """Clusters of hashes that chains of near pairs connect: sorted indices, in the order of the first. (n, words)."""
    members: dict[int, list[int]] = {}
    for index, cluster in enumerate(cluster_of_each(hashes, distance)):
        members.setdefault(int(cluster), []).append(index)
    return [tuple(indices) for indices in members.values() if len(indices) > 1]


def cluster_of_each(hashes: NDArray[np.uint64], distance: int = NEAR_DISTANCE) -> NDArray[np.int64]:
    """Cluster number of each hash; a hash without a near one has a cluster of its own. (n, words) -> (n,)."""
    # equal hashes count once: thousands of blank pictures must not become millions of pairs
    distinct, place_among_distinct = np.unique(hashes, axis=0, return_inverse=True)
    merged: NDArray[np.int64] = connected(len(distinct), _near_pairs(distinct, distance))[place_among_distinct.ravel()]
    return merged


def connected(count: int, blocks: Iterable[NDArray[np.int64]]) -> NDArray[np.int64]:
    """The number of the cluster of each of `count` nodes, which pairs connect. blocks: (m, 2) each. -> (count,)."""
    clusters = np.arange(count)
    waiting: list[NDArray[np.int64]] = []
    for pairs in blocks:
        between = clusters[pairs]
        between = between[between[:, 0] != between[:, 1]]
        if len(between):
            waiting.append(between)
        if sum(map(len, waiting)) > count:  # bounds the memory, however many pairs are near
            clusters, waiting = _merged(clusters, waiting), []
    return _merged(clusters, waiting)


def _merged(clusters: NDArray[np.int64], pairs: list[NDArray[np.int64]]) -> NDArray[np.int64]:
    """The clusters' numbers after these pairs of clusters have become one."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    if not pairs:
        return clusters
    first, second = np.concatenate(pairs).T
    size = len(clusters)
    graph = coo_array((np.ones(len(first), bool), (first, second)), shape=(size, size))
    return np.asarray(connected_components(graph, directed=False)[1], np.int64)[clusters]


def links_of_share(
    hashes: NDArray[np.uint64], share: int, shares: int, distance: int = NEAR_DISTANCE
) -> NDArray[np.int64]:
    """Pairs (m, 2), m below the number of hashes, that connect what one share of the work finds near: of all shares
    together they connect what `near_duplicate_clusters` does. hashes: (n, words), all of them different.

    The work is divided by the bits of each band: hashes that agree in a band fall into one share of it, and so no pair
    within the distance is missed.
    """
    clusters = connected(len(hashes), _near_pairs(hashes, distance, share, shares))
    first = np.full(len(hashes), -1)
    order = np.arange(len(hashes))[::-1]
    first[clusters[order]] = order
    links = np.stack([first[clusters], np.arange(len(hashes))], axis=1)
    found: NDArray[np.int64] = links[links[:, 0] != links[:, 1]]
    return found


def _near_pairs(
    hashes: NDArray[np.uint64], distance: int, share: int = 0, shares: int = 1
) -> Iterator[NDArray[np.int64]]:
    """Blocks (m, 2) of near pairs; together they hold every near pair, some of them several times.

    Pigeonhole: hashes that differ in at most d bits agree wholly in at least one of d + 1 bands of bits, so only pairs
    with an equal band are compared; on the solar cells that is one pair in 170. Where all pictures are nearly alike, it
    takes as long as comparing all with all, about half a minute for 50,000.
    """
    if len(hashes) < 2:
        return
    bits = np.unpackbits(np.ascontiguousarray(hashes).view(np.uint8), axis=1)
    bands = min(distance + 1, bits.shape[1])
    # every (d + 1)th bit, not runs of bits: neighbouring frequencies go together, and runs would agree too often
    keys = [_numbered(bits[:, band::bands]) for band in range(bands)]
    candidates = sum(int((sizes * (sizes - 1) // 2).sum()) for sizes in map(np.bincount, keys))
    if distance >= bands or candidates > len(hashes) * (len(hashes) - 1) // 2:
        keys = [np.zeros(len(hashes), np.int64)]  # bands would not spare anything: compare all with all
    for key in keys:
        if shares == 1:
            yield from _near_pairs_of_equal_key(hashes, key, distance)
            continue
        own = np.flatnonzero(key % shares == share)
        _, numbers = np.unique(key[own], return_inverse=True)
        yield from (own[pairs] for pairs in _near_pairs_of_equal_key(hashes[own], numbers, distance))


def _numbered(rows: NDArray[Any]) -> NDArray[np.int64]:
    """Numbers from 0 such that equal rows have equal numbers. (n, k) -> (n,)."""
    return np.unique(np.packbits(rows, axis=1), axis=0, return_inverse=True)[1].ravel()


def _near_pairs_of_equal_key(
    hashes: NDArray[np.uint64], key: NDArray[np.int64], distance: int
) -> Iterator[NDArray[np.int64]]:
    order = np.argsort(key, kind="stable")
    words = np.ascontiguousarray(hashes[order].T)
    end = np.cumsum(np.bincount(key))[key[order]]  # where the run of equal keys of each hash ends
    first = np.arange(len(hashes))
    for lag in count(1):
        first = first[first + lag < end[first]]
        if not len(first):
            return
        second = first + lag
        differing = np.zeros(len(first), np.uint16)
        for word in words:
            differing += np.bitwise_count(word[first] ^ word[second])
        near = differing <= distance
        if near.any():
            yield np.stack([order[first[near]], order[second[near]]], axis=1)
