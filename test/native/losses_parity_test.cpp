// Every loss against sentence-transformers (test/parity/losses.py), and what its fixtures cannot show.
#include <ATen/ATen.h>

#include <cmath>
#include <limits>
#include <vector>

#include "check.h"
#include "files/json.h"
#include "files/safetensors.h"
#include "losses/autograd.h"
#include "losses/loss.h"
#include "losses/precision.h"

using namespace vectune;

namespace {

LossSpec spec_of(const std::string& name, const std::string& options = "{}") {
  return {name, std::get<json::Object>(json::parse(options).data)};
}

/// Rows over the vectors of their texts.
struct Batch {
  std::vector<int32_t> places, offsets{0};
  at::Tensor labels;  // undefined where there are none
  LossTensors parameters;
  std::vector<int64_t> layers;

  explicit Batch(const std::vector<std::vector<int32_t>>& rows, const at::Tensor& row_labels = {})
      : labels(row_labels) {
    for (const auto& row : rows) {
      places.insert(places.end(), row.begin(), row.end());
      offsets.push_back(static_cast<int32_t>(places.size()));
    }
  }

  int64_t count() const { return static_cast<int64_t>(offsets.size()) - 1; }

  LossRows rows(int64_t in_step) const {
    LossRows rows{count(), in_step, 0, offsets, at::tensor(places, at::kInt), true, labels, parameters, layers};
    rows.columns = offsets[1];
    for (size_t row = 1; row < offsets.size(); ++row)
      if (offsets[row] - offsets[row - 1] != rows.columns) rows.columns = 0;
    for (size_t i = 0; i < places.size(); ++i) rows.in_order = rows.in_order && places[i] == static_cast<int32_t>(i);
    return rows;
  }

  LossData data(int64_t dimension) const {
    return {count(), offsets, labels.defined() ? labels.size(1) : 0,
            labels.defined() ? labels.const_data_ptr<float>() : nullptr, dimension};
  }

  /// Of loss.of, which must be able to take the batch.
  LossValue value(const Loss& loss, const at::Tensor& vectors) const {
    loss.check(data(vectors.size(1) / static_cast<int64_t>(1 + layers.size())));
    LossRows of_all = rows(count());
    // All texts named in order are the vectors themselves.
    of_all.in_order = of_all.in_order && static_cast<int64_t>(places.size()) == vectors.size(0);
    return loss.of(vectors, of_all);
  }

  /// The same rows, part after part, of a loss that is separable.
  LossValue value_in_parts(const Loss& loss, const at::Tensor& vectors) const {
    LossValue sum{at::zeros({}, at::kDouble), at::zeros_like(vectors, at::kDouble), {}};
    const int64_t half = (count() + 1) / 2;
    for (int64_t first = 0; first < count(); first += half) {
      const int64_t last = std::min(first + half, count());
      std::vector<std::vector<int32_t>> some;
      for (int64_t row = first; row < last; ++row)
        some.emplace_back(places.begin() + offsets[row], places.begin() + offsets[row + 1]);
      Batch part(some, labels.defined() ? labels.narrow(0, first, last - first) : labels);
      part.parameters = parameters;
      part.layers = layers;
      LossRows rows_of_part = part.rows(count());
      rows_of_part.in_order = false;
      const LossValue value = loss.of(vectors, rows_of_part);
      sum.loss = sum.loss + value.loss;
      sum.gradient = sum.gradient + value.gradient;
      for (const auto& [name, gradient] : value.of_parameters)
        sum.of_parameters[name] = sum.of_parameters[name].defined() ? sum.of_parameters[name] + gradient : gradient;
    }
    return sum;
  }
};

class Fixtures {
 public:
  Fixtures() : file_(VECTUNE_FIXTURES "/losses.safetensors") {}

  /// Members are cases.
  json::Object cases() const { return std::get<json::Object>(json::parse(file_.metadata().at("cases")).data); }

