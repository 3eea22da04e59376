#include "torch/trainer.h"

#include <ATen/Context.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/_foreach_norm.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/maximum.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>
#include <deque>

#include "losses/device_cosine_mse.h"
#include "runtime/split_mix.h"
#include "torch/adamw_update.h"
#include "torch/encoder.h"
#include "torch/head.h"
#include "torch/health.h"
#include "torch/loss_scaler.h"
#include "torch/memory.h"
#include "torch/precision.h"
#include "torch/result.h"

namespace vectune::device {

namespace {

/// Steps given to the device that nobody has waited for: enough to keep it busy.
constexpr size_t kMostBegun = 8;

/// A step that was begun, and what became of it.
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

/// Training by LibTorch's tensors on `options.place`. A step is given to the device whole and not waited for: what
/// decides about it (a loss or a gradient's norm that is not finite) is decided there, by factors of the update. Until
/// the processor has seen that a step failed, those begun after it leave everything alone too, so a step that failed
/// leaves weights, moments and count as before it.
class DeviceTrainer final : public Trainer::Impl {
 public:
  DeviceTrainer(std::shared_ptr<Model> model, std::shared_ptr<const Dataset> dataset, TrainerOptions given)
      : Impl(std::move(model), std::move(dataset), std::move(given)),
        place_(options.place),
        type_(compute_type(options.precision)),
        encoder_(spec.encoder,
                 PackedAttention(PackedAttention::choose(place_, gpu_of(place_), type_, spec.encoder.head_size()),
                                 spec.encoder.heads, spec.encoder.head_size())),
        head_(spec, table) {
    const memory_budget::ScopedLimit limit(options.memory_limit);
    guarded([&] {
      weights = at_work(weights);
      halted_ = at::zeros({}, floats());
      updates_ = at::zeros({}, floats());
      none_ = at::zeros({}, floats());
      if (options.precision == Precision::kFp16) scaler_ = std::make_unique<LossScaler>(place_.torch());
      weights_replaced();
    });
  }

  void weights_replaced() override {
    const FlatTensor fp32{weights, layout.rest_begin() - layout.words()};
    head_weights_ = fp32;
    if (type_ == at::kFloat) {
      compute_ = weights;
    } else {
      if (!compute_.defined()) compute_ = at::empty({layout.elements()}, floats().dtype(type_));
      compute_.copy_(weights);
    }
    const FlatTensor compute{compute_, fp32.shift};
    tensors_ = encoder_tensors(compute, table, spec.encoder);
    tables_ = embedding_tables(words_of(compute_), compute, table, spec.encoder);
    update_.reset();  // its views may be of what is no more
  }

  StepOutcome begin_step(const int32_t* rows, int64_t count, int64_t micro_batch, double learning_rate,
                         int64_t epoch) override {
    return guarded([&] {
      look_back();
      try {
        enqueue(rows, count, micro_batch, learning_rate, epoch);
      } catch (...) {
        give_way();
        throw;
      }
      return StepOutcome([step = begun_.back()] { return step->outcome(); });
    });
  }

  void settle() override {
    guarded([&] {
      bool failed = false;
      for (; !begun_.empty(); begun_.pop_front()) {
        BegunStep& step = *begun_.front();
        switch (step.fate()) {
          case BegunStep::Fate::kTaken:
            if (step.decay != 1.0f) unused_decay.push_back(step.decay);
            break;
          case BegunStep::Fate::kOverflow: break;
          case BegunStep::Fate::kLeftOut:
          case BegunStep::Fate::kNotFinite: failed = true; --steps;
        }
      }
      if (failed) halted_.zero_();
    });
  }

