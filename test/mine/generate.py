"""Writes fixtures/quora.json: which negatives sentence-transformers' mine_hard_negatives finds, by numbers only.

    python test/mine/generate.py ../shared/data/quora/quora_head_9998.tsv FOLDER_OF_all-MiniLM-L6-v2

needs sentence-transformers 6.2.0 and datasets. Anchors and positives are the 1,000 first pairs of the file that are
marked as duplicates; where a case has a corpus, it is the first questions of the file's other rows. A text has the
number of its place in the corpus that mine_hard_negatives makes: the given one, then the positives, each once.
"""

import csv
import json
import sys
import tempfile
from pathlib import Path

import datasets.arrow_dataset
import sentence_transformers
import torch
from datasets import Dataset
from sentence_transformers import SentenceTransformer
from sentence_transformers.util import mine_hard_negatives

# Of use for caches only, and not made by every version of dill.
datasets.arrow_dataset.generate_fingerprint = lambda *_, **__: "0" * 16

PAIRS = 1000
CASES = {
    "triplets by default": {},
    "triplets with a corpus, a range, a margin and a largest score": {
        "corpus": True,
        "range_min": 5,
        "range_max": 60,
        "relative_margin": 0.05,
        "max_score": 0.8,
        "num_negatives": 5,
    },
    "n-tuples by an absolute margin": {
        "absolute_margin": 0.1,
        "min_score": 0.2,
        "num_negatives": 4,
        "output_format": "n-tuple",
    },
    "n-tuples with positives": {"include_positives": True, "num_negatives": 4, "output_format": "n-tuple"},
    "labelled pairs": {"corpus": True, "relative_margin": 0.3, "num_negatives": 2, "output_format": "labeled-pair"},
    "labelled lists": {"max_score": 0.5, "num_negatives": 3, "output_format": "labeled-list"},
}


def read(path):
    with open(path, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    pairs = [(row["question1"], row["question2"]) for row in rows if row["is_duplicate"] == "1"][:PAIRS]
    corpus = [row["question1"] for row in rows if row["is_duplicate"] == "0"][:3000]
    return pairs, corpus


def main(data, model):
    torch.manual_seed(1)
    pairs, others = read(data)
    model = SentenceTransformer(model, device="cpu", local_files_only=True)
    cache = tempfile.mkdtemp()  # each text is embedded once
    fixture = {"sentence_transformers": sentence_transformers.__version__, "pairs": len(pairs), "cases": []}
    for name, options in CASES.items():
        options = dict(options)
        corpus = others if options.pop("corpus", False) else None
        positives = [positive for _, positive in pairs]
        numbers = {text: i for i, text in enumerate(dict.fromkeys((corpus or []) + positives))}
        anchors = {text: i for i, text in enumerate(dict.fromkeys(anchor for anchor, _ in pairs))}
        dataset = Dataset.from_dict({"anchor": [a for a, _ in pairs], "positive": positives})
        found = mine_hard_negatives(dataset, model, corpus=corpus, cache_folder=cache, **options)
        rows = []
        for row in found:
            values = list(row.values())
            of = lambda value: [numbers[text] for text in value] if isinstance(value, list) else numbers[value]
            texts = [of(v) for v in values[1:] if isinstance(v, str) or (isinstance(v, list) and isinstance(v[0], str))]
            labels = [v for v in values[1:] if isinstance(v, int)]
            rows.append([anchors[values[0]], *texts, *labels])
        fixture["cases"].append({"name": name, "options": options, "corpus": corpus is not None, "rows": rows})
    path = Path(__file__).parent / "fixtures" / "quora.json"
    path.write_text(json.dumps(fixture, separators=(",", ":")) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
