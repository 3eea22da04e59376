"""Writes fixtures/losses.safetensors: what sentence-transformers' losses make of vectors.

    python test/parity/losses.py

needs sentence-transformers 6.2.0, transformers 5 and torch 2.11.0. Read by test/native/losses_parity_test.cpp.

Losses see vectors through a model that is a table of them, so that no encoder is needed: texts that are there twice
share a vector, and its gradient is the sum. The reference is computed in float64 from the float32 vectors and rounded
at the end, so that what a test measures is vectune's own rounding. All float32:
  TABLE           [texts × dimension]   vectors
  CASE/labels     [rows × width]        where the loss has them
  CASE/gradient   [texts × dimension]   of the loss, of the vectors
  CASE/NAME, CASE/gradient/NAME         a parameter of the loss's own, and its gradient
and the file's metadata has under "cases", as JSON, of each its loss, options, table, rows (the vectors of their
columns), and the loss; parameters, their names; layers, those whose vectors stand in the table beside the last one's.

Where sentence-transformers 6.2.0 leaves it to rounding or to the order of things, no case is made, and vectune does this:

  loss                     6.2.0                                            vectune
  batch-*-triplet,         distances from dot products: equal texts are     distances from differences: equal texts are
  euclidean                some 1e-3 apart in float32, so which of two      exactly 0 apart, and of equal distances the
                           equal distances is the larger is noise           first counts; 0 has no gradient
  online-contrastive       with one kind of label only, distances against   within 1e-6 of the mean counts as the mean,
                           their mean: of equal ones rounding decides       so equal ones cost nothing
  gist                     a candidate as close as the positive (the same   within 1e-6 counts as equal, which stays
                           text): left out or not by rounding
  matryoshka               a vector of length 0 is normalised once for      once for each cut: gradient / 1e-12
                           each cut before it: gradient / 1e-12, / 1e-24 …
  matryoshka               n_dims_per_step draws dimensions at random       all of them in every step
  mega-batch-margin        of positives as close to an anchor the first     the same; what is as close is seen in float32
  multiple-negatives-      a hardness_mode of strength 0 is a warning, a    both refused
  ranking                  strength without a mode is ignored
  contrastive              labels outside 0 … 1 are used                    refused
  online-contrastive       labels other than 0 and 1 are ignored            refused
  adaptive-layer           of n_layers_per_step layers random.sample draws   drawn by the run's seed and the step, so a
                           them, so no run can be repeated, and an           resumed run has the same; an evaluation takes
                           evaluation draws too                              all layers, which is what is expected of a draw
  softmax, mse             the classifier and the projection are in no       in the optimiser's state and in checkpoints
  (projection_dim)         checkpoint: a resumed run begins with others
  all                      an evaluation counts a short last batch as much   each batch by its rows
                           as a full one
  pearson, logistic        none there; the reference is torch's             no correlation (all scores or all cosines
                                                                            equal): loss 1, gradient 0; torch: NaN

Vectors of length 0 have finite gradients in both: cosines divide by a norm of at least 1e-12 (1e-8 in cosine-mse,
contrastive, gist, logistic, pearson, embed-distill), so their gradient is the others' times 1e12 (1e8). Only AnglE's is
0.
"""

import json
import random
import sys
from pathlib import Path
from types import SimpleNamespace

import safetensors.torch
import sentence_transformers
import tokenizers
import torch
import torch.nn.functional as F
from sentence_transformers.base.modules import Transformer
from sentence_transformers.sentence_transformer import losses as st
from sentence_transformers.sentence_transformer.losses.batch_hard_triplet import BatchHardTripletLossDistanceFunction
from sentence_transformers.sentence_transformer.losses.contrastive import SiameseDistanceMetric
from sentence_transformers.sentence_transformer.losses.triplet import TripletDistanceMetric
from sentence_transformers.sentence_transformer.model import SentenceTransformer
from sentence_transformers.util import cos_sim, dot_score, pairwise_cos_sim, pairwise_dot_score
from transformers import PreTrainedTokenizerFast

assert sentence_transformers.__version__ == "6.2.0", sentence_transformers.__version__
PATH = Path(__file__).parent / "fixtures" / "losses.safetensors"
TEXTS, DIMENSION = 16, 8