  void probe(const int32_t* rows, int64_t count) override {
    const bool had_moments = first_moments.defined(), had_gradients = gradients.defined();
    struct Release {
      DeviceTrainer& t;
      bool moments, gradients;
      ~Release() {
        if (moments || gradients) t.update_.reset(), t.gradient_tensors_ = {};
        if (moments) t.first_moments.reset(), t.second_moments.reset();
        if (gradients) t.gradients.reset(), t.half_gradients_.reset();
        t.release_workspace();
      }
    } release{*this, !had_moments, !had_gradients};
    guarded([&] {
      reserve();
      const at::Tensor loss = accumulate(rows, count, count, 0, nullptr);
      if (scaler_) scaler_->unscale(update_->gradients());
      update_->run(0.0, updates_, {}, at::zeros({}, floats()).fill_(1.0));
      DeviceResult(place_, loss).wait();  // what went wrong on the device is told by then
    });
  }

  void evaluate(const int32_t* rows, int64_t count, int64_t micro_batch, float* out) override {
    guarded([&] {
      try {
        std::vector<at::Tensor> parts;
        for (int64_t first = 0; first < count; first += micro_batch) {
          const int64_t pairs = std::min(micro_batch, count - first);
          const DeviceBatch batch = pack(rows + first, pairs);
          const at::Tensor y = encoder_.forward(batch, tables_, tensors_, {}, nullptr, cancel());
          parts.push_back(cosine_mse::similarities(head_.forward(batch, y, head_weights_)));
        }
        head_.release();
        const at::Tensor all = at::cat(parts).cpu();
        std::memcpy(out, all.const_data_ptr<float>(), sizeof(float) * static_cast<size_t>(count));
      } catch (...) {
        give_way();
        throw;
      }
    });
  }

  double gradients_of(const int32_t* rows, int64_t count, int64_t micro_batch) override {
    return guarded([&] {
      reserve();
      const at::Tensor loss = accumulate(rows, count, micro_batch, 0, nullptr);
      if (scaler_) scaler_->unscale(update_->gradients());
      return static_cast<double>(loss.item<float>());
    });
  }

  at::Tensor on_host(const at::Tensor& flat) const override {
    return flat.defined() ? guarded([&] { return flat.cpu(); }) : flat;
  }
  at::Tensor at_work(const at::Tensor& flat) const override {
    return flat.defined() ? guarded([&] { return flat.to(place_.torch()); }) : flat;
  }

  std::vector<float> scaler() const override {
    if (!scaler_) return {};
    return guarded([&] {
      std::vector<float> state = scaler_->state();
      state.push_back(updates_.item<float>());
      return state;
    });
  }
  void set_scaler(const std::vector<float>& state) override {
    const bool whole = scaler_ && state.size() == 3;
    if (whole) scaler_->set_state(state[0], state[1]);
    updates_.fill_(whole ? static_cast<double>(state[2]) : static_cast<double>(steps));
  }

 private:
  template <typename Work>
  auto guarded(Work work) const -> decltype(work()) {
    return on_device(place_, [&] {
      const ScopedTf32 tf32(place_, options.precision);
      return work();
    });
  }

  Cancel cancel() const { return {&cancelled}; }
  at::TensorOptions floats() const { return at::TensorOptions().dtype(at::kFloat).device(place_.torch()); }
  at::Tensor words_of(const at::Tensor& flat) const {
    return flat.narrow(0, 0, layout.words()).view({vocabulary.size(), spec.encoder.hidden_size});
  }

  DropoutRates dropout() const {
    const EncoderSpec& e = spec.encoder;
    const double hidden = options.dropout.value_or(e.hidden_dropout),
                 attention = options.dropout.value_or(e.attention_dropout);
    return {hidden, attention, e.architecture == Architecture::kDistilBert ? 0.0 : hidden};
  }

  /// The masks of a step are a function of seed, epoch, step and place in the step, so a resumed run has those of one
  /// that was never interrupted, and no generator's state need be kept.
  void seed_masks(int64_t epoch, int64_t first) {
    const uint64_t run = split_mix(static_cast<uint64_t>(options.seed) << 32 | static_cast<uint64_t>(epoch));
    const uint64_t seed = split_mix(split_mix(run + static_cast<uint64_t>(steps)) + static_cast<uint64_t>(first));
    at::Generator generator = at::globalContext().defaultGenerator(place_.torch());
    const std::lock_guard<std::mutex> lock(generator.mutex());
    generator.set_current_seed(seed);
  }

