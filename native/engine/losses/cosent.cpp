#include <ATen/TensorOperators.h>
#include <ATen/ops/sum.h>

#include "losses/autograd.h"
#include "losses/data_check.h"
#include "losses/loss.h"
#include "losses/options.h"
#include "losses/ordered_pairs.h"
#include "losses/unit.h"

namespace vectune {

namespace {

/// sentence-transformers' CoSENTLoss (Huang et al. 2024): rows of two texts u, v and a score y,
///   L = log(1 + Σ_{y_i < y_j} exp(scale (c_i − c_j))),   c = similarity(u, v)
/// Only the order of the scores counts; it is a sum over pairs of rows. Options: scale 20, similarity_fct cos_sim |
/// dot_score. Not separable.
class Cosent final : public Loss {
 public:
  explicit Cosent(LossOptions& options) {
    scale_ = options.positive("scale", 20.0);
    cosine_ = options.word("similarity_fct", "cos_sim", {"cos_sim", "dot_score"}) == "cos_sim";
  }

  bool separable() const override { return false; }

  void check(const LossData& data) const override {
    DataCheck("cosent", data).texts(2, 2, "two texts").labels(1, "one label of each row, its score");
  }

  LossValue of(const at::Tensor& vectors, const LossRows& rows) const override {
    return by_autograd_of_columns(vectors, rows, [&](const at::Tensor& columns) {
      const at::Tensor compared = cosine_ ? Units::of(columns).value : columns;
      const at::Tensor similarity = at::sum(compared.select(1, 0) * compared.select(1, 1), at::IntArrayRef{1});
      return ordered_pairs(similarity * scale_, rows.labels.view({-1}));
    });
  }

 private:
  double scale_;
  bool cosine_;
};

}  // namespace

std::unique_ptr<Loss> make_cosent(LossOptions& options) { return std::make_unique<Cosent>(options); }

}  // namespace vectune
