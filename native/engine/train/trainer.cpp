#include "train/trainer.h"

#include <ATen/ops/from_blob.h>
#include <ATen/ops/full.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <mutex>
#include <utility>
#include <vector>

#include "runtime/arena.h"
#include "runtime/errors.h"
#include "runtime/memory_budget.h"
#include "runtime/thread_team.h"
#include "train/backend.h"
#include "train/checks.h"
#include "train/gradients_file.h"
#include "train/loss_parameters.h"
#include "train/step.h"

namespace vectune {

namespace {

std::atomic<int64_t> live_trainers{0};

}  // namespace

struct Trainer::Impl {
  Impl(std::shared_ptr<Model> m, std::shared_ptr<const Dataset> d, TrainerOptions o)
      : model(std::move(m)),
        dataset(std::move(d)),
        options(std::move(o)),
        spec(model->spec()),
        table(model->parameters()),
        vocabulary(fitting(*dataset, *model), spec.encoder.vocab_size),
        losses(options.losses, *dataset, spec.dimension(), spec.encoder.layers),
        layout(table, spec.encoder, vocabulary, options.freeze, losses.parameters(), model->half()),
        backend(make_training_backend({options, spec, table, *dataset, vocabulary, layout, live, cancelled})),
        step(*dataset, losses, *backend.passes, layout, live,
             {spec.encoder.layers, options.seed, options.whole_steps}) {
    const memory_budget::ScopedLimit limit(options.memory_limit);
    live.weights = of_model();
    draw_loss_parameters(layout, options.seed, live.weights.mutable_data_ptr<float>());
    if (options.keep_base) base = live.weights.clone();
    guarded([&] {
      live.weights = backend.passes->at_work(live.weights);
      backend.passes->weights_replaced(live);
    });
    ++live_trainers;
  }
  ~Impl() { --live_trainers; }

  template <typename Work>
  auto guarded(Work work) const -> decltype(work()) {
    using Result = decltype(work());
    if constexpr (std::is_void_v<Result>) {
      backend.passes->guarded(work);
    } else {
      std::optional<Result> result;
      backend.passes->guarded([&] { result.emplace(work()); });
      return std::move(*result);
    }
  }

  /// The same for work on a batch: after exhausted memory the remains of one that is too large must not take the room
  /// of a smaller one.
  template <typename Work>
  auto on_batch(Work work) -> decltype(work()) {
    return guarded([&] {
      try {
        return work();
      } catch (...) {
        step.forget();
        if (current_error().code() == ErrorCode::kOutOfMemory) backend.passes->release();
        throw;
      }
    });
  }

  /// The loss of the set that a row is of.
  const Loss& loss_of(int32_t row) const { return losses.of(dataset->set_of(row)); }

  Step::Request request(const int32_t* rows, int64_t count, MicroBatch micro_batch, int64_t epoch) const {
    return {rows, count, micro_batch, epoch, backend.optimiser->scale()};
  }

  StepOutcome begin_step(const int32_t* rows, int64_t count, MicroBatch micro_batch, double learning_rate,
                         int64_t epoch) {
    return on_batch([&] {
      backend.optimiser->prepare();
      const Step::Result result = step.gradients(request(rows, count, micro_batch, epoch));
      // Where several processes train, here the gradients would be added up.
      return backend.optimiser->take(result.loss, result.tokens, learning_rate);
    });
  }

  at::Tensor vectors(const int32_t* rows, int64_t count, MicroBatch micro_batch, int64_t epoch) {
    return on_batch([&] {
      backend.optimiser->prepare();
      return backend.passes->on_host(step.vectors(request(rows, count, micro_batch, epoch)));
    });
  }

