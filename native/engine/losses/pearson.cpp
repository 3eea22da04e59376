#include <ATen/TensorOperators.h>
#include <ATen/ops/sqrt.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/sum.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros_like.h>

#include "losses/cosine.h"
#include "losses/data_check.h"
#include "losses/loss.h"
#include "losses/options.h"
#include "losses/precision.h"
#include "runtime/alone.h"

namespace vectune {

namespace {

/// 1 − r, Pearson's correlation of the batch's cosines c with its scores y: rows of two texts and a score. Only the
/// shape of the scores counts, not their place and size.
///   r = Σ ĉ ŷ / (|ĉ| |ŷ|),  ĉ = c − mean c,  ŷ = y − mean y;   dr/dc = ŷ / (|ĉ| |ŷ|) − r ĉ / |ĉ|²
/// Where all cosines or all scores are the same (within 1e-6 a row), r is undefined: the loss is 1 and has no gradient.
/// Has no options. Not separable.
class Pearson final : public Loss {
 public:
  bool separable() const override { return false; }

  void check(const LossData& data) const override {
    DataCheck("pearson", data).texts(2, 2, "two texts").labels(1, "one label of each row, its score");
  }

  LossValue of(const at::Tensor& vectors, const LossRows& rows) const override {
    const Alone alone;
    const at::Tensor pairs = vectors_of(rows, wide(vectors));
    const Cosines cosines = Cosines::of(pairs.select(1, 0), pairs.select(1, 1));
    const auto centred = [](const at::Tensor& x) { return x - x.mean(); };
    const at::Tensor c = centred(cosines.value), y = centred(rows.labels.to(c.scalar_type()));
    const at::Tensor cc = at::sum(c * c), yy = at::sum(y * y), zero = at::zeros_like(cc);
    const double least = 1e-12 * static_cast<double>(rows.count);
    const at::Tensor defined = cc.gt(least).logical_and(yy.gt(least));
    const at::Tensor norms = at::sqrt(cc * yy), r = at::where(defined, at::sum(c * y) / norms, zero);
    const at::Tensor slope = at::where(defined, r * c / cc - y / norms, zero);
    const auto [du, dv] = cosines.backward(slope);
    return {1 - r, gradient_of_vectors(rows, at::stack({du, dv}, 1), vectors.size(0))};
  }
};

}  // namespace

std::unique_ptr<Loss> make_pearson(LossOptions&) { return std::make_unique<Pearson>(); }

}  // namespace vectune
