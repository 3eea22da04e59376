"""sentence-transformers on the same GPU: python peer_sentence_transformers.py REQUEST.json

The request: device, shape ('minilm' | 'distiluse'), precision ('fp32' | 'bf16'), attention (transformers'
attn_implementation) and runs, a list of { kind: 'train', pairs, lengths }, { kind: 'embed', lengths } or { kind: 'batch',
length, fraction }; lengths is a file with the length of each text. The model is random and the texts are random words, as in
gpu_bench, so that the work is the same. What is timed is the library's own path from tokenised texts on: its
features (unpadded ones where its FlashAttention mode makes such), its modules, its loss and its AdamW. Prints one JSON object
a line for each run.
"""

import json
import logging
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
torch.backends.cuda.matmul.allow_tf32 = False
logging.disable(logging.WARNING)  # for each text longer than the tokeniser of a random model expects


def open_model(folder, dtype):
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
    arguments = {"attn_implementation": request["attention"], "torch_dtype": dtype}
    encoder = Transformer(str(folder), max_seq_length=512, model_args=arguments)
    return SentenceTransformer(modules=[encoder, Pooling(width), *after], device=device).to(dtype)


def features_of(model, lengths):
    """What the library makes of texts that have so many tokens."""
    texts = [" ".join(f"t{random.randrange(6000)}" for _ in range(length - 2)) for length in lengths]
    features = model.preprocess(texts) if hasattr(model, "preprocess") else model.tokenize(texts)
    tokens = features["attention_mask"].sum().item() if "attention_mask" in features else features["input_ids"].numel()
    if tokens != sum(lengths):
        sys.exit(f"the tokeniser made {tokens} tokens of texts that were to have {sum(lengths)}")
    return features


def moved(features):
    return {
        name: values.to(device, non_blocking=True) if isinstance(values, torch.Tensor) else values
        for name, values in features.items()
    }


def synchronise():
    if device.startswith("cuda"):
        torch.cuda.synchronize()


def rounds(work, tokens):
    """Tokens in a second of the better of two rounds, after one that warms up."""
    best = 0.0
    for round_ in range(3):
        synchronise()
        begin = time.perf_counter()
        work()
        synchronise()
        if round_ > 0:
            best = max(best, tokens / (time.perf_counter() - begin))
    return best


def optimiser_of(model):
    return torch.optim.AdamW(model.parameters(), lr=2e-5, weight_decay=0.0, fused=device.startswith("cuda"))


def step(model, optimizer, first, second, scores):
    optimizer.zero_grad(set_to_none=True)
    with torch.autocast(device.split(":")[0], dtype=torch.bfloat16, enabled=bf16):
        u = model(moved(first))["sentence_embedding"]
        v = model(moved(second))["sentence_embedding"]
    loss = torch.nn.functional.mse_loss(torch.cosine_similarity(u.float(), v.float()), scores.to(device))
    loss.backward()
    optimizer.step()


def lengths_in(run):
    return [int(line) for line in Path(run["lengths"]).read_text(encoding="utf-8").split()]


def train(run):
    model = opened(torch.float32)
    lengths, pairs = lengths_in(run), run["pairs"]
    columns = [lengths[0::2], lengths[1::2]]
    batches = [
        [features_of(model, column[at : at + pairs]) for column in columns] + [torch.rand(len(columns[0][at : at + pairs]))]
        for at in range(0, len(columns[0]), pairs)
    ]
    optimizer = optimiser_of(model)
    model.train()

    def epoch():
        for first, second, scores in batches:
            step(model, optimizer, first, second, scores)

    return {"pairs": pairs, "tokens": sum(lengths), "tokens_per_second": rounds(epoch, sum(lengths))}


def embed(run):
    model = opened(torch.bfloat16 if bf16 else torch.float32)
    lengths = sorted(lengths_in(run), reverse=True)  # as `encode` sorts
    batches = [features_of(model, lengths[at : at + 256]) for at in range(0, len(lengths), 256)]
    model.eval()

    def all_texts():
        for features in batches:
            model(moved(features))["sentence_embedding"].float().cpu()

    with torch.inference_mode():
        best = rounds(all_texts, sum(lengths))
    return {"tokens": sum(lengths), "tokens_per_second": best}


def batch(run):
    """The largest batch: doubled until it fails, then what lies between halved thrice. On CPU tensors up to 8."""
    on_gpu = device.startswith("cuda")
    if on_gpu:
        torch.cuda.set_per_process_memory_fraction(run["fraction"])
    model = opened(torch.float32)
    optimizer = optimiser_of(model)
    model.train()
    log = []

    def fits(size):
        features = features_of(model, [run["length"]] * size)
        outcome = "succeeded"
        try:
            for _ in range(2):  # the second has the moments
                step(model, optimizer, features, features, torch.rand(size))
                synchronise()
        except torch.cuda.OutOfMemoryError:
            outcome = "failed"
        optimizer.zero_grad(set_to_none=True)
        torch.cuda.empty_cache()
        log.append({"finder": size, "outcome": outcome})
        return outcome == "succeeded"

    found, size, most = 0, 2, 1 << 17 if on_gpu else 8
    while size <= most and fits(size):
        found, size = size, 2 * size
    doubling = found
    if size <= most and doubling >= 8:
        for part in (2, 4, 8):
            if fits(found + doubling // part):
                found += doubling // part
    return {"largest_batch": found, "doubling": doubling, "length": run["length"], "fraction": run["fraction"], "log": log}


models = {}


def opened(dtype):
    if dtype not in models:
        inside = Path(folder) / str(dtype)  # of its own: what is open maps its file
        inside.mkdir()
        models[dtype] = open_model(inside, dtype)
    return models[dtype]


with tempfile.TemporaryDirectory() as folder:
    for run in request["runs"]:
        answer = {"train": train, "embed": embed, "batch": batch}[run["kind"]](run)
        answer[run["kind"]] = request["shape"]
        answer["precision"] = request["precision"]
        answer["attention"] = request["attention"]
        if "lengths" in run:
            answer["texts"] = Path(run["lengths"]).stem
            answer["unpadded"] = bool(getattr(next(iter(models.values()))[0], "can_flatten_inputs", False))
        answer["versions"] = {
            "sentence-transformers": sentence_transformers.__version__,
            "transformers": transformers.__version__,
            "torch": torch.__version__,
        }
        print("\n" + json.dumps(answer), flush=True)
