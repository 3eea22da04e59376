// The hand-written passes against LibTorch's autograd, dropout included.
#include <cmath>
#include <cstdio>
#include <cstring>
#include <string>

#include "check.h"
#include "embed/embed.h"
#include "gradients.h"
#include "runtime/engine_thread.h"
#include "runtime/memory_budget.h"
#include "tiny_models.h"
#include "train/trainer.h"

using namespace vectune;
using namespace vectune::tiny;

namespace {

void compare_with_autograd(const ModelSpec& spec, float dropout, int64_t micro_batch, const std::vector<int>& lengths) {
  TrainerOptions options;
  options.dropout = dropout;
  options.seed = 5;
  using By = Architecture::Drops::By;
  DropoutPlan plan{dropout, dropout, spec.encoder.architecture->drops.attention_out == By::kNone ? 0.0f : dropout, 5,
                   0};
  plan.gated = spec.encoder.architecture->drops.gated ? dropout : 0.0f;
  plan.drops_output = spec.encoder.architecture->drops.output;
  plan.drops_embedding = spec.encoder.architecture->drops.embedding;
  tiny::compare_with_autograd(spec, options, plan, micro_batch, lengths);
}

const std::vector<int> kLengths{5, 9, 1, 17, 33, 2, 40, 8};

}  // namespace

