"""One piece of work by sentence-transformers, in a process of its own: python peer_sentence_transformers.py REQUEST.json

The request: kind ('finetune' | 'embed' | 'single' | 'start'), model (folder), precision ('fp32' | 'bf16'), threads, and
for 'finetune' pairs with scores or triplets, batchSize, stepSize (rows of a step: by its cached loss where that is more),
maxInputLength; for the others texts, batchSize. Prints one JSON object.
"""

import json
import resource
import statistics
import sys
import tempfile
import time
from pathlib import Path

request = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))

import torch  # noqa: E402
from sentence_transformers import SentenceTransformer  # noqa: E402

torch.set_num_threads(request["threads"])


def open_model():
    kwargs = {"dtype": torch.bfloat16} if request["precision"] == "bf16" and request["kind"] != "finetune" else {}
    model = SentenceTransformer(request["model"], device="cpu", model_kwargs=kwargs)
    if "maxInputLength" in request:
        model.max_seq_length = request["maxInputLength"]
    return model


def finetune():
    from datasets import Dataset
    from sentence_transformers import SentenceTransformerTrainer, SentenceTransformerTrainingArguments
    from sentence_transformers.sentence_transformer import losses
    from transformers import TrainerCallback

    class Ends(TrainerCallback):
        """When each step ended."""

        def __init__(self):
            self.times = []

        def on_step_end(self, *_, **__):
            self.times.append(time.perf_counter())

    ends = Ends()
    model = open_model()
    batch_size, step_size = request["batchSize"], request.get("stepSize", request["batchSize"])
    if "triplets" in request:
        columns = zip(("anchor", "positive", "negative"), zip(*request["triplets"]))
        if step_size > batch_size:
            loss = losses.CachedMultipleNegativesRankingLoss(model, mini_batch_size=batch_size)
        else:
            loss = losses.MultipleNegativesRankingLoss(model)
    else:
        columns = zip(("text1", "text2", "score"), [*zip(*request["pairs"]), request["scores"]])
        loss = losses.CosineSimilarityLoss(model)
    data = Dataset.from_dict(dict(columns))
    with tempfile.TemporaryDirectory() as folder:
        arguments = SentenceTransformerTrainingArguments(
            output_dir=folder,
            num_train_epochs=1,
            per_device_train_batch_size=step_size,
            learning_rate=2e-5,
            lr_scheduler_type="constant",
            bf16=request["precision"] == "bf16",
            use_cpu=True,
            save_strategy="no",
            logging_strategy="no",
            report_to=[],
            disable_tqdm=True,
            dataloader_pin_memory=False,
        )
        trainer = SentenceTransformerTrainer(
            model=model, args=arguments, train_dataset=data, loss=loss, callbacks=[ends]
        )
        begin = time.perf_counter()
        trainer.train()
        seconds = time.perf_counter() - begin
        return {"seconds": seconds, "laterStepsSeconds": ends.times[-1] - ends.times[0]}


def embed():
    model = open_model()
    model.encode(request["texts"][:64], batch_size=request["batchSize"])
    begin = time.perf_counter()
    model.encode(request["texts"], batch_size=request["batchSize"])
    return {"seconds": time.perf_counter() - begin}


def single():
    model = open_model()
    times = []
    for text in request["texts"]:
        begin = time.perf_counter()
        model.encode(text)
        times.append(1000 * (time.perf_counter() - begin))
    times = sorted(times[len(times) // 10 :])
    return {"medianMs": statistics.median(times), "p95Ms": times[int(0.95 * len(times))]}


def start():
    open_model().encode(request["texts"][0])
    return {}


result = {"finetune": finetune, "embed": embed, "single": single, "start": start}[request["kind"]]()
result["peakBytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
print("\n" + json.dumps(result))
