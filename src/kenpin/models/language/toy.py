"""Toy bases: tiny random networks of the real classes, with a tokenizer made from the data set's own text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

MERGES = 256
"""Byte pairs that a toy's tokenizer merges at most."""


def toy_tokenizer(
    texts: Sequence[str], *, specials: Sequence[str], marks: Sequence[str], pad: str, bos: str | None, eos: str
) -> Any:
    """A byte-level tokenizer that writes any text in any script, with few tokens for the words of `texts`.

    specials: the first ids, in this order; marks: location tokens and the like, the last ids in their order.
    """
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=len(specials) + len(alphabet) + MERGES,
        special_tokens=list(specials),
        initial_alphabet=alphabet,
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.add_tokens([AddedToken(mark, normalized=False) for mark in marks])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token=pad, bos_token=bos, eos_token=eos)
