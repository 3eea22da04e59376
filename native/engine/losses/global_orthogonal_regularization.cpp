#include <ATen/TensorOperators.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/sum.h>

#include <algorithm>

#include "losses/autograd.h"
#include "losses/data_check.h"
#include "losses/loss.h"
#include "losses/options.h"
#include "losses/unit.h"

namespace vectune {

namespace {

/// sentence-transformers' GlobalOrthogonalRegularizationLoss (Zhang et al. 2017): spreads the vectors of each column.
/// Meant as an addition to another loss (`sum`). Of a column's cosines c_ij, i ≠ j, of D dimensions
///   mean_weight · (mean c)² + second_moment_weight · relu(mean c² − 1/D)
/// and of the columns the mean or the sum. Options: mean_weight 1, second_moment_weight 1, aggregation mean | sum. Not
/// separable. Of unit vectors Û:  Σ c = |Σ û|² − Σ |û|²,  Σ c² = |ÛᵀÛ|² − Σ |û|⁴: no matrix of rows by rows.
class GlobalOrthogonalRegularization final : public Loss {
 public:
  explicit GlobalOrthogonalRegularization(LossOptions& options) {
    mean_weight_ = options.number("mean_weight", 1.0, 0.0, 1e6);
    second_moment_weight_ = options.number("second_moment_weight", 1.0, 0.0, 1e6);
    mean_ = options.word("aggregation", "mean", {"mean", "sum"}) == "mean";
    if (mean_weight_ == 0.0 && second_moment_weight_ == 0.0)
      options.refuse("second_moment_weight", "above 0 where mean_weight is 0");
  }

  bool separable() const override { return false; }

  void check(const LossData& data) const override { DataCheck("global-orthogonal-regularization", data).equal_rows(); }

  LossValue of(const at::Tensor& vectors, const LossRows& rows) const override {
    const auto pairs = static_cast<double>(std::max<int64_t>(rows.count * (rows.count - 1), 1));
    const double least = 1.0 / static_cast<double>(vectors.size(1));
    return by_autograd_of_columns(vectors, rows, [&](const at::Tensor& columns) {
      const at::Tensor unit = Units::of(columns).value.transpose(0, 1);  // [columns × rows × dimension]
      const at::Tensor squares = at::sum(unit.square(), at::IntArrayRef{2});
      const at::Tensor mean = (at::sum(at::sum(unit, at::IntArrayRef{1}).square(), at::IntArrayRef{1}) -
                               at::sum(squares, at::IntArrayRef{1})) /
                              pairs;
      const at::Tensor second_moment =
          (at::sum(at::matmul(unit.transpose(1, 2), unit).square(), at::IntArrayRef{1, 2}) -
           at::sum(squares.square(), at::IntArrayRef{1})) /
          pairs;
      const at::Tensor loss =
          at::sum(mean.square() * mean_weight_ + at::relu(second_moment - least) * second_moment_weight_);
      return mean_ ? loss / static_cast<double>(rows.columns) : loss;
    });
  }

 private:
  double mean_weight_, second_moment_weight_;
  bool mean_;
};

}  // namespace

std::unique_ptr<Loss> make_global_orthogonal_regularization(LossOptions& options) {
  return std::make_unique<GlobalOrthogonalRegularization>(options);
}

}  // namespace vectune
