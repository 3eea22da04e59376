// A step on CPU tensors: that it asks the device for nothing, and what becomes of it where it fails, finds no memory or
// only tries whether there is enough.
#include <ATen/record_function.h>

#include <cmath>
#include <cstdio>
#include <limits>
#include <set>

#include "check.h"
#include "embed/embed.h"
#include "runtime/engine_thread.h"
#include "runtime/memory_budget.h"
#include "tiny_device.h"
#include "torch/health.h"

using namespace vectune;
using namespace vectune::tiny;

namespace {

/// What a step may call. On CPU tensors nothing waits, so what CUDA's kernels do is known by their sources. Those of
/// indices, lengths, lists of tensors, copies, random masks and scalars kept on the device were read; the rest are
/// views, products, norms and elementwise kernels, which only launch. Another operator's is read before it is added. Of
/// `to` there is only the form that names no device: the others may copy to the processor.
const std::set<std::string> kLaunched{"_amp_foreach_non_finite_check_and_unscale_",
                                      "_amp_update_scale_",
                                      "_foreach_norm.Scalar",
                                      "_fused_adamw_",
                                      "_softmax",
                                      "_softmax_backward_data",
                                      "add.Scalar",
                                      "add.Tensor",
                                      "add_.Scalar",
                                      "add_.Tensor",
                                      "addmm",
                                      "addmm_",
                                      "arange",
                                      "cat",
                                      "clamp_min_",
                                      "clone",
                                      "contiguous",
                                      "copy_",
                                      "div.Scalar",
                                      "div.Tensor",
                                      "empty.memory_format",
                                      "empty_like",
                                      "expand",
                                      "gelu",
                                      "gelu_backward",
                                      "index_add_",
                                      "index_copy_",
                                      "index_select",
                                      "isfinite",
                                      "linalg_vector_norm",
                                      "logical_and",
                                      "logical_not",
                                      "masked_fill.Scalar",
                                      "masked_fill_.Scalar",
                                      "matmul",
                                      "maximum",
                                      "mean.dim",
                                      "mm",
                                      "mm.out",
                                      "mul.Scalar",
                                      "mul.Tensor",
                                      "mul_.Scalar",
                                      "narrow",
                                      "native_dropout",
                                      "native_dropout_backward",
                                      "native_layer_norm",
                                      "native_layer_norm_backward",
                                      "ne.Tensor",
                                      "neg",
                                      "ones",
                                      "permute",
                                      "reciprocal",
                                      "reciprocal_",
                                      "relu",
                                      "reshape",
                                      "rsqrt_",
                                      "scatter_.src",
                                      "segment_reduce",
                                      "select.int",
                                      "silu",
                                      "silu_backward",
                                      "sqrt",
                                      "stack",
                                      "sub.Scalar",
                                      "sub.Tensor",
                                      "sum",
                                      "sum.IntList_out",
                                      "sum.dim_IntList",
                                      "t",
                                      "tanh",
                                      "tanh_backward",
                                      "threshold_backward",
                                      "to.dtype",
                                      "transpose.int",
                                      "triu_",
                                      "unsqueeze",
                                      "view",
                                      "view.dtype",
                                      "zero_",
                                      "zeros",
                                      "zeros_like"};

/// What waits for the device wherever it is called: the processor goes on by its result.
const std::set<std::string> kAsk{"_local_scalar_dense", "_unique2", "equal", "is_nonzero", "item",
                                 "masked_select",       "nonzero"};

/// The CPU's kernel reads the count of updates; CUDA's takes its address.
const std::string kReadsOnCpu = "_fused_adamw_";

/// Watches what its thread calls, one of it at a time.
class Watch {
 public:
  Watch()
      : handle_(
            at::addThreadLocalCallback(at::RecordFunctionCallback(enter, leave).scopes({at::RecordScope::FUNCTION}))) {
    within.clear();
    asked.clear();
    calls = 0;
  }
  ~Watch() { at::removeCallback(handle_); }
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

  static inline std::set<std::string> asked;  // what no step may call, after what it was called within
  static inline int calls = 0;