TEST(gradients_of_bert_are_autograds) {
  compare_with_autograd(spec_of("bert", {}, {PoolingMode::kMean}), 0.0f, 100, kLengths);
}
TEST(gradients_of_roberta_with_normalize_are_autograds) {
  compare_with_autograd(spec_of("roberta", {NormalizeSpec{}}, {PoolingMode::kCls, PoolingMode::kMeanSqrtLen}), 0.0f,
                        100, kLengths);
}
TEST(gradients_of_distilbert_with_dense_are_autograds) {
  compare_with_autograd(
      spec_of("distilbert", {DenseSpec{48, 20, true, DenseActivation::kTanh}}, {PoolingMode::kMax, PoolingMode::kMean}),
      0.0f, 100, kLengths);
}
TEST(gradients_of_every_pooling_and_dense_are_autograds) {
  using enum PoolingMode;
  using enum DenseActivation;
  compare_with_autograd(spec_of("bert", {}, {kWeightedMean, kLastToken}), 0.0f, 3, kLengths);
  for (const auto activation : {kSigmoid, kSilu, kLeakyRelu, kElu, kSelu, kSoftplus, kMish, kTanh})
    compare_with_autograd(
        spec_of("bert", {DenseSpec{24, 24, true, activation, true}, DenseSpec{24, 7, false, activation, true}},
                {kWeightedMean}),
        0.0f, 100, kLengths);
}
TEST(gradients_of_layer_norms_of_the_head_are_autograds) {
  for (const int64_t micro_batch : {1, 100})
    compare_with_autograd(
        spec_of("bert",
                {LayerNormSpec{48}, DenseSpec{48, 7, true, DenseActivation::kTanh}, LayerNormSpec{7}, NormalizeSpec{}},
                {PoolingMode::kCls, PoolingMode::kMean}),
        0.0f, micro_batch, kLengths);
}
TEST(gradients_of_mpnet_are_autograds) {
  compare_with_autograd(spec_of("mpnet", {}, {PoolingMode::kMean}), 0.0f, 100, kLengths);
  compare_with_autograd(spec_of("mpnet", {NormalizeSpec{}}, {PoolingMode::kMean}, 2, 32, 520), 0.1f, 1,
                        {512, 63, 128, 31, 129, 130});
}
/// Embeddings of another width than the layers; one layer's parameters for all.
TEST(gradients_of_projected_embeddings_and_of_shared_layers_are_autograds) {
  for (const auto architecture : {"electra", "albert"}) {
    compare_with_autograd(spec_of(architecture, {}, {PoolingMode::kMean}), 0.0f, 100, kLengths);
    compare_with_autograd(spec_of(architecture, {}, {PoolingMode::kMean}), 0.3f, 1, kLengths);
    compare_with_autograd(spec_of(architecture, {NormalizeSpec{}}, {PoolingMode::kCls}, 2, 32, 520), 0.1f, 2,
                          {512, 63, 128, 31, 129, 130});
  }
}
TEST(gradients_of_mpnet_in_bf16_are_near_those_in_fp32) {
  const ModelSpec spec = spec_of("mpnet", {}, {PoolingMode::kMean}, 2, 32, 520);
  auto data = dataset_of({130, 40, 64, 5}, spec.encoder.vocab_size);
  const auto gradient = [&](Precision precision) {
    const std::string path = temporary("mpnet-bf16");
    EngineThread::instance().run([&] {
      TrainerOptions options;
      options.dropout = 0.0f;
      options.precision = precision;
      Trainer trainer(lively_model(spec), data, options);
      const std::vector<int32_t> rows{0, 1};
      return trainer.trace_gradients(rows.data(), 2, 2, path);
    });
    const safetensors::File file(path);
    for (const auto& entry : file.entries())
      if (entry.name == "encoder.relative_attention_bias.weight") {
        at::Tensor g = at::empty(entry.shape, at::kFloat);
        std::memcpy(g.data_ptr<float>(), entry.data, static_cast<size_t>(entry.bytes));
        return g;
      }
    return at::Tensor();
  };
  const at::Tensor exact = gradient(Precision::kFp32), rounded = gradient(Precision::kBf16);
  CHECK(at::norm(exact).item<double>() > 0);
  const double off = at::norm(exact - rounded).item<double>() / at::norm(exact).item<double>();
  CHECK(off > 0 && off < 0.05);
}
TEST(gradients_of_rotary_architectures_are_autograds) {
  for (const auto architecture : {"modernbert", "nomic_bert", "gte", "qwen2", "qwen3", "gemma3_text"}) {
    const ModelSpec spec = spec_of(architecture, {}, {PoolingMode::kMean});
    compare_with_autograd(spec, 0.0f, 100, kLengths);
    compare_with_autograd(spec, 0.3f, 1, kLengths);
    compare_with_autograd(spec_of(architecture, {NormalizeSpec{}}, {PoolingMode::kCls}, 2, 32, 520), 0.1f, 100,
                          {512, 63, 128, 31, 129, 130});
  }
}
/// Norms before every part, of root mean squares; the half of the gate that is not the rule.
TEST(gradients_with_other_norms_and_gates_are_autograds) {
  static const auto [rms, swapped] = [] {
    Architecture one = architecture("modernbert"), other = one;
    one.norm_kind = NormKind::kRms;
    one.first_attention_norm = true;
    other.gate = Architecture::Gate::kSecond;
    other.biases = {true, true, true, true, true};
    return std::pair(one, other);
  }();
  for (const Architecture* plan : {&rms, &swapped}) {
    ModelSpec spec = spec_of("modernbert", {}, {PoolingMode::kMean});
    spec.encoder.architecture = plan;
    spec.encoder.hidden_activation = HiddenActivation::kSilu;
    compare_with_autograd(spec, 0.0f, 100, kLengths);
    compare_with_autograd(spec, 0.2f, 2, kLengths);
  }
}
TEST(gradients_in_bf16_of_other_architectures_are_near_those_in_fp32) {
  for (const auto architecture :
       {"electra", "albert", "modernbert", "nomic_bert", "gte", "qwen2", "qwen3", "gemma3_text"}) {
    const ModelSpec spec = spec_of(architecture, {}, {PoolingMode::kMean}, 2, 32, 520);
    auto data = dataset_of({130, 40, 64, 5}, spec.encoder.vocab_size);
    const auto gradients = [&](Precision precision) {
      const std::string path = temporary("rotary-bf16");
      EngineThread::instance().run([&] {
        TrainerOptions options;
        options.dropout = 0.0f;
        options.precision = precision;
        Trainer trainer(lively_model(spec), data, options);
        const std::vector<int32_t> rows{0, 1};
        return trainer.trace_gradients(rows.data(), 2, 2, path);
      });
      const safetensors::File file(path);
      std::map<std::string, at::Tensor> all;
      for (const auto& entry : file.entries()) {
        at::Tensor g = at::empty(entry.shape, at::kFloat);
        std::memcpy(g.data_ptr<float>(), entry.data, static_cast<size_t>(entry.bytes));
        all.emplace(entry.name, g);
      }
      return all;
    };
    const auto exact = gradients(Precision::kFp32), rounded = gradients(Precision::kBf16);
    double squares = 0, off = 0;
    for (const auto& [name, g] : exact) {
      squares += g.pow(2).sum().item<double>();
      off += (g - rounded.at(name)).pow(2).sum().item<double>();
    }
    CHECK(squares > 0);
    if (!CHECK(off > 0 && std::sqrt(off / squares) < 0.05))
      std::printf("  %s: %.4f\n", architecture, std::sqrt(off / squares));
  }
}
TEST(gradients_with_every_activation_are_autograds) {
  for (const auto hidden : {HiddenActivation::kRelu, HiddenActivation::kGeluTanh, HiddenActivation::kSilu})
    for (const auto dense : {DenseActivation::kGelu, DenseActivation::kIdentity, DenseActivation::kRelu}) {
      ModelSpec spec = spec_of("bert", {DenseSpec{24, 7, dense != DenseActivation::kGelu, dense}, NormalizeSpec{}},
                               {PoolingMode::kMean});
      spec.encoder.hidden_activation = hidden;
      compare_with_autograd(spec, 0.0f, 100, kLengths);
    }
}
TEST(gradients_with_dropout_are_autograds_under_the_same_masks) {
  for (const auto architecture : {"bert", "distilbert"})
    compare_with_autograd(spec_of(architecture, {}, {PoolingMode::kMean}), 0.3f, 100, kLengths);
}
TEST(gradients_do_not_depend_on_the_split_into_micro_batches) {
  for (const int64_t micro_batch : {1, 2, 3})
    compare_with_autograd(spec_of("bert", {}, {PoolingMode::kMean}), 0.2f, micro_batch, kLengths);
}
TEST(gradients_of_long_texts_and_wide_heads_are_autograds) {
  compare_with_autograd(spec_of("bert", {}, {PoolingMode::kMean}, 2, 32, 520), 0.1f, 100, {512, 63, 100, 31});
  compare_with_autograd(spec_of("bert", {}, {PoolingMode::kMean}, 1, 64, 520), 0.1f, 100, {1, 129, 65, 64});
}