  at::Tensor tensor(const std::string& name) const {
    const safetensors::Entry* entry = file_.find(name);
    if (!entry) return {};
    at::Tensor tensor = at::empty(entry->shape, at::TensorOptions().dtype(at::kFloat));
    std::memcpy(tensor.mutable_data_ptr(), entry->data, static_cast<size_t>(entry->bytes));
    return tensor;
  }

 private:
  safetensors::File file_;
};

/// Length of the difference of each vector's gradient over the reference's; a gradient that is nearly 0 is measured
/// against a hundredth of the largest, but for those of vectors of length 0, which are 1e12 times the others. Where
/// the reference is 0 all over, in tenths.
double gradient_error(const at::Tensor& gradient, const at::Tensor& reference, const at::Tensor& vectors) {
  const auto lengths = [](const at::Tensor& x) {
    return at::linalg_vector_norm(x.to(at::kDouble), 2, at::IntArrayRef{1});
  };
  const at::Tensor of_reference = lengths(reference);
  const double largest = (of_reference * lengths(vectors).ne(0)).max().item<double>();
  const double least = largest < 1e-9 ? 0.1 : 1e-2 * largest;
  return (lengths(gradient - reference) / of_reference.clamp_min(least)).max().item<double>();
}

double loss_error(const at::Tensor& loss, double reference) {
  return std::abs(loss.item<double>() - reference) / std::max(std::abs(reference), 1e-2);
}

double number(const json::Value& value) {
  const auto* whole = value.get<int64_t>();
  return whole ? static_cast<double>(*whole) : std::get<double>(value.data);
}

void every_case_is_as_in_sentence_transformers() {
  const Fixtures fixtures;
  std::map<std::string, std::pair<double, double>> worst;
  const json::Object cases = fixtures.cases();
  CHECK(cases.size() > 100);
  for (const auto& [name, wanted] : cases) {
    LossSpec spec{"", {}};
    std::string table;
    std::vector<std::vector<int32_t>> rows;
    std::vector<int64_t> layers;
    std::vector<std::string> own;
    double reference = 0;
    for (const auto& [key, value] : std::get<json::Object>(wanted.data)) {
      if (key == "name") spec.name = std::get<std::string>(value.data);
      if (key == "options") spec.options = std::get<json::Object>(value.data);
      if (key == "table") table = std::get<std::string>(value.data);
      if (key == "loss") reference = number(value);
      if (key == "layers")
        for (const auto& layer : std::get<json::Array>(value.data)) layers.push_back(std::get<int64_t>(layer.data));
      if (key == "parameters")
        for (const auto& parameter : std::get<json::Array>(value.data))
          own.push_back(std::get<std::string>(parameter.data));
      if (key != "rows") continue;
      for (const auto& row : std::get<json::Array>(value.data)) {
        rows.emplace_back();
        for (const auto& place : std::get<json::Array>(row.data))
          rows.back().push_back(static_cast<int32_t>(std::get<int64_t>(place.data)));
      }
    }
    const at::Tensor vectors = fixtures.tensor(table);
    Batch batch(rows, fixtures.tensor(name + "/labels"));
    batch.layers = layers;
    for (const auto& parameter : own) batch.parameters[parameter] = fixtures.tensor(name + "/" + parameter);
    const auto loss = make_loss(spec);
    const at::Tensor gradient = fixtures.tensor(name + "/gradient");
    const auto compare = [&](const LossValue& value, const char* how) {
      const double of_loss = loss_error(value.loss, reference),
                   of_gradient = gradient_error(value.gradient, gradient, vectors);
      auto& of_all = worst[spec.name];
      of_all = {std::max(of_all.first, of_loss), std::max(of_all.second, of_gradient)};
      if (!CHECK(value.gradient.sizes() == vectors.sizes()) || !CHECK(of_loss <= 1e-5) || !CHECK(of_gradient <= 1e-4))
        std::printf("    %s, %s: loss %.9g, reference %.9g, error %.2g; gradient's error %.2g\n", name.c_str(), how,
                    value.loss.item<double>(), reference, of_loss, of_gradient);
    };
    const auto compare_own = [&](const LossValue& value) {
      CHECK_EQ(value.of_parameters.size(), own.size());
      for (const auto& parameter : own) {
        const at::Tensor wanted_gradient = fixtures.tensor(name + "/gradient/" + parameter);
        const double off = at::norm(value.of_parameters.at(parameter) - wanted_gradient).item<double>();
        if (!CHECK(off <= 1e-4 * at::norm(wanted_gradient).item<double>()))
          std::printf("    %s, %s\n", name.c_str(), parameter.c_str());
      }
    };
    for (const bool in_parts : {false, true}) {
      if (in_parts && !loss->separable()) continue;
      const LossValue value = in_parts ? batch.value_in_parts(*loss, vectors) : batch.value(*loss, vectors);
      compare(value, in_parts ? "in parts" : "whole");
      compare_own(value);
    }
  }
  for (const auto& [name, errors] : worst)
    std::printf("    %-32s loss within %.1e, gradient within %.1e\n", name.c_str(), errors.first, errors.second);
}

at::Tensor unit(const at::Tensor& x) { return x / at::linalg_vector_norm(x, 2, at::IntArrayRef{-1}, true); }

}  // namespace

