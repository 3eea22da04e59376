"""Writes fixtures/: vectors, data, and what sentence-transformers' evaluators and scikit-learn say of them.

    python test/evaluate/generate.py

needs sentence-transformers 6.2.0 (fixtures/versions.json records what was used). The model is a table from text to
vector, so that only the evaluators are measured. Two kinds of vectors: random ones, and ones of four numbers ±1 among
zeros, whose cosines are exact multiples of a quarter, so that most similarities are equal to others to the last bit.
"""

import json
import platform
from pathlib import Path

import numpy
import scipy
import sentence_transformers
import sklearn
import torch
from sentence_transformers.sentence_transformer.evaluation import (
    BinaryClassificationEvaluator,
    EmbeddingSimilarityEvaluator,
    InformationRetrievalEvaluator,
    ParaphraseMiningEvaluator,
    RerankingEvaluator,
    TripletEvaluator,
)
from sentence_transformers.util.similarity import SimilarityFunction
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import silhouette_samples, silhouette_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler

FIXTURES = Path(__file__).parent / "fixtures"
NAMES = ["cosine", "dot", "euclidean", "manhattan"]
WIDTH = 8


class Table:
    """What the evaluators use of a model; a vector by the text."""

    similarity_fn_name = "cosine"

    def __init__(self, vectors, similarity="cosine"):
        self.vectors = vectors
        self.similarity_fn_name = similarity
        self.similarity = SimilarityFunction.to_similarity_fn(similarity)

    def encode(self, texts, convert_to_tensor=False, **_):
        rows = numpy.array([self.vectors[text] for text in texts], dtype=numpy.float32).reshape(len(texts), WIDTH)
        return torch.from_numpy(rows) if convert_to_tensor else rows

    encode_query = encode
    encode_document = encode


def random_vectors(generator, texts):
    return {text: [round(float(x), 3) for x in generator.normal(size=WIDTH)] for text in texts}


def tied_vectors(generator, texts):
    vectors = {}
    for text in texts:
        row = numpy.zeros(WIDTH)
        row[generator.permutation(WIDTH)[:4]] = generator.choice([-1.0, 1.0], size=4)
        vectors[text] = [float(x) for x in row]
    return vectors


KINDS = {"random": random_vectors, "tied": tied_vectors}


def plain(value):
    if isinstance(value, dict):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(inner) for inner in value]
    return value.item() if hasattr(value, "item") else value


def measured(evaluator, model):
    evaluator.store_metrics_in_model_card_data = lambda *_, **__: None
    return plain(evaluator(model))


def write(name, cases):
    (FIXTURES / f"{name}.json").write_text(json.dumps(plain(cases)) + "\n", encoding="utf-8")


def similarity(generator, make):
    texts = [f"t{i}" for i in range(40)]
    vectors = make(generator, texts)
    rows = [[*generator.choice(texts, size=2), float(generator.integers(0, 6))] for _ in range(60)]
    evaluator = EmbeddingSimilarityEvaluator(
        [row[0] for row in rows], [row[1] for row in rows], [row[2] for row in rows], similarity_fn_names=NAMES
    )
    return {"vectors": vectors, "rows": rows, "expected": measured(evaluator, Table(vectors))}


def binary(generator, make, share):
    texts = [f"t{i}" for i in range(40)]
    vectors = make(generator, texts)
    pairs = [[str(text) for text in generator.choice(texts, size=2)] for _ in range(80)]
    labels = [int(generator.random() < share) for _ in pairs]
    labels[0], labels[1] = 0, 1
    evaluator = BinaryClassificationEvaluator(
        [a for a, _ in pairs], [b for _, b in pairs], labels, similarity_fn_names=NAMES
    )
    return {"vectors": vectors, "pairs": pairs, "labels": labels, "expected": measured(evaluator, Table(vectors))}


