"""Pictures opened by threads of their own while those before them are judged, bounded by bytes."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from kenpin.data.images import bytes_of_size
from kenpin.data.streaming import Ahead, Pending, in_batches
from kenpin.inspection.part_pictures import OpenedPart, Part, PartPictures

_READERS = 2  # threads that open the next pictures while the networks compute


class ReadAhead:
    """Reads the pictures of a line, some at a time."""

    def __init__(self, batch_size: int) -> None:
        """batch_size: most pictures at a time."""
        self._batch_size = batch_size
        self._readers = ThreadPoolExecutor(_READERS)

    def reading(self) -> Ahead:
        """Reading of pictures while others are judged; what is read ahead is bounded by bytes."""
        return Ahead(self._readers)

    def taken(self, pending: deque[Pending[Part]]) -> Iterator[list[Part]]:
        """Parts whose pictures were read ahead, as many at a time as their bytes allow. `pending` is emptied."""

        def opened() -> Iterator[Part]:
            while pending:
                yield pending.popleft().result()

        return in_batches(opened(), self._batch_size, held_bytes)

    def close(self) -> None:
        """End the threads."""
        self._readers.shutdown()


def held_bytes(part: OpenedPart) -> int:
    """Bytes of the pictures of a part in memory."""
    if isinstance(part, PartPictures):
        return sum(held_bytes(view.opened) for view in part.views)
    return 0 if part.image is None else bytes_of_size(part.image.size)
