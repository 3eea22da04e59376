// Losses that own parameters, that see hidden layers, and that are given from elsewhere: their gradients against
// autograd's, their state, and the two phases apart.
#include <cmath>
#include <cstdio>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "check.h"
#include "coupled_loss.h"
#include "gradients.h"
#include "runtime/engine_thread.h"
#include "tiny_device.h"

using namespace vectune;
using namespace vectune::tiny;

namespace {

ModelSpec spec_with_dense(std::vector<PoolingMode> modes = {PoolingMode::kMean}) {
  const auto width = static_cast<int64_t>(24 * modes.size());
  return spec_of("bert", {DenseSpec{width, 10, true, DenseActivation::kTanh}}, std::move(modes));
}

/// Six pairs over eleven texts, with labels of `width` numbers that `label(row, i)` gives.
std::shared_ptr<Dataset> pairs_with(int64_t vocab, int64_t width, const std::function<float(int64_t, int64_t)>& label) {
  const auto apart = dataset_of({5, 9, 1, 17, 33, 2, 40, 8, 12, 3, 6, 7}, vocab);
  const std::vector<int32_t> columns{0, 1, 2, 1, 3, 4, 5, 6, 7, 8, 9, 10};
  std::vector<int32_t> offsets;
  std::vector<float> labels;
  for (int32_t row = 0; row <= 6; ++row) offsets.push_back(2 * row);
  for (int64_t row = 0; row < 6; ++row)
    for (int64_t i = 0; i < width; ++i) labels.push_back(label(row, i));
  return std::make_shared<Dataset>(PackedTexts{apart->ids(), apart->tokens(), apart->offsets(), apart->texts()},
                                   PackedRows{columns.data(), 12, offsets.data(), 6},
                                   PackedLabels{labels.data(), static_cast<int64_t>(labels.size())});
}

std::shared_ptr<Dataset> classified(int64_t vocab) {
  return pairs_with(vocab, 1, [](int64_t row, int64_t) { return static_cast<float>(row % 3); });
}

/// The pairs twice: once with a score, once with a class, each a set.
std::shared_ptr<Dataset> scored_and_classified(int64_t vocab, float score) {
  const auto one = classified(vocab);
  std::vector<int32_t> columns, offsets{0};
  std::vector<float> labels(6, score);
  for (int64_t row = 0; row < 12; ++row) {
    for (const int32_t text : one->columns(row % 6)) columns.push_back(text);
    offsets.push_back(static_cast<int32_t>(columns.size()));
    if (row < 6) labels.push_back(*one->labels(row));
  }
  return std::make_shared<Dataset>(PackedTexts{one->ids(), one->tokens(), one->offsets(), one->texts()},
                                   PackedRows{columns.data(), 24, offsets.data(), 12}, PackedLabels{labels.data(), 12},
                                   std::vector<RowSet>{{6, 1}, {6, 1}});
}

std::shared_ptr<Dataset> taught(int64_t vocab, int64_t width) {
  return pairs_with(vocab, width, [](int64_t row, int64_t i) {
    return static_cast<float>(std::sin(1.3 * double(row) + 0.7 * double(i)));
  });
}

const std::vector<int32_t> kSix{0, 1, 2, 3, 4, 5};

LossSpec loss_of(const std::string& name, const std::string& options) {
  return {name, std::get<json::Object>(json::parse(options).data)};
}

TrainerOptions options_with(const LossSpec& loss, const Place& place, float dropout = 0.0f) {
  TrainerOptions options = options_of(place, Precision::kFp32, dropout);
  options.losses = {loss};
  return options;
}

/// The loss's own parameters as a trainer has them, as leaves that want a gradient.
std::map<std::string, at::Tensor> own_leaves(const Trainer& trainer) {
  const TrainerState state = trainer.state();
  std::map<std::string, at::Tensor> leaves;
  for (const auto& part : state.parts)
    if (part.of_loss)
      leaves[part.name] = state.weights.narrow(0, part.begin, part.elements)
                              .view(part.shape)
                              .to(at::kDouble)
                              .clone()
                              .set_requires_grad(true);
  return leaves;
}

using Oracle = std::function<at::Tensor(const oracle::Forward&, const std::map<std::string, at::Tensor>& own)>;

/// A trainer's gradients of all rows and the loss's own parameters against autograd's.
void compare(const ModelSpec& spec, const std::shared_ptr<Dataset>& data, const TrainerOptions& options,
             int64_t micro_batch, const Oracle& oracle_loss) {
  auto model = lively_model(spec);
  const std::string path = temporary("own-gradients");
  std::map<std::string, at::Tensor> own;
  const double loss = EngineThread::instance().run([&] {
    Trainer trainer(model, data, options);
    own = own_leaves(trainer);
    return trainer.trace_gradients(kSix.data(), 6, micro_batch, path);
  });
  auto leaves = oracle::leaves(*model);
  const oracle::Forward forward(spec, leaves);
  const at::Tensor reference = oracle_loss(forward, own);
  reference.backward();
  CHECK(std::abs(loss - reference.item<double>()) < 2e-6 * std::max(1.0, std::abs(reference.item<double>())));
  leaves.merge(own);
  std::string name;
  const double worst = worst_gradient(path, leaves, &name);
  if (worst > 1.0) std::printf("  worst gradient: %s, %.3f of the tolerance\n", name.c_str(), worst);
  CHECK(worst <= 1.0);
  std::remove(path.c_str());
}

at::Tensor softmax_oracle(const at::Tensor& u, const at::Tensor& v, const at::Tensor& weight, const at::Tensor& bias) {
  const at::Tensor logs = at::log_softmax(at::linear(at::cat({u, v, at::abs(u - v)}, 1), weight, bias), 1);
  at::Tensor sum = at::zeros({}, at::kDouble);
  for (int64_t row = 0; row < 6; ++row) sum = sum - logs[row][row % 3];
  return sum / 6;
}

}  // namespace