def triplet(generator, make, margin):
    texts = [f"t{i}" for i in range(40)]
    vectors = make(generator, texts)
    rows = [[str(text) for text in generator.choice(texts, size=3)] for _ in range(50)]
    evaluator = TripletEvaluator(*map(list, zip(*rows)), similarity_fn_names=NAMES, margin=margin)
    return {"vectors": vectors, "rows": rows, "margin": margin, "expected": measured(evaluator, Table(vectors))}


def retrieval(generator, make, name, documents, chunk):
    corpus = {f"d{i}": f"document {i % (documents - 5)}" for i in range(documents)}  # some texts stand there twice
    if documents > 100:
        corpus["\U0001f600"] = "document 3"
        corpus["ｆ"] = "document 3"
    queries = {f"q{i}": f"query {i}" for i in range(25)}
    vectors = make(generator, sorted({*corpus.values(), *queries.values()}))
    relevant = {
        query: [str(d) for d in generator.choice(list(corpus), size=int(generator.integers(0, 6)), replace=False)]
        for query in queries
    }
    relevant["q0"] = ["d1", "not in the corpus"]
    relevant["q1"] = ["ｆ" if documents > 100 else "d2", "d3"]
    del relevant["q2"]
    evaluator = InformationRetrievalEvaluator(
        queries,
        corpus,
        {query: set(ids) for query, ids in relevant.items()},
        corpus_chunk_size=chunk,
        accuracy_at_k=[1, 3, 5, 10, 100],
        precision_recall_at_k=[1, 3, 5, 10, 100],
    )
    return {
        "similarity": name,
        "vectors": vectors,
        "corpus": corpus,
        "queries": queries,
        "relevant": relevant,
        "expected": measured(evaluator, Table(vectors, name)),
    }


def reranking(generator, make, at):
    texts = [f"t{i}" for i in range(60)]
    vectors = make(generator, texts)
    samples = []
    for _ in range(30):
        # A text once: the reference may compare equal columns of a matrix to different last bits.
        drawn = [str(text) for text in generator.permutation(texts)]
        positives = int(generator.integers(0, 4))
        negatives = int(generator.integers(0, 15))
        samples.append(
            {
                "query": drawn[0],
                "positive": drawn[1 : 1 + positives],
                "negative": drawn[1 + positives : 1 + positives + negatives],
            }
        )
    evaluator = RerankingEvaluator(samples, at_k=at)
    return {"vectors": vectors, "samples": samples, "at": at, "expected": measured(evaluator, Table(vectors))}


def mining(generator, make, transitive, top_k, max_pairs):
    sentences = {f"s{i}": f"text {i}" for i in range(60)}
    vectors = make(generator, list(sentences.values()))
    ids = list(sentences)
    duplicates = [[str(i) for i in generator.choice(ids, size=2, replace=False)] for _ in range(40)]
    duplicates += [["s1", "unknown"]]
    # Pairs that are near in truth, so that something is found.
    for i in range(0, 40, 2):
        vectors[f"text {i + 1}"] = [
            round(x + (0.2 * float(generator.normal()) if make is random_vectors else 0.0), 3)
            for x in vectors[f"text {i}"]
        ]
        duplicates.append([f"s{i + 1}", f"s{i}"])
    evaluator = ParaphraseMiningEvaluator(
        sentences,
        duplicates_list=[tuple(pair) for pair in duplicates],
        add_transitive_closure=transitive,
        top_k=top_k,
        max_pairs=max_pairs,
    )
    return {
        "vectors": vectors,
        "sentences": sentences,
        "duplicates": duplicates,
        "transitive": transitive,
        "topK": top_k,
        "maxPairs": max_pairs,
        "expected": measured(evaluator, Table(vectors)),
        "total": evaluator.total_num_duplicates,
    }


