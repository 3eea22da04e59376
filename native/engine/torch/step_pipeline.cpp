#include "torch/step_pipeline.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/_foreach_norm.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/maximum.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>

#include <atomic>
#include <cmath>
#include <mutex>

#include "torch/gpus.h"
#include "torch/health.h"
#include "torch/result.h"
#include "torch/training.h"

namespace vectune::device {

namespace {

/// Steps given to the device that nobody has waited for: enough to keep it busy.
constexpr size_t kMostBegun = 8;

}  // namespace

class BegunStep {
 public:
  enum class Fate { kTaken, kLeftOut, kNotFinite, kOverflow };

  /// `numbers`: loss, gradient norm, whether one before it had failed, whether its own loss or norm is not finite,
  /// whether a gradient overflowed in fp16, which the loss scale mends.
  BegunStep(const Place& place, const at::Tensor& numbers, int64_t tokens, bool has_norm, float decay)
      : decay(decay), result_(place, numbers), tokens_(tokens), has_norm_(has_norm) {}

  const float decay;  // of embedding rows that no text uses, where it is taken

  /// Waits. Any thread.
  Fate fate() {
    const float* numbers = wait();
    if (numbers[2] != 0.0f) return Fate::kLeftOut;
    if (numbers[3] != 0.0f) return Fate::kNotFinite;
    return numbers[4] != 0.0f ? Fate::kOverflow : Fate::kTaken;
  }

  std::optional<StepResult> outcome() {
    switch (fate()) {
      case Fate::kLeftOut: return std::nullopt;
      case Fate::kNotFinite: throw not_finite(std::isfinite(wait()[0]) ? "norm of the gradient" : "loss");
      case Fate::kTaken:
      case Fate::kOverflow: break;
    }
    const float* numbers = wait();
    StepResult step{numbers[0], std::nullopt, tokens_};
    if (has_norm_) step.gradient_norm = numbers[1];
    return step;
  }

  /// Whether it was waited for already.
  bool known() const { return known_; }

 private:
  const float* wait() {
    const std::lock_guard<std::mutex> lock(mutex_);
    const float* numbers = result_.wait();
    known_ = true;
    return numbers;
  }