TEST(losses_are_those_of_sentence_transformers) { every_case_is_as_in_sentence_transformers(); }

TEST(losses_in_fp32_are_those_of_sentence_transformers) {
  const AsOnDevices fp32;
  every_case_is_as_in_sentence_transformers();
}

TEST(multiple_negatives_ranking_takes_rows_of_different_lengths) {
  at::manual_seed(1);
  const at::Tensor vectors = at::randn({9, 6});
  const Batch batch({{0, 1}, {2, 3, 4, 5}, {6, 7, 8}});
  const LossValue value = batch.value(*make_loss(spec_of("multiple-negatives-ranking", R"({"scale": 5})")), vectors);
  const LossValue reference = by_autograd(vectors.to(at::kDouble), [](const at::Tensor& leaf) {
    const at::Tensor u = unit(leaf), q = u.index_select(0, at::tensor({0, 2, 6})),
                     d = u.index_select(0, at::tensor({1, 3, 7, 4, 5, 8}));
    return -at::log_softmax(5 * at::matmul(q, d.t()), 1).diagonal().mean();
  });
  CHECK(loss_error(value.loss, reference.loss.item<double>()) < 1e-6);
  CHECK(gradient_error(value.gradient, reference.gradient, vectors) < 1e-5);
}

TEST(in_batch_losses_of_many_rows_are_what_they_are_at_once) {
  at::manual_seed(2);
  constexpr int32_t kRows = 1200;  // four directions of 1,200 + 1,200 + 2,400 + 2,400 candidates: three chunks
  const at::Tensor vectors = at::randn({3 * kRows, 8});
  std::vector<std::vector<int32_t>> rows;
  for (int32_t row = 0; row < kRows; ++row) rows.push_back({3 * row, 3 * row + 1, 3 * row + 2});
  const Batch batch(rows);
  const auto loss = make_loss(spec_of("multiple-negatives-ranking", R"({"directions":
      ["query_to_doc", "query_to_query", "doc_to_query", "doc_to_doc"]})"));
  const LossValue value = batch.value(*loss, vectors);
  const LossValue reference = by_autograd(vectors.to(at::kDouble), [](const at::Tensor& leaf) {
    const at::Tensor columns = unit(leaf).view({kRows, 3, 8}), q = columns.select(1, 0), p = columns.select(1, 1),
                     d = at::cat({p, columns.select(1, 2)});
    const at::Tensor own = at::eye(kRows).to(at::kBool);
    constexpr double kOut = -std::numeric_limits<double>::infinity();
    const at::Tensor all = at::cat({at::matmul(q, d.t()), at::matmul(q, q.t()).masked_fill(own, kOut),
                                    at::matmul(p, q.t()), at::matmul(p, d.t()).masked_fill(own.repeat({1, 2}), kOut)},
                                   1);
    return -at::log_softmax(20 * all, 1).diagonal().mean();
  });
  CHECK(loss_error(value.loss, reference.loss.item<double>()) < 1e-6);
  CHECK(gradient_error(value.gradient, reference.gradient, vectors) < 1e-5);
}