def normal(seed, *shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


# Texts of a pair (2i, 2i + 1) are alike, as those of a half-trained model are.
TABLES = {"plain": normal(1, TEXTS, DIMENSION)}
TABLES["plain"][1::2] = 0.6 * TABLES["plain"][0::2] + 0.6 * TABLES["plain"][1::2]
TABLES["zero"] = TABLES["plain"].clone()
TABLES["zero"][0] = 0
TABLES["odd"] = normal(2, TEXTS, 7)
# Vectors of the last of three layers, and of the embedding layer and the first two.
LAYERS = [0, 1, 2]
TABLES["layers"] = torch.cat([TABLES["plain"]] + [normal(30 + i, TEXTS, DIMENSION) for i in LAYERS], 1)
TABLES["one-layer"] = TABLES["layers"][:, [*range(DIMENSION), *range(2 * DIMENSION, 3 * DIMENSION)]]
GUIDE = 0.5 * TABLES["plain"][:, :5] + normal(3, TEXTS, 5)

PAIRS = [[2 * i, 2 * i + 1] for i in range(8)]
# Rows that share texts, twice the same row, a row of one text twice.
DUPLICATES = [[0, 1], [2, 1], [0, 3], [4, 5], [4, 5], [6, 6], [7, 8], [8, 7]]
TRIPLETS = [[3 * i, 3 * i + 1, 3 * i + 2] for i in range(5)]
SHARED_TRIPLETS = [[0, 1, 2], [0, 3, 1], [4, 4, 5], [6, 7, 7], [8, 9, 10], [8, 9, 10]]
FOURS = [[4 * i, 4 * i + 1, 4 * i + 2, 4 * i + 3] for i in range(4)]
SINGLES = [[i] for i in range(16)]
SHARED_SINGLES = [[i] for i in [0, 1, 2, 0, 3, 4, 5, 5, 6, 7]]
SCORES = [0.0, 0.9, 0.35, 1.0, 0.15, 0.6, 0.75, 0.05]
TIES = [0.0, 1.0, 0.5, 0.5, 0.0, 1.0, 0.5, 1.0]
BINARY = [1, 0, 1, 1, 0, 0, 1, 0]
CLASSES = [0, 1, 2, 0, 1, 2, 3, 3, 0, 1, 4, 0, 2, 2, 1, 5]
SHARED_CLASSES = [0, 1, 0, 0, 1, 2, 2, 2, 1, 0]


class Table(torch.nn.Module):
    """A sentence-transformers model as losses use it, of vectors instead of texts."""

    device = torch.device("cpu")
    max_seq_length = 1
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=tokenizers.Tokenizer(tokenizers.models.WordLevel({"a": 0})))

    def __init__(self, vectors):
        super().__init__()
        self.vectors = vectors

    def __getitem__(self, _):
        return self

    def get_embedding_dimension(self):
        return self.vectors.shape[1]

    def forward(self, features):
        return {"sentence_embedding": self.vectors[features["places"]]}


class Layer(Transformer):
    """The encoder of a LayerTable: hidden states of one token, a vector of the table."""

    auto_model = SimpleNamespace(config=SimpleNamespace(output_hidden_states=False))

    def __init__(self, vectors, layers):
        torch.nn.Module.__init__(self)
        self.of_layers, self.layers = vectors.split(DIMENSION, 1), layers

    def forward(self, features):
        last, *hidden = [of_layer[features["places"]] for of_layer in self.of_layers]
        # Layers that are not in the table are never asked for.
        by_layer = dict(zip(self.layers, hidden))
        features["all_layer_embeddings"] = [by_layer.get(i) for i in LAYERS] + [last]
        features["token_embeddings"] = last
        return features


class LayerTable(SentenceTransformer):
    """A model of one encoder, and a pooling that has nothing to do."""

    def __init__(self, vectors, layers):
        torch.nn.Module.__init__(self)
        self.add_module("0", Layer(vectors, layers))

    device = torch.device("cpu")

    def get_embedding_dimension(self):
        return DIMENSION

    def forward(self, features):
        features = self[0](features)
        features["sentence_embedding"] = features["token_embeddings"]
        return features


tensors, cases = {name: table.contiguous() for name, table in TABLES.items()}, {}


