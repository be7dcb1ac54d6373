"""Silence for library output on which users cannot act: bars for small files, advice on intended settings."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_bars() -> Iterator[None]:
    """No progress bars of transformers while the context is open."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


@contextmanager
def without_reports() -> Iterator[None]:
    """No report of transformers on weights that a base lacks: the loader checks the returned report itself."""
    from transformers.utils import logging

    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)


@contextmanager
def expected_warnings() -> Iterator[None]:
    """Without peft's advice on adapters of an output layer that shares its weights with the embedding: the adapters are
    separate from both, and merging unties the two."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r".*tie_word_embeddings.*")
        yield
