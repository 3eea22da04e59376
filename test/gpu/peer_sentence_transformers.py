"""sentence-transformers on the same GPU: python peer_sentence_transformers.py REQUEST.json

The request: kind ('train' | 'embed' | 'batch'), device, shape ('minilm' | 'distiluse'), precision ('fp32' | 'bf16'),
lengths (file with the length of each text), attention (transformers' attn_implementation) and, for 'train', pairs; for
'batch' length and fraction. The model is random and the texts are random tokens, as in gpu_bench, so that the work is the
same. What is timed is the library's own path from token ids on: its modules, its loss and its AdamW. Prints one JSON
object.
"""

import json
import random
import sys
import tempfile
import time
from pathlib import Path

import sentence_transformers
import torch
import transformers
from sentence_transformers import SentenceTransformer
from sentence_transformers.models import Dense, Normalize, Pooling, Transformer

request = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
device = request["device"]
bf16 = request["precision"] == "bf16"
random.seed(1)
torch.manual_seed(1)
if request["precision"] == "fp32":
    torch.backends.cuda.matmul.allow_tf32 = False


def open_model(folder):
    """A model folder of the shape, opened as the library does."""
    vocabulary = [f"t{i}" for i in range(6000)]
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] + vocabulary
    (folder / "vocab.txt").write_text("\n".join(tokens) + "\n", encoding="utf-8")
    if request["shape"] == "minilm":
        config = transformers.BertConfig(
            vocab_size=30522, hidden_size=384, num_hidden_layers=6, num_attention_heads=12, intermediate_size=1536
        )
        model, width, after = transformers.BertModel(config), 384, [Normalize()]
    else:
        config = transformers.DistilBertConfig(
            vocab_size=119547, dim=768, n_layers=6, n_heads=12, hidden_dim=3072, max_position_embeddings=512
        )
        model, width = transformers.DistilBertModel(config), 768
        after = [Dense(768, 512, activation_function=torch.nn.Tanh())]
    model.save_pretrained(folder)
    transformers.BertTokenizerFast(str(folder / "vocab.txt"), do_lower_case=False).save_pretrained(folder)
    arguments = {"attn_implementation": request["attention"]}
    if bf16 and request["kind"] == "embed":
        arguments["torch_dtype"] = torch.bfloat16
    encoder = Transformer(str(folder), max_seq_length=512, model_args=arguments)
    return SentenceTransformer(modules=[encoder, Pooling(width), *after], device=device)


def features_of(lengths):
    longest = max(lengths)
    ids = torch.zeros(len(lengths), longest, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for row, length in enumerate(lengths):
        ids[row, :length] = torch.randint(5, 6005, (length,))
        mask[row, :length] = 1
    return {"input_ids": ids, "attention_mask": mask}


def moved(features):
    return {name: values.to(device, non_blocking=True) for name, values in features.items()}


def synchronise():
    if device.startswith("cuda"):
        torch.cuda.synchronize()


def step(model, optimizer, first, second, scores):
    optimizer.zero_grad(set_to_none=True)
    with torch.autocast(device.split(":")[0], dtype=torch.bfloat16, enabled=bf16):
        u = model(moved(first))["sentence_embedding"]
        v = model(moved(second))["sentence_embedding"]
    loss = torch.nn.functional.mse_loss(torch.cosine_similarity(u.float(), v.float()), scores.to(device))
    loss.backward()
    optimizer.step()


def train(model):
    lengths = [int(line) for line in Path(request["lengths"]).read_text().split()]
    pairs = request["pairs"]
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-5, weight_decay=0.0, fused=device.startswith("cuda"))
    columns = [lengths[0::2], lengths[1::2]]
    batches = [
        (features_of(columns[0][at : at + pairs]), features_of(columns[1][at : at + pairs]))
        for at in range(0, len(columns[0]), pairs)
    ]
    model.train()
    best = 0.0
    for round_ in range(4):
        synchronise()
        begin = time.perf_counter()
        for first, second in batches:
            step(model, optimizer, first, second, torch.rand(first["input_ids"].shape[0]))
        synchronise()
        if round_ > 0:
            best = max(best, sum(lengths) / (time.perf_counter() - begin))
    return {"tokens_per_second": best, "tokens": sum(lengths)}


def embed(model):
    lengths = sorted((int(line) for line in Path(request["lengths"]).read_text().split()), reverse=True)
    batches = [features_of(lengths[at : at + 256]) for at in range(0, len(lengths), 256)]  # sorted, as `encode` sorts
    model.eval()
    best = 0.0
    with torch.inference_mode():
        for round_ in range(4):
            synchronise()
            begin = time.perf_counter()
            for features in batches:
                model(moved(features))["sentence_embedding"].float().cpu()
            if round_ > 0:
                best = max(best, sum(lengths) / (time.perf_counter() - begin))
    return {"tokens_per_second": best, "tokens": sum(lengths)}


def batch(model):
    torch.cuda.set_per_process_memory_fraction(request["fraction"])
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-5, weight_decay=0.0, fused=True)
    model.train()
    fits, size, length = 0, 2, request["length"]
    while size <= 1 << 17:
        try:
            for _ in range(2):  # the second has the moments
                features = features_of([length] * size), features_of([length] * size)
                step(model, optimizer, *features, torch.rand(size))
                synchronise()
            fits = size
        except torch.cuda.OutOfMemoryError:
            break
        optimizer.zero_grad(set_to_none=True)
        torch.cuda.empty_cache()
        size *= 2
    return {"largest_batch": fits}


with tempfile.TemporaryDirectory() as folder:
    opened = open_model(Path(folder))
    answer = {"train": train, "embed": embed, "batch": batch}[request["kind"]](opened)
answer["versions"] = {
    "sentence-transformers": sentence_transformers.__version__,
    "transformers": transformers.__version__,
    "torch": torch.__version__,
}
print("\n" + json.dumps({**{k: request[k] for k in ("kind", "shape", "precision", "attention")}, **answer}))
