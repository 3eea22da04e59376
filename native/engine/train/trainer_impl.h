#pragma once
#include <atomic>
#include <cstring>
#include <limits>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "runtime/arena.h"
#include "runtime/errors.h"
#include "runtime/memory_budget.h"
#include "runtime/thread_team.h"
#include "train/compact_vocabulary.h"
#include "train/trainer.h"
#include "train/training_layout.h"

namespace vectune {

/// What a step fails with where its loss, or the norm of its gradient, is not finite.
inline Error not_finite(const std::string& what) {
  return Error(ErrorCode::kNative, "The " + what +
                                       " is not finite; the weights were left as before the step. Lower the "
                                       "learning rate, or look for damaged weights in the model.");
}

/// What every trainer is, wherever it computes: the layout of its flat buffers, and the way between them, the model and
/// a checkpoint. `weights`, `gradients` and moments may stand in a GPU's memory.
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
    weights = of_model();
    ++live();
  }
  virtual ~Impl() { --live(); }

  virtual StepOutcome begin_step(const int32_t* rows, int64_t count, int64_t micro_batch, double learning_rate,
                                 int64_t epoch) = 0;
  virtual void probe(const int32_t* rows, int64_t count) = 0;
  virtual void evaluate(const int32_t* rows, int64_t count, int64_t micro_batch, float* out) = 0;
  virtual double gradients_of(const int32_t* rows, int64_t count, int64_t micro_batch) = 0;
  /// Makes again what is derived from `weights`.
  virtual void weights_replaced() = 0;
  /// Waits for what was begun; `steps` then counts what was really taken.
  virtual void settle() {}
  /// A flat buffer where the processor reads it, and where the trainer works on it.
  virtual at::Tensor on_host(const at::Tensor& flat) const { return flat; }
  virtual at::Tensor at_work(const at::Tensor& flat) const { return flat; }
  /// State of the fp16 loss scaler (TrainerState::scaler); empty without one.
  virtual std::vector<float> scaler() const { return {}; }
  virtual void set_scaler(const std::vector<float>&) {}

  static std::atomic<int64_t>& live() {
    static std::atomic<int64_t> trainers{0};
    return trainers;
  }

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

  /// The model's weights in the trainer's layout.
  at::Tensor of_model() const {
    at::Tensor flat = empty_floats(layout.elements());
    const int64_t hidden = spec.encoder.hidden_size;
    float* to = flat.mutable_data_ptr<float>();
    for (int64_t i = 0; i < vocabulary.size(); ++i)
      std::memcpy(to + i * hidden, model->data() + vocabulary.id(i) * hidden,
                  sizeof(float) * static_cast<size_t>(hidden));
    std::memcpy(to + layout.words(), model->data() + layout.rest_begin(),
                sizeof(float) * static_cast<size_t>(layout.elements() - layout.words()));
    return flat;
  }

  void commit() { commit(on_host(weights)); }

  void commit(const at::Tensor& from) {
    const int64_t hidden = spec.encoder.hidden_size;
    const float* w = from.const_data_ptr<float>();
    float* to = model->data();
    const Parameter& words = table.all().front();
    if (layout.trains(words)) {
      // rows that no text uses: the decay that AdamW would have given them since the last commit
      if (!unused_decay.empty()) {
        for_each_on_team(spec.encoder.vocab_size, [&](int64_t id) {
          if (vocabulary.remap()[id] >= 0) return;
          for (const float factor : unused_decay)
            for (int64_t c = 0; c < hidden; ++c) to[id * hidden + c] *= factor;
        });
        committed_decay.insert(committed_decay.end(), unused_decay.begin(), unused_decay.end());
        unused_decay.clear();
      }
      for (int64_t i = 0; i < vocabulary.size(); ++i)
        std::memcpy(to + vocabulary.id(i) * hidden, w + i * hidden, sizeof(float) * static_cast<size_t>(hidden));
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
      if (is_words) state.parts.push_back({parameter.name, {vocabulary.size(), hidden}, 0, layout.words()});
      else state.parts.push_back({parameter.name, parameter.shape, layout.at(parameter.offset), parameter.elements});
    }
    for (int64_t i = 0; i < vocabulary.size(); ++i) state.vocabulary.push_back(static_cast<int32_t>(vocabulary.id(i)));
    return state;
  }

  TrainerState state() const {
    TrainerState state = empty_state();
    state.weights = on_host(weights);
    state.first_moments = on_host(first_moments);
    state.second_moments = on_host(second_moments);
    state.scaler = scaler();
    state.steps = steps;
    state.committed_step = committed_step;
    state.pending_decay = unused_decay;
    state.committed_decay = committed_decay;
    if (state.has_committed()) {
      const memory_budget::ScopedLimit limit(memory_limit());
      state.committed = of_model();  // which only `commit` writes
    }
    return state;
  }

  void restore(const std::string& path, bool replay_decay) {
    const memory_budget::ScopedLimit limit(memory_limit());
    TrainerState from = empty_state();
    from.read(path, layout.elements());
    const at::Tensor w = at_work(from.weights), m = at_work(from.first_moments), v = at_work(from.second_moments);
    // Nothing from here on can fail. The commit takes its decays from the members, so those come in turn.
    if (from.committed_step >= 0) {
      unused_decay.clear();
      if (replay_decay) unused_decay = from.committed_decay;
      commit(from.has_committed() ? from.committed : from.weights);
    }
    weights = w;
    first_moments = m;
    second_moments = v;
    steps = from.steps;
    committed_step = from.committed_step;
    unused_decay = std::move(from.pending_decay);
    committed_decay = std::move(from.committed_decay);
    set_scaler(from.scaler);
    weights_replaced();
  }

  TrainerStats stats() const {
    return {
        steps,           table.elements(), layout.trainable_parameters(), layout.optimised_parameters(), workspace_rows,
        workspace_bytes, workspace_growths};
  }

  std::shared_ptr<Model> model;
  std::shared_ptr<const Dataset> dataset;
  TrainerOptions options;
  const ModelSpec& spec;
  const ParameterTable& table;
  CompactVocabulary vocabulary;
  TrainingLayout layout;
  at::Tensor weights, gradients, first_moments, second_moments;
  std::vector<float> unused_decay;     // 1 − lr·λ of each step since the last commit, where not 1
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

}  // namespace vectune