def case(name, loss, options, make, rows, labels=None, table="plain", as_labels=None, own=None, layers=None):
    """`make(model)` is the reference; `as_labels` what it gets as labels, where that is not `labels`; `own` the prefix
    of the names of its own parameters."""
    vectors = TABLES[table].double().requires_grad_(True)
    places = torch.tensor(rows)
    if labels is not None:
        tensors[f"{name}/labels"] = labels = torch.as_tensor(labels, dtype=torch.float32).reshape(len(rows), -1)
        if as_labels is None:
            as_labels = labels.double().squeeze(1)
    reference = make(Table(vectors) if layers is None else LayerTable(vectors, layers))
    parameters = {}
    if own is not None:
        reference.double()
        for i, (parameter, values) in enumerate(reference.named_parameters()):
            values.data = normal(40 + i, *values.shape).double()
            parameters[own + parameter] = values
            tensors[f"{name}/{own + parameter}"] = values.data.float()
    value = reference([{"places": places[:, i]} for i in range(places.shape[1])], as_labels)
    if isinstance(value, dict):
        value = sum(value.values())
    value.backward()
    if not (value.isfinite() and vectors.grad.isfinite().all()):
        sys.exit(f"{name}: loss {value.item()}, gradient finite: {vectors.grad.isfinite().all().item()}")
    tensors[f"{name}/gradient"] = vectors.grad.float()
    assert name not in cases, name
    cases[name] = {"name": loss, "options": options, "table": table, "rows": rows, "loss": value.item()}
    if parameters:
        cases[name]["parameters"] = list(parameters)
        for parameter, values in parameters.items():
            tensors[f"{name}/gradient/{parameter}"] = values.grad.float()
    if layers is not None:
        cases[name]["layers"] = layers


def variants(name, loss, options, make, batches):
    for batch, (rows, labels, table) in batches.items():
        case(f"{name}.{batch}", loss, options, make, rows, labels, table)


# --- in-batch negatives
PLAIN_PAIRS = {
    "pairs": (PAIRS, None, "plain"),
    "duplicates": (DUPLICATES, None, "plain"),
    "one": (PAIRS[:1], None, "plain"),
    "zero": (PAIRS, None, "zero"),
}
ALL = ["query_to_doc", "query_to_query", "doc_to_query", "doc_to_doc"]
MNRL = "multiple-negatives-ranking"
mnrl = lambda **options: lambda model: st.MultipleNegativesRankingLoss(model, **options)
variants("mnrl", MNRL, {}, mnrl(), PLAIN_PAIRS)
case("mnrl.triplets", MNRL, {}, mnrl(), TRIPLETS)
case("mnrl.shared-triplets", MNRL, {}, mnrl(), SHARED_TRIPLETS)
case("mnrl.fours", MNRL, {"scale": 5}, mnrl(scale=5), FOURS)
case("mnrl.dot", MNRL, {"scale": 1, "similarity_fct": "dot_score"}, mnrl(scale=1, similarity_fct=dot_score), FOURS)
variants("mnrl.all", MNRL, {"directions": ALL}, mnrl(directions=ALL), PLAIN_PAIRS | {"fours": (FOURS, None, "plain")})
case("mnrl.q2q", MNRL, {"directions": ALL[:2]}, mnrl(directions=ALL[:2]), PAIRS)
both = {"directions": ["query_to_doc", "doc_to_query"], "partition_mode": "per_direction"}
variants("mnrl.both", MNRL, both, mnrl(**both), PLAIN_PAIRS | {"fours": (FOURS, None, "plain")})
for mode, strength in [("in_batch_negatives", 9), ("hard_negatives", 5), ("all_negatives", 5)]:
    hard = {"hardness_mode": mode, "hardness_strength": strength}
    case(f"mnrl.{mode}", MNRL, hard, mnrl(**hard), FOURS)
    case(f"mnrl.{mode}.all", MNRL, hard | {"directions": ALL}, mnrl(directions=ALL, **hard), TRIPLETS)

