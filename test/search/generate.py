"""Writes fixtures/helpers.json: what sentence-transformers' helpers make of random vectors.

    python test/search/generate.py

needs sentence-transformers 6.2.0.
"""

import json
from pathlib import Path

import numpy
import sentence_transformers
import torch
from sentence_transformers.util import community_detection, paraphrase_mining_embeddings, semantic_search
from sentence_transformers.util.quantization import quantize_embeddings
from sentence_transformers.util.similarity import dot_score, euclidean_sim

generator = numpy.random.default_rng(5)


def near(count, width, spread):
    """Vectors around some centres, so that there are communities; rounded, so that JSON has them exactly."""
    centres = generator.normal(size=(7, width))
    rows = centres[generator.integers(0, 7, size=count)] + spread * generator.normal(size=(count, width))
    return numpy.round(rows, 3).astype(numpy.float32)


def lists(array):
    return [[float(x) for x in row] for row in array]


vectors = near(150, 13, 0.6)
vectors[:, 4] = 0.25  # a dimension without a range
queries = near(5, 13, 0.6)
calibration = near(120, 13, 0.4)
tensors, asked = torch.from_numpy(vectors), torch.from_numpy(queries)
fixture = {
    "sentence_transformers": sentence_transformers.__version__,
    "vectors": lists(vectors),
    "queries": lists(queries),
    "calibration": lists(calibration),
    "quantized": {
        precision: quantize_embeddings(vectors, precision=precision).tolist()
        for precision in ["int8", "uint8", "binary", "ubinary"]
    },
    "calibrated": quantize_embeddings(vectors, precision="int8", calibration_embeddings=calibration).tolist(),
    "communities": [
        {"threshold": t, "size": n, "expected": community_detection(tensors, threshold=t, min_community_size=n)}
        for t, n in [(0.75, 10), (0.6, 3), (0.9, 2), (0.3, 5)]
    ],
    "search": semantic_search(asked, tensors, top_k=7),
    "paraphrases": paraphrase_mining_embeddings(tensors, top_k=5, max_pairs=120),
    "dot": dot_score(asked, tensors[:3]).tolist(),
    "euclidean": euclidean_sim(asked, tensors[:3]).tolist(),
}
path = Path(__file__).parent / "fixtures" / "helpers.json"
path.write_text(json.dumps(fixture, separators=(",", ":")) + "\n", encoding="utf-8")
