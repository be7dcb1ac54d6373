"""The contract of inspectors that take further good parts by the moments of those that they know."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

from kenpin.data.dataset import Dataset
from kenpin.models.contract import Fitted, Progress
from kenpin.records import Threshold

if TYPE_CHECKING:
    from kenpin.taguchi import PairMoments


@runtime_checkable
class Updatable(Fitted, Protocol):
    """A fitted inspector that takes further good parts without those that it was fitted to, by their moments."""

    @property
    def cannot_update(self) -> str | None:
        """A sentence on why these options allow no update, and what to do instead; None where they do."""

    @property
    def keeps_moments(self) -> bool:
        """Whether a run is to keep the moments of its good parts."""

    def moments_of(self, training: Dataset, progress: Progress) -> PairMoments:
        """Moments of the good parts among these examples; of all that `fit` may take."""

    def fit_moments(self, moments: PairMoments) -> tuple[str, ...]:
        """Learn from the parts of these moments alone, as `fit` does from the parts, with the items that it has where
        they were selected; returns notes to the user."""

    def limit_of_law(self) -> Threshold | None:
        """The threshold that the law of the distance gives, which no part decides; None where the options ask for
        another."""
