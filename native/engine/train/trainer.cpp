#include "train/trainer.h"

#include <c10/util/Exception.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "cpu/gemm.h"
#include "embed/inference.h"
#include "losses/cosine_mse.h"
#include "torch/trainer.h"
#include "train/trainer_impl.h"

namespace vectune {

namespace {

void check_rows(const int32_t* rows, int64_t count, int64_t pairs) {
  if (count < 1) throw Error(ErrorCode::kInvalidArgument, "A batch needs at least one row.");
  for (int64_t i = 0; i < count; ++i)
    if (rows[i] < 0 || rows[i] >= pairs)
      throw Error(ErrorCode::kInvalidArgument, "Row " + std::to_string(rows[i]) +
                                                   " is not a row of the dataset, which has " + std::to_string(pairs) +
                                                   " pairs.");
}

}  // namespace

namespace {

/// Training in compute precision T.
template <typename T>
class TrainerIn final : public Trainer::Impl {
 public:
  TrainerIn(std::shared_ptr<Model> model, std::shared_ptr<const Dataset> dataset, TrainerOptions options)
      : Impl(std::move(model), std::move(dataset), std::move(options)),
        encoder_(spec.encoder, table),
        activations_(spec.encoder, true),
        backward_(spec.encoder),
        head_(spec, table),
        evaluation_(spec, table) {
    const memory_budget::ScopedLimit limit(this->options.memory_limit);
    weights_replaced();
  }

  void weights_replaced() override {
    if constexpr (!std::is_same_v<T, float>) {
      const int64_t begin = layout.at(table.embeddings_end), count = layout.at(table.layers.back().end) - begin;
      if (!matrices_.defined()) matrices_ = at::empty({count}, at::TensorOptions().dtype(at::kBFloat16));
      kernels::table().common.to_bf16(static_cast<bf16*>(matrices_.mutable_data_ptr()),
                                      weights.const_data_ptr<float>() + begin, count);
    }
  }

  StepOutcome begin_step(const int32_t* rows, int64_t count, int64_t micro_batch, double learning_rate,
                         int64_t epoch) override {
    StepResult result{};
    try {
      result.loss = accumulate(rows, count, micro_batch, epoch, &result.tokens);
      reserve_moments();
    } catch (const c10::OutOfMemoryError&) {
      release_workspace();  // the buffers of a batch that is too large must not take the room of a smaller one
      throw;
    }
    if (!std::isfinite(result.loss)) throw not_finite("loss");
    cancel().check();
    // Under a finite loss too, a gradient can overflow; AdamW would make weights of it that are not finite.
    const double norm = gradient_norm();
    if (!std::isfinite(norm)) throw not_finite("norm of the gradient");
    double scale = 1.0;
    if (options.max_gradient_norm) {
      result.gradient_norm = norm;
      scale = std::min(1.0, *options.max_gradient_norm / (norm + 1e-6));  // torch.nn.utils.clip_grad_norm_
    }
    update(learning_rate, scale);  // nothing from here on can fail
    return StepOutcome(result);
  }

  void probe(const int32_t* rows, int64_t count) override {
    const bool had_moments = first_moments.defined(), had_gradients = gradients.defined();
    struct Release {
      TrainerIn& t;
      bool moments, gradients;
      ~Release() {
        t.release_workspace();
        if (moments) t.first_moments.reset(), t.second_moments.reset();
        if (gradients) t.gradients.reset();
      }
    } release{*this, !had_moments, !had_gradients};
    accumulate(rows, count, count, 0, nullptr);
    reserve_moments();
    // Later steps have the moments beside what products need for a moment, and add to what gradients there are.
    // Where that may not fit it is tried.
    if (memory_budget::headroom() > product_bytes()) return;
    std::vector<int32_t> twice(rows, rows + count);
    twice.insert(twice.end(), rows, rows + count);
    accumulate(twice.data(), 2 * count, count, 0, nullptr);
  }

  void evaluate(const int32_t* rows, int64_t count, int64_t micro_batch, float* out) override {
    struct Release {
      TrainerIn& t;
      ~Release() {
        t.evaluation_.release();
        t.batch_.release();
      }
    } release{*this};
    for (int64_t first = 0; first < count; first += micro_batch) {
      const int64_t pairs = std::min(micro_batch, count - first);
      int64_t tokens = 0;
      for (int64_t i = 0; i < pairs; ++i)
        tokens += dataset->length(2 * rows[first + i]) + dataset->length(2 * rows[first + i] + 1);
      pack(rows + first, pairs, inference_rounding(options.precision, tokens));
      const float* embeddings = infer();
      cosine_mse::similarities(embeddings, pairs, head_.dimension(), out + first);
    }
  }