  DeviceBatch pack(const int32_t* rows, int64_t pairs) const {
    std::vector<float> scores(static_cast<size_t>(pairs));
    for (int64_t i = 0; i < pairs; ++i) scores[static_cast<size_t>(i)] = dataset->scores()[rows[i]];
    return stage(
        place_, 2 * pairs,
        [&](int64_t i) {
          const int64_t text = 2 * int64_t{rows[i / 2]} + i % 2;
          return StagedText{dataset->ids() + dataset->offsets()[text], dataset->length(text)};
        },
        scores, spec.encoder.position_offset, vocabulary.remap());
  }

  /// What a step needs beside its batch. The moments too: who fits beside them fits for good.
  void reserve() {
    if (!gradients.defined()) gradients = at::zeros({layout.elements()}, floats());
    if (type_ != at::kFloat && !half_gradients_.defined())
      half_gradients_ = at::zeros({table.layers.back().end - table.embedding_norm.weight}, floats().dtype(type_));
    if (!first_moments.defined()) {
      const at::Tensor m = at::zeros({layout.elements()}, floats()), v = at::zeros({layout.elements()}, floats());
      first_moments = m;
      second_moments = v;
    }
    if (update_) return;
    const FlatTensor flat{gradients, head_weights_.shift};
    const FlatTensor compute = type_ == at::kFloat ? flat : FlatTensor{half_gradients_, table.embedding_norm.weight};
    gradient_tensors_ = {encoder_tensors(compute, table, spec.encoder),
                         embedding_tables(words_of(gradients), flat, table, spec.encoder), false};
    update_ = std::make_unique<AdamWUpdate>(layout,
                                            AdamWUpdate::Constants{options.beta1, options.beta2, options.eps,
                                                                   options.weight_decay, options.bias_correction},
                                            weights, gradients, first_moments, second_moments);
  }

  /// Forward and backward of all rows, `micro_batch` pairs at a time; the gradients are those of the mean over
  /// `count`, times the loss scale in fp16. Returns the loss, on the device.
  at::Tensor accumulate(const int32_t* rows, int64_t count, int64_t micro_batch, int64_t epoch, int64_t* tokens) {
    const DropoutRates rates = dropout();
    const int64_t norm_begin = layout.at(table.embedding_norm.weight), layers_end = layout.at(table.layers.back().end);
    // The tables' gradients are added to row by row; everything else is overwritten.
    gradients.narrow(0, 0, norm_begin).zero_();
    at::Tensor loss;
    for (int64_t first = 0; first < count; first += micro_batch) {
      const int64_t pairs = std::min(micro_batch, count - first);
      const bool add = first > 0;
      const DeviceBatch batch = pack(rows + first, pairs);
      if (tokens) *tokens += batch.tokens;
      workspace_rows = batch.rows;
      if (rates.hidden > 0 || rates.attention > 0) seed_masks(epoch, first);
      const at::Tensor y = encoder_.forward(batch, tables_, tensors_, rates, &activations_, cancel());
      const auto part = cosine_mse::loss_and_gradient(head_.forward(batch, y, head_weights_), batch.scores, count,
                                                      scaler_ ? scaler_->scale() : at::Tensor());
      loss = add ? loss.add_(part.share) : part.share;
      at::Tensor dy = head_.backward(batch, part.gradient, head_weights_, {gradients, head_weights_.shift}, add);
      head_.release();
      gradient_tensors_.accumulate = type_ == at::kFloat && add;
      encoder_.backward(std::move(dy), batch, tensors_, rates, activations_, gradient_tensors_, layout.wanted(),
                        cancel());
      activations_ = {};
      if (type_ == at::kFloat) continue;
      at::Tensor into = gradients.narrow(0, norm_begin, layers_end - norm_begin);
      if (add) into.add_(half_gradients_);
      else into.copy_(half_gradients_);
    }
    return loss;
  }