TEST(a_failed_step_leaves_weights_moments_and_count_alone) {
  // every allocation of one step in turn is made to fail; the next step gives what it would have given
  const ModelSpec spec = spec_of("bert", {DenseSpec{24, 8, true, DenseActivation::kTanh}}, {PoolingMode::kMean});
  auto data = dataset_of(kLengths, spec.encoder.vocab_size);
  const std::vector<int32_t> rows{0, 1, 2, 3};
  const auto after_two_steps = [&](bool with_failures) {
    auto model = lively_model(spec);
    return EngineThread::instance().run([&] {
      Trainer trainer(model, data, {});
      int64_t failures = 0;
      for (int step = 0; step < 2; ++step) {
        for (int64_t n = 1; with_failures; ++n) {
          memory_budget::fail_nth_allocation(n);
          bool failed = false;
          try {
            // a probe makes the allocations of a step and releases them, so that every one can fail
            trainer.probe(rows.data(), 4);
          } catch (...) {
            failed = true;
            CHECK(current_error().code() == ErrorCode::kOutOfMemory);
          }
          memory_budget::fail_nth_allocation(0);
          if (!failed) break;
          ++failures;
        }
        trainer.step(rows.data(), 4, 2, 1e-3, 0);
      }
      if (with_failures) CHECK(failures > 5);
      trainer.commit();
      return std::vector<float>(model->data(), model->data() + model->parameters().elements());
    });
  };
  CHECK(after_two_steps(false) == after_two_steps(true));
}

