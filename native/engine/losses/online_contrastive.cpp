#include <ATen/TensorOperators.h>
#include <ATen/ops/abs.h>
#include <ATen/ops/any.h>
#include <ATen/ops/max.h>
#include <ATen/ops/min.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/sum.h>
#include <ATen/ops/where.h>

#include <limits>

#include "losses/autograd.h"
#include "losses/data_check.h"
#include "losses/loss.h"
#include "losses/options.h"
#include "losses/siamese_distance.h"

namespace vectune {

namespace {

/// sentence-transformers' OnlineContrastiveLoss: rows of two texts and a label, 1 or 0; only the hard pairs of the
/// batch count,
///   L = Σ_{positives, d > t⁺} d² + Σ_{negatives, d < t⁻} relu(margin − d)²
///   t⁺ the smallest d of a negative, or the positives' mean where there is none
///   t⁻ the largest d of a positive, or the negatives' mean where there is none
/// Options: distance_metric cosine | euclidean | manhattan; margin 0.5. Not separable. Distances within 1e-6 of their
/// mean count as the mean: of equal ones rounding would decide.
class OnlineContrastive final : public Loss {
 public:
  explicit OnlineContrastive(LossOptions& options)
      : distance_(options), margin_(options.number("margin", 0.5, 0.0, 1e6)) {}

  bool separable() const override { return false; }

  void check(const LossData& data) const override {
    DataCheck("online-contrastive", data)
        .texts(2, 2, "two texts")
        .labels(1, "one label of each row")
        .values([](float y) { return y == 0.0f || y == 1.0f; }, "labels that are 0 or 1");
  }

  LossValue of(const at::Tensor& vectors, const LossRows& rows) const override {
    const at::Tensor positive = rows.labels.view({-1}).eq(1), negative = positive.logical_not();
    return by_autograd_of_columns(vectors, rows, [&](const at::Tensor& columns) {
      const at::Tensor d = distance_.of(columns), value = d.detach();
      constexpr double kNever = std::numeric_limits<double>::infinity(), kSame = 1e-6;
      const auto mean_of = [&](const at::Tensor& some) { return at::sum(value * some) / at::sum(some); };
      const at::Tensor below =
          at::where(at::any(positive), at::max(value.masked_fill(negative, -kNever)), mean_of(negative) - kSame);
      const at::Tensor above =
          at::where(at::any(negative), at::min(value.masked_fill(positive, kNever)), mean_of(positive) + kSame);
      return at::sum(d.square() * positive.logical_and(value.gt(above))) +
             at::sum(at::relu(margin_ - d).square() * negative.logical_and(value.lt(below)));
    });
  }

 private:
  SiameseDistance distance_;
  double margin_;
};

}  // namespace

std::unique_ptr<Loss> make_online_contrastive(LossOptions& options) {
  return std::make_unique<OnlineContrastive>(options);
}

}  // namespace vectune
