"""What sentence-transformers makes of the texts in a folder's request.json; answers go into the same folder.

    python reference.py FOLDER

request.json: model and saved (model folders), questions, benchmark [[text, text, score]], savedTexts, training
{pairs, scores, batchSize, maxInputLength, learningRate, weightDecay}.
Answers: questions.f32 and saved.f32 (one vector per text, float32, one after the other), answers.json with Spearman's
correlation, the losses of each training run and the versions used.
"""

import json
import sys
from pathlib import Path

import sentence_transformers
import torch
import transformers
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.evaluation import EmbeddingSimilarityEvaluator
from sentence_transformers.sentence_transformer.losses import CosineSimilarityLoss

from adamw import notebook_adamw, torch_adamw


def open_model(folder):
    return SentenceTransformer(folder, device="cpu").eval()


def train(folder, training, make_optimizer):
    """Losses of one pass over the rows in their order; in evaluation mode, which is training without dropout."""
    model = open_model(folder)
    model.max_seq_length = training["maxInputLength"]
    optimizer = make_optimizer(model)
    loss_of = CosineSimilarityLoss(model)
    losses = []
    for start in range(0, len(training["pairs"]), training["batchSize"]):
        pairs = training["pairs"][start : start + training["batchSize"]]
        scores = torch.tensor(training["scores"][start : start + training["batchSize"]])
        features = [model.preprocess([pair[column] for pair in pairs]) for column in (0, 1)]
        optimizer.zero_grad()
        loss = loss_of(features, scores)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def main():
    folder = Path(sys.argv[1])
    request = json.loads((folder / "request.json").read_text(encoding="utf-8"))
    model = open_model(request["model"])
    model.encode(request["questions"], convert_to_numpy=True).astype("<f4").tofile(folder / "questions.f32")
    first, second, scores = zip(*request["benchmark"])
    evaluator = EmbeddingSimilarityEvaluator(list(first), list(second), list(scores), main_similarity="cosine")
    spearman = evaluator(model)["spearman_cosine"]
    saved = open_model(request["saved"])
    saved.encode(request["savedTexts"], convert_to_numpy=True).astype("<f4").tofile(folder / "saved.f32")
    training = request["training"]
    learning_rate = training["learningRate"]
    answers = {
        "versions": {
            "torch": torch.__version__,
            "sentence-transformers": sentence_transformers.__version__,
            "transformers": transformers.__version__,
        },
        "spearman": float(spearman),
        "losses": {
            "notebook": train(request["model"], training, lambda m: notebook_adamw(m, learning_rate)),
            "torch": train(
                request["model"], training, lambda m: torch_adamw(m, learning_rate, training["weightDecay"])
            ),
        },
    }
    (folder / "answers.json").write_text(json.dumps(answers), encoding="utf-8")


if __name__ == "__main__":
    main()
