#pragma once
// A loss that couples the rows of a batch, for tests alone: softmax over the batch's second columns, of which each
// row's own is right.
#include <ATen/ATen.h>

#include "losses/autograd.h"
#include "losses/loss.h"
#include "losses/options.h"

namespace vectune::tiny {

/// u, v [rows × dimension]
inline at::Tensor coupled(const at::Tensor& u, const at::Tensor& v, double scale) {
  const auto unit = [](const at::Tensor& x) { return x / at::linalg_vector_norm(x, 2, at::IntArrayRef{1}, true); };
  const at::Tensor scores = at::matmul(unit(u), unit(v).t()) * scale;
  return -at::log_softmax(scores, 1).diagonal().mean();
}

class CoupledLoss final : public Loss {
 public:
  explicit CoupledLoss(double scale) : scale_(scale) {}
  bool separable() const override { return false; }
  void check(const LossData&) const override {}
  LossValue of(const at::Tensor& vectors, const LossRows& rows) const override {
    return by_autograd(vectors, [&](const at::Tensor& leaf) {
      const at::Tensor pairs = vectors_of(rows, leaf);
      return coupled(pairs.select(1, 0), pairs.select(1, 1), scale_);
    });
  }

 private:
  double scale_;
};

/// Options that make it; `scale` as a whole number.
inline LossSpec coupled_spec(int64_t scale = 5) {
  add_loss("coupled", [](LossOptions& options) -> std::unique_ptr<Loss> {
    return std::make_unique<CoupledLoss>(options.number("scale", 20.0, 0.0, 1000.0));
  });
  return {"coupled", {{"scale", {scale}}}};
}

}  // namespace vectune::tiny
