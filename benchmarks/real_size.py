"""Networks of published sizes with random weights, in memory or as bases in folders; small ones for a CPU."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kenpin.models.language.detector import LanguageDetector

LABELS = ("scratch", "dent", "solder-bridge")
NEW_TOKENS = 64
_BART = {"model_type": "bart", "vocab_size": 51_328, "d_model": 768, "encoder_layers": 6, "decoder_layers": 6,
         "encoder_attention_heads": 12, "decoder_attention_heads": 12, "encoder_ffn_dim": 3_072,
         "decoder_ffn_dim": 3_072, "max_position_embeddings": 4_096}  # fmt: skip
_SIGLIP_400M = {"model_type": "siglip_vision_model", "image_size": 224, "patch_size": 14, "num_hidden_layers": 27,
                "hidden_size": 1_152, "intermediate_size": 4_304, "num_attention_heads": 16,
                "vision_use_head": False}  # fmt: skip
_GEMMA_2B = {"model_type": "gemma", "vocab_size": 257_216, "num_hidden_layers": 18, "hidden_size": 2_048,
             "intermediate_size": 16_384, "num_attention_heads": 8, "num_key_value_heads": 1, "head_dim": 256,
             "hidden_act": "gelu_pytorch_tanh", "pad_token_id": 0, "eos_token_id": 1, "bos_token_id": 2}  # fmt: skip
_SIGLIP_BASE = {"model_type": "siglip_vision_model", "image_size": 224, "patch_size": 16, "num_hidden_layers": 12,
                "hidden_size": 768, "intermediate_size": 3_072, "num_attention_heads": 12,
                "vision_use_head": False}  # fmt: skip
_LLAMA = {"model_type": "llama", "num_hidden_layers": 24, "hidden_size": 1_024, "intermediate_size": 2_816,
          "num_attention_heads": 16, "num_key_value_heads": 4}  # fmt: skip


def detector(family: str, tuning: str, device: str, *, small: bool) -> LanguageDetector:
    """A detector on the device, its weights random; frozen ones in bf16."""
    import torch

    from kenpin.models import florence2, get_family, paligemma
    from kenpin.models.contract import Task
    from kenpin.models.florence2.toy import toy_base as florence2_toy
    from kenpin.models.language.bases import LanguageBase
    from kenpin.models.paligemma.toy import toy_base as paligemma_toy

    task = Task(LABELS, ())
    values = {"data": "-", "out": "-", "tuning": tuning, "max_new_tokens": NEW_TOKENS}
    options = get_family(family).Options.from_mapping(values)
    kind: Any = florence2.Florence2Detector if family == "florence2" else paligemma.PaliGemmaDetector
    base = (florence2_toy if family == "florence2" else paligemma_toy)(task, 0)
    if not small:
        with torch.device(device):
            network = _florence2(base.network.config) if family == "florence2" else _paligemma()
        base = LanguageBase(family, network, base.tokenizer, _florence2_pictures() if family == "florence2" else None)
    inspector: LanguageDetector = kind(base, task, options)
    inspector.module.to(device)
    for parameter in inspector.module.parameters():
        if not parameter.requires_grad:
            parameter.data = parameter.data.to(torch.bfloat16)
    return inspector


def _florence2(toy: Any) -> Any:
    import torch
    from transformers import Florence2Config, Florence2ForConditionalGeneration

    torch.manual_seed(0)
    vision = {"projection_dim": 768}
    config = Florence2Config(text_config=_BART, vision_config=vision, image_token_id=toy.image_token_id)
    return Florence2ForConditionalGeneration(config).eval()


def _florence2_pictures() -> Any:
    from transformers import CLIPImageProcessorPil

    return CLIPImageProcessorPil(size={"height": 768, "width": 768}, do_center_crop=False, resample=3)


def _paligemma() -> Any:
    import torch
    from transformers import PaliGemmaConfig, PaliGemmaForConditionalGeneration

    torch.manual_seed(0)
    config = PaliGemmaConfig(vision_config=_SIGLIP_400M, text_config=_GEMMA_2B, image_token_index=257_152,
                             projection_dim=2_048, hidden_size=2_048)  # fmt: skip
    return PaliGemmaForConditionalGeneration(config).eval()


def vit_folder(folder: Path, *, small: bool) -> str:
    """A ViT-base at 224 pixels as a base."""
    from transformers import ViTConfig, ViTForImageClassification, ViTImageProcessorPil

    less = {"num_hidden_layers": 2, "hidden_size": 48, "num_attention_heads": 4, "intermediate_size": 96}
    ViTForImageClassification(ViTConfig(**(less if small else {}))).save_pretrained(folder)
    ViTImageProcessorPil().save_pretrained(folder)
    return str(folder)


def dino_folder(folder: Path, *, small: bool) -> str:
    """A DINOv2 of the size of ViT-S/14, whose tables are those of 518 pixels, as a base."""
    from transformers import BitImageProcessorPil, Dinov2Config, Dinov2Model

    heads = {"hidden_size": 48, "num_attention_heads": 4} if small else {"hidden_size": 384, "num_attention_heads": 6}
    Dinov2Model(Dinov2Config(image_size=518, patch_size=14, **heads)).save_pretrained(folder)
    BitImageProcessorPil(size={"height": 224, "width": 224}, do_center_crop=False).save_pretrained(folder)
    return str(folder)


def florence2_folder(folder: Path, *, small: bool) -> str:
    """Florence-2-base at 768 pixels as a base."""
    from kenpin.models.contract import Task
    from kenpin.models.florence2.toy import toy_base

    base = toy_base(Task(LABELS, ()), 0)
    (base.network if small else _florence2(base.network.config)).save_pretrained(folder)
    base.tokenizer.save_pretrained(folder)
    (base.processor if small else _florence2_pictures()).save_pretrained(folder)
    return str(folder)


def paligemma_folder(folder: Path, device: str, *, small: bool) -> str:
    """PaliGemma-3B at 224 pixels in bf16 as a base, drawn on the device: its 3 billion numbers take a CPU a minute."""
    import torch

    from kenpin.models.contract import Task
    from kenpin.models.paligemma.toy import toy_base

    base = toy_base(Task(LABELS, ()), 0)
    network: Any = base.network
    if not small:
        with torch.device(device):
            network = _paligemma().to(torch.bfloat16)
    network.save_pretrained(folder)
    base.tokenizer.save_pretrained(folder)
    return str(folder)


def chat_folder(folder: Path, texts: list[str], *, small: bool) -> str:
    """A LLaVA of SigLIP-base and a Llama of about 300 million parameters as a base."""
    import torch
    from transformers import LlavaForConditionalGeneration, SiglipImageProcessorPil

    from kenpin.models.vlm.toy import toy_base

    base = toy_base(texts, 0)
    network, processor = base.network, base.processor
    if not small:
        config = network.config
        words = {name: getattr(config.text_config, name) for name in ("vocab_size", "pad_token_id", "bos_token_id",
                                                                      "eos_token_id")}  # fmt: skip
        torch.manual_seed(0)
        network = LlavaForConditionalGeneration(
            type(config)(vision_config=_SIGLIP_BASE, text_config=_LLAMA | words, image_seq_length=196,
                         image_token_index=config.image_token_index, vision_feature_layer=-1,
                         vision_feature_select_strategy="full")
        )  # fmt: skip
        processor.image_processor = SiglipImageProcessorPil(size={"height": 224, "width": 224})
        processor.patch_size = 16
    network.save_pretrained(folder)
    processor.save_pretrained(folder)
    return str(folder)
