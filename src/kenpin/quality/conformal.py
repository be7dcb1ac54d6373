"""What a few good parts allow to say of a new one, whatever the distribution of their scores."""

from __future__ import annotations

from numpy.typing import ArrayLike

from kenpin.errors import OptionError
from kenpin.quality.costs import finite

FEW = 30
"""Good parts up to which each of them is held out by itself, and a verdict names its p-value."""


def p_value(good_scores: ArrayLike, score: float) -> float:
    """Chance at most of a score as high as this one where the part is as good as those before: the rank of it among
    them, (1 + number of them that score as high or higher) / (n + 1).

    good_scores: (n,), each of a good part by a fit without it; score: by the fit to all of them. Where parts of one
    process are judged, a false alarm at p ≤ α comes at most with chance α, in the mean over all draws of the n parts.
    Raises ShapeError.

    # Vovk, Gammerman & Shafer 2005, sec. 2.2, of the leave-one-out scores. A fit without the new part makes theirs no
    # smaller for distances to the nearest part, for which the guarantee therefore stays; other scores keep it nearly.

    >>> p_value([0.8, 1.1, 0.9], 1.0)
    0.5
    """
    values = finite(good_scores)
    return float((1 + (values >= score).sum()) / (len(values) + 1))


def promised_false_alarms(count: int) -> float:
    """The smallest that so many good parts can give, and with it the smallest false-alarm rate that they can promise.

    >>> promised_false_alarms(4)
    0.2
    """
    return 1 / (count + 1)


def least_passing(good_scores: ArrayLike, cut: float, confidence: float = 0.95) -> float:
    """Share of good parts that score below the cut at least, with that confidence, however the cut was chosen: by these
    same parts too. 0 where so few show nothing.

    good_scores: (n,). Raises ShapeError, and OptionError without a score.

    # The bound of Smirnov 1944 in the exact form of Birnbaum & Tingey 1951: it holds for all cuts at once, and so for
    # one that was chosen after looking. For a cut that was settled before, Clopper and Pearson's is nearer.

    >>> round(least_passing(range(100), 95.0), 2)
    0.83
    """
    from scipy.special import smirnovi

    values = finite(good_scores)
    if not len(values):
        raise OptionError("no good part shows what share of them passes; give at least 1.")
    return max(0.0, float((values < cut).mean() - smirnovi(len(values), 1 - confidence)))