  double gradients_of(const int32_t* rows, int64_t count, int64_t micro_batch) override {
    return accumulate(rows, count, micro_batch, 0, nullptr);
  }

 private:
  Cancel cancel() const { return {&cancelled}; }

  EncoderWeights<T> encoder_weights() const {
    const float* w = weights.const_data_ptr<float>();
    const FlatView<const float> fp32 = layout.view(w);
    if constexpr (std::is_same_v<T, float>) return {fp32, fp32.rest, fp32.rest_begin};
    else return {fp32, static_cast<const bf16*>(matrices_.const_data_ptr()), table.embeddings_end};
  }

  DropoutPlan dropout(int64_t epoch) const {
    const EncoderSpec& e = spec.encoder;
    const float hidden = options.dropout.value_or(e.hidden_dropout);
    const float attention = options.dropout.value_or(e.attention_dropout);
    const float attention_out = e.architecture == Architecture::kDistilBert ? 0.0f : hidden;
    return {hidden, attention, attention_out, options.seed, static_cast<uint32_t>(epoch)};
  }

  void pack(const int32_t* rows, int64_t pairs, int64_t rounding) {
    batch_.pack(
        2 * pairs,
        [&](int64_t i) {
          const int64_t text = 2 * int64_t{rows[i / 2]} + i % 2;
          return PackedBatch::Text{dataset->ids() + dataset->offsets()[text], dataset->length(text),
                                   static_cast<int32_t>(text)};
        },
        rounding, vocabulary.remap());
    scores_.resize(static_cast<size_t>(pairs));
    for (int64_t i = 0; i < pairs; ++i) scores_[static_cast<size_t>(i)] = dataset->scores()[rows[i]];
  }

  /// Forward and backward of all rows, `micro_batch` pairs at a time; the gradients are those of the mean over
  /// `count`. Returns the loss.
  double accumulate(const int32_t* rows, int64_t count, int64_t micro_batch, int64_t epoch, int64_t* tokens) {
    const DropoutPlan plan = dropout(epoch);
    double loss = 0;
    for (int64_t first = 0; first < count; first += micro_batch) {
      const int64_t pairs = std::min(micro_batch, count - first);
      pack(rows + first, pairs, Gemm<T>::row_rounding());
      if (tokens) *tokens += batch_.rows().rows;
      activations_.reserve(batch_.rows().padded, batch_.longest());
      note_workspace();
      const float* y = encoder_.forward(batch_.rows(), encoder_weights(), activations_, plan, cancel());
      const float* embeddings = head_.forward(batch_.rows(), y, encoder_weights().fp32);

      const int64_t wanted = 2 * pairs * head_.widest();
      if (!head_gradient_.defined() || head_gradient_.numel() < wanted) head_gradient_ = empty_floats(wanted);
      float* d = head_gradient_.mutable_data_ptr<float>();
      loss += cosine_mse::loss_and_gradient(embeddings, scores_.data(), pairs, head_.dimension(), count, d);

      backward_.reserve(batch_.rows().padded, batch_.longest());
      note_workspace();
      if (!gradients.defined()) gradients = empty_floats(layout.elements());
      float* g = gradients.mutable_data_ptr<float>();
      const bool add = first > 0;
      // the embedding tables' gradients are added to row by row; everything else is overwritten
      if (!add) std::memset(g, 0, sizeof(float) * static_cast<size_t>(layout.at(table.embeddings_end)));
      head_.backward(batch_.rows(), encoder_weights().fp32, d, backward_.dy, layout.view(g), add);
      encoder_.backward(batch_.rows(), encoder_weights(), activations_, plan, backward_, layout.view(g),
                        layout.wanted(), add, cancel());
      note_workspace();
    }
    return loss;
  }

  /// More than any product takes beside its operands: a copy of all three.
  int64_t product_bytes() const {
    const int64_t hidden = spec.encoder.hidden_size, widest = std::max(3 * hidden, spec.encoder.intermediate_size);
    return static_cast<int64_t>(sizeof(float)) * (activations_.rows() * (hidden + widest) + hidden * widest);
  }

  void reserve_moments() {
    if (first_moments.defined()) return;
    at::Tensor m = empty_floats(layout.elements()), v = empty_floats(layout.elements());
    m.zero_();
    v.zero_();
    first_moments = m;
    second_moments = v;
  }

