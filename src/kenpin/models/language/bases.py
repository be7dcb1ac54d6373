"""Pretrained language models with pictures: loaded natively by hub id or path, with their tokenizer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from kenpin.errors import OptionError, first_line
from kenpin.models.bases import check_there
from kenpin.models.language.options import LanguageOptions
from kenpin.models.language.tuning import four_bit
from kenpin.models.networks.pretrained import load_pretrained
from kenpin.models.networks.quiet import without_bars

Options = TypeVar("Options", bound=LanguageOptions)


@dataclass
class LanguageBase:
    """Pretrained weights with their tokenizer."""

    id: str
    network: Any
    tokenizer: Any
    processor: Any = None
    """A PIL image processor of transformers, where the family has none of its own."""
    commit: str | None = None

    @property
    def image_size_wh(self) -> tuple[int, int]:
        """Width and height in pixels that pictures are brought to."""
        if self.processor is None:
            side: int = self.network.config.vision_config.image_size
            return side, side
        return self.processor.size["width"], self.processor.size["height"]


def load_base(kind: Any, options: LanguageOptions, *, pictures: bool) -> LanguageBase:
    """The base that the options name, of this class of transformers; `pictures`: with its image processor.

    Raises OptionError, MissingExtraError.
    """
    from transformers import AutoTokenizer

    base = options.base
    check_there(base)
    is_four_bit = options.tuning == "qlora"
    settings: dict[str, Any] = {"quantization_config": four_bit()} if is_four_bit else {"dtype": options.frozen_dtype}
    try:
        tokenizer = load_pretrained(AutoTokenizer, base)
        processor = _picture_processor(base) if pictures else None
        with without_bars():
            network = load_pretrained(kind, base, **settings).eval()
    except (OSError, ValueError, KeyError) as error:
        raise OptionError(
            f"base {base!r} cannot be loaded as {kind.__name__} ({first_line(error)}); give toy, a hub id, or a folder "
            "that save_pretrained wrote."
        ) from error
    return LanguageBase(base, network, tokenizer, processor, getattr(network.config, "_commit_hash", None))


def _picture_processor(base: str) -> Any:
    """The PIL processor by name: scores must not depend on whether torchvision is installed."""
    from transformers import AutoImageProcessor

    return load_pretrained(AutoImageProcessor, base, backend="pil")


def untrained_options(options: type[Options], base: str, dtype: str | None) -> Options:
    """Options of a base that is not fine-tuned, free to answer anything. dtype: number format of its weights; None: 4
    bits."""
    how = {"tuning": "qlora"} if dtype is None else {"tuning": "lora", "frozen_dtype": dtype}
    return options.from_mapping({"data": "-", "out": "-", "base": base, "constrained": False} | how)


def read_tokenizer(source: str) -> Any:
    """The tokenizer of a hub id, a folder or a `tokenizer.json`. Raises OptionError."""
    from transformers import AutoTokenizer, PreTrainedTokenizerFast

    try:
        if source.endswith(".json"):
            return PreTrainedTokenizerFast(
                tokenizer_file=source, pad_token="<pad>", eos_token="<eos>", bos_token="<bos>", unk_token="<unk>"
            )
        return load_pretrained(AutoTokenizer, source)
    except Exception as error:
        raise OptionError(
            f"tokenizer {source!r} cannot be loaded ({error}); give a hub id, a folder or a tokenizer.json."
        ) from error


def location_ids(tokenizer: Any, names: Sequence[str], base: str) -> range:
    """The ids of the location tokens, which must be consecutive. Raises OptionError where they are not."""
    ids = tokenizer.convert_tokens_to_ids(list(names))
    if None in ids or ids != list(range(ids[0], ids[0] + len(ids))) or ids[0] == tokenizer.unk_token_id:
        raise OptionError(f"base {base}: its tokenizer has no location tokens {names[0]} to {names[-1]}; take another.")
    return range(ids[0], ids[0] + len(ids))
