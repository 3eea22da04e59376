#include <ATen/TensorOperators.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/softplus.h>

#include "losses/autograd.h"
#include "losses/class_triplets.h"
#include "losses/options.h"

namespace vectune {

namespace {

/// sentence-transformers' BatchHardTripletLoss and BatchHardSoftMarginTripletLoss (Hermans et al. 2017): of each text
/// the farthest p of its class and the nearest n of another,
///   L = mean relu(d(p) − d(n) + margin),   or with a soft margin   mean log(1 + e^{d(p) − d(n)})
/// Options: distance_metric euclidean | cosine; margin 5, which the soft one does not have. Not separable.
class BatchHardTriplet final : public ClassTriplets {
 public:
  BatchHardTriplet(std::string name, LossOptions& options, bool soft)
      : ClassTriplets(std::move(name), options), soft_(soft) {
    if (!soft_) margin_ = options.number("margin", 5.0, 0.0, 1e6);
  }

 protected:
  LossValue of_distances(const at::Tensor& distances, const at::Tensor& same) const override {
    return by_autograd(distances, [&](const at::Tensor& d) {
      const HardestDistances hardest(d, same);
      const at::Tensor difference = hardest.positive - hardest.negative;
      return (soft_ ? at::softplus(difference) : at::relu(difference + margin_)).mean();
    });
  }

 private:
  bool soft_;
  double margin_ = 0;
};

}  // namespace

std::unique_ptr<Loss> make_batch_hard_triplet(LossOptions& options) {
  return std::make_unique<BatchHardTriplet>("batch-hard-triplet", options, false);
}

std::unique_ptr<Loss> make_batch_hard_soft_margin_triplet(LossOptions& options) {
  return std::make_unique<BatchHardTriplet>("batch-hard-soft-margin-triplet", options, true);
}

}  // namespace vectune