gist = lambda **options: lambda model: st.GISTEmbedLoss(model, Table(GUIDE.double()), **options)
for name, options, rows in [
    ("pairs", {}, PAIRS),
    ("one", {}, PAIRS[:1]),
    ("duplicates", {}, [[0, 1], [2, 1], [0, 3], [4, 5], [9, 10]]),
    ("triplets", {"temperature": 0.05}, TRIPLETS),
    ("absolute", {"margin": 0.1, "temperature": 0.05}, TRIPLETS),
    ("relative", {"margin_strategy": "relative", "margin": 0.05, "temperature": 0.05}, TRIPLETS),
    ("alone", {"contrast_anchors": False, "contrast_positives": False, "temperature": 0.05}, PAIRS),
]:
    case(f"gist.{name}", "gist", options, gist(**options), rows, GUIDE[torch.tensor(rows)])
case("gist.zero", "gist", {}, gist(), PAIRS, GUIDE[torch.tensor(PAIRS)], "zero")

mega = lambda **options: lambda model: st.MegaBatchMarginLoss(model, use_mini_batched_version=False, **options)
variants("mega", "mega-batch-margin", {}, mega(), PLAIN_PAIRS)
narrow = {"positive_margin": 0.6, "negative_margin": -0.2}
case("mega.margins", "mega-batch-margin", narrow, mega(**narrow), PAIRS)

# --- pairs with scores or labels
SCORED = {
    "scores": (PAIRS, SCORES, "plain"),
    "ties": (PAIRS, TIES, "plain"),
    "duplicates": (DUPLICATES, TIES, "plain"),
    "one": (PAIRS[:1], [0.5], "plain"),
    "equal": (PAIRS, [0.5] * 8, "plain"),
    "zero": (PAIRS, SCORES, "zero"),
}
variants("cosent", "cosent", {}, lambda model: st.CoSENTLoss(model), SCORED)
dot = lambda model: st.CoSENTLoss(model, scale=0.5, similarity_fct=pairwise_dot_score)
case("cosent.dot", "cosent", {"scale": 0.5, "similarity_fct": "dot_score"}, dot, PAIRS, SCORES)
angle = lambda model: st.AnglELoss(model)
variants("angle", "angle", {}, angle, SCORED)
case("angle.odd", "angle", {"scale": 7}, lambda model: st.AnglELoss(model, scale=7), PAIRS, SCORES, "odd")
case("angle.triplets", "angle", {}, angle, TRIPLETS)
case("angle.fours", "angle", {}, angle, FOURS, SCORES[:4])
# Its labels become float32, whatever the vectors are.
squared_error = lambda cosines, scores: F.mse_loss(cosines, scores.to(cosines.dtype))
cosine_mse = lambda model: st.CosineSimilarityLoss(model, loss_fct=squared_error)
variants("cosine-mse", "cosine-mse", {}, cosine_mse, SCORED)


def by_cosine(formula):
    """A loss that is a formula on the cosines of pairs and their labels."""
    cosines = lambda model, features: F.cosine_similarity(*(model(f)["sentence_embedding"] for f in features))
    return lambda model: lambda features, labels: formula(cosines(model, features), labels)


logistic = by_cosine(lambda c, y: F.binary_cross_entropy_with_logits(20 * (c - 0.78), y))
variants("logistic", "logistic", {"threshold": 0.78}, logistic, SCORED)
pearson = by_cosine(lambda c, y: 1 - torch.corrcoef(torch.stack([c, y]))[0, 1])
variants("pearson", "pearson", {}, pearson, {b: SCORED[b] for b in ("scores", "ties", "duplicates", "zero")})

LABELLED = {
    "labels": (PAIRS, BINARY, "plain"),
    "duplicates": (DUPLICATES, BINARY, "plain"),
    "one": (PAIRS[:1], [1], "plain"),
    "one-other": (PAIRS[:1], [0], "plain"),
    "ones": (PAIRS, [1] * 8, "plain"),
    "zeros": (PAIRS, [0] * 8, "plain"),
    "zero": (PAIRS, BINARY, "zero"),
}
for metric, reference, margin in [
    ("cosine", SiameseDistanceMetric.COSINE_DISTANCE, 0.5),
    ("euclidean", SiameseDistanceMetric.EUCLIDEAN, 4.0),
    ("manhattan", SiameseDistanceMetric.MANHATTAN, 12.0),
]:
    options = {} if metric == "cosine" else {"distance_metric": metric, "margin": margin}
    some = LABELLED if metric == "cosine" else {b: LABELLED[b] for b in ("labels", "duplicates", "zero")}
    contrastive = lambda model: st.ContrastiveLoss(model, distance_metric=reference, margin=margin)
    online = lambda model: st.OnlineContrastiveLoss(model, distance_metric=reference, margin=margin)
    variants(f"contrastive.{metric}", "contrastive", options, contrastive, some)
    variants(f"online-contrastive.{metric}", "online-contrastive", options, online, some)
