// A GPU's numbers against the processor's: embeddings, every gradient by name, ten steps, resume.
#include <cmath>
#include <limits>

#include "embed/embed.h"
#include "files/json.h"
#include "gpu.h"
#include "torch/packed_attention.h"

using namespace vectune;
using namespace vectune::gpu_test;

namespace {

/// Largest relative distance of a gradient that the precision may bring; of all gradients together where one alone is
/// nearly zero.
double tolerance_of(Precision precision) {
  switch (precision) {
    case Precision::kFp32: return 1e-3;
    case Precision::kTf32: return 2e-2;
    default: return 6e-2;
  }
}

std::vector<Precision> precisions(const device::Gpu& gpu) {
  if (!gpu.has_bf16()) return {Precision::kFp32, Precision::kFp16};
  return {Precision::kFp32, Precision::kTf32, Precision::kBf16, Precision::kFp16};
}

}  // namespace

namespace {

void compare_embeddings(const device::Gpu& gpu, const ModelSpec& spec) {
  auto model = std::make_shared<Model>(spec, 7u);
  auto data = mixed_texts(spec.encoder.vocab_size);
  const int64_t texts = data->texts(), width = spec.dimension();
  std::vector<float> exact(static_cast<size_t>(texts * width)), found = exact;
  EngineThread::instance().run(
      [&] { vectune::embed(*model, data->ids(), data->offsets(), texts, Precision::kFp32, exact.data()); });
  for (const Precision precision : precisions(gpu)) {
    EngineThread::instance().run(
        [&] { vectune::embed(*model, data->ids(), data->offsets(), texts, precision, found.data(), kGpu); });
    double largest = 0, lowest = 1;
    for (int64_t t = 0; t < texts; ++t) {
      double ab = 0, aa = 0, bb = 0;
      for (int64_t c = 0; c < width; ++c) {
        const double a = exact[static_cast<size_t>(t * width + c)], b = found[static_cast<size_t>(t * width + c)];
        largest = std::max(largest, std::abs(a - b));
        ab += a * b, aa += a * a, bb += b * b;
      }
      lowest = std::min(lowest, ab / std::sqrt(aa * bb));
    }
    std::printf("  precision %d: largest difference %.3g, lowest cosine %.6f\n", static_cast<int>(precision), largest,
                lowest);
    CHECK(lowest >= 0.999);
    if (precision == Precision::kFp32) CHECK(largest < 1e-4);
  }
}

void compare_gradients(const device::Gpu& gpu, const ModelSpec& spec) {
  auto data = mixed_texts(spec.encoder.vocab_size);
  double expected_loss = 0, loss = 0;
  const auto expected = gradients(spec, data, options_of({}, Precision::kFp32), 100, &expected_loss);
  double whole = 0;
  for (const auto& [_, values] : expected) whole += norm(values) * norm(values);
  for (const Precision precision : precisions(gpu))
    for (const int64_t micro_batch : {100, 5}) {
      const auto found = gradients(spec, data, options_of(kGpu, precision), micro_batch, &loss);
      CHECK(std::abs(loss - expected_loss) < (precision == Precision::kFp32 ? 1e-4 : 1e-2));
      CHECK_EQ(found.size(), expected.size());
      for (const auto& [name, values] : expected) {
        const double allowed = tolerance_of(precision) * (norm(values) + 1e-3 * std::sqrt(whole));
        const double off = distance(found.at(name), values);
        if (off > allowed)
          std::printf("  precision %d, %s: %.3g of %.3g\n", static_cast<int>(precision), name.c_str(), off, allowed);
        CHECK(off <= allowed);
      }
    }
}

}  // namespace

TEST(parity_of_embeddings) { compare_embeddings(require_gpu(), small_minilm()); }
TEST(parity_of_embeddings_of_a_decoder) { compare_embeddings(require_gpu(), small_decoder()); }
TEST(parity_of_gradients_by_name) { compare_gradients(require_gpu(), small_minilm()); }
TEST(parity_of_gradients_by_name_of_a_decoder) { compare_gradients(require_gpu(), small_decoder()); }

