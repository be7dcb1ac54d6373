"""Export: a trained network with its adapters merged, as a folder for transformers or a published PaliGemma file."""

from __future__ import annotations

import shutil
from collections import Counter
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, cast

import torch
from torch import nn

from kenpin.data.loading import partial_folder, put_in_place, refuse_to_destroy
from kenpin.errors import OptionError, OutputExistsError
from kenpin.models._family import Calibrated, Inspector, Trainable
from kenpin.models._quiet import without_bars
from kenpin.predictor import load_predictor
from kenpin.run_folder import EXPORTED, MODEL, RunRecord, check_free, lineage_of, read_record, write_json, write_lineage

Dtype = Literal["float32", "bfloat16", "float16"]


def export_merged(run: Path, out: Path, *, dtype: Dtype = "float32", overwrite: bool = False) -> Path:
    """Write a folder that `from_pretrained` of transformers loads: network, tokenizer, picture processor; returns it.

    Its `kenpin.json` names run, base, labels, threshold and calibration. In float32 the network predicts what the run
    does. Raises RunError, OptionError, OutputExistsError.
    """
    record = read_record(run)
    _check_target(out, overwrite, run, record, is_export=(out / EXPORTED).is_file())
    inspector, network = _merged(run, record)
    if not type(network).__module__.startswith("transformers."):
        raise OptionError(
            f"{run}: transformers has no network like that of base {record.base_id}, so nothing else could load the "
            "folder; use the run itself, or train on a base that is a hub id."
        )
    network.to(getattr(torch, dtype))
    _check_finite(run, network, dtype)
    with partial_folder(out) as partial, without_bars():
        network.save_pretrained(partial)
        shutil.copytree(run / MODEL / "processor", partial, dirs_exist_ok=True)
        if not any((partial / f"{name}processor_config.json").exists() for name in ("", "pre")):
            _siglip_processor(network.config.vision_config).save_pretrained(partial)
        write_json(partial / EXPORTED, _told(run, record, inspector, dtype))
        write_lineage(partial, lineage_of(run))
        put_in_place(partial, out)
    return out


def export_npz(run: Path, out: Path, *, dtype: Dtype = "float32", overwrite: bool = False) -> Path:
    """Write a PaliGemma 1 run as one `.npz` file under the names that big_vision publishes; returns it.

    The embedding gets the rows before the image token's: the published one ends there, transformers' own checkpoints
    fill it up to 257216. Raises RunError, OptionError, OutputExistsError.
    """
    record = read_record(run)
    if record.family != "paligemma":
        raise OptionError(f"{run}: an .npz file holds a PaliGemma, not family {record.family}; take --to merged.")
    if out.suffix != ".npz":
        raise OptionError(f"{out}: must end in .npz, by which --base knows such a file; choose another name.")
    _check_target(out, overwrite, run, record, is_export=out.is_file())
    _, network = _merged(run, record)
    text = network.config.text_config
    if text.model_type != "gemma":
        raise OptionError(f"{run}: an .npz file holds a PaliGemma 1, and this is a PaliGemma 2; take --to merged.")
    if not torch.equal(network.lm_head.weight, network.get_input_embeddings().weight):
        raise OptionError(
            f"{run}: its lm_head has weights of its own, and an .npz file has room for the embedding's alone; take "
            "--to merged, or train again with lm_head left out of lora_targets."
        )
    from kenpin.models.paligemma import npz_from_model

    out.parent.mkdir(parents=True, exist_ok=True)
    rows = min(network.config.image_token_id, text.vocab_size)
    npz_from_model(network, out, getattr(torch, dtype), vocabulary=rows, overwrite=overwrite)
    write_lineage(out, lineage_of(run))
    return out


def _check_target(out: Path, overwrite: bool, run: Path, record: RunRecord, *, is_export: bool) -> None:
    """Whether `out` may be written. Raises OutputExistsError."""
    check_free(out, overwrite)
    if out.exists() and not is_export:
        raise OutputExistsError(f"{out} is no export of this kind, and stays as it is; choose another name.")
    needed = (run, record.options["base"], record.options.get("tokenizer") or "", Path.cwd())
    refuse_to_destroy(out, needed, overwrite=overwrite)


def _merged(run: Path, record: RunRecord) -> tuple[Inspector, Any]:
    """The run's inspector, and its network of transformers with whatever adapters merged. Raises OptionError."""
    tuning = record.options.get("tuning")
    if tuning == "qlora":
        raise OptionError(
            f"{run}: its base is held in 4 bits, to which merging would round the adapters; use the run itself, or "
            "train with tuning lora."
        )
    inspector = load_predictor(run, device="cpu").inspector
    if not isinstance(inspector, Trainable):
        how = f" with tuning {tuning}" if tuning else ""
        raise OptionError(
            f"{run}: family {record.family}{how} trains no network, so that there is nothing to merge; use the run "
            "itself."
        )
    return inspector, _without_adapters(inspector.module.float())


def _without_adapters(module: nn.Module) -> nn.Module:
    from peft import PeftModel
    from peft.tuners.tuners_utils import BaseTunerLayer

    if not isinstance(module, PeftModel):
        return module
    network = cast(Any, module).get_base_model()
    uses = Counter(id(weight) for _, weight in network.named_parameters(remove_duplicate=False))
    for adapted in [layer for layer in network.modules() if isinstance(layer, BaseTunerLayer)]:
        layer = adapted.get_base_layer()
        if uses[id(layer.weight)] > 1:
            # adapters are merged in place: what lm_head has learned would change the embedding too
            layer.weight = nn.Parameter(layer.weight.detach().clone())
            network.config.tie_word_embeddings = False
    return cast(nn.Module, module.merge_and_unload())


def _check_finite(run: Path, network: nn.Module, dtype: Dtype) -> None:
    for name, weight in network.named_parameters():
        if not weight.isfinite().all():
            raise OptionError(f"{run}: weight {name} would not be finite in {dtype}; take --dtype float32.")


def _siglip_processor(vision: Any) -> Any:
    """For other programs, where the family prepares pictures by itself: the nearest thing in transformers."""
    from transformers import SiglipImageProcessorPil

    side_px = vision.image_size
    return SiglipImageProcessorPil(
        size={"height": side_px, "width": side_px},
        resample=2,  # bilinear, as PaliGemma was trained; SigLIP's own is bicubic
        image_mean=[0.5] * 3,
        image_std=[0.5] * 3,
        image_seq_length=(side_px // vision.patch_size) ** 2,
    )


def _told(run: Path, record: RunRecord, inspector: Inspector, dtype: Dtype) -> dict[str, Any]:
    told = ("family", "base_id", "base_commit", "labels", "ok_labels", "image_size_wh", "threshold")
    calibration = inspector.calibration if isinstance(inspector, Calibrated) else None
    return {
        "kenpin": version("kenpin"),
        "run": run.resolve().name,
        "trained": record.created,
        **record.model_dump(mode="json", include=set(told)),
        "calibration": None if calibration is None else asdict(calibration),
        "dtype": dtype,
    }