TEST(triplets_of_many_texts_are_what_they_are_at_once) {
  at::manual_seed(3);
  constexpr int32_t kTexts = 190;  // more than fit at once
  const at::Tensor vectors = at::randn({kTexts, 5});
  const at::Tensor classes = at::arange(kTexts, at::kFloat).remainder(7).view({-1, 1});
  std::vector<std::vector<int32_t>> rows;
  for (int32_t row = 0; row < kTexts; ++row) rows.push_back({row});
  const auto loss = make_loss(spec_of("batch-all-triplet", R"({"margin": 0.5})"));
  const LossValue value = Batch(rows, classes).value(*loss, vectors);
  const at::Tensor same = classes.eq(classes.t()), pairs = same.logical_and(at::eye(kTexts).ne(1));
  const LossValue reference = by_autograd(vectors.to(at::kDouble), [&](const at::Tensor& leaf) {
    const at::Tensor d = at::cdist(leaf, leaf, 2, 2);
    const at::Tensor cost =
        at::relu(d.unsqueeze(2) - d.unsqueeze(1) + 0.5) * pairs.unsqueeze(2) * same.logical_not().unsqueeze(1);
    return cost.sum() / cost.gt(1e-16).sum();
  });
  CHECK(loss_error(value.loss, reference.loss.item<double>()) < 1e-9);
  CHECK(gradient_error(value.gradient, reference.gradient, vectors) < 1e-7);
}

TEST(losses_that_are_undefined_elsewhere_are_finite) {
  at::manual_seed(4);
  const at::Tensor vectors = at::randn({8, 6});
  const auto pearson = make_loss(spec_of("pearson"));
  const std::vector<std::vector<int32_t>> pairs{{0, 1}, {2, 3}, {4, 5}}, same{{0, 1}, {0, 1}, {0, 1}};
  const at::Tensor scores = at::tensor({0.1f, 0.5f, 0.9f}).view({3, 1}), equal = at::full({3, 1}, 0.3f);
  for (const Batch& batch : {Batch(pairs, equal), Batch(same, scores), Batch({{0, 1}}, equal.narrow(0, 0, 1))}) {
    const LossValue value = batch.value(*pearson, vectors);
    CHECK_EQ(value.loss.item<double>(), 1.0);
    CHECK(value.gradient.eq(0).all().item<bool>());
  }
  // Equal distances against their own mean.
  for (const float label : {0.0f, 1.0f}) {
    const LossValue value =
        Batch(same, at::full({3, 1}, label)).value(*make_loss(spec_of("online-contrastive")), vectors);
    CHECK_EQ(value.loss.item<double>(), 0.0);
    CHECK(value.gradient.eq(0).all().item<bool>());
  }
  // Equal texts that are two, in one class and in two.
  const at::Tensor twice = at::cat({vectors, vectors});
  std::vector<std::vector<int32_t>> rows;
  for (int32_t row = 0; row < 16; ++row) rows.push_back({row});
  for (const int64_t classes : {4, 16}) {
    for (const char* name :
         {"batch-all-triplet", "batch-hard-triplet", "batch-semi-hard-triplet", "batch-hard-soft-margin-triplet"}) {
      const at::Tensor labels = at::arange(16, at::kFloat).remainder(classes).view({-1, 1});
      const LossValue value = Batch(rows, labels).value(*make_loss(spec_of(name)), twice);
      CHECK(value.loss.isfinite().item<bool>());
      CHECK(value.gradient.isfinite().all().item<bool>());
    }
  }
}