summed = lambda model: st.ContrastiveLoss(model, size_average=False)
case("contrastive.sum", "contrastive", {"size_average": False}, summed, PAIRS, SCORES)

# --- triplets
for metric, reference, margin in [
    ("euclidean", TripletDistanceMetric.EUCLIDEAN, 5),
    ("cosine", TripletDistanceMetric.COSINE, 0.25),
    ("manhattan", TripletDistanceMetric.MANHATTAN, 5),
]:
    options = {} if metric == "euclidean" else {"distance_metric": metric, "triplet_margin": margin}
    triplet = lambda model: st.TripletLoss(model, distance_metric=reference, triplet_margin=margin)
    for name, rows, table in [
        ("rows", TRIPLETS, "plain"),
        ("shared", SHARED_TRIPLETS, "plain"),
        ("one", TRIPLETS[:1], "plain"),
        ("zero", TRIPLETS, "zero"),
    ]:
        case(f"triplet.{metric}.{name}", "triplet", options, triplet, rows, table=table)

IN_CLASSES = {
    "classes": (SINGLES, CLASSES, "plain"),
    "shared": (SHARED_SINGLES, SHARED_CLASSES, "plain"),
    "one": (SINGLES[:1], [3], "plain"),
    "equal": (SINGLES, [7] * 16, "plain"),
    "different": (SINGLES, list(range(16)), "plain"),
    "zero": (SINGLES, CLASSES, "zero"),
}
for metric, reference, margin in [
    ("euclidean", BatchHardTripletLossDistanceFunction.euclidean_distance, 5),
    ("cosine", BatchHardTripletLossDistanceFunction.cosine_distance, 0.3),
]:
    options = {} if metric == "euclidean" else {"distance_metric": metric}
    margins = {} if metric == "euclidean" else {"margin": margin}
    for loss, reference_loss in [
        ("batch-all-triplet", st.BatchAllTripletLoss),
        ("batch-hard-triplet", st.BatchHardTripletLoss),
        ("batch-semi-hard-triplet", st.BatchSemiHardTripletLoss),
    ]:
        make = lambda model: reference_loss(model, distance_metric=reference, margin=margin)
        variants(f"{loss}.{metric}", loss, options | margins, make, IN_CLASSES)
    soft = lambda model: st.BatchHardSoftMarginTripletLoss(model, distance_metric=reference)
    variants(f"batch-hard-soft.{metric}", "batch-hard-soft-margin-triplet", options, soft, IN_CLASSES)

# --- a teacher
T = normal(5, 8, 4)
case("margin-mse.one", "margin-mse", {}, lambda model: st.MarginMSELoss(model), TRIPLETS, T[:5, 0])
case("margin-mse.two", "margin-mse", {}, lambda model: st.MarginMSELoss(model), SHARED_TRIPLETS, T[:6, :2])
for name, options, keywords in [
    ("dot", {}, {}),
    ("cos", {"similarity_fct": "cos_sim"}, {"similarity_fct": pairwise_cos_sim}),
]:
    margin_mse = lambda model: st.MarginMSELoss(model, **keywords)
    case(f"margin-mse.{name}.margins", "margin-mse", options, margin_mse, FOURS, T[:4, :2])
    case(f"margin-mse.{name}.scores", "margin-mse", options, margin_mse, FOURS, T[:4, :3])
    case(f"margin-mse.{name}.zero", "margin-mse", options, margin_mse, FOURS, T[:4, :3], "zero")
    kl = lambda model: st.DistillKLDivLoss(model, **keywords)
    case(f"kl.{name}", "distill-kl-div", options, kl, FOURS, T[:4, :3])
    case(f"kl.{name}.shared", "distill-kl-div", options, kl, SHARED_TRIPLETS, T[:6, :2])
    case(f"kl.{name}.one", "distill-kl-div", options, kl, TRIPLETS[:1], T[:1, :2])
    case(f"kl.{name}.equal", "distill-kl-div", options, kl, TRIPLETS, torch.full((5, 2), 0.5))
    case(f"kl.{name}.far", "distill-kl-div", options, kl, TRIPLETS, 2000 * T[:5, :2])  # a share of exactly 0
    case(f"kl.{name}.zero", "distill-kl-div", options, kl, TRIPLETS, T[:5, :2], "zero")
