"""A toy Florence-2: a tiny random network of the real class, with a tokenizer made from the data set's own text."""

from __future__ import annotations

from kenpin.codecs import florence2 as codec
from kenpin.models.contract import Task
from kenpin.models.florence2.prompts import QUESTIONS
from kenpin.models.language.bases import LanguageBase
from kenpin.models.language.toy import toy_tokenizer
from kenpin.models.networks.seeded import seeded

_TOY_SIDE_PX = 128


def toy_base(task: Task, seed: int) -> LanguageBase:
    from transformers import CLIPImageProcessorPil, Florence2Config, Florence2ForConditionalGeneration

    tokenizer = toy_tokenizer(
        [*task.labels, *QUESTIONS.values()],
        specials=["<s>", "<pad>", "</s>", "<unk>"],
        marks=["<image>", *(f"<loc_{i}>" for i in range(codec.BINS))],
        pad="<pad>",
        bos="<s>",
        eos="</s>",
    )
    config = Florence2Config(
        text_config={
            "model_type": "bart",
            "vocab_size": len(tokenizer),
            "d_model": 128,
            "encoder_layers": 2,
            "decoder_layers": 2,
            "encoder_attention_heads": 4,
            "decoder_attention_heads": 4,
            "encoder_ffn_dim": 256,
            "decoder_ffn_dim": 256,
            "dropout": 0.0,
            "max_position_embeddings": 1024,
            # at the usual 0.02 it learns the answers' statistics without looking at the picture
            "init_std": 0.06,
        },
        vision_config={
            "depths": [1, 1, 1, 1],
            "embed_dim": [32, 64, 96, 128],
            "num_heads": [2, 2, 4, 4],
            "num_groups": [2, 2, 4, 4],
            "window_size": 4,
            "projection_dim": 128,
            "drop_path_rate": 0.0,
        },
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
    )
    with seeded(seed):
        network = Florence2ForConditionalGeneration(config).eval()
    size = {"height": _TOY_SIDE_PX, "width": _TOY_SIDE_PX}
    processor = CLIPImageProcessorPil(size=size, do_center_crop=False, resample=3)
    return LanguageBase("toy", network, tokenizer, processor)