 private:
  static std::unique_ptr<at::ObserverContext> enter(const at::RecordFunction& function) {
    const auto full = function.operator_name();
    std::string name = full ? full->name.substr(full->name.find("::") + 2) : function.name();
    const bool asks = kAsk.contains(name);
    if (full && !full->overload_name.empty()) name += "." + full->overload_name;
    const bool bad = within.empty() ? !kLaunched.contains(name) : asks && within.front() != kReadsOnCpu;
    within.push_back(std::move(name));
    ++calls;
    if (bad) {
      std::string path;
      for (const auto& one : within) path += (path.empty() ? "" : " > ") + one;
      asked.insert(path);
    }
    return nullptr;
  }
  static void leave(const at::RecordFunction&, at::ObserverContext*) { within.pop_back(); }

  static inline std::vector<std::string> within;
  at::CallbackHandle handle_;
};

}  // namespace

TEST(a_device_step_asks_the_device_for_nothing) {
  using enum PoolingMode;
  std::vector<ModelSpec> specs{plain_spec(),
                               spec_of("roberta", {DenseSpec{96, 7, true, DenseActivation::kTanh}, NormalizeSpec{}},
                                       {kCls, kMax, kMean, kMeanSqrtLen}),
                               spec_of("distilbert", {DenseSpec{24, 7, false, DenseActivation::kGelu}}, {kMax}),
                               spec_of("mpnet", {NormalizeSpec{}}, {kMean}),
                               spec_of("modernbert", {NormalizeSpec{}}, {kMean}),
                               spec_of("gte", {NormalizeSpec{}}, {kCls}),
                               spec_of("electra", {NormalizeSpec{}}, {kMean}),
                               spec_of("albert", {NormalizeSpec{}}, {kMean}),
                               spec_of("qwen2", {NormalizeSpec{}}, {kMean}),
                               spec_of("qwen3", {NormalizeSpec{}}, {kLastToken}),
                               spec_of("gemma3_text", {NormalizeSpec{}}, {kMean}),
                               spec_of("bert", {DenseSpec{24, 7, true, DenseActivation::kRelu}}, {kMeanSqrtLen})};
  specs.back().encoder.hidden_activation = HiddenActivation::kRelu;
  EngineThread::instance().run([&] {
    for (const ModelSpec& spec : specs) {
      auto data = dataset_of(kLengths, spec.encoder.vocab_size);
      for (const Precision precision : {Precision::kFp32, Precision::kBf16, Precision::kFp16}) {
        for (const float dropout : {0.0f, 0.1f}) {
          TrainerOptions options = options_of(kTensors, precision, dropout);
          options.max_gradient_norm = 1.0;
          options.weight_decay = 0.01;
          Trainer trainer(lively_model(spec), data, options);
          trainer.step(kRows.data(), 4, 2, 1e-3, 0);  // what is made once is there then
          StepOutcome begun = [&] {
            const Watch watch;
            return trainer.begin_step(kRows.data(), 4, 2, 1e-3, 0);
          }();
          CHECK(Watch::calls > 300);
          for (const auto& call : Watch::asked) std::printf("  %s\n", call.c_str());
          CHECK(Watch::asked.empty());
          CHECK(begun.wait().has_value());
        }
      }
    }
  });
}

TEST(fp16_leaves_out_an_update_whose_gradients_overflow_and_lowers_the_scale) {
  const ModelSpec spec = plain_spec();
  auto data = dataset_of(kLengths, spec.encoder.vocab_size);
  auto model = lively_model(spec);
  const std::string path = temporary("device-scaler");
  EngineThread::instance().run([&] {
    Trainer trainer(model, data, options_of(kTensors, Precision::kFp16));
    trainer.step(kRows.data(), 4, 4, 1e-3, 0);
    TrainerState state = trainer.state();
    REQUIRE(state.scaler.size() == 3);
    state.scaler[0] = 3e37f;  // every gradient overflows
    state.write(path, [] {});
    trainer.restore(path, false);
    const at::Tensor before = trainer.state().weights.clone();
    trainer.step(kRows.data(), 4, 4, 1e-3, 0);
    state = trainer.state();
    CHECK(at::equal(before, state.weights));
    CHECK(state.scaler[0] == 1.5e37f);
    CHECK_EQ(state.scaler[2], 1.0f);  // updates made
    CHECK_EQ(state.steps, 2);
  });
  std::remove(path.c_str());
}

