#include "cpu/training.h"

#include <ATen/ops/empty.h>
#include <c10/util/Exception.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <optional>

#include "cpu/cpu_backend.h"
#include "cpu/kernels.h"
#include "cpu/widened_linear.h"
#include "nn/sentence_encoder.h"
#include "runtime/arena.h"
#include "runtime/errors.h"

namespace vectune::cpu {

namespace {

/// The encoder's matrices in bf16, where products read them so: of the layout what is from `embeddings_end` to the end
/// of the layers. Undefined in fp32.
struct MatrixCopies {
  at::Tensor flat;
};

/// The encoder's matrices in training: `weights` has those of the layout, from its `begin` on; frozen ones that the
/// model keeps in bf16 are read where they are.
template <typename T>
class TrainingMatrices final : public Matrices<T> {
 public:
  TrainingMatrices(const ParameterTable& table, const TrainingLayout& layout, const T* weights, int64_t begin)
      : kept_(layout.kept()) {
    const auto linears = table.linears();
    const auto kept = [&](const LinearAt* l) -> const bf16* {
      const auto found = kept_.find(l->weight);
      return found == kept_.end() ? nullptr : static_cast<const bf16*>(found->second.const_data_ptr());
    };
    if constexpr (std::is_same_v<T, float>) {
      int64_t largest = 0;
      for (const LinearAt* l : linears)
        if (kept(l)) largest = std::max(largest, l->in * l->out);
      if (largest > 0) wide_.carve([&](Arena::Carver& carver) { carver.take<float>(largest); });
    }
    for (const LinearAt* l : linears) {
      const bf16* half = kept(l);
      if (!half) this->add(std::make_unique<PlainLinear<T>>(weights + (layout.at(l->weight) - begin), l->in, l->out));
      else if constexpr (std::is_same_v<T, bf16>) this->add(std::make_unique<PlainLinear<T>>(half, l->in, l->out));
      else this->add(std::make_unique<WidenedLinear>(half, l->in, l->out, static_cast<float*>(wide_.data())));
    }
  }

 private:
  std::map<int64_t, at::Tensor> kept_;
  Arena wide_;
};

/// The passes in compute precision T.
template <typename T>
class CpuPasses final : public Passes {
 public:
  explicit CpuPasses(const TrainingContext& context)
      : c_(context),
        backend_(c_.spec, c_.table, Use::kTraining),
        encoder_(c_.spec, c_.table, backend_),
        evaluation_backend_(c_.spec, c_.table, Use::kInference),
        evaluation_(c_.spec, c_.table, evaluation_backend_) {}

  MatrixCopies& copies() { return copies_; }

  void weights_replaced(LiveState& state) override {
    const FlatView<const float> fp32 = c_.layout.view(state.weights.const_data_ptr<float>());
    if constexpr (std::is_same_v<T, float>) {
      matrices_.emplace(c_.table, c_.layout, fp32.rest, c_.layout.at(fp32.rest_begin));
    } else {
      const int64_t begin = c_.layout.at(c_.table.embeddings_end), count = c_.layout.at(c_.table.layers_end()) - begin;
      if (!copies_.flat.defined()) copies_.flat = at::empty({count}, at::TensorOptions().dtype(at::kBFloat16));
      kernels::table().common.to_bf16(static_cast<bf16*>(copies_.flat.mutable_data_ptr()),
                                      state.weights.const_data_ptr<float>() + begin, count);
      matrices_.emplace(c_.table, c_.layout, static_cast<const bf16*>(copies_.flat.const_data_ptr()), begin);
    }
    backend_.set_weights(fp32, *matrices_);
    evaluation_backend_.set_weights(fp32, *matrices_);
  }

  at::Tensor forward(std::span<const int32_t> texts, const std::vector<int64_t>& layers, const MaskKey& masks,
                     bool keep) override {
    plan_ = DropoutPlan::of(c_.spec.encoder, c_.options.dropout, c_.options.seed, static_cast<uint32_t>(masks.epoch));
    const at::Tensor vectors = encoder_.forward(c_.texts(texts), plan_, keep, cancel(), layers);
    note_workspace();
    return vectors;
  }

