"""Toy tokenizers and untrained models of both families: real classes, tiny configurations, random weights."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, cast

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import Tensor
from transformers import (
    BartConfig,
    Florence2Config,
    Florence2ForConditionalGeneration,
    PaliGemmaConfig,
    PaliGemmaForConditionalGeneration,
)

from kenpin.codecs import florence2, paligemma
from kenpin.models.language.grammar import Florence2Grammar, Grammar, PaliGemmaGrammar
from kenpin.models.language.scores import AnswerReader

LABELS = ("不良", "solder-bridge", "scratch", "scratch deep", "a ; b")
SIDE_PX = 32
_BOS, _PAD, _END, _IMAGE = "<s>", "<pad>", "</s>", "<image>"


@dataclass(frozen=True)
class Toy:
    """One family's tokenizer, grammar and reader; `model` makes an untrained model, `inputs` what it takes."""

    codec: ModuleType
    tokenizer: Tokenizer = field(repr=False)
    locations: range
    end: int
    pad: int
    start: tuple[int, ...]
    grammar: Grammar
    reader: AnswerReader

    def text(self, tokens: Sequence[int]) -> str:
        return self.tokenizer.decode(tokens, skip_special_tokens=False)

    def tokens(self, text: str) -> list[int]:
        return list(self.tokenizer.encode(text).ids)

    def model(self, seed: int) -> Any:
        torch.manual_seed(seed)
        make = _florence2_model if self.codec is florence2 else _paligemma_model
        model = make(self.tokenizer).eval()
        with torch.no_grad():  # untrained but opinionated, so that answers differ
            for parameter in model.model.language_model.parameters():
                if parameter.ndim == 2:
                    parameter.normal_(std=0.6)
        return model

    def inputs(self, seed: int, prompts: Sequence[str]) -> dict[str, Tensor]:
        pixels = torch.randn(len(prompts), 3, SIDE_PX, SIDE_PX, generator=torch.Generator().manual_seed(seed))
        image, bos = _id(self.tokenizer, _IMAGE), _id(self.tokenizer, _BOS)
        places = 2 if self.codec is florence2 else 4
        rows = [[image] * places + [bos, *self.tokens(prompt), *self.tokens("\n")] for prompt in prompts]
        longest = max(map(len, rows))
        left = self.codec is paligemma
        padded = [[self.pad] * (longest - len(r)) + r if left else r + [self.pad] * (longest - len(r)) for r in rows]
        ids = torch.tensor(padded)
        given = {"input_ids": ids, "attention_mask": (ids != self.pad).long(), "pixel_values": pixels}
        return given | ({"token_type_ids": torch.zeros_like(ids)} if left else {})

    def one(self, inputs: Mapping[str, Tensor], row: int) -> dict[str, Tensor]:
        """One row of a batch, without its padding."""
        kept = inputs["attention_mask"][row].bool()
        return {name: v[row : row + 1, kept] if v.ndim == 2 else v[row : row + 1] for name, v in inputs.items()}

    def logits(self, model: Any, inputs: Mapping[str, Tensor], answer: Tensor) -> Tensor:
        """Logits for each token of one answer, given all before it. answer: (t,) -> (t, vocabulary)."""
        fed = answer[None, :-1]
        with torch.no_grad():
            if self.start:
                begun = torch.cat([torch.tensor([self.start]), fed], dim=1)
                return cast(Tensor, model(**inputs, decoder_input_ids=begun).logits[0, len(self.start) - 1 :])
            given = dict(inputs)
            given["input_ids"] = torch.cat([inputs["input_ids"], fed], dim=1)
            for name, value in (("attention_mask", 1), ("token_type_ids", 1)):
                given[name] = torch.cat([inputs[name], torch.full_like(fed, value)], dim=1)
            return cast(Tensor, model(**given, use_cache=False).logits[0, inputs["input_ids"].shape[1] - 1 :])