  void enqueue(const int32_t* rows, int64_t count, int64_t micro_batch, double learning_rate, int64_t epoch) {
    reserve();
    int64_t tokens = 0;
    const at::Tensor loss = accumulate(rows, count, micro_batch, epoch, &tokens);
    cancel().check();
    at::Tensor finite = at::isfinite(loss), overflow = none_, norm = none_, divisor;
    if (scaler_) overflow = scaler_->unscale(update_->gradients());
    if (options.max_gradient_norm || !scaler_)
      norm = at::linalg_vector_norm(at::stack(at::_foreach_norm(update_->gradients())));
    if (!scaler_) finite = finite.logical_and(at::isfinite(norm));
    if (options.max_gradient_norm)  // torch.nn.utils.clip_grad_norm_
      divisor = ((norm + 1e-6) / *options.max_gradient_norm).clamp_min_(1.0);
    const at::Tensor bad = finite.logical_not().to(at::kFloat), before = halted_.clone();
    const at::Tensor halted = at::maximum(halted_, bad);
    const at::Tensor skip = at::maximum(halted, overflow);
    const at::Tensor updates = updates_ + 1.0 - skip, numbers = at::stack({loss, norm, before, bad, overflow});
    auto begun = std::make_shared<BegunStep>(place_, numbers, tokens, options.max_gradient_norm.has_value(),
                                             static_cast<float>(1.0 - learning_rate * options.weight_decay));
    // From here on no memory is taken.
    update_->run(learning_rate, updates, divisor, skip);
    if (scaler_) scaler_->update(overflow);
    if (type_ != at::kFloat) compute_.copy_(weights);
    halted_.copy_(halted);
    updates_.copy_(updates);
    begun_.push_back(std::move(begun));
    ++steps;
  }

  /// Drops steps whose fate is known, waits where too many are begun, and takes back those of a failed one.
  void look_back() {
    while (!begun_.empty() && (begun_.front()->known() || begun_.size() >= kMostBegun)) {
      BegunStep& step = *begun_.front();
      const auto fate = step.fate();
      if (fate == BegunStep::Fate::kNotFinite || fate == BegunStep::Fate::kLeftOut) return settle();
      if (fate == BegunStep::Fate::kTaken && step.decay != 1.0f) unused_decay.push_back(step.decay);
      begun_.pop_front();
    }
  }

  /// After exhausted memory: the remains of a batch that is too large must not take the room of a smaller one.
  void give_way() {
    if (current_error().code() == ErrorCode::kOutOfMemory) release_workspace();
  }

  void release_workspace() {
    activations_ = {};
    head_.release();
    release_cached(place_);
  }

  const Place place_;
  const at::ScalarType type_;
  DeviceEncoder encoder_;
  DeviceHead head_;
  at::Tensor compute_, half_gradients_;  // all weights, and the encoder's gradients, in the compute type
  FlatTensor head_weights_;
  EncoderTensors tensors_;
  EmbeddingTables tables_;
  EncoderGradients gradient_tensors_;
  DeviceActivations activations_;
  std::unique_ptr<AdamWUpdate> update_;
  std::unique_ptr<LossScaler> scaler_;
  at::Tensor halted_, updates_, none_;  // scalars: whether a step has failed; updates made; 0
  std::deque<std::shared_ptr<BegunStep>> begun_;
};

}  // namespace

std::unique_ptr<Trainer::Impl> make_trainer(std::shared_ptr<Model> model, std::shared_ptr<const Dataset> dataset,
                                            TrainerOptions options) {
  require(options.place);
  return std::make_unique<DeviceTrainer>(std::move(model), std::move(dataset), std::move(options));
}

}  // namespace vectune::device
