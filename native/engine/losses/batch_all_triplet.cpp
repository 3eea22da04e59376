#include <ATen/TensorOperators.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/sum.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>

#include "losses/class_triplets.h"
#include "losses/options.h"

namespace vectune {

namespace {

/// sentence-transformers' BatchAllTripletLoss (Hermans et al. 2017): of all triplets of a text a, another p of its
/// class and one n of another class those that cost anything,
///   L = Σ relu(d(a, p) − d(a, n) + margin) / number of them
///   dL/dd(a, p) = triplets of (a, p) among them / their number;  dL/dd(a, n) the same, negative
/// Options: distance_metric euclidean | cosine; margin 5. Not separable. Computed by chunks of anchors.
class BatchAllTriplet final : public ClassTriplets {
 public:
  explicit BatchAllTriplet(LossOptions& options) : ClassTriplets("batch-all-triplet", options) {
    margin_ = options.number("margin", 5.0, 0.0, 1e6);
  }

 protected:
  LossValue of_distances(const at::Tensor& distances, const at::Tensor& same) const override {
    const int64_t n = distances.size(0), chunk = std::max<int64_t>(1, kTripletsAtOnce / (n * n));
    const at::Tensor pairs = same.logical_and(at::eye(n, distances.options()).to(at::kBool).logical_not());
    at::Tensor loss = at::zeros({}, distances.options()), number = at::zeros({}, distances.options()),
               gradient = at::zeros_like(distances);
    for (int64_t first = 0; first < n; first += chunk) {
      const int64_t count = std::min(chunk, n - first);
      const at::Tensor d = distances.narrow(0, first, count);
      const at::Tensor cost = d.unsqueeze(2) - d.unsqueeze(1) + margin_;  // [anchor × p × n]
      const at::Tensor counted = cost.gt(1e-16)
                                     .logical_and_(pairs.narrow(0, first, count).unsqueeze(2))
                                     .logical_and_(same.narrow(0, first, count).unsqueeze(1).logical_not());
      loss += at::sum(cost * counted);
      number += at::sum(counted);
      gradient.narrow(0, first, count)
          .copy_(at::sum(counted, at::IntArrayRef{2}) - at::sum(counted, at::IntArrayRef{1}));
    }
    number.clamp_min_(1);
    return {loss / number, gradient / number};
  }

 private:
  static constexpr int64_t kTripletsAtOnce = int64_t{1} << 22;
  double margin_;
};

}  // namespace

std::unique_ptr<Loss> make_batch_all_triplet(LossOptions& options) {
  return std::make_unique<BatchAllTriplet>(options);
}

}  // namespace vectune
