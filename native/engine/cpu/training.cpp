#include "cpu/training.h"

#include <ATen/ops/from_blob.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "cpu/encoder.h"
#include "cpu/gemm.h"
#include "cpu/head.h"
#include "cpu/packed_batch.h"
#include "embed/inference.h"
#include "runtime/arena.h"
#include "runtime/memory_budget.h"

namespace vectune::cpu {

namespace {

/// The encoder's matrices in bf16, where products read them so: from `embeddings_end` to the end of the layers.
/// Undefined in fp32.
struct MatrixCopies {
  at::Tensor flat;
};

/// The passes in compute precision T.
template <typename T>
class CpuPasses final : public Passes {
 public:
  explicit CpuPasses(const TrainingContext& context)
      : c_(context),
        encoder_(c_.spec.encoder, c_.table),
        activations_(c_.spec.encoder, true),
        backward_(c_.spec.encoder),
        head_(c_.spec, c_.table),
        evaluation_(c_.spec, c_.table) {}

  MatrixCopies& copies() { return copies_; }

  void weights_replaced(LiveState& state) override {
    if constexpr (!std::is_same_v<T, float>) {
      const int64_t begin = c_.layout.at(c_.table.embeddings_end),
                    count = c_.layout.at(c_.table.layers.back().end) - begin;
      if (!copies_.flat.defined()) copies_.flat = at::empty({count}, at::TensorOptions().dtype(at::kBFloat16));
      kernels::table().common.to_bf16(static_cast<bf16*>(copies_.flat.mutable_data_ptr()),
                                      state.weights.const_data_ptr<float>() + begin, count);
    }
  }

  at::Tensor forward(std::span<const int32_t> texts, const MaskKey& masks, bool) override {
    pack(texts, Gemm<T>::row_rounding());
    activations_.reserve(batch_.rows().padded, batch_.longest());
    note_workspace();
    plan_ = dropout(masks.epoch);
    const float* y = encoder_.forward(batch_.rows(), weights(), activations_, plan_, cancel());
    return vectors(head_.forward(batch_.rows(), y, weights().fp32), head_);
  }

  void backward(const at::Tensor& gradient, LiveState& state, bool add) override {
    const int64_t texts = gradient.size(0), wanted = texts * head_.widest();
    if (!head_gradient_.defined() || head_gradient_.numel() < wanted) head_gradient_ = empty_floats(wanted);
    head_gradient_.narrow(0, 0, gradient.numel()).view(gradient.sizes()).copy_(gradient);
    backward_.reserve(batch_.rows().padded, batch_.longest());
    note_workspace();
    if (!state.gradients.defined()) state.gradients = empty_floats(c_.layout.elements());
    float* g = state.gradients.mutable_data_ptr<float>();
    // the embedding tables' gradients are added to row by row; everything else is overwritten
    if (!add) std::memset(g, 0, sizeof(float) * static_cast<size_t>(c_.layout.at(c_.table.embeddings_end)));
    head_.backward(batch_.rows(), weights().fp32, head_gradient_.mutable_data_ptr<float>(), backward_.dy,
                   c_.layout.view(g), add);
    encoder_.backward(batch_.rows(), weights(), activations_, plan_, backward_, c_.layout.view(g), c_.layout.wanted(),
                      add, cancel());
    note_workspace();
  }

  at::Tensor evaluate(std::span<const int32_t> texts) override {
    int64_t tokens = 0;
    for (const int32_t text : texts) tokens += c_.dataset.length(text);
    pack(texts, inference_rounding(c_.options.precision, tokens));
    return vectors(infer(), evaluation_.head());
  }

  void end_evaluation() override {
    evaluation_.release();
    batch_.release();
  }

  void release() override {
    release_training_buffers();
    batch_.release();
  }

  /// More than any product takes beside its operands: a copy of all three.
  std::optional<int64_t> momentary_bytes() const override {
    const int64_t hidden = c_.spec.encoder.hidden_size,
                  widest = std::max(3 * hidden, c_.spec.encoder.intermediate_size);
    return static_cast<int64_t>(sizeof(float)) * (activations_.rows() * (hidden + widest) + hidden * widest);
  }

 private:
  void note_workspace() {
    note({activations_.rows(), activations_.bytes() + backward_.bytes() + head_.bytes(),
          activations_.growths() + backward_.growths()});
  }

  Cancel cancel() const { return {&c_.cancelled}; }

  EncoderWeights<T> weights() const {
    const float* w = c_.state.weights.const_data_ptr<float>();
    const FlatView<const float> fp32 = c_.layout.view(w);
    if constexpr (std::is_same_v<T, float>) return {fp32, fp32.rest, fp32.rest_begin};
    else return {fp32, static_cast<const bf16*>(copies_.flat.const_data_ptr()), c_.table.embeddings_end};
  }

  DropoutPlan dropout(int64_t epoch) const {
    const EncoderSpec& e = c_.spec.encoder;
    const float hidden = c_.options.dropout.value_or(e.hidden_dropout);
    const float attention = c_.options.dropout.value_or(e.attention_dropout);
    const float attention_out = e.architecture == Architecture::kDistilBert ? 0.0f : hidden;
    return {hidden, attention, attention_out, c_.options.seed, static_cast<uint32_t>(epoch)};
  }

  /// Dropout's masks know a text by its number in the data set, so they do not depend on the batch that it is in.
  void pack(std::span<const int32_t> texts, int64_t rounding) {
    batch_.pack(
        static_cast<int64_t>(texts.size()),
        [&](int64_t i) {
          const int32_t text = texts[static_cast<size_t>(i)];
          return PackedBatch::Text{c_.dataset.ids() + c_.dataset.offsets()[text], c_.dataset.length(text), text};
        },
        rounding, c_.vocabulary.remap());
  }