TEST(gradients_of_a_classifier_are_autograds) {
  const ModelSpec spec = spec_with_dense();
  const auto data = classified(spec.encoder.vocab_size);
  for (const Place& place : {Place{}, kTensors})
    for (const float dropout : {0.0f, 0.2f}) {
      if (place.on_device() && dropout > 0) continue;
      const DropoutPlan plan = dropout > 0 ? DropoutPlan{dropout, dropout, dropout, 5, 0} : DropoutPlan{};
      for (const int64_t micro_batch : {1, 4, 6})
        compare(spec, data, options_with({"softmax", {}}, place, dropout), micro_batch,
                [&](const oracle::Forward& forward, const auto& own) {
                  return softmax_oracle(forward.column(*data, kSix, 0, plan), forward.column(*data, kSix, 1, plan),
                                        own.at("loss.classifier.weight"), own.at("loss.classifier.bias"));
                });
    }
}

TEST(gradients_of_a_projection_are_autograds) {
  const ModelSpec spec = spec_with_dense();
  const auto data = taught(spec.encoder.vocab_size, 7);
  std::vector<double> values;
  for (int64_t row = 0; row < 6; ++row)
    for (int64_t i = 0; i < 7; ++i) values.push_back(data->labels(row)[i]);
  const at::Tensor teacher = at::tensor(values, at::kDouble).view({6, 7});
  for (const Place& place : {Place{}, kTensors})
    for (const int64_t micro_batch : {1, 4, 6})
      compare(spec, data, options_with(loss_of("mse", R"({"projection_dim": 7})"), place), micro_batch,
              [&](const oracle::Forward& forward, const auto& own) {
                at::Tensor sum = at::zeros({}, at::kDouble);
                for (const size_t column : {0u, 1u})
                  sum = sum + (at::linear(forward.column(*data, kSix, column, {}), own.at("loss.projection.weight"),
                                          own.at("loss.projection.bias")) -
                               teacher)
                                  .square()
                                  .mean();
                return sum / 2;
              });
}

