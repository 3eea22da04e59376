// The device path on CPU tensors against autograd and against the engine's own path: what is computed. The kernels of a
// GPU are another matter (test/gpu).
#include <algorithm>
#include <cmath>
#include <cstdio>

#include "check.h"
#include "embed/embed.h"
#include "gradients.h"
#include "runtime/engine_thread.h"
#include "tiny_device.h"

using namespace vectune;
using namespace vectune::tiny;

namespace {

double cosine(const float* a, const float* b, int64_t n) {
  double ab = 0, aa = 0, bb = 0;
  for (int64_t i = 0; i < n; ++i) ab += double{a[i]} * b[i], aa += double{a[i]} * a[i], bb += double{b[i]} * b[i];
  return ab / std::sqrt(aa * bb);
}

void compare_with_autograd(const ModelSpec& spec, int64_t micro_batch = 100,
                           const std::vector<int>& lengths = kLengths) {
  tiny::compare_with_autograd(spec, options_of(kTensors), {}, micro_batch, lengths);
}

/// Weights after ten steps of two micro-batches each, and the losses and norms.
struct TenSteps {
  std::vector<float> weights;
  std::vector<double> losses, norms;
};

TenSteps ten_steps(TrainerOptions options, const ModelSpec& spec = plain_spec()) {
  auto data = dataset_of(kLengths, spec.encoder.vocab_size);
  auto model = lively_model(spec);
  return EngineThread::instance().run([&] {
    TenSteps result;
    Trainer trainer(model, data, options);
    for (int step = 0; step < 10; ++step) {
      const StepResult taken = trainer.step(kRows.data(), 4, 2, 1e-3, step / 4);
      CHECK_EQ(taken.tokens, 145);
      result.losses.push_back(taken.loss);
      result.norms.push_back(taken.gradient_norm.value_or(-1));
    }
    trainer.commit();
    result.weights = weights_of(*model);
    // A key's bias shifts all scores of a query alike, so its gradient is what rounding leaves of 0, and AdamW's step
    // is of that noise's sign.
    for (const auto& p : model->parameters().all())
      if (p.name.ends_with("key.bias")) std::fill_n(result.weights.begin() + p.offset, p.elements, 0.0f);
    return result;
  });
}

/// ‖a − b‖ / ‖b − start‖: how far the updates are from each other.
double update_distance(const std::vector<float>& a, const std::vector<float>& b, const std::vector<float>& start) {
  double off = 0, size = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    off += (double{a[i]} - b[i]) * (double{a[i]} - b[i]);
    size += (double{b[i]} - start[i]) * (double{b[i]} - start[i]);
  }
  return std::sqrt(off / size);
}

}  // namespace

