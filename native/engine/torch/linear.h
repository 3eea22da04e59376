#pragma once
#include <ATen/core/Tensor.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/sum.h>

namespace vectune::device {

/// y = x·Wᵀ + b, b undefined where there is none; or where the gradients of W and b go.
struct Linear {
  at::Tensor weight, bias;

  at::Tensor forward(const at::Tensor& x) const {
    return bias.defined() ? at::addmm(bias, x, weight.t()) : at::mm(x, weight.t());
  }
  at::Tensor input_gradient(const at::Tensor& dy) const { return at::mm(dy, weight); }
  at::Tensor add_input_gradient(const at::Tensor& dx, const at::Tensor& dy) const { return at::addmm(dx, dy, weight); }
  /// Of gradients: dW (+)= dyᵀ·x, db (+)= Σ rows of dy; nothing of what is undefined.
  void store(const at::Tensor& dy, const at::Tensor& x, bool add) const {
    at::Tensor dw = weight, db = bias;
    if (db.defined()) {
      if (add) db.add_(at::sum(dy, at::IntArrayRef{0}, false, db.scalar_type()));
      else at::sum_out(db, dy, at::IntArrayRef{0}, false, db.scalar_type());
    }
    if (dw.defined()) {
      if (add) dw.addmm_(dy.t(), x);
      else at::mm_out(dw, dy.t(), x);
    }
  }
};

}  // namespace vectune::device
