"""One epoch of sentence-transformers' own trainer on the rows of a training set: python peer.py REQUEST.json

The request: model (folder), form ('labels' | 'scores' | 'positives'), columns (a list of texts or numbers by name),
learningRate, batchSize, seed, bf16, threads, maxInputLength, out (folder). Saves the model to `out` and prints one JSON
object. Each form is trained by the loss that does best for it at equal cost, with the settings that its pages recommend:
warm-up over a tenth of the steps, a rate that falls to 0, batches without duplicates for the ranking loss.
"""

import json
import sys
import tempfile
import time
from pathlib import Path

request = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))

import torch  # noqa: E402
from datasets import Dataset  # noqa: E402
from sentence_transformers import SentenceTransformer, SentenceTransformerTrainer  # noqa: E402
from sentence_transformers import SentenceTransformerTrainingArguments  # noqa: E402
from sentence_transformers.sentence_transformer import losses  # noqa: E402

torch.set_num_threads(request["threads"])

LOSSES = {
    "labels": losses.OnlineContrastiveLoss,
    "scores": losses.CosineSimilarityLoss,
    "positives": losses.MultipleNegativesRankingLoss,
}

model = SentenceTransformer(request["model"], device="cpu")
model.max_seq_length = request["maxInputLength"]
with tempfile.TemporaryDirectory() as folder:
    arguments = SentenceTransformerTrainingArguments(
        output_dir=folder,
        num_train_epochs=1,
        per_device_train_batch_size=request["batchSize"],
        learning_rate=request["learningRate"],
        warmup_ratio=0.1,
        lr_scheduler_type="linear",
        batch_sampler="no_duplicates" if request["form"] == "positives" else "batch_sampler",
        seed=request["seed"],
        bf16=request["bf16"],
        use_cpu=True,
        save_strategy="no",
        logging_strategy="no",
        report_to=[],
        disable_tqdm=True,
        dataloader_pin_memory=False,
    )
    trainer = SentenceTransformerTrainer(
        model=model,
        args=arguments,
        train_dataset=Dataset.from_dict(request["columns"]),
        loss=LOSSES[request["form"]](model),
    )
    begin = time.perf_counter()
    trainer.train()
    seconds = time.perf_counter() - begin
model.save_pretrained(request["out"])
print("\n" + json.dumps({"seconds": seconds, "loss": LOSSES[request["form"]].__name__}))