TEST(a_loss_of_several_gives_each_its_own_parameters) {
  const ModelSpec spec = spec_with_dense();
  const auto data = classified(spec.encoder.vocab_size);
  const LossSpec sum = loss_of("sum", R"({"losses": [{"name": "softmax"}, {"name": "softmax", "weight": 0.25}]})");
  for (const int64_t micro_batch : {4, 6})
    compare(spec, data, options_with(sum, {}), micro_batch, [&](const oracle::Forward& forward, const auto& own) {
      const at::Tensor u = forward.column(*data, kSix, 0, {}), v = forward.column(*data, kSix, 1, {});
      return softmax_oracle(u, v, own.at("loss.0.classifier.weight"), own.at("loss.0.classifier.bias")) +
             0.25 * softmax_oracle(u, v, own.at("loss.1.classifier.weight"), own.at("loss.1.classifier.bias"));
    });
}

TEST(rows_of_a_set_are_trained_with_its_loss_alone) {
  const ModelSpec spec = spec_with_dense();
  const auto both = scored_and_classified(spec.encoder.vocab_size, 0.5f), classes = classified(spec.encoder.vocab_size),
             scores = pairs_with(spec.encoder.vocab_size, 1, [](int64_t, int64_t) { return 0.5f; });
  const std::string path = temporary("of-set"), alone = temporary("alone");
  const std::vector<int32_t> first{0, 1, 2, 3, 4, 5}, second{6, 7, 8, 9, 10, 11};
  const auto bytes_of = [](const std::string& file, const std::string& name) {
    const safetensors::File tensors(file);
    const auto* tensor = tensors.find(name);
    const auto* data = reinterpret_cast<const char*>(tensor->data);
    return std::string(data, data + tensor->bytes);
  };
  for (const Place& place : {Place{}, kTensors})
    EngineThread::instance().run([&] {
      TrainerOptions options = options_with({"cosine-mse", {}}, place, place.on_device() ? 0.0f : 0.1f);
      Trainer of_scores(lively_model(spec), scores, options);
      options.losses = {{"softmax", {}}};
      Trainer of_classes(lively_model(spec), classes, options);
      options.losses = {{"cosine-mse", {}}, {"softmax", {}}};
      Trainer trainer(lively_model(spec), both, options);
      for (const int64_t micro_batch : {6, 4}) {
        // After rows with a classifier its gradient is 0 of rows without one.
        const double loss_of_classes = trainer.trace_gradients(second.data(), 6, micro_batch, path);
        CHECK_EQ(loss_of_classes, of_classes.trace_gradients(kSix.data(), 6, micro_batch, alone));
        for (const char* name : {"embeddings.word_embeddings.weight", "encoder.layer.0.attention.self.value.weight"})
          CHECK(bytes_of(path, name) == bytes_of(alone, name));
        CHECK(bytes_of(path, "loss.1.classifier.weight") == bytes_of(alone, "loss.classifier.weight"));
        const double loss_of_scores = trainer.trace_gradients(first.data(), 6, micro_batch, path);
        CHECK_EQ(loss_of_scores, of_scores.trace_gradients(kSix.data(), 6, micro_batch, alone));
        CHECK(bytes_of(path, "encoder.layer.0.attention.self.value.weight") ==
              bytes_of(alone, "encoder.layer.0.attention.self.value.weight"));
        CHECK(bytes_of(path, "loss.1.classifier.weight") == std::string(sizeof(float) * 90, '\0'));
      }
      std::vector<float> similar(6), similar_alone(6);
      CHECK_EQ(trainer.evaluate(second.data(), 6, 4, 6, similar.data()),
               of_classes.evaluate(kSix.data(), 6, 4, 6, similar_alone.data()));
      CHECK(similar == similar_alone);
      CHECK(trainer.labels(second.data() + 1, 2) == std::vector<float>({1.0f, 2.0f}));
      const std::vector<int32_t> mixed{5, 6};
      CHECK_THROWS_CODE(trainer.step(mixed.data(), 2, 2, 1e-3, 0), ErrorCode::kInvalidArgument,
                        "row 5 is of set 0 and row 6 of set 1");
      CHECK_THROWS_CODE(trainer.evaluate(mixed.data(), 2, 2, 2, similar.data()), ErrorCode::kInvalidArgument,
                        "must be of one set");
      options.losses = {{"softmax", {}}};
      CHECK_THROWS_CODE(Trainer(lively_model(spec), both, options), ErrorCode::kInvalidArgument,
                        "found 1 losses and 2 sets");
    });
  for (const auto& file : {path, alone}) std::remove(file.c_str());
}

