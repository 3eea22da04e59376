#include "trainer.h"

#include <c10/util/Exception.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <mutex>

#include "arena.h"
#include "cosine_mse.h"
#include "errors.h"
#include "gemm.h"
#include "inference.h"
#include "memory_budget.h"
#include "training_layout.h"

namespace vectune {

namespace {

std::atomic<int64_t> live_trainers{0};

void check_rows(const int32_t* rows, int64_t count, int64_t pairs) {
  if (count < 1) throw Error(ErrorCode::kInvalidArgument, "A batch needs at least one row.");
  for (int64_t i = 0; i < count; ++i)
    if (rows[i] < 0 || rows[i] >= pairs)
      throw Error(ErrorCode::kInvalidArgument, "Row " + std::to_string(rows[i]) + " is not a row of the dataset, which has " +
                                                   std::to_string(pairs) + " pairs.");
}

}  // namespace

struct Trainer::Impl {
  Impl(std::shared_ptr<Model> m, std::shared_ptr<const Dataset> d, TrainerOptions o)
      : model(std::move(m)),
        dataset(std::move(d)),
        options(std::move(o)),
        spec(model->spec()),
        table(model->parameters()),
        vocabulary(checked(*dataset, *model), spec.encoder.vocab_size),
        layout(table, spec.encoder, vocabulary, options.freeze) {
    const memory_budget::ScopedLimit limit(options.memory_limit);
    weights = empty_floats(layout.elements());
    const int64_t hidden = spec.encoder.hidden_size;
    float* w = weights.mutable_data_ptr<float>();
    for (int64_t i = 0; i < vocabulary.size(); ++i)
      std::memcpy(w + i * hidden, model->data() + vocabulary.id(i) * hidden,
                  sizeof(float) * static_cast<size_t>(hidden));
    std::memcpy(w + layout.words(), model->data() + layout.rest_begin(),
                sizeof(float) * static_cast<size_t>(layout.elements() - layout.words()));
    ++live_trainers;
  }
  virtual ~Impl() { --live_trainers; }

  virtual StepResult step(const int32_t* rows, int64_t count, int64_t micro_batch, double learning_rate,
                          int64_t epoch) = 0;
  virtual void probe(const int32_t* rows, int64_t count) = 0;
  virtual void evaluate(const int32_t* rows, int64_t count, int64_t micro_batch, float* out) = 0;
  virtual double gradients_of(const int32_t* rows, int64_t count, int64_t micro_batch) = 0;
  /// Makes again what is derived from `weights`.
  virtual void weights_replaced() = 0;

  /// The dataset must fit the model: known tokens, no text longer than its positions.
  static const Dataset& checked(const Dataset& dataset, const Model& model) {
    if (dataset.largest_id() >= model.spec().encoder.vocab_size)
      throw Error(ErrorCode::kInvalidArgument, "Token " + std::to_string(dataset.largest_id()) +
                                                   " is outside the vocabulary of " +
                                                   std::to_string(model.spec().encoder.vocab_size) + ".");
    if (dataset.longest_text() > model.longest_text())
      throw Error(ErrorCode::kInvalidArgument, "A text has " + std::to_string(dataset.longest_text()) +
                                                   " tokens; the model has " + std::to_string(model.longest_text()) +
                                                   " positions.");
    return dataset;
  }

  void commit() {
    const int64_t hidden = spec.encoder.hidden_size;
    const float* w = weights.const_data_ptr<float>();
    float* to = model->data();
    const Parameter& words = table.all().front();
    if (layout.trains(words)) {
      // rows that no text uses: the decay that AdamW would have given them since the last commit
      if (!unused_decay.empty()) {
#pragma omp parallel for schedule(static)
        for (int64_t id = 0; id < spec.encoder.vocab_size; ++id) {
          if (vocabulary.remap()[id] >= 0) continue;
          for (const float factor : unused_decay)
            for (int64_t c = 0; c < hidden; ++c) to[id * hidden + c] *= factor;
        }
        committed_decay.insert(committed_decay.end(), unused_decay.begin(), unused_decay.end());
        unused_decay.clear();
      }
      for (int64_t i = 0; i < vocabulary.size(); ++i)
        std::memcpy(to + vocabulary.id(i) * hidden, w + i * hidden,
                    sizeof(float) * static_cast<size_t>(hidden));
    }
    std::memcpy(to + layout.rest_begin(), w + layout.words(),
                sizeof(float) * static_cast<size_t>(layout.elements() - layout.words()));
    model->weights_changed();
    committed_step = steps;
  }

  std::optional<int64_t> memory_limit() const {
    const int64_t bytes = limit_now;
    return bytes == kNoLimit ? std::nullopt : std::optional<int64_t>(bytes);
  }