TEST(parity_of_losses) {
  require_gpu();
  const ModelSpec spec = small_minilm();
  auto data = mixed_texts(spec.encoder.vocab_size);
  for (const auto& [name, options_of_loss] : std::vector<std::pair<std::string, std::string>>{
           {"multiple-negatives-ranking", R"({"directions": ["query_to_doc", "doc_to_query"]})"},
           {"cosent", "{}"},
           {"angle", "{}"},
           {"pearson", "{}"},
           {"logistic", R"({"threshold": 0.5})"},
           {"contrastive", R"({"margin": 1.5})"},
           {"mega-batch-margin", "{}"},
           {"matryoshka", R"({"loss": {"name": "multiple-negatives-ranking"}, "matryoshka_dims": [96, 24]})"},
           {"adaptive-layer", R"({"loss": {"name": "cosent"}, "n_layers_per_step": -1})"},
           {"sum", R"({"losses": [{"name": "multiple-negatives-ranking"},
                                  {"name": "global-orthogonal-regularization", "weight": 0.5}]})"}}) {
    TrainerOptions here = options_of({}, Precision::kFp32), there = options_of(kGpu, Precision::kFp32);
    here.losses = there.losses = {{name, std::get<json::Object>(json::parse(options_of_loss).data)}};
    double expected_loss = 0, loss = 0, whole = 0;
    const auto expected = gradients(spec, data, here, 100, &expected_loss);
    for (const auto& [_, values] : expected) whole += norm(values) * norm(values);
    for (const int64_t micro_batch : {100, 5}) {
      const auto found = gradients(spec, data, there, micro_batch, &loss);
      CHECK(std::abs(loss - expected_loss) < 1e-4 * std::max(1.0, expected_loss));
      for (const auto& [parameter, values] : expected) {
        const double allowed = tolerance_of(Precision::kFp32) * (norm(values) + 1e-3 * std::sqrt(whole));
        const double off = distance(found.at(parameter), values);
        if (!CHECK(off <= allowed))
          std::printf("  %s, %s: %.3g of %.3g\n", name.c_str(), parameter.c_str(), off, allowed);
      }
    }
  }
}

TEST(parity_of_the_packed_attention_with_dropout) {
  // The kernels' own masks cannot be had, but with the same generator the loss is a function of the weights: its slope
  // along the gradient is the gradient's norm. Of query, key and value, which have theirs through the masks only.
  const device::Gpu gpu = require_gpu();
  const ModelSpec spec = small_minilm();
  auto data = mixed_texts(spec.encoder.vocab_size);
  const auto rows = all_rows(*data);
  for (const Precision precision : {Precision::kFp32, Precision::kFp16}) {
    const TrainerOptions options = options_of(kGpu, precision, 0.2f);
    double here = 0, again = 0;
    auto g = gradients(spec, data, options, 100, &here);
    gradients(spec, data, options, 100, &again);
    CHECK(std::abs(here - again) < 1e-6);
    std::erase_if(g, [](const auto& of) { return of.first.find(".attention.self.") == std::string::npos; });
    REQUIRE(g.size() == 12);
    double squares = 0;
    for (const auto& [_, values] : g) squares += norm(values) * norm(values);
    const double size = std::sqrt(squares), epsilon = precision == Precision::kFp32 ? 0.02 : 0.1;
    const auto loss_at = [&](double by) {
      auto model = std::make_shared<Model>(spec, 7u);
      for (const auto& p : model->parameters().all())
        for (int64_t i = 0; i < p.elements && g.contains(p.name); ++i)
          model->data()[p.offset + i] += static_cast<float>(by * g.at(p.name)[static_cast<size_t>(i)] / size);
      model->weights_changed();
      return EngineThread::instance().run([&] {
        return Trainer(model, data, options)
            .trace_gradients(rows.data(), static_cast<int64_t>(rows.size()), 100, tiny::temporary("gpu-slope"));
      });
    };
    const double slope = (loss_at(epsilon) - loss_at(-epsilon)) / (2 * epsilon);
    std::printf("  precision %d: norm %.3g, slope / norm = %.4f\n", static_cast<int>(precision), size, slope / size);
    CHECK(std::abs(slope / size - 1) < (precision == Precision::kFp32 ? 0.005 : 0.05));
  }
  static_cast<void>(gpu);
}