TEST(a_classifier_is_drawn_by_the_seed_stepped_and_left_out_of_the_model) {
  const ModelSpec spec = spec_with_dense();
  const auto data = classified(spec.encoder.vocab_size);
  for (const Place& place : {Place{}, kTensors})
    EngineThread::instance().run([&] {
      TrainerOptions options = options_with({"softmax", {}}, place);
      auto model = lively_model(spec);
      Trainer trainer(model, data, options), same(lively_model(spec), data, options);
      options.seed = 6;
      Trainer other(lively_model(spec), data, options);
      auto mine = own_leaves(trainer), theirs = own_leaves(same), others = own_leaves(other);
      CHECK_EQ(mine.size(), size_t{2});
      const at::Tensor weight = mine.at("loss.classifier.weight").detach();
      CHECK(weight.sizes() == at::IntArrayRef({3, 30}));
      CHECK(at::equal(weight, theirs.at("loss.classifier.weight")));
      CHECK(!at::equal(weight, others.at("loss.classifier.weight")));
      const double bound = 1.0 / std::sqrt(30.0);
      CHECK(weight.abs().max().item<double>() <= bound);
      CHECK(std::abs(weight.mean().item<double>()) < 0.2 * bound);
      CHECK(weight.abs().mean().item<double>() > 0.4 * bound);
      CHECK_EQ(trainer.stats().loss_parameters, 93);
      CHECK_EQ(trainer.stats().parameters, model->parameters().elements());

      const std::string path = temporary("own-step");
      trainer.trace_gradients(kSix.data(), 6, 6, path);
      at::Tensor g = at::empty({3, 30}, at::kFloat);
      {
        const safetensors::File file(path);
        std::memcpy(g.data_ptr<float>(), file.find("loss.classifier.weight")->data, sizeof(float) * 90);
      }
      std::remove(path.c_str());
      trainer.step(kSix.data(), 6, 6, 1e-2, 0);
      // AdamW's first step is of the learning rate's length, against the gradient.
      const at::Tensor moved = own_leaves(trainer).at("loss.classifier.weight").detach() - weight;
      CHECK(at::allclose(moved, (-1e-2 * g / (g.abs() + 1e-8)).to(at::kDouble), 1e-3, 1e-6));
      trainer.commit();
      CHECK(weights_of(*model) != weights_of(*lively_model(spec)));
    });
}

TEST(a_run_with_a_classifier_goes_on_from_its_state_to_the_same_bits) {
  const ModelSpec spec = spec_with_dense();
  const auto data = classified(spec.encoder.vocab_size);
  const std::string path = temporary("own-state"), last = temporary("own-last"),
                    resumed_last = temporary("own-resumed");
  for (const Place& place : {Place{}, kTensors}) {
    TrainerOptions options = options_with({"softmax", {}}, place, 0.1f);
    options.weight_decay = 0.1;
    options.freeze = {"embeddings", "head"};
    auto through = lively_model(spec), resumed = lively_model(spec);
    EngineThread::instance().run([&] {
      Trainer trainer(through, data, options);
      trainer.step(kSix.data(), 6, 4, 1e-3, 0);
      trainer.commit();
      trainer.step(kSix.data(), 6, 4, 1e-3, 0);
      trainer.state().write(path, [] {});
      trainer.step(kSix.data(), 6, 4, 1e-3, 0);
      trainer.commit();
      trainer.state().write(last, [] {});
    });
    EngineThread::instance().run([&] {
      Trainer trainer(resumed, data, options);
      trainer.restore(path, true);
      trainer.step(kSix.data(), 6, 4, 1e-3, 0);
      trainer.commit();
      trainer.state().write(resumed_last, [] {});
    });
    CHECK(weights_of(*through) == weights_of(*resumed));
    const safetensors::File file(path), a(last), b(resumed_last);
    for (const char* of : {"weights.", "first_moments.", "second_moments."}) {
      const std::string name = std::string(of) + "loss.classifier.weight";
      CHECK(file.find(name) != nullptr);
      REQUIRE(a.find(name) != nullptr && b.find(name) != nullptr);
      CHECK(std::memcmp(a.find(name)->data, b.find(name)->data, sizeof(float) * 90) == 0);
    }
    CHECK(file.find("committed.encoder.layer.0.output.dense.weight") != nullptr);
    CHECK(file.find("committed.loss.classifier.weight") == nullptr);
    // It is not a file of another loss.
    EngineThread::instance().run([&] {
      Trainer other(lively_model(spec), data, options_with({"softmax", {{"num_labels", {int64_t{4}}}}}, place));
      CHECK_THROWS_CODE(other.restore(path, true), ErrorCode::kSafetensors, "loss.classifier.weight");
    });
  }
  for (const auto& file : {path, last, resumed_last}) std::remove(file.c_str());
}

