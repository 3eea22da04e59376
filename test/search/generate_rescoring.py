"""Writes fixtures/rescoring.json: what sentence-transformers finds in quantised vectors, with rescoring.

    python test/search/generate_rescoring.py

needs sentence-transformers 6.2.0, faiss-cpu and usearch.
"""

import json
from pathlib import Path

import numpy
import sentence_transformers
from sentence_transformers.util.quantization import (
    quantize_embeddings,
    semantic_search_faiss,
    semantic_search_usearch,
)

TOP_K, MULTIPLIER = 6, 4
# Its first comparison is of bytes with offsets, which are not those of the products: with a few candidates it misses some.
MANY = 30
generator = numpy.random.default_rng(8)


def unit(count, width):
    rows = generator.normal(size=(count, width)) + generator.normal(size=width) / 2
    rows = numpy.round(rows / numpy.linalg.norm(rows, axis=1, keepdims=True), 4)  # so that JSON has them exactly
    return rows.astype(numpy.float32)


def apart(query, corpus):
    """Whether the last candidate differs from the query in fewer bits than the next: no order of ties decides."""
    differ = numpy.sort(((corpus > 0) != (query > 0)).sum(axis=1))
    return differ[TOP_K * MULTIPLIER - 1] < differ[TOP_K * MULTIPLIER]


corpus, queries = unit(400, 32), unit(200, 32)
queries = queries[[apart(query, corpus) for query in queries]][:12]
ranges = numpy.vstack([corpus.min(axis=0), corpus.max(axis=0)])
int8, _ = semantic_search_usearch(
    queries,
    corpus_embeddings=quantize_embeddings(corpus, precision="int8", ranges=ranges),
    corpus_precision="int8",
    ranges=ranges,
    top_k=TOP_K,
    rescore_multiplier=MANY,
)
binary, _ = semantic_search_faiss(
    queries,
    corpus_embeddings=quantize_embeddings(corpus, precision="ubinary"),
    corpus_precision="ubinary",
    top_k=TOP_K,
    rescore_multiplier=MULTIPLIER,
)
fixture = {
    "sentence_transformers": sentence_transformers.__version__,
    "topK": TOP_K,
    "multiplier": MULTIPLIER,
    "corpus": corpus.astype(float).round(4).tolist(),
    "queries": queries.astype(float).round(4).tolist(),
    "ranges": ranges.astype(float).round(4).tolist(),
    "int8": int8,
    "binary": binary,
}
path = Path(__file__).parent / "fixtures" / "rescoring.json"
path.write_text(json.dumps(fixture, separators=(",", ":")) + "\n", encoding="utf-8")
