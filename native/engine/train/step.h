#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <vector>

#include "losses/loss.h"
#include "train/group_batch.h"
#include "train/passes.h"

namespace vectune {

/// Loss and gradients of a step, in two phases: vectors of the rows' texts, the loss on them, and back.
///
/// Where all rows fit at once, that is one forward and one backward. In parts, a loss that is separable by row is
/// computed part after part. Of any other the vectors of all texts come first, then the loss on all of them, and then
/// each part is computed forward again and back (GradCache: Gao et al. 2021); the second forward is the first one to
/// the bit, as dropout's masks are a function of `MaskKey` and text. So no loss depends on how a batch is split.
class Step {
 public:
  Step(const Dataset& dataset, const Loss& loss, Passes& passes, LiveState& state)
      : dataset_(dataset), loss_(loss), passes_(passes), state_(state) {}

  struct Request {
    const int32_t* rows;
    int64_t count;
    int64_t micro_batch;  // rows computed at once
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

  struct Evaluation {
    at::Tensor loss;          // a scalar
    at::Tensor similarities;  // float: cosines of each row's first column with each of its others, row after row
  };
  /// Without dropout.
  Evaluation evaluate(const int32_t* rows, int64_t count, int64_t micro_batch);

 private:
  /// Texts of a batch that are computed at once.
  struct Part {
    int64_t row;    // the first whose texts they are
    int64_t begin;  // in the batch's texts
    std::span<const int32_t> texts;
  };
  static std::vector<Part> parts_of(const GroupBatch& batch, int64_t micro_batch);
  /// `each(part)` gives the vectors of its texts.
  template <typename Each>
  static at::Tensor all_vectors(const GroupBatch& batch, const std::vector<Part>& parts, const Each& each);
  /// What a loss sees of a batch, where the passes compute. `in_step` is the number of rows of the whole step.
  LossRows rows_of(const GroupBatch& batch, int64_t in_step) const;
  at::Tensor similarities(const GroupBatch& batch, const at::Tensor& vectors) const;
  Result part_by_part(const Request& request);
  Result vectors_first(const Request& request);

  const Dataset& dataset_;
  const Loss& loss_;
  Passes& passes_;
  LiveState& state_;
};

}  // namespace vectune
