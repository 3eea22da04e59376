"""Writes fixtures/loss-training: what twenty steps of sentence-transformers' losses make of a tiny model.

    python test/parity/loss_training.py

needs what generate.py needs, and its fixtures/bert-mean, whose model and texts are used. Float64, dropout off (the model
is in evaluation mode while it trains), torch's AdamW with decay; every loss sees the same batches. Read by
test/parity/loss-training.test.ts:
  case.json               per loss its name and options, the texts of its rows, labels, the rows of each step, the losses
  expected.safetensors    LOSS/NAME: p20 - p0 of each parameter, under vectune's names; LOSS.own/NAME and
                          LOSS.drawn/NAME: the same, and p0, of the loss's own parameters
"""

import copy
import json
import sys
from pathlib import Path

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer import losses as st

sys.dont_write_bytecode = True
from generate import FIXTURES, PAIRS, vectune_names
from adamw import torch_adamw
from tiny_models import write_tensors

FOLDER = FIXTURES / "loss-training"
STEPS = 20
ROWS_PER_STEP = 6
LEARNING_RATE = 1e-4
DIMS = [32, 16, 8]

# Texts 2i and 2i + 1 are pair i of generate.py; a negative is the second text of another pair.
ROWS = len(PAIRS)
PAIR_ROWS = [[2 * i, 2 * i + 1] for i in range(ROWS)]
TRIPLET_ROWS = [[2 * i, 2 * i + 1, 2 * ((i + 5) % ROWS) + 1] for i in range(ROWS)]
SCORES = [score for *_, score in PAIRS]
LABELS = [int(score > 0.5) for score in SCORES]
CLASSES = [(row * row + row // 3) % 3 for row in range(ROWS)]
SEED = 1  # of the runs of the test

MASK = (1 << 64) - 1


def split_mix(x):
    """SplitMix64 (Steele, Lea & Flood 2014)."""
    x = (x + 0x9E3779B97F4A7C15) & MASK
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & MASK
    return x ^ (x >> 31)


def drawn(number, shape, bound):
    """First values of a loss's own parameter as vectune draws them, uniform as torch's own are."""
    key = split_mix((split_mix(~SEED & MASK) + number) & MASK)
    values = [bound * ((split_mix((key + i) & MASK) >> 40) / 8388608 - 1) for i in range(torch.Size(shape).numel())]
    return torch.tensor(values, dtype=torch.float32).view(shape)


def softmax(model):
    loss = st.SoftmaxLoss(model, model.get_embedding_dimension(), num_labels=3)
    linear, bound = loss.classifier, loss.classifier.in_features**-0.5
    linear.weight.data = drawn(0, linear.weight.shape, bound)
    linear.bias.data = drawn(1, linear.bias.shape, bound)
    return loss.to(next(model.parameters()).dtype)

MNRL = "multiple-negatives-ranking"
# name: vectune's name and options, its rows, their labels, sentence-transformers' loss
RUNS = {
    "mnrl-pairs": (MNRL, {}, PAIR_ROWS, None, st.MultipleNegativesRankingLoss),
    "mnrl-triplets": (MNRL, {}, TRIPLET_ROWS, None, st.MultipleNegativesRankingLoss),
    "cosent": ("cosent", {}, PAIR_ROWS, SCORES, st.CoSENTLoss),
    "online-contrastive": ("online-contrastive", {}, PAIR_ROWS, LABELS, st.OnlineContrastiveLoss),
    "softmax": ("softmax", {}, PAIR_ROWS, CLASSES, softmax),
    "triplet": ("triplet", {}, TRIPLET_ROWS, None, st.TripletLoss),
    "matryoshka": (
        "matryoshka",
        {"loss": {"name": MNRL}, "matryoshka_dims": DIMS},
        PAIR_ROWS,
        None,
        lambda model: st.MatryoshkaLoss(model, st.MultipleNegativesRankingLoss(model), DIMS),
    ),
}


def train(model, make, rows, labels, step_rows):
    """Updates and losses of a copy of the model, and first values and updates of the loss's own parameters."""
    model = copy.deepcopy(model)
    before = {name: p.detach().clone() for name, p in vectune_names(model)}
    loss_of = make(model)
    own = {name: p for name, p in loss_of.named_parameters() if not name.startswith(("model.", "loss."))}
    first = {name: p.detach().clone() for name, p in own.items()}
    optimizer = torch_adamw(loss_of if own else model, LEARNING_RATE, weight_decay=0.1)
    texts = [text for pair in PAIRS for text in pair[:2]]
    losses = []
    for step in step_rows:
        optimizer.zero_grad()
        features = [model.preprocess([texts[rows[row][i]] for row in step]) for i in range(len(rows[0]))]
        given = None if labels is None else torch.tensor([labels[row] for row in step])
        if given is not None and given.is_floating_point():
            given = given.to(next(model.parameters()).dtype)
        loss = loss_of(features, given)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    updates = {name: p.detach() - before[name] for name, p in vectune_names(model)}
    return updates, losses, {name: (first[name], p.detach() - first[name]) for name, p in own.items()}


def without_gradient(updates):
    """Names of parameters whose true gradient is zero, so that AdamW divides rounding by rounding: key biases; what moves
    all vectors alike, where a loss sees distances alone."""
    return [name for name, update in updates.items() if update.norm() < 1e-3 * LEARNING_RATE * update.numel() ** 0.5]


def strays(model, updates, losses, *run):
    """How far float32 is off, also from weights that are off by some roundings: where a hinge changes sides, a test would
    measure that."""
    worst_update = worst_loss = 0.0
    for seed in range(4):
        other = copy.deepcopy(model).float()
        generator = torch.Generator().manual_seed(seed)
        for parameter in other.parameters() if seed > 0 else ():
            parameter.data.mul_(1 + 1e-6 * torch.randn(parameter.shape, generator=generator))
        found, found_losses, _ = train(other, *run)
        for name, update in updates.items():
            if name not in without_gradient(updates):
                worst_update = max(worst_update, ((found[name] - update).norm() / update.norm()).item())
        worst_loss = max(worst_loss, *(abs(a - b) for a, b in zip(found_losses, losses)))
    return worst_update, worst_loss


def main():
    torch.set_num_threads(1)
    model = SentenceTransformer(str(FIXTURES / "bert-mean" / "model"), device="cpu").double().eval()
    generator = torch.Generator().manual_seed(21)
    step_rows = [torch.randperm(ROWS, generator=generator)[:ROWS_PER_STEP].tolist() for _ in range(STEPS)]
    tensors, runs = {}, {}
    for name, (loss, options, rows, labels, make) in RUNS.items():
        run = (make, rows, labels, step_rows)
        updates, losses, own = train(model, *run)
        update, value = strays(model, updates, losses, *run)
        print(f"{name}: loss {losses[0]:.4f} to {losses[-1]:.4f}; float32 strays by {update:.1e} and {value:.1e}")
        if not (update < 3e-4 and value < 5e-5):
            sys.exit(f"{name} is ill-conditioned; give the steps another seed")
        tensors |= {f"{name}/{key}": tensor.float().contiguous() for key, tensor in updates.items()}
        for key, (first, update) in own.items():
            tensors |= {f"{name}.drawn/{key}": first.float(), f"{name}.own/{key}": update.float().contiguous()}
        runs[name] = {
            "loss": {"name": loss, **options},
            "rows": rows,
            "labels": labels or [],
            "losses": losses,
            "withoutGradient": without_gradient(updates),
        }
    FOLDER.mkdir(exist_ok=True)
    write_tensors(tensors, FOLDER / "expected.safetensors")
    facts = {"learningRate": LEARNING_RATE, "stepRows": step_rows}
    lines = [f'  "{key}": {json.dumps(value)}' for key, value in facts.items()]
    lines += ['  "runs": {\n' + ",\n".join(f'    "{name}": {json.dumps(run)}' for name, run in runs.items()) + "\n  }"]
    (FOLDER / "case.json").write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
