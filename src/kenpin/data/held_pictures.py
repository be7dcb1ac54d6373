"""Decoded pictures of a data set, of which the last ones are held for what is made of them one after another."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

from PIL import Image

from kenpin.data.dataset import Dataset
from kenpin.data.images import read_grey_or_rgb
from kenpin.errors import ImageError

_HELD = 2  # the one that is asked for, and the next, which another thread has begun with


@dataclass
class _Held:
    lock: threading.Lock = field(default_factory=threading.Lock)
    image: Image.Image | None = None
    content: str = ""
    error: ImageError | None = None


class HeldPictures:
    """Opens each picture once for all that ask for it in a row, from any thread."""

    def __init__(self, pictures: Dataset) -> None:
        self.pictures = pictures
        self._held: OrderedDict[int, _Held] = OrderedDict()
        self._contents: dict[int, str] = {}
        self._lock = threading.Lock()

    def __getstate__(self) -> dict[str, Any]:
        return {"pictures": self.pictures}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]

    def content(self, row: int) -> str:
        """The content hash of a picture; empty where it cannot be read."""
        if row not in self._contents:
            self._contents[row] = self.pictures.content_of(self.pictures[row])
        return self._contents[row]

    def open(self, row: int) -> tuple[Image.Image, str]:
        """A decoded picture, of mode L or RGB, and the content hash of its bytes. Raises ImageError."""
        with self._lock:
            held = self._held.setdefault(row, _Held())
            self._held.move_to_end(row)
            while len(self._held) > _HELD:
                self._held.popitem(last=False)
        with held.lock:
            if held.error is not None:
                raise held.error
            if held.image is None:
                try:
                    once = self.pictures.read_once(self.pictures[row])
                    held.content, held.image = once.content, read_grey_or_rgb(once.source)
                except ImageError as error:
                    held.error = error
                    raise
                self._contents[row] = held.content
            return held.image, held.content