def make_toy(codec: ModuleType, labels: Sequence[str] = LABELS) -> Toy:
    """The toy of the family that speaks this codec."""
    spelled = [codec.location(bin) for bin in range(codec.BINS)]
    tokenizer = _byte_level([_PAD, _BOS, _END, _IMAGE, *spelled], labels)
    locations = range(_id(tokenizer, spelled[0]), _id(tokenizer, spelled[-1]) + 1)
    end, pad = _id(tokenizer, _END), _id(tokenizer, _PAD)

    def tokens(texts: Mapping[str, str]) -> dict[str, list[int]]:
        return {label: tokenizer.encode(text).ids for label, text in texts.items()}

    grammar: Grammar
    if codec is florence2:
        grammar = Florence2Grammar(tokens({label: label for label in labels}), locations, end)
    else:
        middle = tokens({label: f" {label} ; " for label in labels})
        grammar = PaliGemmaGrammar(middle, tokens({label: f" {label}" for label in labels}), locations, end)
    marks = {id: token for token, id in tokenizer.get_vocab().items() if re.fullmatch(r"<.+>", token)}
    reader = AnswerReader(codec, lambda ids: tokenizer.decode(ids, skip_special_tokens=False), marks, end)
    start = (end, _id(tokenizer, _BOS)) if codec is florence2 else ()
    return Toy(codec, tokenizer, locations, end, pad, start, grammar, reader)


def _id(tokenizer: Tokenizer, token: str) -> int:
    id = tokenizer.token_to_id(token)
    assert id is not None
    return id


def _byte_level(special: list[str], texts: Sequence[str]) -> Tokenizer:
    """Byte-level pairs: Japanese characters are split over tokens, and a label may begin like another's token."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=len(special) + 290, initial_alphabet=alphabet, special_tokens=special, show_progress=False
    )
    tokenizer.train_from_iterator([f" {text} ; {text}" for text in texts], trainer)
    return tokenizer


def _florence2_model(tokenizer: Tokenizer) -> Any:
    ids = {name: _id(tokenizer, name) for name in (_PAD, _BOS, _END, _IMAGE)}
    text = BartConfig(
        vocab_size=tokenizer.get_vocab_size(),
        d_model=32,
        encoder_layers=1,
        decoder_layers=2,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=64,
        decoder_ffn_dim=64,
        max_position_embeddings=256,
        pad_token_id=ids[_PAD],
        bos_token_id=ids[_BOS],
        eos_token_id=ids[_END],
        decoder_start_token_id=ids[_END],
        forced_eos_token_id=None,
    )
    vision = {
        "depths": [1],
        "embed_dim": [32],
        "num_heads": [2],
        "num_groups": [2],
        "patch_size": [32],
        "patch_stride": [32],
        "patch_padding": [0],
        "patch_prenorm": [False],
        "window_size": 2,
        "projection_dim": 32,
    }
    config = Florence2Config(
        text_config=text, vision_config=vision, image_token_id=ids[_IMAGE], tie_word_embeddings=False
    )
    return Florence2ForConditionalGeneration(config)


def _paligemma_model(tokenizer: Tokenizer) -> Any:
    size = tokenizer.get_vocab_size()
    config = PaliGemmaConfig(
        vision_config={
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "image_size": SIDE_PX,
            "patch_size": 16,
            "projection_dim": 32,
            "vision_use_head": False,
        },
        text_config={
            "model_type": "gemma",
            "vocab_size": size,
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "num_key_value_heads": 1,
            "head_dim": 16,
            "pad_token_id": _id(tokenizer, _PAD),
            "bos_token_id": _id(tokenizer, _BOS),
            "eos_token_id": _id(tokenizer, _END),
        },
        image_token_id=_id(tokenizer, _IMAGE),
        projection_dim=32,
        tie_word_embeddings=False,
    )
    return PaliGemmaForConditionalGeneration(config)
