"""A model folder of an encoder's exact shape with random weights: python random_shapes.py SHAPE TOKENIZER FOLDER

SHAPE: mpnet-base, modernbert-base, multilingual-e5-base or qwen3-0.6b. TOKENIZER: a folder whose tokenizer.json the model
gets; its ids are below 30,522, whatever the shape's table of words has.
"""

import sys
import tempfile
from pathlib import Path

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
from transformers import AutoModel, ModernBertConfig, MPNetConfig, PreTrainedTokenizerFast, Qwen3Config, XLMRobertaConfig

SHAPES = {
    "mpnet-base": (MPNetConfig(vocab_size=30527, relative_attention_num_buckets=32, max_position_embeddings=514), "mean"),
    "modernbert-base": (
        ModernBertConfig(pad_token_id=0, cls_token_id=101, bos_token_id=101, sep_token_id=102, eos_token_id=102),
        "mean",
    ),
    "multilingual-e5-base": (XLMRobertaConfig(vocab_size=250002, max_position_embeddings=514, type_vocab_size=1), "mean"),
    "qwen3-0.6b": (
        Qwen3Config(
            vocab_size=151669,
            hidden_size=1024,
            intermediate_size=3072,
            num_hidden_layers=28,
            num_attention_heads=16,
            num_key_value_heads=8,
            head_dim=128,
            tie_word_embeddings=True,
            rope_theta=1000000,
        ),
        "lasttoken",
    ),
}

name, tokenizer, folder = sys.argv[1:]
config, pooling = SHAPES[name]
torch.manual_seed(1)
with tempfile.TemporaryDirectory() as plain:
    AutoModel.from_config(config).save_pretrained(plain)
    PreTrainedTokenizerFast(
        tokenizer_file=str(Path(tokenizer) / "tokenizer.json"),
        model_max_length=512,
        unk_token="[UNK]",
        pad_token="[PAD]",
        cls_token="[CLS]",
        sep_token="[SEP]",
    ).save_pretrained(plain)
    encoder = Transformer(plain, max_seq_length=512)
    width = config.hidden_size
    SentenceTransformer(modules=[encoder, Pooling(width, pooling_mode=pooling)], device="cpu").save(folder)