  at::Tensor vectors(const float* values, const Head& head) const {
    return at::from_blob(const_cast<float*>(values), {batch_.rows().texts, head.dimension()},
                         at::TensorOptions().dtype(at::kFloat));
  }

  /// Vectors of the batch. What training left standing goes where there is no room beside it.
  const float* infer() {
    try {
      return evaluation_.run(batch_, weights(), cancel());
    } catch (const c10::OutOfMemoryError&) {
      if (activations_.rows() == 0) throw;
    }
    evaluation_.release();
    release_training_buffers();
    return evaluation_.run(batch_, weights(), cancel());
  }

  void release_training_buffers() {
    activations_.release();
    backward_.release();
    head_.release();
    head_gradient_.reset();
    note_workspace();
  }

  TrainingContext c_;
  Encoder<T> encoder_;
  Activations<T> activations_;
  BackwardBuffers<T> backward_;
  Head head_;
  InferencePass<T> evaluation_;
  PackedBatch batch_;
  DropoutPlan plan_;  // of the last forward
  at::Tensor head_gradient_;
  MatrixCopies copies_;
};

/// AdamW by one kernel, at once.
class CpuAdamW final : public Optimiser {
 public:
  CpuAdamW(const TrainingContext& context, MatrixCopies& copies) : c_(context), copies_(copies) {}

  StepOutcome take(const at::Tensor& loss, int64_t tokens, double learning_rate) override {
    StepResult result{loss.item<double>(), std::nullopt, tokens};
    reserve_moments();
    if (!std::isfinite(result.loss)) throw not_finite("loss");
    Cancel{&c_.cancelled}.check();
    // Under a finite loss too, a gradient can overflow; AdamW would make weights of it that are not finite.
    const double norm = gradient_norm();
    if (!std::isfinite(norm)) throw not_finite("norm of the gradient");
    double scale = 1.0;
    if (c_.options.max_gradient_norm) {
      result.gradient_norm = norm;
      scale = std::min(1.0, *c_.options.max_gradient_norm / (norm + 1e-6));  // torch.nn.utils.clip_grad_norm_
    }
    update(learning_rate, scale);  // nothing from here on can fail
    return StepOutcome(result);
  }

  void rehearse(const at::Tensor&) override { reserve_moments(); }

 private:
  void reserve_moments() {
    LiveState& state = c_.state;
    if (state.first_moments.defined()) return;
    at::Tensor m = empty_floats(c_.layout.elements()), v = empty_floats(c_.layout.elements());
    m.zero_();
    v.zero_();
    state.first_moments = m;
    state.second_moments = v;
  }

  double gradient_norm() const {
    double squares = 0;
    for (const auto& s : c_.layout.segments())
      squares += kernels::table().common.sum_of_squares(c_.state.gradients.const_data_ptr<float>() + s.begin, s.elements);
    return std::sqrt(squares);
  }

  void update(double learning_rate, double gradient_scale) {
    const TrainerOptions& options = c_.options;
    LiveState& state = c_.state;
    const double t = static_cast<double>(++state.steps);
    // Of the decays as the kernel has them: 1 − float(0.999) is not float(0.001), and the first steps would show it.
    const auto correction = [&](double beta) {
      return options.bias_correction ? 1.0 - std::pow(static_cast<double>(static_cast<float>(beta)), t) : 1.0;
    };
    const double correction1 = correction(options.beta1), correction2 = correction(options.beta2);
    const auto decay = static_cast<float>(1.0 - learning_rate * options.weight_decay);
    const int64_t matrices_begin = c_.layout.at(c_.table.embeddings_end),
                  matrices_end = c_.layout.at(c_.table.layers.back().end);
    for (const auto& s : c_.layout.segments()) {
      // a segment may reach over the border of what the bf16 copies cover
      const int64_t borders[] = {s.begin, std::clamp(matrices_begin, s.begin, s.begin + s.elements),
                                 std::clamp(matrices_end, s.begin, s.begin + s.elements), s.begin + s.elements};
      for (int part = 0; part < 3; ++part) {
        const int64_t begin = borders[part], elements = borders[part + 1] - begin;
        if (elements == 0) continue;
        bf16* copy = nullptr;
        if (part == 1 && copies_.flat.defined())
          copy = static_cast<bf16*>(copies_.flat.mutable_data_ptr()) + (begin - matrices_begin);
        kernels::table().common.adamw(
            {elements, state.weights.mutable_data_ptr<float>() + begin,
             state.first_moments.mutable_data_ptr<float>() + begin,
             state.second_moments.mutable_data_ptr<float>() + begin, state.gradients.const_data_ptr<float>() + begin,
             copy, static_cast<float>(gradient_scale), s.decays ? decay : 1.0f, static_cast<float>(options.beta1),
             static_cast<float>(options.beta2), static_cast<float>(options.eps),
             static_cast<float>(learning_rate / correction1), static_cast<float>(1.0 / std::sqrt(correction2))});
      }
    }
    if (decay != 1.0f) state.unused_decay.push_back(decay);
  }

  TrainingContext c_;
  MatrixCopies& copies_;
};

template <typename T>
TrainingBackend make(const TrainingContext& context) {
  auto passes = std::make_unique<CpuPasses<T>>(context);
  auto optimiser = std::make_unique<CpuAdamW>(context, passes->copies());
  return {std::move(passes), std::move(optimiser)};
}

}  // namespace

TrainingBackend make_training_backend(const TrainingContext& context) {
  switch (context.options.precision) {
    case Precision::kFp32: return make<float>(context);
    case Precision::kBf16: return make<bf16>(context);
    default: throw Error(ErrorCode::kInvalidArgument, "On the processor training is in fp32 or bf16.");
  }
}

}  // namespace vectune::cpu
