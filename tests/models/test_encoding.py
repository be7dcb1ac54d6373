"""Pictures encoded in a few steps: what the image processor gives, for every processor that does such steps."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from kenpin.models.networks.encoding import PictureEncoder, encoder_of

SQUARE = {"height": 32, "width": 32}
PROCESSORS: dict[str, tuple[str, dict[str, Any]]] = {
    "ViT": ("ViTImageProcessorPil", {"size": SQUARE}),
    "ViT, bicubic": ("ViTImageProcessorPil", {"size": SQUARE, "resample": 3, "image_mean": [0.1, 0.4, 0.6]}),
    "DINOv2": ("BitImageProcessorPil", {"size": {"shortest_edge": 40}, "crop_size": SQUARE}),
    "CLIP": ("CLIPImageProcessorPil", {"size": {"shortest_edge": 32}, "crop_size": SQUARE}),
    "Florence-2": ("CLIPImageProcessorPil", {"size": SQUARE, "do_center_crop": False, "resample": 3}),
    "SigLIP": ("SiglipImageProcessorPil", {"size": SQUARE}),
    "without means": ("ViTImageProcessorPil", {"size": SQUARE, "do_normalize": False}),
}


def _encoder(name: str) -> PictureEncoder:
    kind, values = PROCESSORS[name]
    return PictureEncoder(getattr(transformers, kind)(**values), (32, 32))


@pytest.mark.parametrize("name", PROCESSORS)
@given(st.tuples(st.integers(20, 90), st.integers(20, 90)), st.integers(1, 3), st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_what_the_processor_gives(name: str, size_wh: tuple[int, int], count: int, seed: int) -> None:
    encoder, draw = _encoder(name), np.random.default_rng(seed)
    images = [Image.fromarray(draw.integers(0, 256, (*size_wh[::-1], 3), np.uint8)) for _ in range(count)]
    found, wanted = encoder(images)["pixel_values"], encoder.by_processor(images)["pixel_values"]
    assert found.dtype == wanted.dtype == torch.float32
    assert found.is_contiguous()
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", PROCESSORS)
def test_the_steps_are_taken(name: str) -> None:
    stored = _encoder(name).stored
    assert stored is not None
    assert stored.resizing is not None


def test_a_processor_that_does_something_else_is_asked() -> None:
    processor = transformers.ViTImageProcessorPil(size=SQUARE, do_rescale=False, do_normalize=False)
    encoder = PictureEncoder(processor, (32, 32))
    assert encoder.stored is None
    pixels = encoder([Image.new("RGB", (50, 40), (7, 8, 9))])["pixel_values"]
    assert pixels[0, :, 5, 5].tolist() == [7, 8, 9]


def test_a_processor_is_tried_once() -> None:
    processor = transformers.ViTImageProcessorPil(size=SQUARE)
    assert encoder_of(processor, (32, 32)) is encoder_of(processor, (32, 32))