  StepOutcome begin_given_step(const int32_t* rows, int64_t count, MicroBatch micro_batch, double learning_rate,
                               int64_t epoch, double loss_value, const at::Tensor& gradient) {
    return on_batch([&] {
      backend.optimiser->prepare();
      const at::Tensor there = backend.passes->at_work(gradient);
      const int64_t tokens = step.given_gradients(request(rows, count, micro_batch, epoch), there);
      return backend.optimiser->take(at::full({}, loss_value, there.options().dtype(at::kDouble)), tokens,
                                     learning_rate);
    });
  }

  void probe(const int32_t* rows, int64_t count) {
    struct Release {
      Impl& t;
      const bool moments = t.live.first_moments.defined(), gradients = t.live.gradients.defined();
      ~Release() {
        if (!moments) t.live.first_moments.reset(), t.live.second_moments.reset();
        if (!gradients) t.live.gradients.reset();
        if (!moments || !gradients) t.backend.optimiser->buffers_replaced();
        t.step.forget();
        t.backend.passes->release();
      }
    } release{*this};
    guarded([&] {
      backend.optimiser->prepare();
      Step::Request whole = request(rows, count, count, 0);
      whole.repeats = GroupBatch::Repeats::kKept;
      backend.optimiser->rehearse(step.gradients(whole).loss);
      // Later steps have the moments beside what products need for a moment, and add to what gradients there are.
      // Where that may not fit it is tried.
      const auto momentary = backend.passes->momentary_bytes();
      if (!momentary || memory_budget::headroom() > *momentary) return;
      std::vector<int32_t> twice(rows, rows + count);
      twice.insert(twice.end(), rows, rows + count);
      Step::Request parts = request(twice.data(), 2 * count, count, 0);
      parts.repeats = GroupBatch::Repeats::kKept;
      step.gradients(parts);
    });
  }

  int64_t similarities(const int32_t* rows, int64_t count) const {
    int64_t sum = 0;
    for (int64_t i = 0; i < count; ++i) sum += static_cast<int64_t>(dataset->columns(rows[i]).size()) - 1;
    return sum;
  }

  double evaluate(const int32_t* rows, int64_t count, int64_t micro_batch, int64_t batch, float* out,
                  at::Tensor* vectors) {
    struct End {
      Impl& t;
      ~End() { t.backend.passes->end_evaluation(); }
    } end{*this};
    return on_batch([&] {
      const Step::Evaluation evaluation = step.evaluate(rows, count, micro_batch, batch);
      const at::Tensor similarities = backend.passes->on_host(evaluation.similarities);
      if (similarities.numel() > 0)
        std::memcpy(out, similarities.const_data_ptr<float>(), static_cast<size_t>(similarities.nbytes()));
      if (vectors) *vectors = backend.passes->on_host(evaluation.vectors);
      return evaluation.loss.item<double>();
    });
  }

  double gradients_of(const int32_t* rows, int64_t count, MicroBatch micro_batch) {
    return guarded([&] {
      backend.optimiser->prepare();
      const at::Tensor loss = step.gradients(request(rows, count, micro_batch, 0)).loss;
      backend.optimiser->unscale();
      return loss.item<double>();
    });
  }

  void embed(const int32_t* texts, int64_t count, int64_t at_once, float* out) {
    struct End {
      Impl& t;
      ~End() { t.backend.passes->end_evaluation(); }
    } end{*this};
    on_batch([&] {
      for (int64_t first = 0; first < count; first += at_once) {
        const int64_t some = std::min(at_once, count - first);
        const at::Tensor vectors =
            backend.passes->on_host(backend.passes->evaluate({texts + first, static_cast<size_t>(some)}, {}))
                .contiguous();
        std::memcpy(out + first * vectors.size(1), vectors.const_data_ptr<float>(),
                    static_cast<size_t>(vectors.nbytes()));
      }
    });
  }

  /// The weights as steps made them.
  const at::Tensor& trained() const { return trained_aside.defined() ? trained_aside : live.weights; }