  double gradient_norm() const {
    double squares = 0;
    for (const auto& s : layout.segments())
      squares += kernels::table().common.sum_of_squares(gradients.const_data_ptr<float>() + s.begin, s.elements);
    return std::sqrt(squares);
  }

  void update(double learning_rate, double gradient_scale) {
    const double t = static_cast<double>(++steps);
    // Of the decays as the kernel has them: 1 − float(0.999) is not float(0.001), and the first steps would show it.
    const auto correction = [&](double beta) {
      return options.bias_correction ? 1.0 - std::pow(static_cast<double>(static_cast<float>(beta)), t) : 1.0;
    };
    const double correction1 = correction(options.beta1), correction2 = correction(options.beta2);
    const auto decay = static_cast<float>(1.0 - learning_rate * options.weight_decay);
    const int64_t matrices_begin = layout.at(table.embeddings_end), matrices_end = layout.at(table.layers.back().end);
    for (const auto& s : layout.segments()) {
      // a segment may reach over the border of what the bf16 copies cover
      const int64_t borders[] = {s.begin, std::clamp(matrices_begin, s.begin, s.begin + s.elements),
                                 std::clamp(matrices_end, s.begin, s.begin + s.elements), s.begin + s.elements};
      for (int part = 0; part < 3; ++part) {
        const int64_t begin = borders[part], elements = borders[part + 1] - begin;
        if (elements == 0) continue;
        bf16* copy = nullptr;
        if constexpr (!std::is_same_v<T, float>)
          if (part == 1) copy = static_cast<bf16*>(matrices_.mutable_data_ptr()) + (begin - matrices_begin);
        kernels::table().common.adamw(
            {elements, weights.mutable_data_ptr<float>() + begin, first_moments.mutable_data_ptr<float>() + begin,
             second_moments.mutable_data_ptr<float>() + begin, gradients.const_data_ptr<float>() + begin, copy,
             static_cast<float>(gradient_scale), s.decays ? decay : 1.0f, static_cast<float>(options.beta1),
             static_cast<float>(options.beta2), static_cast<float>(options.eps),
             static_cast<float>(learning_rate / correction1), static_cast<float>(1.0 / std::sqrt(correction2))});
      }
    }
    if (decay != 1.0f) unused_decay.push_back(decay);
  }

  void note_workspace() {
    workspace_rows = activations_.rows();
    workspace_bytes = activations_.bytes() + backward_.bytes() + head_.bytes();
    workspace_growths = activations_.growths() + backward_.growths();
  }

  /// Embeddings of the batch. What training left standing goes where there is no room beside it.
  const float* infer() {
    try {
      return evaluation_.run(batch_, encoder_weights(), cancel());
    } catch (const c10::OutOfMemoryError&) {
      if (activations_.rows() == 0) throw;
    }
    evaluation_.release();
    release_training_buffers();
    return evaluation_.run(batch_, encoder_weights(), cancel());
  }

  void release_training_buffers() {
    activations_.release();
    backward_.release();
    head_.release();
    head_gradient_.reset();
    note_workspace();
  }

  void release_workspace() {
    release_training_buffers();
    batch_.release();
  }