  /// Names and places only.
  TrainerState empty_state() const {
    TrainerState state;
    for (const auto& parameter : table.all()) {
      const bool is_words = parameter.offset == table.word_embeddings;
      const int64_t hidden = spec.encoder.hidden_size;
      if (is_words)
        state.parts.push_back({parameter.name, {vocabulary.size(), hidden}, 0, layout.words()});
      else
        state.parts.push_back({parameter.name, parameter.shape, layout.at(parameter.offset), parameter.elements});
    }
    for (int64_t i = 0; i < vocabulary.size(); ++i) state.vocabulary.push_back(static_cast<int32_t>(vocabulary.id(i)));
    return state;
  }

  TrainerState state() const {
    TrainerState state = empty_state();
    state.weights = weights;
    state.first_moments = first_moments;
    state.second_moments = second_moments;
    state.steps = steps;
    state.committed_step = committed_step;
    state.pending_decay = unused_decay;
    state.committed_decay = committed_decay;
    if (state.has_committed()) {
      // out of the model, which only `commit` writes
      const int64_t hidden = spec.encoder.hidden_size;
      const memory_budget::ScopedLimit limit(memory_limit());
      state.committed = empty_floats(layout.elements());
      float* to = state.committed.mutable_data_ptr<float>();
      for (int64_t i = 0; i < vocabulary.size(); ++i)
        std::memcpy(to + i * hidden, model->data() + vocabulary.id(i) * hidden, sizeof(float) * static_cast<size_t>(hidden));
      std::memcpy(to + layout.words(), model->data() + layout.rest_begin(),
                  sizeof(float) * static_cast<size_t>(layout.elements() - layout.words()));
    }
    return state;
  }

  void restore(const std::string& path, bool replay_decay) {
    const memory_budget::ScopedLimit limit(memory_limit());
    TrainerState from = empty_state();
    from.read(path, layout.elements());
    // Nothing from here on can fail. The commit takes its weights and decays from the members, so those come in turn.
    if (from.committed_step >= 0) {
      weights = from.has_committed() ? from.committed : from.weights;
      unused_decay.clear();
      if (replay_decay) unused_decay = from.committed_decay;
      commit();
    }
    weights = from.weights;
    first_moments = from.first_moments;
    second_moments = from.second_moments;
    steps = from.steps;
    committed_step = from.committed_step;
    unused_decay = std::move(from.pending_decay);
    committed_decay = std::move(from.committed_decay);
    weights_replaced();
  }

  TrainerStats stats() const {
    return {steps,           table.elements(),   layout.trainable_parameters(), layout.optimised_parameters(),
            workspace_rows, workspace_bytes, workspace_growths};
  }

  std::shared_ptr<Model> model;
  std::shared_ptr<const Dataset> dataset;
  TrainerOptions options;
  const ModelSpec& spec;
  const ParameterTable& table;
  CompactVocabulary vocabulary;
  TrainingLayout layout;
  at::Tensor weights, gradients, first_moments, second_moments;
  std::vector<float> unused_decay;  // 1 − lr·λ of each step since the last commit, where not 1
  std::vector<float> committed_decay;  // the same of the steps before it
  int64_t committed_step = -1;         // whose weights the model has; −1: none of this trainer's
  std::mutex copy_mutex;
  std::shared_ptr<const TrainerState> copy;
  static constexpr int64_t kNoLimit = std::numeric_limits<int64_t>::max();
  std::atomic<int64_t> limit_now{options.memory_limit.value_or(kNoLimit)};
  std::atomic<bool> cancelled{false};
  // Written on the engine thread, read by `stats` from any.
  std::atomic<int64_t> steps{0}, workspace_rows{0}, workspace_bytes{0}, workspace_growths{0};
};

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