TEST(device_gradients_of_bert_are_autograds) { compare_with_autograd(spec_of("bert", {}, {PoolingMode::kMean})); }
TEST(device_gradients_of_roberta_with_normalize_are_autograds) {
  compare_with_autograd(spec_of("roberta", {NormalizeSpec{}}, {PoolingMode::kCls, PoolingMode::kMeanSqrtLen}));
}
TEST(device_gradients_of_distilbert_with_dense_are_autograds) {
  compare_with_autograd(spec_of("distilbert", {DenseSpec{48, 20, true, DenseActivation::kTanh}},
                                {PoolingMode::kMax, PoolingMode::kMean}));
}
TEST(device_gradients_of_every_pooling_and_dense_are_autograds) {
  using enum PoolingMode;
  compare_with_autograd(spec_of(
      "bert",
      {DenseSpec{48, 48, true, DenseActivation::kSilu, true}, DenseSpec{48, 7, false, DenseActivation::kTanh, true}},
      {kWeightedMean, kLastToken}));
}
TEST(device_gradients_of_layer_norms_of_the_head_are_autograds) {
  for (const int64_t micro_batch : {1, 100})
    compare_with_autograd(
        spec_of("bert",
                {LayerNormSpec{48}, DenseSpec{48, 7, true, DenseActivation::kTanh}, LayerNormSpec{7}, NormalizeSpec{}},
                {PoolingMode::kCls, PoolingMode::kMean}),
        micro_batch);
}
TEST(device_gradients_of_mpnet_are_autograds) {
  compare_with_autograd(spec_of("mpnet", {}, {PoolingMode::kMean}));
  compare_with_autograd(spec_of("mpnet", {NormalizeSpec{}}, {PoolingMode::kMean}, 2, 32, 520), 100,
                        {512, 63, 128, 31, 129, 130});
}
TEST(device_gradients_of_projected_embeddings_and_of_shared_layers_are_autograds) {
  for (const auto architecture : {"electra", "albert"})
    for (const int64_t micro_batch : {1, 100})
      compare_with_autograd(spec_of(architecture, {NormalizeSpec{}}, {PoolingMode::kMean}), micro_batch);
}
TEST(device_gradients_of_rotary_architectures_are_autograds) {
  for (const auto architecture : {"modernbert", "nomic_bert", "gte", "qwen2", "qwen3", "gemma3_text"}) {
    compare_with_autograd(spec_of(architecture, {}, {PoolingMode::kMean}));
    compare_with_autograd(spec_of(architecture, {NormalizeSpec{}}, {PoolingMode::kCls}, 2, 32, 520), 100,
                          {512, 63, 128, 31, 129, 130});
  }
  static const Architecture rms = [] {
    Architecture plan = architecture("modernbert");
    plan.norm_kind = NormKind::kRms;
    plan.first_attention_norm = true;
    return plan;
  }();
  ModelSpec spec = spec_of("modernbert", {}, {PoolingMode::kMean});
  spec.encoder.architecture = &rms;
  compare_with_autograd(spec);
}
TEST(device_gradients_with_every_activation_are_autograds) {
  for (const auto hidden : {HiddenActivation::kRelu, HiddenActivation::kGeluTanh, HiddenActivation::kSilu})
    for (const auto dense : {DenseActivation::kGelu, DenseActivation::kIdentity, DenseActivation::kRelu}) {
      ModelSpec spec = spec_of("bert", {DenseSpec{24, 7, dense != DenseActivation::kGelu, dense}, NormalizeSpec{}},
                               {PoolingMode::kMean});
      spec.encoder.hidden_activation = hidden;
      compare_with_autograd(spec);
    }
}
TEST(device_gradients_do_not_depend_on_the_split_into_micro_batches) {
  const ModelSpec spec = spec_of("bert", {DenseSpec{24, 7, true, DenseActivation::kTanh}}, {PoolingMode::kMean});
  for (const int64_t micro_batch : {1, 2, 3}) compare_with_autograd(spec, micro_batch);
}
TEST(device_gradients_of_rows_that_fill_whole_blocks_are_autograds) {
  compare_with_autograd(spec_of("bert", {}, {PoolingMode::kMean}), 100, {64, 64});
  compare_with_autograd(spec_of("bert", {}, {PoolingMode::kMax}), 100, {1, 1});
}

