#include <ATen/TensorOperators.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/max.h>
#include <ATen/ops/min.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/searchsorted.h>
#include <ATen/ops/sort.h>
#include <ATen/ops/sum.h>
#include <ATen/ops/where.h>

#include <limits>

#include "losses/autograd.h"
#include "losses/class_triplets.h"
#include "losses/options.h"

namespace vectune {

namespace {

/// sentence-transformers' BatchSemiHardTripletLoss: of each text a and each other p of its class, the nearest text n of
/// another class that is farther from a than p, or where there is none the farthest of another class,
///   L = Σ relu(d(a, p) − d(a, n) + margin) / number of (a, p)
/// Options: distance_metric euclidean | cosine; margin 5. Not separable.
class BatchSemiHardTriplet final : public ClassTriplets {
 public:
  explicit BatchSemiHardTriplet(LossOptions& options) : ClassTriplets("batch-semi-hard-triplet", options) {
    margin_ = options.number("margin", 5.0, 0.0, 1e6);
  }

 protected:
  LossValue of_distances(const at::Tensor& distances, const at::Tensor& same) const override {
    const int64_t n = distances.size(0);
    const at::Tensor pairs = same.logical_and(at::eye(n, distances.options()).to(at::kBool).logical_not());
    return by_autograd(distances, [&](const at::Tensor& d) {
      const at::Tensor negatives = std::get<0>(
          at::sort(d.masked_fill(same, std::numeric_limits<double>::infinity()), /*stable=*/true, 1, false));
      const at::Tensor farther =
          at::searchsorted(negatives.detach(), d.detach(), /*out_int32=*/false, /*right=*/true).clamp_max(n - 1);
      const at::Tensor outside = negatives.gather(1, farther);
      const at::Tensor least = std::get<0>(at::min(d, 1, true));
      const at::Tensor inside = std::get<0>(at::max((d - least) * same.logical_not(), 1, true)) + least;
      const at::Tensor of_pairs = d - at::where(at::isfinite(outside), outside, inside) + margin_;
      return at::sum(at::relu(of_pairs * pairs)) / at::sum(pairs).to(d.scalar_type()).clamp_min(1e-16);
    });
  }

 private:
  double margin_;
};

}  // namespace

std::unique_ptr<Loss> make_batch_semi_hard_triplet(LossOptions& options) {
  return std::make_unique<BatchSemiHardTriplet>(options);
}

}  // namespace vectune