  StepResult step(const int32_t* rows, int64_t count, int64_t micro_batch, double learning_rate,
                  int64_t epoch) override {
    StepResult result{};
    try {
      result.loss = accumulate(rows, count, micro_batch, epoch, &result.tokens);
      reserve_moments();
    } catch (const c10::OutOfMemoryError&) {
      release_workspace();  // the buffers of a batch that is too large must not take the room of a smaller one
      throw;
    }
    if (!std::isfinite(result.loss))
      throw Error(ErrorCode::kNative, "The loss is not finite; the weights were left as before the step. Lower the "
                                      "learning rate, or look for damaged weights in the model.");
    cancel().check();
    double scale = 1.0;
    if (options.max_gradient_norm) {
      result.gradient_norm = gradient_norm();
      // torch.nn.utils.clip_grad_norm_
      scale = std::min(1.0, *options.max_gradient_norm / (*result.gradient_norm + 1e-6));
    }
    update(learning_rate, scale);  // nothing from here on can fail
    return result;
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
    if constexpr (std::is_same_v<T, float>)
      return {fp32, fp32.rest, fp32.rest_begin};
    else
      return {fp32, static_cast<const bf16*>(matrices_.const_data_ptr()), table.embeddings_end};
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
        kernels::table().common.adamw({elements, weights.mutable_data_ptr<float>() + begin,
                                       first_moments.mutable_data_ptr<float>() + begin,
                                       second_moments.mutable_data_ptr<float>() + begin,
                                       gradients.const_data_ptr<float>() + begin, copy,
                                       static_cast<float>(gradient_scale), s.decays ? decay : 1.0f,
                                       static_cast<float>(options.beta1), static_cast<float>(options.beta2),
                                       static_cast<float>(options.eps),
                                       static_cast<float>(learning_rate / correction1),
                                       static_cast<float>(1.0 / std::sqrt(correction2))});
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
  if (options.precision == Precision::kBf16)
    impl_ = std::make_unique<TrainerIn<bf16>>(std::move(model), std::move(dataset), std::move(options));
  else
    impl_ = std::make_unique<TrainerIn<float>>(std::move(model), std::move(dataset), std::move(options));
}

Trainer::~Trainer() = default;

StepResult Trainer::step(const int32_t* rows, int64_t count, int64_t micro_batch, double learning_rate, int64_t epoch) {
  check_rows(rows, count, impl_->dataset->pairs());
  if (micro_batch < 1) throw Error(ErrorCode::kInvalidArgument, "microBatch must be at least 1.");
  const memory_budget::ScopedLimit limit(impl_->memory_limit());
  return impl_->step(rows, count, std::min(micro_batch, count), learning_rate, epoch);
}

void Trainer::probe(const int32_t* rows, int64_t count) {
  check_rows(rows, count, impl_->dataset->pairs());
  const memory_budget::ScopedLimit limit(impl_->memory_limit());
  impl_->probe(rows, count);
}

void Trainer::evaluate(const int32_t* rows, int64_t count, int64_t micro_batch, float* out) {
  check_rows(rows, count, impl_->dataset->pairs());
  if (micro_batch < 1) throw Error(ErrorCode::kInvalidArgument, "microBatch must be at least 1.");
  const memory_budget::ScopedLimit limit(impl_->memory_limit());
  impl_->evaluate(rows, count, micro_batch, out);
}

void Trainer::commit() { impl_->commit(); }

void Trainer::copy_state() {
  const memory_budget::ScopedLimit limit(impl_->memory_limit());
  take_copy();  // two never stand beside each other
  auto copy = std::make_shared<TrainerState>(impl_->state());
  for (at::Tensor* tensor : {&copy->weights, &copy->first_moments, &copy->second_moments})
    if (tensor->defined()) *tensor = tensor->clone();
  const std::lock_guard<std::mutex> lock(impl_->copy_mutex);
  impl_->copy = std::move(copy);
}

std::shared_ptr<const TrainerState> Trainer::take_copy() {
  const std::lock_guard<std::mutex> lock(impl_->copy_mutex);
  return std::move(impl_->copy);
}

TrainerState Trainer::state() const { return impl_->state(); }
void Trainer::restore(const std::string& path, bool replay_decay) { impl_->restore(path, replay_decay); }
void Trainer::set_memory_limit(std::optional<int64_t> bytes) { impl_->limit_now = bytes.value_or(Impl::kNoLimit); }

double Trainer::trace_gradients(const int32_t* rows, int64_t count, int64_t micro_batch, const std::string& path) {
  check_rows(rows, count, impl_->dataset->pairs());
  if (micro_batch < 1) throw Error(ErrorCode::kInvalidArgument, "microBatch must be at least 1.");
  const memory_budget::ScopedLimit limit(impl_->memory_limit());
  const double loss = impl_->gradients_of(rows, count, std::min(micro_batch, count));

  const Impl& t = *impl_;
  const int64_t hidden = t.spec.encoder.hidden_size;
  const float* g = t.gradients.const_data_ptr<float>();
  at::Tensor words;
  std::vector<safetensors::Item> items;
  for (const auto& parameter : t.table.all()) {
    if (!t.layout.trains(parameter)) continue;
    const float* data = g + t.layout.at(parameter.offset);
    if (parameter.offset == t.table.word_embeddings) {
      words = empty_floats(parameter.elements).zero_();
      for (int64_t i = 0; i < t.vocabulary.size(); ++i)
        std::memcpy(words.mutable_data_ptr<float>() + t.vocabulary.id(i) * hidden,
                    g + i * hidden, sizeof(float) * static_cast<size_t>(hidden));
      data = words.const_data_ptr<float>();
    }
    items.push_back({parameter.name, safetensors::Dtype::kF32, parameter.shape, data});
  }
  safetensors::write(path, items);
  return loss;
}

void Trainer::cancel() { impl_->cancelled = true; }
TrainerStats Trainer::stats() const { return impl_->stats(); }
int64_t Trainer::live() { return live_trainers; }

}  // namespace vectune