  void blend(double wanted) {
    if (wanted == share) return;
    at::Tensor mixed = trained();
    if (wanted != 1) {
      const at::Tensor from = on_host(trained());
      at::Tensor to = empty_floats(layout.elements());
      const float *b = base.const_data_ptr<float>(), *w = from.const_data_ptr<float>();
      float* x = to.mutable_data_ptr<float>();
      const auto part = static_cast<float>(wanted);
      // What training left alone stays so to the bit.
      for_parts(layout.of_model(), [&](int64_t begin, int64_t end, int) {
        for (int64_t i = begin; i < end; ++i) x[i] = b[i] + part * (w[i] - b[i]);
      });
      // Parameters of the loss stay as they were trained.
      std::copy(w + layout.of_model(), w + layout.elements(), x + layout.of_model());
      mixed = at_work(to);
    }
    at::Tensor aside = wanted == 1 ? at::Tensor() : trained();
    live.weights = mixed;
    trained_aside = aside;
    share = wanted;
    guarded([&] { backend.passes->weights_replaced(live); });
  }

  void needs_trained() const {
    if (trained_aside.defined())
      throw Error(ErrorCode::kInvalidArgument,
                  "A step needs the trained weights, but others are at work: blend(1) first.");
  }

  void settle() const {
    guarded([&] { backend.optimiser->settle(); });
  }
  at::Tensor on_host(const at::Tensor& flat) const {
    return guarded([&] { return backend.passes->on_host(flat); });
  }
  at::Tensor at_work(const at::Tensor& flat) const {
    return guarded([&] { return backend.passes->at_work(flat); });
  }

  /// The model's weights in the trainer's layout; what the loss has behind them is left as it is.
  at::Tensor of_model() const {
    at::Tensor flat = empty_floats(layout.elements());
    const int64_t width = spec.encoder.embedding_width();
    float* to = flat.mutable_data_ptr<float>();
    for (int64_t i = 0; i < vocabulary.size(); ++i) model->read(vocabulary.id(i) * width, width, to + i * width);
    for (const Parameter& parameter : table.all())
      if (parameter.offset != table.word_embeddings && !layout.keeps(parameter))
        model->read(parameter.offset, parameter.elements, to + layout.at(parameter.offset));
    return flat;
  }

  void commit() {
    reserve_model();
    const at::Tensor weights = on_host(live.weights);
    // Embedding rows that no text uses: the decay that AdamW would have given them since the last commit, then what
    // blends them as all else. The next commit takes the latter back.
    std::vector<float> factors;
    if (table_is_trained()) {
      if (committed_blend != 1) factors.push_back(1 / committed_blend);
      factors.insert(factors.end(), live.unused_decay.begin(), live.unused_decay.end());
      for (const float factor : live.unused_decay) all_decay *= factor;
      committed_blend = static_cast<float>((1 - share + share * all_decay) / all_decay);
      if (committed_blend != 1) factors.push_back(committed_blend);
    }
    write_model(weights, factors);
    committed_decay.insert(committed_decay.end(), factors.begin(), factors.end());
    live.unused_decay.clear();
    committed_step = live.steps;
    committed_share = share;
  }

  bool table_is_trained() const { return layout.trains(table.all().front()); }

  /// What is frozen stays in the model as it is kept.
  void reserve_model() {
    model->make_fp32([&](const Parameter& parameter) { return layout.trains(parameter); });
  }

  /// `factors` multiply embedding rows that no text uses, one after the other. After `reserve_model` nothing can fail.
  void write_model(const at::Tensor& from, const std::vector<float>& factors) {
    const int64_t width = spec.encoder.embedding_width();
    const float* w = from.const_data_ptr<float>();
    if (table_is_trained()) {
      float* to = model->fp32(table.all().front());
      if (!factors.empty())
        for_each_on_team(spec.encoder.vocab_size, [&](int64_t id) {
          if (vocabulary.remap()[id] >= 0) return;
          for (const float factor : factors)
            for (int64_t c = 0; c < width; ++c) to[id * width + c] *= factor;
        });
      for (int64_t i = 0; i < vocabulary.size(); ++i)
        std::memcpy(to + vocabulary.id(i) * width, w + i * width, sizeof(float) * static_cast<size_t>(width));
    }
    for (const Parameter& parameter : table.all())
      if (parameter.offset != table.word_embeddings && layout.trains(parameter))
        std::copy_n(w + layout.at(parameter.offset), parameter.elements, model->fp32(parameter));
    model->weights_changed();
  }