TEST(a_device_step_with_a_loss_that_is_not_finite_leaves_all_as_it_was_and_those_begun_after_it_are_not_taken) {
  const ModelSpec spec = plain_spec();
  auto data = dataset_of(kLengths, spec.encoder.vocab_size);
  auto model = lively_model(spec);
  EngineThread::instance().run([&] {
    TrainerOptions options = options_of(kTensors);
    options.weight_decay = 0.01;
    Trainer trainer(model, data, options);
    trainer.step(kRows.data(), 4, 4, 1e-3, 0);
    TrainerState good = trainer.state();
    const std::string path = temporary("device-finite"), bad_path = temporary("device-not-finite");
    good.write(path, [] {});
    good.weights = good.weights.clone().fill_(std::numeric_limits<float>::infinity());
    good.write(bad_path, [] {});
    trainer.restore(bad_path, false);
    StepOutcome first = trainer.begin_step(kRows.data(), 4, 4, 1e-3, 0);
    StepOutcome second = trainer.begin_step(kRows.data(), 4, 2, 1e-3, 0);
    CHECK(!first.ready());
    CHECK_EQ(trainer.stats().steps, 3);
    CHECK(!second.wait().has_value());
    CHECK_THROWS_CODE(first.wait(), ErrorCode::kNative, "not finite");
    const TrainerState after = trainer.state();
    CHECK_EQ(after.steps, 1);
    CHECK_EQ(after.pending_decay.size(), size_t{1});
    CHECK(at::equal(after.first_moments, good.first_moments));
    CHECK(at::equal(after.weights, good.weights));
    // It goes on from good weights.
    trainer.restore(path, false);
    CHECK(std::isfinite(trainer.step(kRows.data(), 4, 4, 1e-3, 0).loss));
    std::remove(path.c_str());
    std::remove(bad_path.c_str());
  });
}

TEST(a_gradient_that_overflows_under_a_finite_loss_leaves_all_as_it_was) {
  const ModelSpec spec = plain_spec();
  auto data = dataset_of(kLengths, spec.encoder.vocab_size);
  // Values of 1e25 between two products: the loss is finite, the gradient of the second one's weights is not.
  auto model = lively_model(spec);
  const LayerAt& layer = model->parameters().layers.back();
  for (int64_t i = 0; i < spec.encoder.intermediate_size; ++i) model->data()[layer.up.bias + i] = 1e25f;
  for (int64_t i = 0; i < spec.encoder.intermediate_size * spec.encoder.hidden_size; ++i)
    model->data()[layer.down.weight + i] *= 1e-25f;
  model->weights_changed();
  EngineThread::instance().run([&] {
    for (const Place place : {Place{}, kTensors}) {
      TrainerOptions options = options_of(place);
      options.weight_decay = 0.01;
      Trainer trainer(model, data, options);
      const TrainerState before = trainer.state();
      CHECK_THROWS_CODE(trainer.step(kRows.data(), 4, 4, 1e-3, 0), ErrorCode::kNative,
                        "norm of the gradient is not finite");
      const TrainerState after = trainer.state();
      CHECK_EQ(after.steps, 0);
      CHECK_EQ(after.pending_decay.size(), size_t{0});
      CHECK(at::equal(after.weights, before.weights));
      CHECK(!after.first_moments.defined() || !after.first_moments.any().item<bool>());
    }
  });
}

TEST(a_device_step_without_memory_leaves_weights_moments_and_count_alone) {
  // Every allocation of a step in turn is made to fail, the optimiser's included; the next step gives what it would
  // have.
  const ModelSpec spec = spec_of("bert", {DenseSpec{24, 8, true, DenseActivation::kTanh}}, {PoolingMode::kMean});
  auto data = dataset_of(kLengths, spec.encoder.vocab_size);
  for (const Precision precision : {Precision::kFp32, Precision::kFp16}) {
    const auto after_two_steps = [&](bool with_failures) {
      auto model = lively_model(spec);
      return EngineThread::instance().run([&] {
        TrainerOptions options = options_of(kTensors, precision, 0.1f);
        options.max_gradient_norm = 1.0;
        Trainer trainer(model, data, options);
        int64_t failures = 0;
        for (int step = 0; step < 2; ++step) {
          for (int64_t n = 1;; n += 7) {
            if (with_failures) memory_budget::fail_nth_allocation(n);
            bool failed = false;
            try {
              trainer.step(kRows.data(), 4, 2, 1e-3, 0);
            } catch (...) {
              failed = true;
              CHECK(current_error().code() == ErrorCode::kOutOfMemory);
            }
            memory_budget::fail_nth_allocation(0);
            if (!failed) break;
            ++failures;
            CHECK_EQ(trainer.stats().steps, step);
          }
        }
        if (with_failures) CHECK(failures > 40);
        trainer.commit();
        return weights_of(*model);
      });
    };
    CHECK(after_two_steps(false) == after_two_steps(true));
  }
}