def classes(generator, k):
    """Each text left out in turn; k odd and two classes at a time near, so that votes are never level."""
    labels = [["a", "b"][int(i)] for i in generator.integers(0, 2, size=70)]
    centres = {"a": generator.normal(size=WIDTH), "b": generator.normal(size=WIDTH)}
    rows = [[round(float(x), 3) for x in centres[label] + 1.2 * generator.normal(size=WIDTH)] for label in labels]
    matrix = numpy.array(rows, dtype=numpy.float32)
    right = 0
    for i in range(len(rows)):
        others = [j for j in range(len(rows)) if j != i]
        model = KNeighborsClassifier(k, metric="cosine").fit(matrix[others], [labels[j] for j in others])
        right += int(model.predict(matrix[i : i + 1])[0] == labels[i])
    # A third class of one text: its silhouette is 0.
    odd = [*labels[:-1], "c"]
    return {
        "vectors": {f"t{i}": row for i, row in enumerate(rows)},
        "labels": labels,
        "k": k,
        "expected": {
            "knnAccuracy": right / len(rows),
            "silhouette": float(silhouette_score(matrix, labels, metric="cosine")),
            "withSingle": [float(x) for x in silhouette_samples(matrix, odd, metric="cosine")],
        },
    }


def label_accuracy(generator):
    """A softmax classifier of u, v and |u - v| fitted on the first pairs; the penalty weighs as many rows as there are numbers."""
    classes, fitted, count = 3, 90, 150
    table = random_vectors(generator, [f"{side}{i}" for i in range(count) for side in "ab"])
    u, v = (numpy.array([table[f"{side}{i}"] for i in range(count)], dtype=numpy.float32) for side in "ab")
    features = numpy.concatenate([u, v, numpy.abs(u - v)], axis=1).astype(numpy.float64)
    asked = features @ generator.normal(size=(features.shape[1], classes)) + 2 * generator.normal(size=(count, classes))
    labels = asked.argmax(axis=1)
    scaler = StandardScaler().fit(features[:fitted])
    model = LogisticRegression(C=1 / features.shape[1], tol=1e-12, max_iter=100_000)
    model.fit(scaler.transform(features[:fitted]), labels[:fitted])
    others = scaler.transform(features[fitted:])
    return {
        "vectors": table,
        "labels": plain(labels.tolist()),
        "fitted": fitted,
        "expected": {
            "weights": plain(model.coef_.tolist()),
            "probabilities": plain(model.predict_proba(others).tolist()),
            "right": plain((model.predict(others) == labels[fitted:]).astype(int).tolist()),
        },
    }


def main():
    FIXTURES.mkdir(exist_ok=True)
    generator = numpy.random.default_rng(22)
    both = list(KINDS.values())
    write("similarity", [similarity(generator, make) for make in both])
    write("binary", [binary(generator, make, share) for make in both for share in (0.5, 0.1, 0.9)])
    write("triplet", [triplet(generator, make, margin) for make in both for margin in (0, 0.25)])
    write(
        "retrieval",
        [
            retrieval(generator, make, name, documents, chunk)
            for make in both
            for name in NAMES
            for documents, chunk in ((40, 50000), (260, 64))
        ],
    )
    write("reranking", [reranking(generator, make, at) for make in both for at in (10, 3)])
    write(
        "paraphrase-mining",
        [
            mining(generator, random_vectors, transitive, top_k, max_pairs)
            for transitive, top_k, max_pairs in ((False, 100, 500000), (True, 100, 500000), (False, 5, 60))
        ]
        + [mining(generator, tied_vectors, False, 100, 500000)],
    )
    write("label-accuracy", [label_accuracy(numpy.random.default_rng(23))])
    write("classes", [classes(generator, k) for k in (1, 5)])
    versions = {
        "python": platform.python_version(),
        "numpy": numpy.__version__,
        "scipy": scipy.__version__,
        "scikit-learn": sklearn.__version__,
        "torch": torch.__version__,
        "sentence-transformers": sentence_transformers.__version__,
    }
    (FIXTURES / "versions.json").write_text(json.dumps(versions, indent=2) + "\n", encoding="utf-8")


main()