  std::optional<int64_t> memory_limit() const {
    const int64_t bytes = limit_now;
    return bytes == kNoLimit ? std::nullopt : std::optional<int64_t>(bytes);
  }

  /// Names and places only; none of what the model keeps in bf16, which stays as it was when training began.
  TrainerState empty_state() const {
    TrainerState state;
    for (const auto& parameter : table.all()) {
      const bool is_words = parameter.offset == table.word_embeddings;
      const int64_t width = spec.encoder.embedding_width();
      const int64_t moments = layout.gradient_at(parameter);
      if (layout.keeps(parameter)) continue;
      if (is_words) state.parts.push_back({parameter.name, {vocabulary.size(), width}, 0, layout.words(), moments});
      else
        state.parts.push_back(
            {parameter.name, parameter.shape, layout.at(parameter.offset), parameter.elements, moments});
    }
    for (const auto& of_loss : layout.of_loss())
      state.parts.push_back({of_loss.name_in_files(), of_loss.parameter.shape, of_loss.begin,
                             of_loss.parameter.elements(), of_loss.gradient_begin, true});
    for (int64_t i = 0; i < vocabulary.size(); ++i) state.vocabulary.push_back(static_cast<int32_t>(vocabulary.id(i)));
    return state;
  }

  TrainerState state() const {
    TrainerState state = empty_state();
    state.weights = on_host(trained());
    state.first_moments = on_host(live.first_moments);
    state.second_moments = on_host(live.second_moments);
    state.scaler = guarded([&] { return backend.optimiser->scaler(); });
    state.steps = live.steps;
    state.committed_step = committed_step;
    state.pending_decay = live.unused_decay;
    state.committed_decay = committed_decay;
    state.committed_share = committed_share;
    state.committed_blend = committed_blend;
    state.all_decay = all_decay;
    // Before the first commit the model has it.
    if (committed_step >= 0) state.base = base;
    if (state.has_committed()) {
      const memory_budget::ScopedLimit limit(memory_limit());
      state.committed = of_model();  // which only `commit` writes
    }
    return state;
  }

  void restore(const std::string& path, bool replay_decay) {
    const memory_budget::ScopedLimit limit(memory_limit());
    TrainerState from = empty_state();
    from.read(path, layout.elements(), layout.gradients().elements(), [&] { return of_model(); });
    if (from.committed_step >= 0) reserve_model();
    const at::Tensor w = at_work(from.weights), m = at_work(from.first_moments), v = at_work(from.second_moments);
    // Nothing from here on can fail.
    if (from.committed_step >= 0)
      write_model(from.has_committed() ? from.committed : from.weights,
                  replay_decay ? from.committed_decay : std::vector<float>());
    step.forget();
    live.weights = w;
    live.first_moments = m;
    live.second_moments = v;
    live.steps = from.steps;
    trained_aside.reset();
    share = 1;
    if (options.keep_base && from.base.defined()) base = from.base;
    committed_step = from.committed_step;
    committed_share = from.committed_share;
    committed_blend = from.committed_blend;
    all_decay = from.all_decay;
    live.unused_decay = std::move(from.pending_decay);
    committed_decay = std::move(from.committed_decay);
    guarded([&] {
      backend.optimiser->set_scaler(from.scaler);
      backend.passes->weights_replaced(live);
      backend.optimiser->buffers_replaced();
    });
  }

  TrainerStats stats() const {
    const Workspace workspace = backend.passes->workspace();
    return {live.steps,
            table.elements(),
            layout.trainable_parameters(),
            layout.optimised_parameters(),
            layout.elements() - layout.of_model(),
            layout.bytes() + static_cast<int64_t>(base.defined() ? base.nbytes() : 0),
            workspace.rows,
            workspace.bytes,
            workspace.growths};
  }