TEST(gradients_of_hidden_layers_are_autograds) {
  using enum PoolingMode;
  const LossSpec adaptive = loss_of(
      "adaptive-layer", R"({"loss": {"name": "coupled", "scale": 5}, "n_layers_per_step": -1, "kl_div_weight": 2,
                                    "layer_weighting": "log", "kl_temperature": 0.5})");
  coupled_spec();
  for (const auto& modes : {std::vector<PoolingMode>{kMean}, {kCls, kMax, kMeanSqrtLen}}) {
    const ModelSpec spec = spec_with_dense(modes);
    const auto data = classified(spec.encoder.vocab_size);
    const auto oracle_with = [&](const DropoutPlan& plan) {
      return [&, plan](const oracle::Forward& forward, const auto&) {
        const auto vectors = [&](int64_t layers) {
          return at::cat({forward.column(*data, kSix, 0, plan, layers), forward.column(*data, kSix, 1, plan, layers)});
        };
        const auto loss = [](const at::Tensor& all) { return coupled(all.narrow(0, 0, 6), all.narrow(0, 6, 6), 5); };
        const at::Tensor last = vectors(2), teacher = at::softmax(last.detach() / 0.5, 1);
        at::Tensor sum = loss(last);
        for (const int64_t layer : {0, 1}) {
          const at::Tensor of_layer = vectors(layer);
          sum = sum + loss(of_layer) / (1 + std::log(1.0 + static_cast<double>(layer))) / 2;
          sum = sum + 2 * 0.5 * (teacher * (teacher.log() - at::log_softmax(of_layer / 0.5, 1))).sum() /
                          static_cast<double>(of_layer.size(0));
        }
        return sum;
      };
    };
    for (const Place& place : {Place{}, kTensors})
      for (const int64_t micro_batch : {1, 4, 6})
        compare(spec, data, options_with(adaptive, place), micro_batch, oracle_with({}));
    compare(spec, data, options_with(adaptive, {}, 0.2f), 4, oracle_with({0.2f, 0.2f, 0.2f, 5, 0}));
    // Where the encoder is frozen, the head of a hidden layer is trained all the same.
    for (const Place& place : {Place{}, kTensors})
      for (const auto& freeze : {std::vector<std::string>{"embeddings"},
                                 {"embeddings", "encoder.layer.0"},
                                 {"embeddings.word_embeddings", "encoder.layer.1"}}) {
        TrainerOptions options = options_with(adaptive, place);
        options.freeze = freeze;
        compare(spec, data, options, 4, oracle_with({}));
      }
  }
}