TEST(a_device_probe_leaves_no_trace_and_gives_its_memory_back) {
  const ModelSpec spec = plain_spec();
  auto data = dataset_of(kLengths, spec.encoder.vocab_size);
  EngineThread::instance().run([&] {
    for (const Precision precision : {Precision::kFp32, Precision::kBf16, Precision::kFp16}) {
      Trainer probed(lively_model(spec), data, options_of(kTensors, precision, 0.1f));
      Trainer plain(lively_model(spec), data, options_of(kTensors, precision, 0.1f));
      const int64_t before = memory_budget::in_use();
      probed.probe(kRows.data(), 4);
      CHECK_EQ(memory_budget::in_use(), before);
      for (int step = 0; step < 2; ++step) {
        const double a = probed.step(kRows.data(), 4, 4, 1e-3, 0).loss,
                     b = plain.step(kRows.data(), 4, 4, 1e-3, 0).loss;
        CHECK_EQ(a, b);
        probed.probe(kRows.data(), 2);
      }
    }
  });
}

TEST(what_fits_in_a_device_probe_fits_in_a_step_with_moments) {
  const ModelSpec spec = plain_spec();
  auto data = dataset_of(kLengths, spec.encoder.vocab_size);
  EngineThread::instance().run([&] {
    Trainer trainer(lively_model(spec), data, options_of(kTensors, Precision::kFp32, 0.1f));
    memory_budget::reset_peak();
    const int64_t base = memory_budget::in_use();
    trainer.probe(kRows.data(), 4);
    const int64_t needed = memory_budget::peak() - base;
    trainer.set_memory_limit(base + needed);
    for (int step = 0; step < 3; ++step) trainer.step(kRows.data(), 4, 4, 1e-3, 0);
    CHECK_EQ(trainer.stats().steps, 3);
    trainer.set_memory_limit(base + needed / 2);
    CHECK_THROWS_CODE(
        {
          try {
            trainer.step(kRows.data(), 4, 4, 1e-3, 0);
          } catch (...) {
            throw current_error();
          }
        },
        ErrorCode::kOutOfMemory);
    CHECK_EQ(trainer.stats().steps, 3);
  });
}

TEST(a_lost_device_fails_at_once_from_then_on_and_the_processor_works) {
  const ModelSpec spec = plain_spec();
  auto data = dataset_of(kLengths, spec.encoder.vocab_size);
  auto model = lively_model(spec);
  const std::vector<float> before = weights_of(*model);
  EngineThread::instance().run([&] {
    Trainer trainer(model, data, options_of(kTensors));
    trainer.step(kRows.data(), 4, 4, 1e-3, 0);
    // as an asynchronous error comes: the step was begun, the wait for it reports what happened
    StepOutcome begun = trainer.begin_step(kRows.data(), 4, 4, 1e-3, 0);
    device::health::fail_nth_check(1);
    CHECK_THROWS_CODE(begun.wait(), ErrorCode::kDeviceLost, "illegal memory access");
    CHECK_THROWS_CODE(trainer.step(kRows.data(), 4, 4, 1e-3, 0), ErrorCode::kDeviceLost, "illegal memory access");
    CHECK_THROWS_CODE(trainer.commit(), ErrorCode::kDeviceLost);
    CHECK_THROWS_CODE(trainer.state(), ErrorCode::kDeviceLost);
    CHECK(weights_of(*model) == before);
    std::vector<float> out(static_cast<size_t>(8 * spec.dimension()));
    CHECK_THROWS_CODE(vectune::embed(*model, data->ids(), data->offsets(), 8, Precision::kFp32, out.data(), kTensors),
                      ErrorCode::kDeviceLost);
    vectune::embed(*model, data->ids(), data->offsets(), 8, Precision::kFp32, out.data());
    Trainer here(model, data, options_of({}));
    CHECK(std::isfinite(here.step(kRows.data(), 4, 4, 1e-3, 0).loss));
  });
  device::health::fail_nth_check(0);
}