  std::shared_ptr<Model> model;
  std::shared_ptr<const Dataset> dataset;
  TrainerOptions options;
  const ModelSpec& spec;
  const ParameterTable& table;
  CompactVocabulary vocabulary;
  SetLosses losses;
  TrainingLayout layout;
  std::atomic<bool> cancelled{false};
  LiveState live;
  TrainingBackend backend;
  Step step;
  std::vector<float> committed_decay;  // as LiveState::unused_decay, of the steps before the last commit
  int64_t committed_step = -1;         // whose weights the model has; −1: none of this trainer's
  double committed_share = 1;          // and how much of them
  float committed_blend = 1;           // the last factor of `committed_decay`, where the commit was a blend
  double all_decay = 1;                // product of the decays up to the last commit
  at::Tensor base;                     // on the host
  at::Tensor trained_aside;            // what steps made, while something blended is at work
  double share = 1;                    // of the trained weights in those at work
  std::mutex copy_mutex;
  std::shared_ptr<const TrainerState> copy;
  static constexpr int64_t kNoLimit = std::numeric_limits<int64_t>::max();
  std::atomic<int64_t> limit_now{options.memory_limit.value_or(kNoLimit)};
};

Trainer::Trainer(std::shared_ptr<Model> model, std::shared_ptr<const Dataset> dataset, TrainerOptions options)
    : impl_(std::make_unique<Impl>(std::move(model), std::move(dataset), std::move(options))) {}

Trainer::~Trainer() = default;

StepResult Trainer::step(const int32_t* rows, int64_t count, MicroBatch micro_batch, double learning_rate,
                         int64_t epoch) {
  return begin_step(rows, count, micro_batch, learning_rate, epoch).get();
}

StepOutcome Trainer::begin_step(const int32_t* rows, int64_t count, MicroBatch micro_batch, double learning_rate,
                                int64_t epoch) {
  check_row_numbers(rows, count, *impl_->dataset);
  check_micro_batch(micro_batch);
  if (impl_->loss_of(rows[0]).given())
    throw Error(ErrorCode::kInvalidArgument, "The loss is given: a step needs it and the gradient of the vectors.");
  impl_->needs_trained();
  const memory_budget::ScopedLimit limit(impl_->memory_limit());
  return impl_->begin_step(rows, count, micro_batch, learning_rate, epoch);
}

at::Tensor Trainer::vectors(const int32_t* rows, int64_t count, MicroBatch micro_batch, int64_t epoch) {
  check_row_numbers(rows, count, *impl_->dataset);
  check_micro_batch(micro_batch);
  for (int64_t i = 1; i < count; ++i)
    if (impl_->dataset->columns(rows[i]).size() != impl_->dataset->columns(rows[0]).size())
      throw Error(ErrorCode::kInvalidArgument, "Vectors are given of rows of as many texts each.");
  const memory_budget::ScopedLimit limit(impl_->memory_limit());
  impl_->settle();
  return impl_->vectors(rows, count, micro_batch, epoch);
}

StepOutcome Trainer::begin_given_step(const int32_t* rows, int64_t count, MicroBatch micro_batch, double learning_rate,
                                      int64_t epoch, double loss, const float* gradient, int64_t elements) {
  check_row_numbers(rows, count, *impl_->dataset);
  check_micro_batch(micro_batch);
  if (!impl_->loss_of(rows[0]).given())
    throw Error(ErrorCode::kInvalidArgument, "The loss is not given: a step computes it.");
  const auto columns = static_cast<int64_t>(impl_->dataset->columns(rows[0]).size());
  const int64_t dimension = impl_->spec.dimension();
  if (elements != columns * count * dimension)
    throw Error(ErrorCode::kInvalidArgument, "The gradient must have " + std::to_string(columns) + " x " +
                                                 std::to_string(count) + " x " + std::to_string(dimension) +
                                                 " numbers, as the vectors have; found " + std::to_string(elements) +
                                                 ".");
  const memory_budget::ScopedLimit limit(impl_->memory_limit());
  const at::Tensor there = at::from_blob(const_cast<float*>(gradient), {columns, count, dimension}, at::kFloat);
  return impl_->begin_given_step(rows, count, micro_batch, learning_rate, epoch, loss, there);
}

std::vector<float> Trainer::labels(const int32_t* rows, int64_t count) const {
  check_row_numbers(rows, count, *impl_->dataset);
  std::vector<float> all;
  const int64_t width = impl_->dataset->label_width(impl_->dataset->set_of(rows[0]));
  for (int64_t i = 0; i < count; ++i) {
    const float* of_row = impl_->dataset->labels(rows[i]);
    all.insert(all.end(), of_row, of_row + width);
  }
  return all;
}

void Trainer::probe(const int32_t* rows, int64_t count) {
  check_row_numbers(rows, count, *impl_->dataset);
  impl_->needs_trained();
  const memory_budget::ScopedLimit limit(impl_->memory_limit());
  impl_->settle();
  impl_->probe(rows, count);
}

int64_t Trainer::similarities(const int32_t* rows, int64_t count) const {
  check_row_numbers(rows, count, *impl_->dataset);
  return impl_->similarities(rows, count);
}

double Trainer::evaluate(const int32_t* rows, int64_t count, int64_t micro_batch, int64_t batch, float* out,
                         at::Tensor* vectors) {
  check_row_numbers(rows, count, *impl_->dataset);
  if (micro_batch < 1) throw Error(ErrorCode::kInvalidArgument, "microBatch must be at least 1.");
  if (batch < 1) throw Error(ErrorCode::kInvalidArgument, "batch must be at least 1.");
  const memory_budget::ScopedLimit limit(impl_->memory_limit());
  impl_->settle();
  return impl_->evaluate(rows, count, micro_batch, batch, out, vectors);
}

void Trainer::embed(const int32_t* texts, int64_t count, int64_t at_once, float* out) {
  check_text_numbers(texts, count, *impl_->dataset);
  if (at_once < 1) throw Error(ErrorCode::kInvalidArgument, "atOnce must be at least 1.");
  const memory_budget::ScopedLimit limit(impl_->memory_limit());
  impl_->settle();
  impl_->embed(texts, count, at_once, out);
}

void Trainer::blend(double share) {
  if (!(share >= 0 && share <= 1))
    throw Error(ErrorCode::kInvalidArgument, "share must be from 0 to 1; found " + std::to_string(share) + ".");
  if (!impl_->base.defined())
    throw Error(ErrorCode::kInvalidArgument, "A trainer can blend only if it was made with keepBase.");
  const memory_budget::ScopedLimit limit(impl_->memory_limit());
  impl_->settle();
  impl_->blend(share);
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
  own(copy->weights, impl_->trained());
  own(copy->first_moments, impl_->live.first_moments);
  own(copy->second_moments, impl_->live.second_moments);
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

double Trainer::trace_gradients(const int32_t* rows, int64_t count, MicroBatch micro_batch, const std::string& path) {
  check_row_numbers(rows, count, *impl_->dataset);
  check_micro_batch(micro_batch);
  const memory_budget::ScopedLimit limit(impl_->memory_limit());
  impl_->settle();
  const double loss = impl_->gradients_of(rows, count, micro_batch);

  const Impl& t = *impl_;
  write_gradients(path, t.on_host(t.live.gradients), t.table, t.layout, t.vocabulary);
  return loss;
}

void Trainer::cancel() { impl_->cancelled = true; }
int64_t Trainer::dimension() const { return impl_->spec.dimension(); }
TrainerStats Trainer::stats() const { return impl_->stats(); }
int64_t Trainer::live() { return live_trainers; }

}  // namespace vectune