  std::mutex mutex_;  // the trainer's `settle` and who waits for the outcome
  DeviceResult result_;
  std::atomic<bool> known_{false};
  const int64_t tokens_;
  const bool has_norm_;
};

StepPipeline::StepPipeline(const TrainingContext& context, DevicePasses& passes) : c_(context), passes_(passes) {
  halted_ = at::zeros({}, passes_.floats());
  updates_ = at::zeros({}, passes_.floats());
  none_ = at::zeros({}, passes_.floats());
  if (c_.options.precision == Precision::kFp16) scaler_ = std::make_unique<LossScaler>(c_.options.place.torch());
}

/// All that a step needs beside its batch. The moments too: who fits beside them fits for good.
void StepPipeline::prepare() {
  look_back();
  LiveState& state = c_.state;
  passes_.reserve_gradients(state);
  if (!state.first_moments.defined()) {
    const int64_t elements = c_.layout.gradients().elements();
    const at::Tensor m = at::zeros({elements}, passes_.floats()), v = at::zeros({elements}, passes_.floats());
    state.first_moments = m;
    state.second_moments = v;
  }
  if (update_) return;
  const TrainerOptions& o = c_.options;
  update_ = std::make_unique<AdamWUpdate>(
      c_.layout, AdamWUpdate::Constants{o.beta1, o.beta2, o.eps, o.weight_decay, o.bias_correction}, state.weights,
      state.gradients, state.first_moments, state.second_moments);
}

StepOutcome StepPipeline::take(const at::Tensor& loss, int64_t tokens, double learning_rate) {
  const auto& limit = c_.options.max_gradient_norm;
  Cancel{&c_.cancelled}.check();
  at::Tensor finite = at::isfinite(loss), overflow = none_, norm = none_, divisor;
  if (scaler_) overflow = scaler_->unscale(update_->gradients());
  if (limit || !scaler_) norm = at::linalg_vector_norm(at::stack(at::_foreach_norm(update_->gradients())));
  if (!scaler_) finite = finite.logical_and(at::isfinite(norm));
  if (limit) divisor = ((norm + 1e-6) / *limit).clamp_min_(1.0);  // torch.nn.utils.clip_grad_norm_
  const at::Tensor bad = finite.logical_not().to(at::kFloat), before = halted_.clone();
  const at::Tensor halted = at::maximum(halted_, bad);
  const at::Tensor skip = at::maximum(halted, overflow);
  const at::Tensor updates = updates_ + 1.0 - skip,
                   numbers = at::stack({loss.to(at::kFloat), norm, before, bad, overflow});
  auto begun = std::make_shared<BegunStep>(c_.options.place, numbers, tokens, limit.has_value(),
                                           static_cast<float>(1.0 - learning_rate * c_.options.weight_decay));
  begun_.push_back(begun);
  // From here on no memory is taken.
  update_->run(learning_rate, updates, divisor, skip);
  if (scaler_) scaler_->update(overflow);
  passes_.weights_changed(c_.state);
  halted_.copy_(halted);
  updates_.copy_(updates);
  ++c_.state.steps;
  return StepOutcome([step = std::move(begun)] { return step->outcome(); });
}

void StepPipeline::rehearse(const at::Tensor& loss) {
  unscale();
  update_->run(0.0, updates_, {}, at::zeros({}, passes_.floats()).fill_(1.0));
  DeviceResult(c_.options.place, loss.to(at::kFloat)).wait();  // what went wrong on the device is told by then
}

void StepPipeline::unscale() {
  if (scaler_) scaler_->unscale(update_->gradients());
}

void StepPipeline::settle() {
  bool failed = false;
  for (; !begun_.empty(); begun_.pop_front()) {
    BegunStep& step = *begun_.front();
    switch (step.fate()) {
      case BegunStep::Fate::kTaken:
        if (step.decay != 1.0f) c_.state.unused_decay.push_back(step.decay);
        break;
      case BegunStep::Fate::kOverflow: break;
      case BegunStep::Fate::kLeftOut:
      case BegunStep::Fate::kNotFinite: failed = true; --c_.state.steps;
    }
  }
  if (failed) halted_.zero_();
}

/// Drops steps whose fate is known, waits where too many are begun, and takes back those of a failed one.
void StepPipeline::look_back() {
  while (!begun_.empty() && (begun_.front()->known() || begun_.size() >= kMostBegun)) {
    BegunStep& step = *begun_.front();
    const auto fate = step.fate();
    if (fate == BegunStep::Fate::kNotFinite || fate == BegunStep::Fate::kLeftOut) return settle();
    if (fate == BegunStep::Fate::kTaken && step.decay != 1.0f) c_.state.unused_decay.push_back(step.decay);
    begun_.pop_front();
  }
}

void StepPipeline::buffers_replaced() {
  update_.reset();
  passes_.forget_gradients(c_.state);
}

std::vector<float> StepPipeline::scaler() const {
  if (!scaler_) return {};
  std::vector<float> state = scaler_->state();
  state.push_back(updates_.item<float>());
  return state;
}

void StepPipeline::set_scaler(const std::vector<float>& state) {
  const bool whole = scaler_ && state.size() == 3;
  if (whole) scaler_->set_state(state[0], state[1]);
  updates_.fill_(whole ? static_cast<double>(state[2]) : static_cast<double>(c_.state.steps));
}

TrainingBackend make_training_backend(const TrainingContext& context) {
  require(context.options.place);
  TrainingBackend backend;
  on_device(context.options.place, [&] {
    auto passes = std::make_unique<DevicePasses>(context);
    backend.optimiser = std::make_unique<StepPipeline>(context, *passes);
    backend.passes = std::move(passes);
  });
  return backend;
}

}  // namespace vectune::device
