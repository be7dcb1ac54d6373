"""LoRA adapters: attached to named layers, with the names checked before anything is trained."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, cast

from safetensors import SafetensorError
from torch import nn

from kenpin.errors import OptionError, RunError, first_line
from kenpin.models.networks.pretrained import refuse_code
from kenpin.models.networks.seeded import seeded
from kenpin.run.seal import REMEDY

_ATTENTION = ("q_proj", "v_proj", "query", "value")


def attach_lora(
    network: nn.Module,
    *,
    rank: int,
    alpha: int,
    dropout: float,
    targets: Sequence[str] | None,
    heads: Sequence[str],
    unused: Sequence[str] = (),
    seed: int,
) -> nn.Module:
    """The network with low-rank adapters on `targets` (name endings; None: query and value projections, or every
    plain convolution where there is no attention) and the layers `heads` trained fully; layers `unused` stay unchanged.

    Raises OptionError where a target matches no layer, naming the layers there are.
    """
    from peft import LoraConfig, get_peft_model

    layers = {
        name: layer
        for name, layer in network.named_modules()
        if _adaptable(layer) and not name.startswith((*heads, *unused))
    }
    if targets is None:
        chosen = [name for name in layers if name.rsplit(".")[-1] in _ATTENTION] or list(layers)
    else:
        chosen = matching_layers(list(layers), targets)
    _freeze_batch_norm(network)
    config = LoraConfig(
        r=rank, lora_alpha=alpha, lora_dropout=dropout, target_modules=chosen, modules_to_save=[*heads], bias="none"
    )
    with seeded(seed):
        return cast(nn.Module, get_peft_model(network, config))


def matching_layers(layers: Sequence[str], targets: Sequence[str]) -> list[str]:
    """The layers that end in one of the targets, or match it as a pattern where it holds a `*`.

    Raises OptionError where a target matches none, naming the layers there are.
    """
    chosen: dict[str, None] = {}
    for target in targets:
        pattern = target if "*" in target else f"*.{target}"
        matching = [name for name in layers if name == target or fnmatchcase(name, pattern)]
        if not matching:
            endings = sorted({name.rsplit(".")[-1] for name in layers})
            raise OptionError(f"lora target {target!r} matches no layer; layers end in {', '.join(endings)}.")
        chosen.update(dict.fromkeys(matching))
    return list(chosen)


def load_lora(network: nn.Module, folder: Path) -> nn.Module:
    """The network with the adapter that was saved in `folder`. Raises RunError."""
    from peft import PeftModel

    _check_adapter(folder)
    _freeze_batch_norm(network)
    try:
        return cast(nn.Module, PeftModel.from_pretrained(network, str(folder)).eval())
    except (OSError, ValueError, TypeError, KeyError, RuntimeError, SafetensorError) as error:
        raise RunError(f"{folder}: the adapter does not fit its base; provide the base it was trained on.") from error


def _check_adapter(folder: Path) -> None:
    """Refuse what PEFT would fetch, import or unpickle. Raises RunError."""
    weights, file = folder / "adapter_model.safetensors", folder / "adapter_config.json"
    if not weights.is_file():  # PEFT takes a pickle in its place, and asks the hub where there is none
        raise RunError(f"{weights}: is missing; {REMEDY}.")
    try:
        refuse_code(folder)
        configuration = json.loads(file.read_text(encoding="utf-8"))
        kind = configuration["peft_type"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(f"{file}: is no configuration of an adapter ({first_line(error)}); {REMEDY}.") from error
    if kind != "LORA":
        raise RunError(f"{file}: its kind is {kind!r}, and kenpin writes LORA alone; {REMEDY}.")
    # the first names a module to import; the others compute or read weights in ways of their own
    for key in ("megatron_config", "corda_config", "eva_config", "lora_ga_config", "layer_replication"):
        if configuration.get(key):
            raise RunError(f"{file}: its entry {key} is none that kenpin writes; {REMEDY}.")
    if configuration.get("init_lora_weights") not in (None, True, False, "gaussian"):
        raise RunError(f"{file}: its entry init_lora_weights is none that kenpin writes; {REMEDY}.")


def without_adapters(module: nn.Module) -> nn.Module:
    """The network with its adapters merged into its weights; a network without adapters unchanged."""
    from peft import PeftModel
    from peft.tuners.tuners_utils import BaseTunerLayer

    if not isinstance(module, PeftModel):
        return module
    network = cast(Any, module).get_base_model()
    uses = Counter(id(weight) for _, weight in network.named_parameters(remove_duplicate=False))
    for adapted in [layer for layer in network.modules() if isinstance(layer, BaseTunerLayer)]:
        layer = adapted.get_base_layer()
        if uses[id(layer.weight)] > 1:
            # adapters are merged in place: those of lm_head would change the embedding too
            layer.weight = nn.Parameter(layer.weight.detach().clone())
            network.config.tie_word_embeddings = False
    return cast(nn.Module, module.merge_and_unload())


def _adaptable(layer: nn.Module) -> bool:
    return isinstance(layer, nn.Linear) or (isinstance(layer, nn.Conv2d) and layer.groups == 1)


class _FrozenBatchNorm(nn.BatchNorm2d):
    def train(self, mode: bool = True) -> _FrozenBatchNorm:
        return super().train(False)


def _freeze_batch_norm(network: nn.Module) -> None:
    # an adapter holds no running statistics: were they to drift while training, the reloaded model would differ
    for layer in network.modules():
        if type(layer) is nn.BatchNorm2d:
            layer.__class__ = _FrozenBatchNorm
            layer.eval()