TEST(every_loss_refuses_data_that_does_not_fit) {
  const auto refused = [](const std::string& name, const std::string& options,
                          const std::vector<std::vector<int32_t>>& rows, const at::Tensor& labels,
                          const std::string& part) {
    const auto loss = make_loss(spec_of(name, options));
    const Batch batch(rows, labels);
    CHECK_THROWS_CODE(loss->check(batch.data(4)), ErrorCode::kInvalidArgument, part);
  };
  const std::vector<std::vector<int32_t>> pairs{{0, 1}, {2, 3}}, third{{0, 1}, {2, 3, 4}}, single{{0, 1}, {2}};
  const auto labels = [](std::initializer_list<float> values) {
    return at::tensor(std::vector<float>(values)).view({2, -1});
  };
  refused("multiple-negatives-ranking", "{}", single, {}, "The loss multiple-negatives-ranking needs rows of a query");
  refused("multiple-negatives-ranking", "{}", single, {}, "row 1 has 1");
  for (const char* name : {"cosent", "contrastive", "online-contrastive", "pearson"}) {
    refused(name, "{}", third, labels({0, 1}), std::string("The loss ") + name + " needs rows of two texts, but row 1");
    refused(name, "{}", pairs, {}, "needs one label of each row");
    refused(name, "{}", pairs, labels({0, 1, 0, 1}), "but there are 2 numbers of each row");
  }
  refused("logistic", R"({"threshold": 0.5})", pairs, labels({0, 2}), "labels from 0 to 1, but row 1 has 2");
  refused("contrastive", "{}", pairs, labels({0, -1}), "labels from 0 to 1, but row 1 has -1");
  refused("online-contrastive", "{}", pairs, labels({1, 0.5}), "labels that are 0 or 1, but row 1 has 0.5");
  refused("angle", "{}", third, labels({0, 1}), "row 0 has 2 and row 1 has 3");
  refused("angle", "{}", pairs, {}, "needs one label of each row, its score");
  refused("triplet", "{}", pairs, {}, "needs rows of three texts");
  refused("mega-batch-margin", "{}", third, {}, "row 1 has 3");
  for (const char* name :
       {"batch-all-triplet", "batch-hard-triplet", "batch-semi-hard-triplet", "batch-hard-soft-margin-triplet"}) {
    refused(name, "{}", pairs, labels({0, 1}), std::string("The loss ") + name + " needs rows of one text, but row 0");
    refused(name, "{}", {{0}, {1}}, labels({0, 1.5}), "classes that are whole numbers, but row 1 has 1.5");
  }
  refused("gist", "{}", pairs, {}, "the guide's vectors of the 2 texts");
  refused("gist", "{}", pairs, labels({0, 1, 2, 3, 4, 5}), "but there are 3 numbers of each row");
  refused("margin-mse", "{}", {{0, 1, 2}, {3, 4, 5}}, labels({0, 1, 2, 3, 4, 5}), "needs 1 labels of each row");
  refused("margin-mse", "{}", pairs, labels({0, 1}), "at least one negative");
  refused("distill-kl-div", "{}", pairs, labels({0, 1}), "at least two candidates");
  refused("distill-kl-div", "{}", {{0, 1, 2}, {3, 4, 5}}, labels({0, 1}), "the teacher's score of each candidate");
  refused("mse", "{}", pairs, labels({0, 1, 2, 3, 4, 5}), "The loss mse needs labels of 4 numbers");
  refused("mse", R"({"projection_dim": 5})", pairs, labels({0, 1, 2, 3}), "The loss mse needs labels of 5 numbers");
  refused("softmax", "{}", third, labels({0, 1}), "The loss softmax needs rows of two texts, but row 1 has 3");
  refused("softmax", "{}", pairs, {}, "needs one label of each row, its class");
  refused("softmax", R"({"num_labels": 3})", pairs, labels({0, 3}), "whole numbers from 0 to 2, but row 1 has 3");
  refused("softmax", "{}", pairs, labels({0, 1.5}), "whole numbers from 0 to 1, but row 1 has 1.5");
  refused("softmax", "{}", pairs, labels({0, -1}), "but row 1 has -1");
  refused("softmax", "{}", pairs, labels({0, 0}), "two classes at least, or the option num_labels");
  refused("softmax", R"({"num_labels": 3})", pairs, labels({0, 1, 1, 0}), "the share of each of 3 classes");
  refused("softmax", "{}", pairs, labels({0, 1, 0.5, 0.2}), "those of row 1 add up to 0.7");
  refused("given", "{}", third, {}, "rows of as many texts each");
  refused("matryoshka", R"({"loss": {"name": "softmax"}, "matryoshka_dims": [2]})", pairs, labels({0, 1}),
          "cannot be around a loss with parameters of its own");
  refused("embed-distill", "{}", pairs, {}, "but there are 0");
  refused("global-orthogonal-regularization", "{}", third, {}, "rows of as many texts each");
  refused("matryoshka", R"({"loss": {"name": "cosent"}, "matryoshka_dims": [4, 8]})", pairs, labels({0, 1}),
          "has 8, but the vectors have 4 dimensions");
  refused("matryoshka", R"({"loss": {"name": "cosent"}, "matryoshka_dims": [4]})", pairs, {}, "The loss cosent needs");
  refused("sum", R"({"losses": [{"name": "multiple-negatives-ranking"}, {"name": "triplet"}]})", pairs, {},
          "The loss triplet needs");
}

