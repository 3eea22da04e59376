#include <ATen/TensorOperators.h>
#include <ATen/ops/sum.h>

#include "losses/autograd.h"
#include "losses/data_check.h"
#include "losses/loss.h"
#include "losses/options.h"
#include "losses/unit.h"

namespace vectune {

namespace {

/// sentence-transformers' MarginMSELoss (Hofstätter et al. 2021): rows of a query q, a positive p and negatives n, as
/// many in each row; labels are the teacher's margins, of each negative its score less than the positive's, or the
/// teacher's scores of the positive and the negatives,
///   L = mean over rows and negatives of ((s(q, p) − s(q, n)) − margin)²
/// Options: similarity_fct dot_score | cos_sim. Separable.
class MarginMse final : public Loss {
 public:
  explicit MarginMse(LossOptions& options)
      : cosine_(options.word("similarity_fct", "dot_score", {"dot_score", "cos_sim"}) == "cos_sim") {}

  bool separable() const override { return true; }

  void check(const LossData& data) const override {
    const DataCheck needs("margin-mse", data);
    needs.texts(3, kAnyNumber, "a query, a positive and at least one negative").equal_rows();
    if (data.rows == 0) return;
    const int64_t negatives = data.columns(0) - 2;
    if (data.label_width != negatives && data.label_width != negatives + 1)
      needs.refuse(std::to_string(negatives) + " labels of each row, the teacher's margins, or " +
                   std::to_string(negatives + 1) + ", its scores of the positive and the negatives, but there are " +
                   std::to_string(data.label_width));
  }

  LossValue of(const at::Tensor& vectors, const LossRows& rows) const override {
    const int64_t negatives = rows.columns - 2;
    return by_autograd_of_columns(vectors, rows, [&](const at::Tensor& columns) {
      const at::Tensor compared = cosine_ ? Units::of(columns).value : columns;
      const at::Tensor scores =
          at::sum(compared.narrow(1, 0, 1) * compared.narrow(1, 1, negatives + 1), at::IntArrayRef{2});
      const auto margins = [&](const at::Tensor& of) { return of.narrow(1, 0, 1) - of.narrow(1, 1, negatives); };
      const at::Tensor labels = rows.labels.to(columns.scalar_type());
      const at::Tensor difference = margins(scores) - (labels.size(1) == negatives ? labels : margins(labels));
      return at::sum(difference.square()) / static_cast<double>(rows.in_step * negatives);
    });
  }

 private:
  bool cosine_;
};

}  // namespace

std::unique_ptr<Loss> make_margin_mse(LossOptions& options) { return std::make_unique<MarginMse>(options); }

}  // namespace vectune