TEST(hidden_layers_of_a_step_are_drawn_by_seed_and_step) {
  const auto loss = make_loss(loss_of("adaptive-layer", R"({"loss": {"name": "mse"}, "n_layers_per_step": 2})"));
  std::map<int64_t, int> seen;
  for (uint64_t draw = 0; draw < 600; ++draw) {
    const auto layers = loss->layers(6, draw);
    CHECK(layers == loss->layers(6, draw));
    REQUIRE(layers.size() == 2);
    CHECK(layers[0] != layers[1]);
    for (const int64_t layer : layers) ++seen[layer];
  }
  CHECK_EQ(seen.size(), size_t{6});
  for (const auto& [layer, times] : seen) CHECK(layer >= 0 && layer < 6 && times > 120 && times < 280);
  CHECK_EQ(loss->layers(6, std::nullopt).size(), size_t{6});

  const ModelSpec spec = spec_with_dense();
  const auto data = classified(spec.encoder.vocab_size);
  const LossSpec one = loss_of("adaptive-layer", R"({"loss": {"name": "cosine-mse"}})");
  const auto losses = [&](uint32_t seed, int64_t micro_batch, const std::string& from, const std::string& to) {
    return EngineThread::instance().run([&] {
      TrainerOptions options = options_with(one, {}, 0.1f);
      options.seed = seed;
      Trainer trainer(lively_model(spec), data, options);
      std::vector<double> all;
      if (!from.empty()) trainer.restore(from, false);
      for (int step = 0; step < 8; ++step) {
        if (!to.empty() && step == 4) trainer.state().write(to, [] {});
        all.push_back(trainer.step(kSix.data(), 6, micro_batch, 1e-3, 0).loss);
      }
      return all;
    });
  };
  const std::string path = temporary("drawn");
  const auto whole = losses(5, 6, "", path), again = losses(5, 6, "", "");
  CHECK(whole == again);
  CHECK(losses(6, 6, "", "") != whole);
  const auto resumed = losses(5, 6, path, "");
  for (size_t i = 0; i < 4; ++i) CHECK_EQ(resumed[i], whole[i + 4]);
  const auto parts = losses(5, 2, "", "");
  for (size_t i = 0; i < 8; ++i) CHECK(std::abs(parts[i] - whole[i]) < 1e-5 * whole[i]);
  std::remove(path.c_str());
}

TEST(an_evaluation_takes_all_layers_and_is_what_is_expected_of_a_draw) {
  at::manual_seed(1);
  const at::Tensor vectors = at::randn({4, 4 * 5});
  const std::vector<int32_t> offsets{0, 2, 4};
  const at::Tensor places = at::tensor(std::vector<int32_t>{0, 1, 2, 3}, at::kInt),
                   labels = at::tensor({0.1f, 0.9f}).view({2, 1});
  const auto loss = make_loss(loss_of("adaptive-layer", R"({"loss": {"name": "cosine-mse"}})"));
  const auto value = [&](const std::vector<int64_t>& layers) {
    std::vector<at::Tensor> parts{vectors.narrow(1, 0, 5)};
    for (const int64_t layer : layers) parts.push_back(vectors.narrow(1, 5 * (layer + 1), 5));
    return loss->of(at::cat(parts, 1), {2, 2, 2, offsets, places, true, labels, {}, layers}).loss.item<double>();
  };
  CHECK(std::abs(value({0, 1, 2}) - (value({0}) + value({1}) + value({2})) / 3) < 1e-12);
}

TEST(a_given_loss_trains_as_the_loss_itself) {
  const ModelSpec spec = spec_with_dense();
  const auto data = dataset_of({5, 9, 1, 17, 33, 2, 40, 8, 12, 3, 6, 7}, spec.encoder.vocab_size);
  for (const Place& place : {Place{}, kTensors})
    for (const int64_t micro_batch : {6, 4, 1})
      EngineThread::instance().run([&] {
        auto by_itself = lively_model(spec), given = lively_model(spec);
        Trainer coupled_trainer(by_itself, data, options_with(coupled_spec(), place, 0.2f));
        Trainer trainer(given, data, options_with({"given", {}}, place, 0.2f));
        CHECK_THROWS_CODE(trainer.step(kSix.data(), 6, 6, 1e-3, 0), ErrorCode::kInvalidArgument, "The loss is given");
        const float none = 0;
        CHECK_THROWS_CODE(coupled_trainer.begin_given_step(kSix.data(), 6, 6, 1e-3, 0, 0.0, &none, 1),
                          ErrorCode::kInvalidArgument, "not given");
        for (int step = 0; step < 3; ++step) {
          const double loss = coupled_trainer.step(kSix.data(), 6, micro_batch, 1e-3, 0).loss;
          const at::Tensor vectors = trainer.vectors(kSix.data(), 6, micro_batch, 0);
          CHECK(vectors.sizes() == at::IntArrayRef({2, 6, 10}));
          // What passes kept is gone then: the same bits come of it.
          std::vector<float> similarities(6);
          if (step == 1) trainer.evaluate(kSix.data(), 6, 2, 6, similarities.data());
          if (step == 2) trainer.probe(kSix.data(), 2);
          const LossValue value = by_autograd(
              vectors, [](const at::Tensor& leaf) { return coupled(leaf.select(0, 0), leaf.select(0, 1), 5); });
          const at::Tensor gradient = value.gradient.contiguous();
          CHECK_THROWS_CODE(
              trainer.begin_given_step(kSix.data(), 6, micro_batch, 1e-3, 0, 0.0, gradient.data_ptr<float>(), 7),
              ErrorCode::kInvalidArgument, "2 x 6 x 10 numbers");
          auto outcome = trainer.begin_given_step(kSix.data(), 6, micro_batch, 1e-3, 0, value.loss.item<double>(),
                                                  gradient.data_ptr<float>(), gradient.numel());
          CHECK(std::abs(outcome.get().loss - loss) < 1e-6);
        }
        trainer.commit();
        coupled_trainer.commit();
        const auto a = weights_of(*by_itself), b = weights_of(*given);
        double off = 0;
        for (size_t i = 0; i < a.size(); ++i) off = std::max(off, std::abs(double{a[i]} - b[i]));
        CHECK(off < 1e-6);
      });
}

