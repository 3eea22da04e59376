#pragma once
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "model/model.h"
#include "model/place.h"
#include "model/spec.h"
#include "train/dataset.h"
#include "train/trainer_state.h"

namespace vectune {

struct TrainerOptions {
  Place place;  // where to compute
  Precision precision = Precision::kFp32;
  uint32_t seed = 0;
  std::optional<float> dropout;  // replaces both of the model's probabilities
  double beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weight_decay = 0.0;
  bool bias_correction = true;
  std::optional<double> max_gradient_norm;
  std::vector<std::string> freeze;
  std::optional<int64_t> memory_limit;
};

struct StepResult {
  double loss;
  std::optional<double> gradient_norm;
  int64_t tokens;
};

/// The result of a step, or, where a device is still at work on it, the way to wait for it.
class StepOutcome {
 public:
  StepOutcome(std::optional<StepResult> result) : result_(result) {}
  explicit StepOutcome(std::function<std::optional<StepResult>()> wait) : wait_(std::move(wait)) {}

  bool ready() const { return !wait_; }
  /// Any thread, once. Throws what went wrong; nullopt where the step was not taken, as one before it had failed.
  std::optional<StepResult> wait() { return wait_ ? wait_() : result_; }
  /// The same for who asks for one step at a time.
  StepResult get();

 private:
  std::optional<StepResult> result_;
  std::function<std::optional<StepResult>()> wait_;
};

struct TrainerStats {
  int64_t steps, parameters, trainable_parameters, optimised_parameters;
  int64_t workspace_rows, workspace_bytes, workspace_growths;
};

/// Trains a copy of a model's weights on a dataset. The model changes only by `commit`, so it always
/// holds the best weights so far, whatever happens to a step. Engine thread only, `cancel` and `stats` apart.
class Trainer {
 public:
  Trainer(std::shared_ptr<Model> model, std::shared_ptr<const Dataset> dataset, TrainerOptions options);
  ~Trainer();

  /// One optimiser step on the pairs `rows`, `micro_batch` pairs at a time. Strong guarantee: on any error
  /// weights, moments and step count are as before.
  StepResult step(const int32_t* rows, int64_t count, int64_t micro_batch, double learning_rate, int64_t epoch);
  /// The same, but does not wait for a device: what it begins is taken as done by what follows. On the processor the
  /// outcome is ready.
  StepOutcome begin_step(const int32_t* rows, int64_t count, int64_t micro_batch, double learning_rate, int64_t epoch);
  /// What a step on these rows needs, without its effect.
  void probe(const int32_t* rows, int64_t count);
  /// Cosine similarities of the pairs, dropout off, into out[count].
  void evaluate(const int32_t* rows, int64_t count, int64_t micro_batch, float* out);
  void commit();
  /// Loss of the rows; writes the gradient of every parameter, by name.
  double trace_gradients(const int32_t* rows, int64_t count, int64_t micro_batch, const std::string& path);

  /// Keeps a copy of the state until `take_copy`. c10::OutOfMemoryError: there is no room, and no copy.
  void copy_state();
  /// Any thread. The copy, once; null where there is none.
  std::shared_ptr<const TrainerState> take_copy();
  /// The state itself, not copied: good until the next step.
  TrainerState state() const;
  /// Goes on from a file of TrainerState's; a `cancel` before does not hinder it. The model gets the committed weights,
  /// and with `replay_decay` the decay of unused embedding rows, which a model that had it already must not get twice.
  /// On any error trainer and model are as before.
  void restore(const std::string& path, bool replay_decay);

  /// Any thread; counts from the next call on.
  void set_memory_limit(std::optional<int64_t> bytes);
  /// Any thread. Calls running or made from now on fail with Error(kAborted).
  void cancel();
  /// Any thread, between jobs of the owner.
  TrainerStats stats() const;

  static int64_t live();

  struct Impl;

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace vectune
