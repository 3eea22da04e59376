#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include "losses/data_check.h"
#include "losses/loss.h"
#include "losses/options.h"

namespace vectune {

namespace {

/// A loss that is computed elsewhere, such as a user's own in TypeScript: who trains asks for the vectors of a batch
/// and gives their gradient (Trainer::vectors, Trainer::begin_given_step). Rows of as many texts each, any labels. By
/// itself it is 0. Has no options. Not separable.
class Given final : public Loss {
 public:
  bool separable() const override { return false; }
  bool given() const override { return true; }
  void check(const LossData& data) const override { DataCheck("given", data).equal_rows(); }
  LossValue of(const at::Tensor& vectors, const LossRows&) const override {
    return {at::zeros({}, vectors.options()), at::zeros_like(vectors)};
  }
};

}  // namespace

std::unique_ptr<Loss> make_given(LossOptions&) { return std::make_unique<Given>(); }

}  // namespace vectune
