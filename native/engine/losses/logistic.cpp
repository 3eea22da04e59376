#include <ATen/TensorOperators.h>
#include <ATen/ops/sigmoid.h>
#include <ATen/ops/softplus.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/sum.h>

#include "losses/cosine.h"
#include "losses/data_check.h"
#include "losses/loss.h"
#include "losses/options.h"
#include "losses/precision.h"
#include "runtime/alone.h"

namespace vectune {

namespace {

/// Logistic regression on the cosine: rows of two texts and a label y, 1 where they belong together and 0 where they do
/// not,
///   L = mean log(1 + e^z) − y z,   z = scale (cos(u, v) − threshold);   dL/dcos = scale (σ(z) − y) / rows
/// the binary cross-entropy of torch.nn.BCEWithLogitsLoss. It stops pulling where a pair is right. Options: scale 20;
/// threshold, which must be given, as it belongs to the model: the cosine above which it finds two texts the same.
/// Separable.
class Logistic final : public Loss {
 public:
  explicit Logistic(LossOptions& options) {
    scale_ = options.positive("scale", 20.0);
    if (!options.value("threshold")) options.refuse("threshold", "given, a cosine from -1 to 1");
    threshold_ = options.number("threshold", 0.0, -1.0, 1.0);
  }

  bool separable() const override { return true; }

  void check(const LossData& data) const override {
    DataCheck("logistic", data)
        .texts(2, 2, "two texts")
        .labels(1, "one label of each row")
        .values([](float y) { return y >= 0.0f && y <= 1.0f; }, "labels from 0 to 1");
  }

  LossValue of(const at::Tensor& vectors, const LossRows& rows) const override {
    const Alone alone;
    const auto in_step = static_cast<double>(rows.in_step);
    const at::Tensor pairs = vectors_of(rows, wide(vectors));
    const Cosines cosines = Cosines::of(pairs.select(1, 0), pairs.select(1, 1));
    const at::Tensor z = (cosines.value - threshold_) * scale_, y = rows.labels;
    // A softplus that is linear from z = 100 on, where e^-z is below double's rounding.
    const at::Tensor loss = at::sum(at::softplus(z, 1, 100) - y * z) / in_step;
    const auto [du, dv] = cosines.backward((at::sigmoid(z) - y) * (scale_ / in_step));
    return {loss, gradient_of_vectors(rows, at::stack({du, dv}, 1), vectors.size(0))};
  }

 private:
  double scale_, threshold_;
};

}  // namespace

std::unique_ptr<Loss> make_logistic(LossOptions& options) { return std::make_unique<Logistic>(options); }

}  // namespace vectune