TEST(freezing_leaves_the_frozen_alone_and_trains_the_rest) {
  const ModelSpec spec = spec_of("bert", {}, {PoolingMode::kMean});
  auto data = dataset_of(kLengths, spec.encoder.vocab_size);
  const std::vector<int32_t> rows{0, 1, 2, 3};
  auto model = lively_model(spec), before = lively_model(spec);
  TrainerOptions options;
  options.freeze = {"embeddings", "encoder.layer.0"};
  options.weight_decay = 0.1;
  EngineThread::instance().run([&] {
    Trainer trainer(model, data, options);
    trainer.step(rows.data(), 4, 4, 1e-3, 0);
    trainer.commit();
  });
  for (const auto& p : model->parameters().all()) {
    const bool frozen = p.name.starts_with("embeddings.") || p.name.starts_with("encoder.layer.0.");
    const bool same = std::memcmp(model->data() + p.offset, before->data() + p.offset,
                                  sizeof(float) * static_cast<size_t>(p.elements)) == 0;
    CHECK(same == frozen);
  }
  CHECK_THROWS_CODE(EngineThread::instance().run([&] {
    TrainerOptions wrong;
    wrong.freeze = {"encoder.layer.9"};
    Trainer trainer(model, data, wrong);
  }),
                    ErrorCode::kInvalidArgument);
}

TEST(unused_embedding_rows_get_exactly_the_decay_that_adamw_would_give) {
  const ModelSpec spec = spec_of("bert", {}, {PoolingMode::kMean});
  auto data = dataset_of({3, 3}, 20);  // ids below 20 only
  auto model = lively_model(spec), before = lively_model(spec);
  TrainerOptions options;
  options.weight_decay = 0.1;
  const int32_t row = 0;
  EngineThread::instance().run([&] {
    Trainer trainer(model, data, options);
    for (int step = 0; step < 5; ++step) {
      trainer.step(&row, 1, 1, 1e-2 / (step + 1), 0);
      if (step == 2) trainer.commit();
    }
    trainer.commit();
  });
  for (int64_t i = 40 * spec.encoder.hidden_size; i < 50 * spec.encoder.hidden_size; ++i) {
    float expected = before->data()[i];
    for (int step = 0; step < 5; ++step) expected *= static_cast<float>(1.0 - 1e-2 / (step + 1) * 0.1);
    CHECK(expected == model->data()[i]);
  }
}

TEST(bf16_embeddings_stay_close_to_fp32) {
  const ModelSpec spec = spec_of("bert", {}, {PoolingMode::kMean}, 4, 32);
  auto model = lively_model(spec);
  auto data = dataset_of(kLengths, spec.encoder.vocab_size);
  const int64_t texts = data->texts(), width = spec.dimension();
  std::vector<float> exact(static_cast<size_t>(texts * width)), half = exact;
  EngineThread::instance().run([&] {
    vectune::embed(*model, data->ids(), data->offsets(), texts, Precision::kFp32, exact.data());
    vectune::embed(*model, data->ids(), data->offsets(), texts, Precision::kBf16, half.data());
  });
  for (int64_t t = 0; t < texts; ++t) {
    double ab = 0, aa = 0, bb = 0;
    for (int64_t c = 0; c < width; ++c) {
      const double a = exact[static_cast<size_t>(t * width + c)], b = half[static_cast<size_t>(t * width + c)];
      ab += a * b, aa += a * a, bb += b * b;
    }
    CHECK(ab / std::sqrt(aa * bb) > 0.999);
  }
}

TEST(bf16_training_follows_fp32) {
  const ModelSpec spec = spec_of("bert", {}, {PoolingMode::kMean}, 4, 32);
  auto data = dataset_of(kLengths, spec.encoder.vocab_size);
  const std::vector<int32_t> rows{0, 1, 2, 3};
  const auto losses = [&](Precision precision) {
    return EngineThread::instance().run([&] {
      TrainerOptions options;
      options.precision = precision;
      options.dropout = 0.0f;
      Trainer trainer(lively_model(spec), data, options);
      std::vector<double> values;
      for (int step = 0; step < 10; ++step) values.push_back(trainer.step(rows.data(), 4, 2, 1e-3, 0).loss);
      return values;
    });
  };
  const auto exact = losses(Precision::kFp32), half = losses(Precision::kBf16);
  for (size_t i = 0; i < exact.size(); ++i) CHECK(std::abs(exact[i] - half[i]) < 0.02);
  CHECK(exact.back() < exact.front());
  CHECK(half.back() < half.front());
}
