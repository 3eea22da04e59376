#include <ATen/TensorOperators.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/sum.h>

#include "losses/cosine.h"
#include "losses/loss.h"
#include "losses/options.h"
#include "losses/precision.h"
#include "runtime/alone.h"
#include "runtime/errors.h"

namespace vectune {

namespace {

/// Mean squared error of cosine similarities (sentence-transformers' CosineSimilarityLoss): for rows of two columns u,
/// v and a score s,  loss = mean (cos(u, v) − s)². Has no options.
class CosineMse final : public Loss {
 public:
  bool separable() const override { return true; }

  void check(const LossData& data) const override {
    for (int64_t row = 0; row < data.rows; ++row) {
      if (data.columns(row) != 2)
        throw Error(ErrorCode::kInvalidArgument, "The loss cosine-mse needs rows of two texts, but row " +
                                                     std::to_string(row) + " has " + std::to_string(data.columns(row)) +
                                                     ".");
    }
    if (data.rows > 0 && data.label_width != 1)
      throw Error(ErrorCode::kInvalidArgument,
                  "The loss cosine-mse needs one label of each row, its score, but there are " +
                      std::to_string(data.label_width) + ".");
  }

  LossValue of(const at::Tensor& vectors, const LossRows& rows) const override {
    const Alone alone;
    const auto in_step = static_cast<double>(rows.in_step);
    const at::Tensor pairs = vectors_of(rows, wide(vectors));
    const Cosines cosines = Cosines::of(pairs.select(1, 0), pairs.select(1, 1));
    const at::Tensor difference = cosines.value - rows.labels;
    const auto [du, dv] = cosines.backward(difference / (in_step / 2.0));
    return {at::sum(difference * difference) / in_step,
            gradient_of_vectors(rows, at::stack({du, dv}, 1), vectors.size(0))};
  }
};

}  // namespace

std::unique_ptr<Loss> make_cosine_mse(LossOptions&) { return std::make_unique<CosineMse>(); }

}  // namespace vectune