TEST(device_gradients_with_dropout_are_the_slope_of_the_loss_under_the_same_masks) {
  // Masks are functions of seed and place, so the loss is a function of the weights: along its gradient it must rise by
  // the gradient's norm.
  for (const auto architecture :
       {"bert", "distilbert", "electra", "albert", "mpnet", "modernbert", "gte", "qwen2", "qwen3", "gemma3_text"}) {
    const ModelSpec spec = spec_of(architecture, {}, {PoolingMode::kMean});
    auto data = dataset_of(kLengths, spec.encoder.vocab_size);
    const std::string path = temporary("device-dropout");
    const auto loss_at = [&](const std::vector<float>& weights) {
      auto model = lively_model(spec);
      std::copy(weights.begin(), weights.end(), model->data());
      model->weights_changed();
      return EngineThread::instance().run([&] {
        Trainer trainer(model, data, options_of(kTensors, Precision::kFp32, 0.3f));
        return trainer.trace_gradients(kRows.data(), 4, 2, path);
      });
    };
    auto model = lively_model(spec);
    const std::vector<float> start = weights_of(*model);
    const double here = loss_at(start);
    const safetensors::File file(path);
    std::vector<float> direction(start.size(), 0.0f);
    double squares = 0;
    for (const auto& p : model->parameters().all()) {
      const auto* entry = file.find(p.name);
      REQUIRE(entry != nullptr);
      std::memcpy(direction.data() + p.offset, entry->data, static_cast<size_t>(entry->bytes));
    }
    for (const float g : direction) squares += double{g} * g;
    const double norm = std::sqrt(squares), epsilon = 2e-3;
    const auto shifted = [&](double by) {
      std::vector<float> weights = start;
      for (size_t i = 0; i < weights.size(); ++i) weights[i] += static_cast<float>(by * direction[i] / norm);
      return loss_at(weights);
    };
    const double slope = (shifted(epsilon) - shifted(-epsilon)) / (2 * epsilon);
    if (!CHECK(std::abs(slope / norm - 1) < 0.01)) std::printf("  %s: %.5f\n", architecture, slope / norm);
    CHECK_EQ(loss_at(start), here);
    // and the masks are there
    CHECK(std::abs(here - EngineThread::instance().run([&] {
            Trainer trainer(model, data, options_of(kTensors));
            return trainer.trace_gradients(kRows.data(), 4, 2, path);
          })) > 1e-4);
    std::remove(path.c_str());
  }
}

TEST(ten_device_steps_are_those_of_the_processors_own_path) {
  const ModelSpec spec = spec_of("bert", {DenseSpec{24, 8, true, DenseActivation::kTanh}}, {PoolingMode::kMean});
  const auto initial = lively_model(spec);
  std::vector<float> start = weights_of(*initial);
  for (const auto& p : initial->parameters().all())
    if (p.name.ends_with("key.bias")) std::fill_n(start.begin() + p.offset, p.elements, 0.0f);
  for (const int variant : {0, 1, 2}) {
    TrainerOptions here = options_of({}), there = options_of(kTensors);
    for (TrainerOptions* o : {&here, &there}) {
      if (variant == 0) o->weight_decay = 0.1;                      // torch's
      if (variant == 1) o->bias_correction = false, o->eps = 1e-6;  // the notebook's
      if (variant == 2) o->max_gradient_norm = 0.05, o->freeze = {"embeddings", "encoder.layer.0.attention"};
    }
    const TenSteps expected = ten_steps(here, spec), found = ten_steps(there, spec);
    for (size_t i = 0; i < 10; ++i) {
      CHECK(std::abs(expected.losses[i] - found.losses[i]) < 1e-5);
      CHECK(std::abs(expected.norms[i] - found.norms[i]) <= 1e-4 * std::abs(expected.norms[i]));
    }
    const double distance = update_distance(found.weights, expected.weights, start);
    if (distance > 2e-3) std::printf("  variant %d: %.5f\n", variant, distance);
    CHECK(distance < 2e-3);
  }
}

TEST(device_steps_in_bf16_and_fp16_follow_fp32) {
  const TenSteps exact = ten_steps(options_of(kTensors));
  for (const Precision precision : {Precision::kBf16, Precision::kFp16}) {
    const TenSteps half = ten_steps(options_of(kTensors, precision));
    for (size_t i = 0; i < 10; ++i) CHECK(std::abs(exact.losses[i] - half.losses[i]) < 0.02);
    CHECK(half.losses.back() < half.losses.front());
  }
}

