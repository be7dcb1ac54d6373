"""Vision networks of transformers by hub id or folder: image classifiers, and networks without classes, as DINOv3."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from kenpin.errors import OptionError, first_line
from kenpin.models.networks.layers import body_name_of, in_quarters, is_in_stages, layer_count
from kenpin.models.networks.pretrained import check_sizes, load_pretrained, refuse_code
from kenpin.models.networks.quiet import without_bars, without_reports

_UNUSED = ("pooler", "mask_token", "head", "classifier")
"""Parts of a network without classes that no feature goes through: they may be random."""


def load_vision_network(base: str, ids: dict[str, Any]) -> tuple[Any, Any, str | None]:
    """The network with its weights in 32 bits, its processor, and its commit on the hub. ids: names of the classes of
    its head, where it has one. Raises OptionError."""
    from transformers import AutoConfig

    try:
        kind, config = _kind_of(load_pretrained(AutoConfig, base, **ids))
        with without_bars(), without_reports():
            network, report = load_pretrained(
                kind, base, config=config, ignore_mismatched_sizes=True, dtype="float32", output_loading_info=True
            )
        processor = read_processor(base)
    except (OSError, ValueError) as error:
        raise OptionError(
            f"base {base!r} cannot be loaded as a network that sees pictures ({first_line(error)}); give `lite0`, "
            "`toy`, a hub id or a folder that save_pretrained wrote."
        ) from error
    # a random head is intended, but a random body is not: training needs its pretrained weights
    missing, body = report["missing_keys"], body_name_of(network)
    if body is None:
        lacking = sorted(key for key in missing if not key.startswith(_UNUSED))
    else:
        lacking = sorted(key for key in missing if key.startswith(f"{body}."))
    if lacking:
        raise OptionError(f"base {base!r} holds no weights of {lacking[0]}; name one that was saved whole.")
    return network.eval(), processor, getattr(network.config, "_commit_hash", None)


def quarters_of(base: str) -> tuple[int, ...] | None:
    """A layer at the end of each quarter of a network's depth, by its configuration alone; None for one in stages, one
    of less than four layers, and where the configuration cannot be read, of which loading says more."""
    from transformers import AutoConfig

    try:
        _, config = _kind_of(load_pretrained(AutoConfig, base))
    except (OSError, ValueError):
        return None
    count = layer_count(config)
    return None if count is None or count < 4 or is_in_stages(config) else in_quarters(count)


def read_vision_network(weights: Path) -> Any:
    """The network that `save_pretrained` wrote, as kenpin writes it: never a pickle. Raises OSError, ValueError."""
    from transformers import AutoConfig

    kind, config = _kind_of(load_pretrained(AutoConfig, weights))
    return load_pretrained(kind, weights, config=config, use_safetensors=True)


def read_processor(source: str | Path) -> Any:
    """The PIL processor by name: scores must not depend on whether torchvision is installed. Raises OSError,
    ValueError."""
    from transformers import AutoImageProcessor

    refuse_code(source)
    try:
        return load_pretrained(AutoImageProcessor, source, backend="pil")
    except (ImportError, ValueError):  # one that is written for torchvision alone, as DINOv3's
        settings = _plain_settings(source)
        if settings is None:
            raise
        from transformers import ViTImageProcessorPil

        processor = ViTImageProcessorPil(**settings)
        check_sizes(processor)
        return processor


def _plain_settings(source: str | Path) -> dict[str, Any] | None:
    """The settings of a processor that resizes, rescales and normalises, and does nothing else; None for others."""
    from transformers.utils import cached_file

    found = cached_file(str(source), "preprocessor_config.json", _raise_exceptions_for_missing_entries=False)
    if found is None:
        return None
    settings = json.loads(Path(found).read_text(encoding="utf-8"))
    plain = {key: settings[key] for key in ("image_mean", "image_std", "rescale_factor", "resample") if key in settings}
    size = settings.get("size")
    if settings.get("do_center_crop") or not isinstance(size, dict) or {*size} != {"height", "width"}:
        return None
    return {**plain, "size": size}


def _kind_of(config: Any) -> tuple[Any, Any]:
    """The class that loads a network, and its configuration; of a model of pictures and words the part that sees.
    Raises ValueError."""
    from transformers import (
        MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING,
        MODEL_MAPPING,
        AutoModel,
        AutoModelForImageClassification,
    )

    if type(config) in MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING:
        return AutoModelForImageClassification, config
    sees = getattr(config, "vision_config", None) or config
    if type(sees) in MODEL_MAPPING:
        kinds = MODEL_MAPPING[type(sees)]
        kind = kinds[0] if isinstance(kinds, tuple) else kinds
        if kind.main_input_name == "pixel_values":
            return AutoModel, sees
    raise ValueError(f"{type(config).__name__} is of a model that sees no pictures")