  void backward(const at::Tensor& gradient, LiveState& state, bool add) override {
    const GradientPlaces& places = c_.layout.gradients();
    if (!state.gradients.defined()) state.gradients = empty_floats(places.elements());
    float* g = state.gradients.mutable_data_ptr<float>();
    // the embedding tables' gradients are added to row by row; everything else is overwritten
    if (!add) std::memset(g, 0, sizeof(float) * static_cast<size_t>(places.tables));
    backend_.set_gradients(g, places, add);
    encoder_.backward(gradient.to(at::kFloat), plan_, c_.layout.wanted(), cancel());
    note_workspace();
  }

  /// What training left standing goes where there is no room beside it.
  at::Tensor evaluate(std::span<const int32_t> texts, const std::vector<int64_t>& layers) override {
    try {
      return evaluation_.forward(c_.texts(texts), {}, false, cancel(), layers);
    } catch (const c10::OutOfMemoryError&) {
      if (backend_.rows() == 0) throw;
    }
    evaluation_.release();
    release();
    return evaluation_.forward(c_.texts(texts), {}, false, cancel(), layers);
  }

  void end_evaluation() override { evaluation_.release(); }

  void release() override {
    encoder_.release();
    note_workspace();
  }

  int64_t enough_tokens() const override { return kEnoughTokens; }

  /// More than any product takes beside its operands: a copy of all three.
  std::optional<int64_t> momentary_bytes() const override {
    const int64_t hidden = c_.spec.encoder.hidden_size, inner = c_.spec.encoder.intermediate_size,
                  heads = c_.spec.encoder.qkv_width(), narrow = std::max(hidden, c_.spec.encoder.attention_width()),
                  widest = std::max(heads, c_.spec.encoder.architecture->gated() ? 2 * inner : inner);
    return static_cast<int64_t>(sizeof(float)) * (backend_.rows() * (narrow + widest) + narrow * widest);
  }

 private:
  using Use = typename CpuBackend<T>::Use;

  static constexpr int64_t kEnoughTokens = 1536;

  void note_workspace() { note({backend_.rows(), backend_.bytes() + encoder_.head_bytes(), backend_.growths()}); }
  Cancel cancel() const { return {&c_.cancelled}; }

  TrainingContext c_;
  MatrixCopies copies_;
  std::optional<TrainingMatrices<T>> matrices_;
  CpuBackend<T> backend_;
  SentenceEncoder encoder_;
  CpuBackend<T> evaluation_backend_;
  SentenceEncoder evaluation_;
  DropoutPlan plan_;  // of the last forward
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
    const int64_t elements = c_.layout.gradients().elements();
    at::Tensor m = empty_floats(elements), v = empty_floats(elements);
    m.zero_();
    v.zero_();
    state.first_moments = m;
    state.second_moments = v;
  }

  double gradient_norm() const {
    double squares = 0;
    for (const auto& s : c_.layout.segments())
      squares += kernels::table().common.sum_of_squares(c_.state.gradients.const_data_ptr<float>() + s.gradient_begin,
                                                        s.elements);
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
                  matrices_end = c_.layout.at(c_.table.layers_end());
    for (const auto& s : c_.layout.segments()) {
      // a segment may reach over the border of what the bf16 copies cover
      const int64_t borders[] = {s.begin, std::clamp(matrices_begin, s.begin, s.begin + s.elements),
                                 std::clamp(matrices_end, s.begin, s.begin + s.elements), s.begin + s.elements};
      for (int part = 0; part < 3; ++part) {
        const int64_t begin = borders[part], elements = borders[part + 1] - begin,
                      gradient = s.gradient_begin + begin - s.begin;
        if (elements == 0) continue;
        bf16* copy = nullptr;
        if (part == 1 && copies_.flat.defined())
          copy = static_cast<bf16*>(copies_.flat.mutable_data_ptr()) + (begin - matrices_begin);
        kernels::table().common.adamw({elements, state.weights.mutable_data_ptr<float>() + begin,
                                       state.first_moments.mutable_data_ptr<float>() + gradient,
                                       state.second_moments.mutable_data_ptr<float>() + gradient,
                                       state.gradients.const_data_ptr<float>() + gradient, copy,
                                       static_cast<float>(gradient_scale), s.decays ? decay : 1.0f,
                                       static_cast<float>(options.beta1), static_cast<float>(options.beta2),
                                       static_cast<float>(options.eps), static_cast<float>(learning_rate / correction1),
                                       static_cast<float>(1.0 / std::sqrt(correction2))});
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