TEST(a_resumed_device_run_has_the_numbers_of_one_that_was_not_interrupted) {
  const ModelSpec spec = plain_spec();
  auto data = dataset_of(kLengths, spec.encoder.vocab_size);
  for (const Precision precision : {Precision::kFp32, Precision::kBf16, Precision::kFp16}) {
    const std::string path = temporary("device-state");
    std::vector<double> whole, resumed;
    EngineThread::instance().run([&] {
      const TrainerOptions options = options_of(kTensors, precision, 0.1f);
      Trainer trainer(lively_model(spec), data, options);
      for (int step = 0; step < 3; ++step) trainer.step(kRows.data(), 4, 2, 1e-3, 0);
      trainer.copy_state();
      trainer.step(kRows.data(), 4, 2, 1e-3, 0);  // changes nothing of the copy
      trainer.take_copy()->write(path, [] {});
      trainer.restore(path, false);
      for (int step = 0; step < 4; ++step) whole.push_back(trainer.step(kRows.data(), 4, 2, 1e-3, 1).loss);
      Trainer another(lively_model(spec), data, options);
      another.restore(path, false);
      CHECK_EQ(another.stats().steps, 3);
      for (int step = 0; step < 4; ++step) resumed.push_back(another.step(kRows.data(), 4, 2, 1e-3, 1).loss);
    });
    CHECK(whole == resumed);
    std::remove(path.c_str());
  }
}

TEST(device_evaluation_gives_the_processors_similarities) {
  const ModelSpec spec = plain_spec();
  auto data = dataset_of(kLengths, spec.encoder.vocab_size);
  std::vector<float> here(4), there(4), half(4);
  EngineThread::instance().run([&] {
    Trainer(lively_model(spec), data, options_of({})).evaluate(kRows.data(), 4, 3, 4, here.data());
    Trainer(lively_model(spec), data, options_of(kTensors)).evaluate(kRows.data(), 4, 3, 4, there.data());
    Trainer(lively_model(spec), data, options_of(kTensors, Precision::kBf16))
        .evaluate(kRows.data(), 4, 4, 4, half.data());
  });
  for (size_t i = 0; i < 4; ++i) {
    CHECK(std::abs(here[i] - there[i]) < 1e-5f);
    CHECK(std::abs(here[i] - half[i]) < 0.02f);
  }
}

TEST(device_embeddings_are_the_processors) {
  ModelSpec spec = spec_of("roberta", {DenseSpec{256, 33, true, DenseActivation::kTanh}, NormalizeSpec{}},
                           {PoolingMode::kCls, PoolingMode::kMean}, 4, 32);
  auto model = lively_model(spec);
  auto data = dataset_of(kLengths, spec.encoder.vocab_size);
  const int64_t texts = data->texts(), width = spec.dimension();
  std::vector<float> exact(static_cast<size_t>(texts * width)), found = exact;
  const auto embed = [&](Precision precision, const Place& place, std::vector<float>& out) {
    EngineThread::instance().run(
        [&] { vectune::embed(*model, data->ids(), data->offsets(), texts, precision, out.data(), place); });
  };
  embed(Precision::kFp32, {}, exact);
  embed(Precision::kFp32, kTensors, found);
  for (size_t i = 0; i < exact.size(); ++i) CHECK(std::abs(exact[i] - found[i]) < 1e-5f);
  for (const Precision precision : {Precision::kBf16, Precision::kFp16}) {
    embed(precision, kTensors, found);
    for (int64_t t = 0; t < texts; ++t)
      CHECK(cosine(&exact[static_cast<size_t>(t * width)], &found[static_cast<size_t>(t * width)], width) > 0.999);
  }
  // Its copy of the weights follows the model's.
  for (int64_t i = 0; i < model->parameters().elements(); ++i) model->data()[i] *= 1.25f;
  model->weights_changed();
  embed(Precision::kFp32, {}, exact);
  embed(Precision::kFp16, kTensors, found);
  for (int64_t t = 0; t < texts; ++t)
    CHECK(cosine(&exact[static_cast<size_t>(t * width)], &found[static_cast<size_t>(t * width)], width) > 0.999);
  CHECK_THROWS_CODE(embed(Precision::kInt8, kTensors, found), ErrorCode::kInvalidArgument);
  CHECK_THROWS_CODE(embed(Precision::kTf32, {}, found), ErrorCode::kInvalidArgument);
}
