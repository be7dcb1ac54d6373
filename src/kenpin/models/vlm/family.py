"""Chat models made on their base, and restored."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import torch
from safetensors import SafetensorError
from torch import nn

from kenpin.cases.library import CaseLibrary
from kenpin.errors import OptionError, RunError, first_line
from kenpin.files import read_json
from kenpin.models.bases import Announced, BaseRecord, check_base
from kenpin.models.contract import Inspector, Task
from kenpin.models.enough import LearnsAnyNumber
from kenpin.models.language.options import loaded_as
from kenpin.models.language.tuning import prepare
from kenpin.models.networks.lora import load_lora, without_adapters
from kenpin.models.networks.pretrained import load_pretrained, load_tensors
from kenpin.models.networks.quiet import expected_warnings, without_bars
from kenpin.models.networks.sizes import announced_by
from kenpin.models.restoring import run_below
from kenpin.models.vlm.bases import PARTS_THAT_SEE, ChatBase, load_base, read_processor
from kenpin.models.vlm.inspector import ADAPTER, CHAT, EMBEDDER, PROJECTOR, WEIGHTS, ChatInspector
from kenpin.models.vlm.options import VlmOptions
from kenpin.models.vlm.soft_tokens import RunVectors, SoftPrompted
from kenpin.models.vlm.toy import toy_base
from kenpin.run.record import is_run
from kenpin.targets import Target

_ATTENTION = ("q_proj", "k_proj", "v_proj", "o_proj")


class VlmFamily(LearnsAnyNumber):
    """Inspectors that answer questions on pictures."""

    Options = VlmOptions
    target = Target.TEXT
    good_alone = False

    def announced(self, options: VlmOptions) -> Announced | None:
        """Size of the weights in the number format of the options, whatever the files hold."""
        return None if options.base == "toy" else announced_by(options.base, loaded_as(options))

    def create(self, options: VlmOptions, task: Task) -> Inspector:
        """An inspector on its base, ready to learn. Raises OptionError, MissingExtraError, RunError,
        CaseLibraryError."""
        vectors = None if options.embedding_from is None else RunVectors(options.embedding_from)
        if vectors is not None and options.from_cases is not None:
            CaseLibrary.open(options.from_cases).check(vectors.run)
        source = _load(options, task)
        question = next(iter(task.questions), None)
        base = source.record()
        return ChatInspector(source, _prepared(source, options), base, options, question=question, vectors=vectors)

    def restore(self, folder: Path, base: BaseRecord, options: VlmOptions, task: Task) -> Inspector:
        """The inspector that was saved in `folder`. Raises RunError."""
        settings = read_json(folder / CHAT)
        vectors = RunVectors(folder / EMBEDDER) if (folder / EMBEDDER).is_dir() else None
        if options.tuning == "full":
            source = _read_whole(folder, base)
            network: nn.Module = source.network
        else:
            source = _load(options, task, folder / "processor")
            check_base(base, source.record(), is_half=source.half is not None)
            network = source.network.requires_grad_(False)
            if options.tuning != "projector":
                with expected_warnings():
                    network = load_lora(network, folder / ADAPTER)
        inspector = ChatInspector(source, network, base, options, question=settings["question"], vectors=vectors)
        if isinstance(inspector.module, SoftPrompted):
            try:
                inspector.module.projector.load_state_dict(load_tensors(folder / PROJECTOR))
            except RuntimeError as error:
                raise RunError(f"{folder / PROJECTOR}: does not fit the network; restore it or train again.") from error
        inspector.module.eval()
        return inspector

    def closeness(self, config: Any) -> int:
        """1 for any model of transformers that answers in words on a picture and words, and for the toy."""
        from transformers import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING

        return int(config is None or type(config) in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING)

    def untrained(self, base: str, *, dtype: str | None, prompt: str | None) -> ChatInspector:
        """The pretrained base, not fine-tuned. Raises OptionError, MissingExtraError."""
        how = {"tuning": "qlora"} if dtype is None else {"tuning": "lora", "frozen_dtype": dtype}
        options = VlmOptions.from_mapping({"data": "-", "out": "-", "base": base, "question": prompt, **how})
        source = _load(options, Task((), (), questions=(prompt or "",)))  # a toy's tokenizer is made for them
        network = source.network.requires_grad_(False)
        return ChatInspector(source, network, BaseRecord(source.id, source.commit, ()), options)


def _load(options: VlmOptions, task: Task, saved_processor: Path | None = None) -> ChatBase:
    half = None if options.frozen_dtype == "float32" else getattr(torch, options.frozen_dtype)
    if options.base != "toy" and is_run(Path(options.base)):
        return _base_of_run(options, half)
    if options.base != "toy":
        return load_base(options.base, dtype=None if options.tuning == "qlora" else options.frozen_dtype)
    source = toy_base((*task.questions, *task.answers), options.seed, saved_processor)
    source.half = half
    if half is not None:
        source.network.to(half)
    return source


def _base_of_run(options: VlmOptions, half: torch.dtype | None) -> ChatBase:
    """The trained network of a run of this family, with its processor, as a base. Raises RunError, OptionError."""
    below = run_below(options.base, "vlm", tuning=options.tuning)
    before = cast(ChatInspector, below.inspector)
    if isinstance(before.module, SoftPrompted):
        raise OptionError(
            f"base {options.base}: its network was trained with the embeddings of another run and needs them; continue "
            "from a run without --embedding-from."
        )
    network = cast(Any, without_adapters(before.module.float()))
    if half is not None:
        network.to(half)
    return replace(before.source, id=below.id, network=network, commit=below.commit, half=half)


def _read_whole(folder: Path, base: BaseRecord) -> ChatBase:
    """A network that was trained fully, from the run itself. Raises RunError."""
    from transformers import AutoModelForImageTextToText

    try:
        with without_bars():
            network = load_pretrained(
                AutoModelForImageTextToText, folder / WEIGHTS, dtype="float32", use_safetensors=True
            ).eval()
        return ChatBase(base.id, network, read_processor(folder / "processor", network.config), base.commit)
    except (OSError, ValueError, SafetensorError) as error:
        raise RunError(
            f"{folder}: the trained weights cannot be read ({first_line(error)}); restore it from a copy or train "
            "again."
        ) from error


def _prepared(source: ChatBase, options: VlmOptions) -> nn.Module:
    if options.tuning == "projector":
        return cast(nn.Module, source.network.requires_grad_(False))
    return prepare(
        source.network,
        cast(Any, options.tuning),
        rank=options.lora_rank,
        alpha=options.lora_alpha,
        dropout=options.lora_dropout,
        targets=options.lora_targets or _attention(source.network),
        whole=options.lora_whole,
        seed=options.seed,
    )


def _attention(network: nn.Module) -> list[str]:
    """Names of the projections of the language model's attention; for unusual models, the usual endings."""
    layers = [name for name, _ in network.named_modules() if not set(PARTS_THAT_SEE) & set(name.split("."))]
    return [name for name in layers if name.rpartition(".")[2] in _ATTENTION] or list(_ATTENTION)


FAMILY = VlmFamily()