warm = {"temperature": 2.0, "teacher_temperature": 0.5}
case("kl.temperatures", "distill-kl-div", warm, lambda model: st.DistillKLDivLoss(model, **warm), FOURS, T[:4, :3])

for loss, options, make in [
    ("mse", {}, lambda model: st.MSELoss(model)),
    ("embed-distill", {}, lambda model: st.EmbedDistillLoss(model)),
    ("embed-distill", {"distance_metric": "l2"}, lambda model: st.EmbedDistillLoss(model, "l2")),
]:
    name = loss + ("." + options["distance_metric"] if options else "")
    teacher = normal(6, 10, 2, DIMENSION)
    case(f"{name}.singles", loss, options, make, SHARED_SINGLES, teacher[:10, 0])
    case(f"{name}.pairs", loss, options, make, PAIRS, teacher[:8, 0])
    case(f"{name}.each", loss, options, make, PAIRS, teacher[:8], as_labels=teacher[:8].double())
    one = teacher[:1, 0]
    case(f"{name}.one", loss, options, make, [[0]], one, as_labels=one.double())
    case(f"{name}.zero", loss, options, make, PAIRS, teacher[:8, 0], "zero")

for loss, options, make in [
    ("mse", {}, lambda model: st.MSELoss(model, projection_dim=5)),
    ("embed-distill", {}, lambda model: st.EmbedDistillLoss(model, projection_dim=5)),
    ("embed-distill", {"distance_metric": "l2"}, lambda model: st.EmbedDistillLoss(model, "l2", projection_dim=5)),
]:
    name = loss + (".l2" if options else "") + ".projected"
    options, teacher = options | {"projection_dim": 5}, normal(9, 8, 2, 5)
    as_labels = teacher[:8, 0].double()
    case(f"{name}.pairs", loss, options, make, DUPLICATES, teacher[:, 0], as_labels=as_labels, own="")
    case(f"{name}.each", loss, options, make, PAIRS, teacher, as_labels=teacher.double(), own="")
    case(f"{name}.zero", loss, options, make, PAIRS, teacher[:, 0], "zero", as_labels=as_labels, own="")

# --- a classifier
NLI = torch.tensor([0, 2, 1, 1, 0, 2, 2, 0])
softmax = lambda **options: lambda model: st.SoftmaxLoss(model, DIMENSION, 3, **options)
for name, rows, labels, table in [
    ("pairs", PAIRS, NLI, "plain"),
    ("duplicates", DUPLICATES, NLI, "plain"),
    ("one", PAIRS[:1], NLI[1:2], "plain"),
    ("equal", PAIRS, torch.ones(8, dtype=torch.long), "plain"),
    ("zero", PAIRS, NLI, "zero"),
]:
    case(f"softmax.{name}", "softmax", {"num_labels": 3}, softmax(), rows, labels, table, as_labels=labels, own="")
shares = torch.softmax(normal(10, 8, 3), 1)
case("softmax.shares", "softmax", {}, softmax(), PAIRS, shares, as_labels=shares.double(), own="")
for name, options in [
    ("difference", {"concatenation_sent_rep": False}),
    ("texts", {"concatenation_sent_difference": False}),
    ("all", {"concatenation_sent_multiplication": True}),
]:
    make = softmax(**options)
    case(f"softmax.{name}", "softmax", {"num_labels": 3} | options, make, PAIRS, NLI, as_labels=NLI, own="")

