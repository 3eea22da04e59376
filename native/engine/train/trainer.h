#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "model/model.h"
#include "train/dataset.h"
#include "train/micro_batch.h"
#include "train/optimiser.h"
#include "train/options.h"
#include "train/trainer_state.h"

namespace vectune {

struct TrainerStats {
  int64_t steps, parameters, trainable_parameters, optimised_parameters;  // of the model
  int64_t loss_parameters;                                                // the loss's own
  int64_t bytes;  // of weights, kept ones too, gradients and moments: the last two of what is trained alone
  int64_t workspace_rows, workspace_bytes, workspace_growths;
};

/// Trains a copy of a model's weights on a dataset. The model changes only by `commit`, so it always
/// holds the best weights so far, whatever happens to a step. Engine thread only, `cancel` and `stats` apart.
class Trainer {
 public:
  Trainer(std::shared_ptr<Model> model, std::shared_ptr<const Dataset> dataset, TrainerOptions options);
  ~Trainer();

  /// One optimiser step on `rows` of the dataset, so much of them at a time. Strong guarantee: on any error
  /// weights, moments and step count are as before.
  StepResult step(const int32_t* rows, int64_t count, MicroBatch micro_batch, double learning_rate, int64_t epoch);
  /// The same, but does not wait for a device: what it begins is taken as done by what follows. On the processor the
  /// outcome is ready.
  StepOutcome begin_step(const int32_t* rows, int64_t count, MicroBatch micro_batch, double learning_rate,
                         int64_t epoch);
  /// The first phase of a step, of rows of as many texts each: vectors [columns × rows × dimension], on the host.
  at::Tensor vectors(const int32_t* rows, int64_t count, MicroBatch micro_batch, int64_t epoch);
  /// And its second phase, of a loss that is given (Loss::given): the same rows, the loss of their vectors and its
  /// gradient [columns × rows × dimension].
  StepOutcome begin_given_step(const int32_t* rows, int64_t count, MicroBatch micro_batch, double learning_rate,
                               int64_t epoch, double loss, const float* gradient, int64_t elements);
  /// Any thread. Of the rows, [rows × label width].
  std::vector<float> labels(const int32_t* rows, int64_t count) const;
  /// What a step on these rows needs, without its effect. A text counts as often as the rows name it, so no rows of as
  /// many tokens need more.
  void probe(const int32_t* rows, int64_t count);
  /// How many similarities `evaluate` gives for the rows.
  int64_t similarities(const int32_t* rows, int64_t count) const;
  /// Returns the loss of the rows, dropout off, and gives the cosine similarities of each row's first column with each
  /// of its others, row after row. `batch` rows are a batch of a loss that is not separable (Step::evaluate).
  /// Where the loss is given, `vectors` gets those of the rows, as `vectors` gives them but without dropout.
  double evaluate(const int32_t* rows, int64_t count, int64_t micro_batch, int64_t batch, float* out,
                  at::Tensor* vectors = nullptr);
  /// Vectors of texts of the dataset, dropout off: [count × dimension] into `out`, `at_once` texts at a time.
  void embed(const int32_t* texts, int64_t count, int64_t at_once, float* out);
  /// Until it is called again, `evaluate`, `embed` and `commit` have (1 − share) · base + share · trained in place of
  /// the trained weights, where base is what training began with; a step must wait for share 1, the trained weights to
  /// the bit. Needs `keep_base`. On any error the weights are as before.
  void blend(double share);
  void commit();
  /// Loss of the rows; writes the gradient of every parameter, by name.
  double trace_gradients(const int32_t* rows, int64_t count, MicroBatch micro_batch, const std::string& path);

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
  /// Numbers of a vector. Any thread.
  int64_t dimension() const;
  /// Any thread, between jobs of the owner.
  TrainerStats stats() const;

  static int64_t live();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace vectune