TEST(every_loss_refuses_options_that_are_not_its_own) {
  const auto refused = [](const std::string& name, const std::string& options, const std::string& part) {
    CHECK_THROWS_CODE(make_loss(spec_of(name, options)), ErrorCode::kInvalidArgument, part);
  };
  for (const char* name : {"angle",
                           "batch-all-triplet",
                           "batch-hard-soft-margin-triplet",
                           "batch-hard-triplet",
                           "batch-semi-hard-triplet",
                           "contrastive",
                           "cosent",
                           "cosine-mse",
                           "distill-kl-div",
                           "embed-distill",
                           "gist",
                           "global-orthogonal-regularization",
                           "margin-mse",
                           "mega-batch-margin",
                           "mse",
                           "multiple-negatives-ranking",
                           "online-contrastive",
                           "pearson",
                           "softmax",
                           "triplet"})
    refused(name, R"({"scal": 1})", std::string("The loss ") + name + " has no option scal");
  refused("logistic", R"({"threshold": 0, "scal": 1})",
          "The loss logistic has no option scal; it has scale, threshold.");
  refused("logistic", "{}", "threshold of the loss logistic must be given");
  refused("logistic", R"({"threshold": 2})", "from -1 to 1; found 2");
  refused("batch-hard-soft-margin-triplet", R"({"margin": 1})", "has no option margin");
  refused("mse", R"({"projection_dim": 0})", "projection_dim of the loss mse must be from 1 to 1000000; found 0");
  refused("mse", R"({"projection_dim": 2.5})", "a whole number");
  refused("softmax", R"({"num_labels": 1})", "num_labels of the loss softmax must be from 2");
  refused("softmax", R"({"num_labels": 2.5})", "a whole number");
  refused("softmax", R"({"concatenation_sent_rep": false, "concatenation_sent_difference": false})", "must be true");
  refused("given", R"({"margin": 1})", "The loss given has no option margin");
  refused("adaptive-layer", "{}", "a loss with its name and options; found none");
  refused("adaptive-layer", R"({"loss": {"name": "mse"}, "n_layers_per_step": 0})", "or -1 for all layers");
  refused("adaptive-layer", R"({"loss": {"name": "adaptive-layer", "loss": {"name": "mse"}}})", "the last layer alone");
  refused("adaptive-layer", R"({"loss": {"name": "mse"}, "layer_weighting": "square"})", "'uniform', 'log', 'linear'");
  refused("matryoshka", R"({"loss": {"name": "adaptive-layer", "loss": {"name": "mse"}}, "matryoshka_dims": [2]})",
          "adaptive-layer goes around matryoshka");
  refused("sum", R"({"losses": [{"name": "given"}]})", "the last layer alone");
  const std::string mnrl = "multiple-negatives-ranking";
  refused(mnrl, R"({"scale": 0})", "scale of the loss multiple-negatives-ranking must be from 0.000001 to 1000000");
  refused(mnrl, R"({"directions": []})", "found none");
  refused(mnrl, R"({"directions": "query_to_doc"})", "must be a list; found a string");
  refused(mnrl, R"({"directions": ["query_to_doc", "doc"]})", "directions[1] of the loss");
  refused(mnrl, R"({"directions": ["query_to_doc", "query_to_doc"]})", "found 'query_to_doc' twice");
  refused(mnrl, R"({"directions": ["doc_to_query"]})", "a list with 'query_to_doc'");
  refused(mnrl, R"({"directions": ["query_to_doc", "doc_to_doc"], "partition_mode": "per_direction"})", "'joint'");
  refused(mnrl, R"({"hardness_mode": "hard_negatives"})", "hardness_strength of the loss");
  refused(mnrl, R"({"hardness_strength": 5})", "nothing without it");
  refused("triplet", R"({"distance_metric": "dot"})", "one of 'euclidean', 'cosine', 'manhattan'; found 'dot'");
  refused("global-orthogonal-regularization", R"({"mean_weight": 0, "second_moment_weight": 0})", "above 0");
  refused("matryoshka", R"({"matryoshka_dims": [2]})", "a loss with its name and options; found none");
  refused("matryoshka", R"({"loss": {"scale": 1}, "matryoshka_dims": [2]})", "it has no name");
  refused("matryoshka", R"({"loss": {"name": "mse"}})", "matryoshka_dims of the loss matryoshka must be given");
  refused("matryoshka", R"({"loss": {"name": "mse", "scale": 1}, "matryoshka_dims": [2]})",
          "The loss mse has no option scale");
  refused("matryoshka", R"({"loss": {"name": "cosent", "scale": -1}, "matryoshka_dims": [2]})",
          "scale of the loss cosent");
  refused("matryoshka", R"({"loss": {"name": "mse"}, "matryoshka_dims": [2.5]})", "whole numbers");
  refused("matryoshka", R"({"loss": {"name": "mse"}, "matryoshka_dims": [0]})", "matryoshka_dims[0]");
  refused("matryoshka", R"({"loss": {"name": "mse"}, "matryoshka_dims": [2, 4], "matryoshka_weights": [1]})",
          "as many as matryoshka_dims, 2");
  refused("sum", "{}", "a list of at least one loss");
  refused("sum", R"({"losses": [{"name": "mse", "weight": -1}]})", "losses[0].weight of the loss sum");
  refused("sum", R"({"losses": [{"name": "nothing"}]})", "There is no loss 'nothing'");
}

TEST(what_is_around_a_loss_is_separable_as_it_is) {
  CHECK(make_loss(spec_of("sum", R"({"losses": [{"name": "mse"}, {"name": "triplet"}]})"))->separable());
  CHECK(!make_loss(spec_of("sum", R"({"losses": [{"name": "mse"}, {"name": "cosent"}]})"))->separable());
  CHECK(make_loss(spec_of("matryoshka", R"({"loss": {"name": "mse"}, "matryoshka_dims": [2]})"))->separable());
  CHECK(!make_loss(spec_of("matryoshka", R"({"loss": {"name": "cosent"}, "matryoshka_dims": [2]})"))->separable());
}