# --- hidden layers
adaptive = lambda make, **options: lambda model: st.AdaptiveLayerLoss(model, make(model), **options)
every = {"n_layers_per_step": -1}
for name, inner, make, options, rows, labels in [
    ("mnrl", {"name": MNRL}, mnrl(), {}, TRIPLETS, None),
    ("duplicates", {"name": MNRL}, mnrl(), {}, DUPLICATES, None),
    ("cosent", {"name": "cosent"}, lambda model: st.CoSENTLoss(model), {"layer_weighting": "log"}, PAIRS, SCORES),
    ("cosine-mse", {"name": "cosine-mse"}, cosine_mse, {"layer_weighting": "linear"}, PAIRS, SCORES),
    ("no-kl", {"name": MNRL}, mnrl(), {"kl_temperature": 0}, PAIRS, None),
    (
        "weights",
        {"name": MNRL},
        mnrl(),
        {"last_layer_weight": 0.5, "prior_layers_weight": 2, "kl_div_weight": 3, "kl_temperature": 1.5},
        PAIRS,
        None,
    ),
]:
    options = every | options
    spec = {"loss": inner} | options
    case(f"adaptive.{name}", "adaptive-layer", spec, adaptive(make, **options), rows, labels, "layers", layers=LAYERS)
random.sample = lambda population, number: [1]
case("adaptive.one", "adaptive-layer", {"loss": {"name": MNRL}}, adaptive(mnrl()), PAIRS, None, "one-layer", layers=[1])
both_ways = lambda model: st.MatryoshkaLoss(model, mnrl()(model), [8, 4])
case(
    "adaptive.matryoshka",
    "adaptive-layer",
    {"loss": {"name": "matryoshka", "loss": {"name": MNRL}, "matryoshka_dims": [8, 4]}} | every,
    adaptive(both_ways, **every),
    TRIPLETS,
    None,
    "layers",
    layers=LAYERS,
)

# --- additions and wrappers
GOR = "global-orthogonal-regularization"
gor = lambda **options: lambda model: st.GlobalOrthogonalRegularizationLoss(model, **options)
variants("gor", GOR, {}, gor(), PLAIN_PAIRS)
gor_options = {"mean_weight": 0.5, "second_moment_weight": 3, "aggregation": "sum"}
case("gor.sum", GOR, gor_options, gor(**gor_options), TRIPLETS)
case("gor.mean", GOR, {"second_moment_weight": 0}, gor(second_moment_weight=0), TRIPLETS)


def added(model):
    ranking, regularization = mnrl()(model), gor()(model)
    return lambda features, labels: ranking(features, labels) + 0.25 * sum(regularization(features).values())


parts = [{"name": MNRL}, {"name": GOR, "weight": 0.25}]
case("sum", "sum", {"losses": parts}, added, FOURS)

nested = lambda loss, dims, **options: {"loss": loss, "matryoshka_dims": dims, **options}
wrapped = lambda make, dims, weights=None: lambda model: st.MatryoshkaLoss(model, make(model), dims, weights)
case("matryoshka.mnrl", "matryoshka", nested({"name": MNRL}, [8, 5, 2]), wrapped(mnrl(), [8, 5, 2]), TRIPLETS)
case("matryoshka.duplicates", "matryoshka", nested({"name": MNRL}, [8, 4]), wrapped(mnrl(), [8, 4]), DUPLICATES)
scaled = {"name": "cosent", "scale": 5}
options = nested(scaled, [3, 8], matryoshka_weights=[0.5, 1.5])
cosent = wrapped(lambda model: st.CoSENTLoss(model, scale=5), [3, 8], [0.5, 1.5])
case("matryoshka.cosent", "matryoshka", options, cosent, PAIRS, SCORES)
for name, rows, labels in [("mse", SINGLES, normal(7, 16, DIMENSION)), ("mse.each", PAIRS, normal(8, 8, 2, DIMENSION))]:
    mse, options = wrapped(lambda model: st.MSELoss(model), [8, 5]), nested({"name": "mse"}, [8, 5])
    case(f"matryoshka.{name}", "matryoshka", options, mse, rows, labels, as_labels=labels.double())

PATH.parent.mkdir(exist_ok=True)
# Copies: the writer wants each tensor in an order and a memory of its own.
copies = {name: tensor.clone(memory_format=torch.contiguous_format) for name, tensor in tensors.items()}
safetensors.torch.save_file(copies, PATH, metadata={"cases": json.dumps(cases, separators=(",", ":"))})
print(f"{len(cases)} cases, {PATH.stat().st_size / 1000:.0f} kB")
