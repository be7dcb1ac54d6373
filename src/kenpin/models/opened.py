"""Pictures opened for a network, by torch or without: those that could be, and what is done with the others."""

from __future__ import annotations

from typing import Protocol, TypeVar

from kenpin.errors import ImageError
from kenpin.models.contract import OnError
from kenpin.records import Example


class MaybeOpened(Protocol):
    """An example with what was made of its picture, or with the error that prevented it."""

    @property
    def example(self) -> Example:
        """The example."""

    @property
    def error(self) -> ImageError | None:
        """Why its picture could not be opened."""


Item = TypeVar("Item", bound=MaybeOpened)


def sound(batch: list[Item], on_error: OnError | None) -> list[Item]:
    """The pictures that could be opened. Raises ImageError for any other, where no `on_error` takes it."""
    for item in batch:
        if item.error is not None:
            if on_error is None:
                raise item.error
            on_error(item.example, item.error)
    return [item for item in batch if item.error is None]
