#include <ATen/TensorOperators.h>
#include <ATen/ops/abs.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/sum.h>

#include "losses/autograd.h"
#include "losses/data_check.h"
#include "losses/loss.h"
#include "losses/options.h"
#include "losses/ordered_pairs.h"
#include "losses/unit.h"

namespace vectune {

namespace {

/// sentence-transformers' AnglELoss (Li & Li 2024): CoSENT's sum over pairs of rows, of
///   a(u, v) = |Re + Im| of û · conj(v̂),  the halves of a vector as real and imaginary parts
///           = |Σ û v̂ + Σ (û₂ v̂₁ − û₁ v̂₂)|
/// Rows of two texts and a score y; or of an anchor, one text that belongs to it and any number that do not, as many in
/// each row: pairs of the anchor with each, of scores y (1 without labels) and 1 − y. A vector of odd dimension is
/// padded with one 0. Options: scale 20. Not separable.
class Angle final : public Loss {
 public:
  explicit Angle(LossOptions& options) : scale_(options.positive("scale", 20.0)) {}

  bool separable() const override { return false; }

  void check(const LossData& data) const override {
    const DataCheck needs("angle", data);
    needs.texts(2, kAnyNumber, "at least two texts").equal_rows();
    if (data.rows > 0 && (data.columns(0) == 2 || data.label_width > 0))
      needs.labels(1, "one label of each row, its score");
  }

  LossValue of(const at::Tensor& vectors, const LossRows& rows) const override {
    return by_autograd_of_columns(vectors, rows, [&](const at::Tensor& columns) {
      const at::Tensor even = columns.size(2) % 2 ? at::constant_pad_nd(columns, {0, 1}) : columns;
      const at::Tensor unit = Units::of(even).value;
      const at::Tensor u = unit.narrow(1, 0, 1), v = unit.narrow(1, 1, rows.columns - 1);
      const int64_t half = unit.size(2) / 2;
      const auto real = [&](const at::Tensor& x) { return x.narrow(2, 0, half); };
      const auto imaginary = [&](const at::Tensor& x) { return x.narrow(2, half, half); };
      const at::Tensor angles = at::abs(at::sum(u * v, at::IntArrayRef{2}) +
                                        at::sum(imaginary(u) * real(v) - real(u) * imaginary(v), at::IntArrayRef{2}));
      const at::Tensor belongs =
          rows.labels.defined() ? rows.labels : at::ones({rows.count, 1}, vectors.options().dtype(at::kFloat));
      const at::Tensor labels = at::cat({belongs, (1 - belongs).expand({rows.count, rows.columns - 2})}, 1);
      return ordered_pairs(angles.reshape({-1}) * scale_, labels.reshape({-1}));
    });
  }

 private:
  double scale_;
};

}  // namespace

std::unique_ptr<Loss> make_angle(LossOptions& options) { return std::make_unique<Angle>(options); }

}  // namespace vectune
