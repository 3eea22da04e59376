#include <ATen/TensorOperators.h>
#include <ATen/ops/abs.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/sum.h>

#include "losses/autograd.h"
#include "losses/data_check.h"
#include "losses/loss.h"
#include "losses/options.h"
#include "losses/unit.h"

namespace vectune {

namespace {

/// sentence-transformers' TripletLoss: rows of an anchor a, a text p that belongs to it and one n that does not,
///   L = mean relu(d(a, p) − d(a, n) + margin)
/// Options: distance_metric euclidean | cosine (1 − cos) | manhattan; triplet_margin 5. Separable.
class Triplet final : public Loss {
 public:
  explicit Triplet(LossOptions& options) {
    metric_ = options.word("distance_metric", "euclidean", {"euclidean", "cosine", "manhattan"});
    margin_ = options.number("triplet_margin", 5.0, 0.0, 1e6);
  }

  bool separable() const override { return true; }

  void check(const LossData& data) const override {
    DataCheck("triplet", data).texts(3, 3, "three texts, an anchor, one that belongs to it and one that does not");
  }

  LossValue of(const at::Tensor& vectors, const LossRows& rows) const override {
    return by_autograd_of_columns(vectors, rows, [&](const at::Tensor& columns) {
      const at::Tensor compared = metric_ == "cosine" ? Units::of(columns).value : columns;
      const at::Tensor a = compared.narrow(1, 0, 1), others = compared.narrow(1, 1, 2);
      const at::Tensor d = metric_ == "cosine"      ? 1 - at::sum(a * others, at::IntArrayRef{2})
                           : metric_ == "euclidean" ? at::linalg_vector_norm(a - others, 2, at::IntArrayRef{2})
                                                    : at::sum(at::abs(a - others), at::IntArrayRef{2});
      return at::sum(at::relu(d.select(1, 0) - d.select(1, 1) + margin_)) / static_cast<double>(rows.in_step);
    });
  }

 private:
  std::string metric_;
  double margin_;
};

}  // namespace

std::unique_ptr<Loss> make_triplet(LossOptions& options) { return std::make_unique<Triplet>(options); }

}  // namespace vectune
