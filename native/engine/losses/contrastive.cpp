#include <ATen/TensorOperators.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/sum.h>

#include "losses/autograd.h"
#include "losses/data_check.h"
#include "losses/loss.h"
#include "losses/options.h"
#include "losses/siamese_distance.h"

namespace vectune {

namespace {

/// sentence-transformers' ContrastiveLoss (Hadsell et al. 2006): rows of two texts and a label y, 1 where they belong
/// together and 0 where they do not (between them it weighs the two terms),
///   L = mean ½ (y d² + (1 − y) relu(margin − d)²)
/// Options: distance_metric cosine | euclidean | manhattan; margin 0.5; size_average true (false: the sum). Separable.
class Contrastive final : public Loss {
 public:
  explicit Contrastive(LossOptions& options) : distance_(options) {
    margin_ = options.number("margin", 0.5, 0.0, 1e6);
    average_ = options.flag("size_average", true);
  }

  bool separable() const override { return true; }

  void check(const LossData& data) const override {
    DataCheck("contrastive", data)
        .texts(2, 2, "two texts")
        .labels(1, "one label of each row")
        .values([](float y) { return y >= 0.0f && y <= 1.0f; }, "labels from 0 to 1");
  }

  LossValue of(const at::Tensor& vectors, const LossRows& rows) const override {
    return by_autograd_of_columns(vectors, rows, [&](const at::Tensor& columns) {
      const at::Tensor d = distance_.of(columns), y = rows.labels.view({-1});
      const at::Tensor sum = at::sum(y * d.square() + (1 - y) * at::relu(margin_ - d).square()) * 0.5;
      return average_ ? sum / static_cast<double>(rows.in_step) : sum;
    });
  }

 private:
  SiameseDistance distance_;
  double margin_;
  bool average_;
};

}  // namespace

std::unique_ptr<Loss> make_contrastive(LossOptions& options) { return std::make_unique<Contrastive>(options); }

}  // namespace vectune