TEST(parity_of_ten_steps) {
  const device::Gpu gpu = require_gpu();
  const ModelSpec spec = small_minilm();
  auto data = mixed_texts(spec.encoder.vocab_size);
  const auto rows = all_rows(*data);
  const auto losses = [&](TrainerOptions options) {
    return EngineThread::instance().run([&] {
      options.weight_decay = 0.1;
      options.max_gradient_norm = 1.0;
      Trainer trainer(std::make_shared<Model>(spec, 7u), data, options);
      std::vector<double> all;
      for (int step = 0; step < 10; ++step)
        all.push_back(trainer.step(rows.data(), static_cast<int64_t>(rows.size()), 6, 1e-4, 0).loss);
      return all;
    });
  };
  const auto expected = losses(options_of({}, Precision::kFp32));
  for (const Precision precision : precisions(gpu)) {
    const auto found = losses(options_of(kGpu, precision));
    double largest = 0;
    for (size_t i = 0; i < 10; ++i) largest = std::max(largest, std::abs(found[i] - expected[i]));
    std::printf("  precision %d: losses differ by %.3g at most\n", static_cast<int>(precision), largest);
    CHECK(largest < (precision == Precision::kFp32 ? 1e-4 : 2e-2));
    CHECK(found.back() < found.front());
  }
}

TEST(parity_of_a_resumed_run) {
  const device::Gpu gpu = require_gpu();
  const ModelSpec spec = small_minilm();
  auto data = mixed_texts(spec.encoder.vocab_size);
  const auto rows = all_rows(*data);
  const int64_t count = static_cast<int64_t>(rows.size());
  for (const Precision precision : precisions(gpu)) {
    const std::string path = tiny::temporary("gpu-state");
    EngineThread::instance().run([&] {
      const TrainerOptions options = options_of(kGpu, precision, 0.1f);
      Trainer whole(std::make_shared<Model>(spec, 7u), data, options),
          resumed(std::make_shared<Model>(spec, 7u), data, options);
      for (int step = 0; step < 5; ++step) whole.step(rows.data(), count, 6, 1e-4, 0);
      whole.copy_state();
      whole.take_copy()->write(path, [] {});
      resumed.restore(path, false);
      for (int step = 0; step < 5; ++step) {
        const double a = whole.step(rows.data(), count, 6, 1e-4, 1).loss,
                     b = resumed.step(rows.data(), count, 6, 1e-4, 1).loss;
        CHECK(std::abs(a - b) < (precision == Precision::kFp32 ? 1e-4 : 1e-2));
      }
    });
    std::remove(path.c_str());
  }
}

TEST(parity_of_steps_begun_together_and_one_by_one) {
  require_gpu();
  const ModelSpec spec = small_minilm();
  auto data = mixed_texts(spec.encoder.vocab_size);
  const auto rows = all_rows(*data);
  EngineThread::instance().run([&] {
    Trainer ahead(std::make_shared<Model>(spec, 7u), data, options_of(kGpu, Precision::kFp32, 0.1f));
    Trainer alone(std::make_shared<Model>(spec, 7u), data, options_of(kGpu, Precision::kFp32, 0.1f));
    std::vector<StepOutcome> begun;
    for (int step = 0; step < 6; ++step) begun.push_back(ahead.begin_step(rows.data(), 16, 16, 1e-4, 0));
    for (auto& outcome : begun) {
      CHECK(!outcome.ready());
      CHECK(std::abs(outcome.get().loss - alone.step(rows.data(), 16, 16, 1e-4, 0).loss) < 1e-4);
    }
  });
}

TEST(parity_of_a_step_without_a_finite_loss) {
  require_gpu();
  const ModelSpec spec = small_minilm();
  auto data = mixed_texts(spec.encoder.vocab_size);
  const auto rows = all_rows(*data);
  EngineThread::instance().run([&] {
    auto model = std::make_shared<Model>(spec, 7u);
    model->data()[model->parameters().layers[0].up.weight] = std::numeric_limits<float>::infinity();
    Trainer trainer(model, data, options_of(kGpu, Precision::kFp32));
    StepOutcome first = trainer.begin_step(rows.data(), 16, 16, 1e-4, 0),
                second = trainer.begin_step(rows.data(), 16, 16, 1e-4, 0);
    CHECK_THROWS_CODE(first.wait(), ErrorCode::kNative, "not finite");
    CHECK(!second.wait().has_value());
    CHECK_EQ(trainer.state().steps, 0);
  });
}