  Encoder<T> encoder_;
  Activations<T> activations_;
  BackwardBuffers<T> backward_;
  Head head_;
  InferencePass<T> evaluation_;
  PackedBatch batch_;
  std::vector<float> scores_;
  at::Tensor head_gradient_;
  at::Tensor matrices_;  // bf16 copies of the encoder's layers
};

}  // namespace

Trainer::Trainer(std::shared_ptr<Model> model, std::shared_ptr<const Dataset> dataset, TrainerOptions options) {
  if (options.place.on_device()) impl_ = device::make_trainer(std::move(model), std::move(dataset), std::move(options));
  else if (options.precision == Precision::kBf16)
    impl_ = std::make_unique<TrainerIn<bf16>>(std::move(model), std::move(dataset), std::move(options));
  else if (options.precision == Precision::kFp32)
    impl_ = std::make_unique<TrainerIn<float>>(std::move(model), std::move(dataset), std::move(options));
  else throw Error(ErrorCode::kInvalidArgument, "On the processor training is in fp32 or bf16.");
}

Trainer::~Trainer() = default;

StepResult StepOutcome::get() {
  const auto result = wait();
  if (!result) throw Error(ErrorCode::kNative, "The step was not taken, as the one before it failed.");
  return *result;
}

StepResult Trainer::step(const int32_t* rows, int64_t count, int64_t micro_batch, double learning_rate, int64_t epoch) {
  return begin_step(rows, count, micro_batch, learning_rate, epoch).get();
}

StepOutcome Trainer::begin_step(const int32_t* rows, int64_t count, int64_t micro_batch, double learning_rate,
                                int64_t epoch) {
  check_rows(rows, count, impl_->dataset->pairs());
  if (micro_batch < 1) throw Error(ErrorCode::kInvalidArgument, "microBatch must be at least 1.");
  const memory_budget::ScopedLimit limit(impl_->memory_limit());
  return impl_->begin_step(rows, count, std::min(micro_batch, count), learning_rate, epoch);
}

void Trainer::probe(const int32_t* rows, int64_t count) {
  check_rows(rows, count, impl_->dataset->pairs());
  const memory_budget::ScopedLimit limit(impl_->memory_limit());
  impl_->settle();
  impl_->probe(rows, count);
}

void Trainer::evaluate(const int32_t* rows, int64_t count, int64_t micro_batch, float* out) {
  check_rows(rows, count, impl_->dataset->pairs());
  if (micro_batch < 1) throw Error(ErrorCode::kInvalidArgument, "microBatch must be at least 1.");
  const memory_budget::ScopedLimit limit(impl_->memory_limit());
  impl_->settle();
  impl_->evaluate(rows, count, micro_batch, out);
}

void Trainer::commit() {
  impl_->settle();
  impl_->commit();
}

void Trainer::copy_state() {
  const memory_budget::ScopedLimit limit(impl_->memory_limit());
  take_copy();  // two never stand beside each other
  impl_->settle();
  auto copy = std::make_shared<TrainerState>(impl_->state());
  const auto own = [](at::Tensor& tensor, const at::Tensor& working) {
    if (tensor.defined() && tensor.is_same(working)) tensor = tensor.clone();
  };
  own(copy->weights, impl_->weights);
  own(copy->first_moments, impl_->first_moments);
  own(copy->second_moments, impl_->second_moments);
  const std::lock_guard<std::mutex> lock(impl_->copy_mutex);
  impl_->copy = std::move(copy);
}

std::shared_ptr<const TrainerState> Trainer::take_copy() {
  const std::lock_guard<std::mutex> lock(impl_->copy_mutex);
  return std::move(impl_->copy);
}

TrainerState Trainer::state() const {
  impl_->settle();
  return impl_->state();
}
void Trainer::restore(const std::string& path, bool replay_decay) {
  impl_->settle();
  impl_->restore(path, replay_decay);
}
void Trainer::set_memory_limit(std::optional<int64_t> bytes) { impl_->limit_now = bytes.value_or(Impl::kNoLimit); }

double Trainer::trace_gradients(const int32_t* rows, int64_t count, int64_t micro_batch, const std::string& path) {
  check_rows(rows, count, impl_->dataset->pairs());
  if (micro_batch < 1) throw Error(ErrorCode::kInvalidArgument, "microBatch must be at least 1.");
  const memory_budget::ScopedLimit limit(impl_->memory_limit());
  impl_->settle();
  const double loss = impl_->gradients_of(rows, count, std::min(micro_batch, count));

  const Impl& t = *impl_;
  const int64_t hidden = t.spec.encoder.hidden_size;
  const at::Tensor gradients = t.on_host(t.gradients);
  const float* g = gradients.const_data_ptr<float>();
  at::Tensor words;
  std::vector<safetensors::Item> items;
  for (const auto& parameter : t.table.all()) {
    if (!t.layout.trains(parameter)) continue;
    const float* data = g + t.layout.at(parameter.offset);
    if (parameter.offset == t.table.word_embeddings) {
      words = empty_floats(parameter.elements).zero_();
      for (int64_t i = 0; i < t.vocabulary.size(); ++i)
        std::memcpy(words.mutable_data_ptr<float>() + t.vocabulary.id(i) * hidden, g + i * hidden,
                    sizeof(float) * static_cast<size_t>(hidden));
      data = words.const_data_ptr<float>();
    }
    items.push_back({parameter.name, safetensors::Dtype::kF32, parameter.shape, data});
  }
  safetensors::write(path, items);
  return loss;
}

void Trainer::cancel() { impl_->cancelled = true; }
TrainerStats Trainer::stats() const { return impl_->stats(); }
int64_t Trainer::live() { return Impl::live(); }

}  // namespace vectune
