"""Export: a trained network with its adapters merged, as a folder for transformers or a published PaliGemma file."""

from __future__ import annotations

import shutil
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import torch
from torch import nn

from kenpin.errors import OptionError, OutputExistsError
from kenpin.files import check_free, new_folder, refuse_to_destroy, write_json
from kenpin.models.contract import Calibrated, Inspector, Trainable
from kenpin.models.networks.lora import without_adapters
from kenpin.models.networks.quiet import without_bars
from kenpin.models.restoring import checkpoint_of, record_at
from kenpin.predictor import load_predictor
from kenpin.run.layout import EXPORTED, MODEL
from kenpin.run.lineage import lineage_of, write_lineage
from kenpin.run.record import RunRecord, read_record

Dtype = Literal["float32", "bfloat16", "float16"]


def export_merged(
    run: str | Path,
    out: str | Path,
    *,
    dtype: Dtype = "float32",
    checkpoint: str | int | None = None,
    overwrite: bool = False,
) -> Path:
    """Write a folder that `from_pretrained` of transformers loads: network, tokenizer, picture processor; returns it.

    Its `kenpin.json` names run, base, labels, threshold and calibration. In float32 the network predicts what the run
    does. checkpoint: an earlier state of the run, as `load_predictor` takes it, which has neither threshold nor
    calibration. Raises RunError, OptionError, OutputExistsError.
    """
    run, out = Path(run), Path(out)
    record = read_record(run) if checkpoint is None else record_at(run)
    _check_target(out, overwrite, run, record, is_export=(out / EXPORTED).is_file())
    inspector = _trained(run, record, checkpoint)
    network: Any = without_adapters(inspector.module.float())
    if not type(network).__module__.startswith("transformers."):
        raise OptionError(
            f"{run}: transformers has no network like that of base {record.base_id}, so no other program could load "
            "the folder; use the run itself, or train on a base that is a hub id."
        )
    network.to(getattr(torch, dtype))
    _check_finite(run, network, dtype)
    with new_folder(out, overwrite=overwrite) as partial, without_bars():
        network.save_pretrained(partial)
        _write_processor(run, record, checkpoint, partial)
        if not any((partial / f"{name}processor_config.json").exists() for name in ("", "pre")):
            _siglip_processor(network.config.vision_config).save_pretrained(partial)
        write_json(partial / EXPORTED, _export_record(run, record, inspector, dtype, checkpoint))
        write_lineage(partial, lineage_of(run))
    return out


def export_npz(
    run: str | Path,
    out: str | Path,
    *,
    dtype: Dtype = "float32",
    checkpoint: str | int | None = None,
    overwrite: bool = False,
) -> Path:
    """Write a PaliGemma 1 run as one `.npz` file under the names that big_vision publishes; returns it.

    The embedding gets the rows before the image token's: the published one ends there, transformers' own checkpoints
    fill it up to 257216. checkpoint: an earlier state of the run, as `load_predictor` takes it. Raises RunError,
    OptionError, OutputExistsError.
    """
    run, out = Path(run), Path(out)
    record = read_record(run) if checkpoint is None else record_at(run)
    if record.family != "paligemma":
        raise OptionError(f"{run}: an .npz file holds a PaliGemma, not family {record.family}; take --to merged.")
    if out.suffix != ".npz":
        raise OptionError(f"{out}: must end in .npz, the ending that --base expects; choose another name.")
    _check_target(out, overwrite, run, record, is_export=out.is_file())
    network: Any = without_adapters(_trained(run, record, checkpoint).module.float())
    text = network.config.text_config
    if text.model_type != "gemma":
        raise OptionError(f"{run}: an .npz file holds a PaliGemma 1, and this is a PaliGemma 2; take --to merged.")
    if not torch.equal(network.lm_head.weight, network.get_input_embeddings().weight):
        raise OptionError(
            f"{run}: its lm_head has weights of its own, and an .npz file has no room for them; take --to merged, or "
            "train again with lm_head left out of lora_targets."
        )
    from kenpin.models.paligemma import npz_from_model

    rows = min(network.config.image_token_id, text.vocab_size)
    npz_from_model(network, out, getattr(torch, dtype), vocabulary=rows, overwrite=overwrite)
    write_lineage(out, lineage_of(run))
    return out


def _check_target(out: Path, overwrite: bool, run: Path, record: RunRecord, *, is_export: bool) -> None:
    """Whether `out` may be written. Raises OutputExistsError."""
    check_free(out, overwrite)
    if out.exists() and not is_export:
        raise OutputExistsError(f"{out} is not an export of this kind and was not replaced; choose another name.")
    needed = (run, record.options["base"], record.options.get("tokenizer") or "", Path.cwd())
    refuse_to_destroy(out, needed, overwrite=overwrite)


def _trained(run: Path, record: RunRecord, checkpoint: str | int | None) -> Trainable:
    """The run's inspector, of a network that was trained. Raises OptionError."""
    tuning = record.options.get("tuning")
    if tuning == "qlora":
        raise OptionError(
            f"{run}: its base is held in 4 bits, and merging would round the adapters to these; use the run itself, or "
            "train with tuning lora."
        )
    inspector = load_predictor(run, device="cpu", checkpoint=checkpoint).inspector
    if not isinstance(inspector, Trainable):
        how = f" with tuning {tuning}" if tuning else ""
        raise OptionError(
            f"{run}: family {record.family}{how} trains no network, so that there is nothing to merge; use the run "
            "itself."
        )
    return inspector


def _write_processor(run: Path, record: RunRecord, checkpoint: str | int | None, folder: Path) -> None:
    """Write the processor of pictures and texts. An interrupted run has none yet: it is made again."""
    saved = run / MODEL / "processor"
    if saved.is_dir():
        shutil.copytree(saved, folder, dirs_exist_ok=True)
        return
    with TemporaryDirectory(prefix="kenpin-export-") as temporary:
        _trained(run, record, checkpoint).save(Path(temporary))
        shutil.copytree(Path(temporary) / "processor", folder, dirs_exist_ok=True)


def _check_finite(run: Path, network: nn.Module, dtype: Dtype) -> None:
    for name, weight in network.named_parameters():
        if not weight.isfinite().all():
            raise OptionError(f"{run}: weight {name} would not be finite in {dtype}; take --dtype float32.")


def _siglip_processor(vision: Any) -> Any:
    """The nearest processor of transformers, for other programs, where the family prepares pictures itself."""
    from transformers import SiglipImageProcessorPil

    side_px = vision.image_size
    return SiglipImageProcessorPil(
        size={"height": side_px, "width": side_px},
        resample=2,  # bilinear, as PaliGemma was trained; SigLIP's own is bicubic
        image_mean=[0.5] * 3,
        image_std=[0.5] * 3,
        image_seq_length=(side_px // vision.patch_size) ** 2,
    )


def _export_record(
    run: Path, record: RunRecord, inspector: Inspector, dtype: Dtype, checkpoint: str | int | None
) -> dict[str, Any]:
    fields = ("family", "base_id", "base_commit", "labels", "ok_labels", "image_size_wh", "threshold")
    calibration = inspector.calibration if isinstance(inspector, Calibrated) else None
    return {
        "kenpin": version("kenpin"),
        "run": run.resolve().name,
        "checkpoint": None if checkpoint is None else checkpoint_of(run, str(checkpoint)).name,
        "trained": record.created or None,
        **record.model_dump(mode="json", include=set(fields)),
        "calibration": None if calibration is None else asdict(calibration),
        "dtype": dtype,
    }