TEST(a_given_loss_leaves_no_trace_in_what_it_disturbs) {
  const ModelSpec spec = spec_with_dense();
  const auto data = dataset_of({5, 9, 1, 17, 33, 2, 40, 8, 12, 3, 6, 7}, spec.encoder.vocab_size);
  for (const Place& place : {Place{}, kTensors})
    for (const int64_t micro_batch : {6, 4}) {
      const auto after = [&](const std::function<void(Trainer&)>& between) {
        return EngineThread::instance().run([&] {
          auto model = lively_model(spec);
          Trainer trainer(model, data, options_with({"given", {}}, place, 0.2f));
          for (int step = 0; step < 2; ++step) {
            const at::Tensor gradient = trainer.vectors(kSix.data(), 6, micro_batch, 0).clone();
            between(trainer);
            trainer.begin_given_step(kSix.data(), 6, micro_batch, 1e-3, 0, 1.0, gradient.data_ptr<float>(), 120).get();
          }
          trainer.commit();
          return weights_of(*model);
        });
      };
      const auto expected = after([](Trainer&) {});
      std::vector<float> similarities(6);
      CHECK(after([&](Trainer& trainer) { trainer.evaluate(kSix.data(), 6, 2, 6, similarities.data()); }) == expected);
      CHECK(after([&](Trainer& trainer) { trainer.vectors(kSix.data() + 1, 3, 3, 0); }) == expected);
      CHECK(after([&](Trainer& trainer) { trainer.vectors(kSix.data(), 6, micro_batch, 7); }) == expected);
      CHECK(after([&](Trainer& trainer) { trainer.probe(kSix.data(), 6); }) == expected);
    }
}

TEST(an_evaluation_of_a_given_loss_gives_vectors) {
  const ModelSpec spec = spec_with_dense();
  const auto data = classified(spec.encoder.vocab_size);
  EngineThread::instance().run([&] {
    Trainer trainer(lively_model(spec), data, options_with({"given", {}}, {}, 0.2f));
    std::vector<float> similarities(6);
    at::Tensor vectors, whole;
    CHECK_EQ(trainer.evaluate(kSix.data(), 6, 2, 4, similarities.data(), &vectors), 0.0);
    trainer.evaluate(kSix.data(), 6, 6, 6, similarities.data(), &whole);
    REQUIRE(vectors.defined());
    CHECK(vectors.sizes() == at::IntArrayRef({2, 6, 10}));
    CHECK(at::allclose(vectors, whole, 1e-5, 1e-6));
    const at::Tensor cosines = at::cosine_similarity(vectors.select(0, 0), vectors.select(0, 1), 1);
    for (int64_t row = 0; row < 6; ++row)
      CHECK(std::abs(cosines[row].item<float>() - similarities[static_cast<size_t>(row)]) < 1e-5f);
    CHECK(trainer.labels(kSix.data() + 4, 2) == std::vector<float>({1.0f, 2.0f}));
  });
}
