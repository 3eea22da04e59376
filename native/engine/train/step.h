#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "losses/loss.h"
#include "train/group_batch.h"
#include "train/micro_batch.h"
#include "train/passes.h"
#include "train/set_losses.h"
#include "train/training_layout.h"

namespace vectune {

/// Loss and gradients of a step, in two phases: vectors of the rows' texts, the loss on them, and back.
///
/// Where all rows fit at once, that is one forward and one backward. In parts, a loss that is separable by row is
/// computed part after part. Of any other the vectors of all texts come first, then the loss on all of them, and then
/// each part is computed forward again and back (GradCache: Gao et al. 2021); the second forward is the first one to
/// the bit, as dropout's masks are a function of `MaskKey` and text. So no loss depends on how a batch is split.
///
/// A loss that is given (Loss::given) has the phases apart: `vectors`, and `given_gradients` once it is known.
class Step {
 public:
  struct Of {
    int64_t layers;  // of the encoder
    uint32_t seed;   // of the run
    bool whole;      // computed at once where the micro-batch allows it
  };
  Step(const Dataset& dataset, const SetLosses& losses, Passes& passes, const TrainingLayout& layout, LiveState& state,
       Of of)
      : dataset_(dataset), losses_(losses), passes_(passes), layout_(layout), state_(state), of_(of) {}

  struct Request {
    const int32_t* rows;  // of one set
    int64_t count;
    MicroBatch micro_batch;  // what is computed at once
    int64_t epoch = 0;
    at::Tensor scale;  // multiplies the gradients, not the loss; undefined for 1
    GroupBatch::Repeats repeats = GroupBatch::Repeats::kMerged;
  };
  struct Result {
    at::Tensor loss;  // a scalar
    int64_t tokens;
  };
  /// The gradients of all that is trained are in the state then.
  Result gradients(const Request& request);

  /// The first phase alone, of rows of as many texts each: [columns × rows × dimension]. What it leaves for the second
  /// one is kept until something else is asked for, and computed again where it is gone.
  at::Tensor vectors(const Request& request);
  /// The second phase, by the gradient of those vectors. Gives the tokens of the rows.
  int64_t given_gradients(const Request& request, const at::Tensor& gradient);
  /// What passes kept may be gone.
  void forget() { kept_.reset(); }

  struct Evaluation {
    at::Tensor loss;          // a scalar
    at::Tensor similarities;  // float: cosines of each row's first column with each of its others, row after row
    at::Tensor vectors;       // where the loss is given, those of the rows: [columns × rows × dimension]
  };
  /// Without dropout. A loss that is not separable sees `batch` rows at a time, in their order, as in training, so that
  /// its memory does not grow with the rows; the result is the mean of what it finds, each batch by its rows.
  Evaluation evaluate(const int32_t* rows, int64_t count, int64_t micro_batch, int64_t batch);

 private:
  /// Texts of a batch that are computed at once.
  struct Part {
    int64_t row;    // the first whose texts they are
    int64_t begin;  // in the batch's texts
    std::span<const int32_t> texts;
  };
  std::vector<Part> parts_of(const GroupBatch& batch, const int32_t* rows, const MicroBatch& micro_batch) const;
  /// What is computed at once of a step whose loss is separable: no more than is enough, and about as much in each
  /// part.
  MicroBatch enough_of(const Request& request) const;
  /// As often as a row names them: what no batch with texts in common exceeds.
  int64_t tokens_of(int32_t row) const;
  /// How many of the rows are computed at once, from the first.
  int64_t at_once(const int32_t* rows, int64_t count, const MicroBatch& micro_batch) const;
  /// `each(part)` gives the vectors of its texts.
  template <typename Each>
  static at::Tensor all_vectors(const GroupBatch& batch, const std::vector<Part>& parts, const Each& each);
  /// What a loss sees of a batch, where the passes compute. `in_step` is the number of rows of the whole step.
  LossRows rows_of(const GroupBatch& batch, int64_t in_step, std::vector<int64_t> layers) const;
  /// The loss of the set that a row is of.
  const Loss& loss_of(int32_t row) const { return losses_.of(dataset_.set_of(row)); }
  /// The hidden layers that a loss sees in the next step.
  std::vector<int64_t> layers_of_step(const Loss& loss) const;
  at::Tensor similarities(const GroupBatch& batch, const at::Tensor& vectors) const;
  Result part_by_part(const Request& request);
  Result vectors_first(const Request& request);
  /// Vectors of a batch's texts; what the last part keeps is still there when it is its turn to go back.
  at::Tensor forward(const Request& request, const GroupBatch& batch, const std::vector<Part>& parts,
                     const std::vector<int64_t>& layers);
  /// Back by the gradient of all of a batch's vectors; `kept`: the passes have what the last part kept.
  void backward(const Request& request, const std::vector<Part>& parts, const std::vector<int64_t>& layers,
                const at::Tensor& gradient, bool kept);
  /// After the backward pass of the same part, which makes room for gradients. Those of the parameters of other sets'
  /// losses are 0.
  void store_gradients(const LossTensors& of_parameters, int64_t set, const at::Tensor& scale, bool add) const;

  /// What `vectors` has computed, as far as it tells whether the passes still have it.
  struct Kept {
    std::vector<int32_t> rows;
    MicroBatch micro_batch;
    int64_t epoch, steps;
    bool operator==(const Kept&) const = default;
  };
  Kept kept_by(const Request& request) const;

  const Dataset& dataset_;
  const SetLosses& losses_;
  Passes& passes_;
  const TrainingLayout& layout_;
  LiveState& state_;
  const Of of_;
  std::optional<Kept> kept_;
};

}  // namespace vectune
