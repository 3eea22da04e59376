#include "nn/head.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/gelu_backward.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/sum.h>
#include <ATen/ops/tanh.h>
#include <ATen/ops/tanh_backward.h>
#include <ATen/ops/threshold_backward.h>

#include "runtime/alone.h"

namespace vectune {

namespace {

constexpr double kNormalizeEps = 1e-12;  // torch.nn.functional.normalize

at::Tensor activate(DenseActivation f, const at::Tensor& x) {
  switch (f) {
    case DenseActivation::kTanh: return at::tanh(x);
    case DenseActivation::kRelu: return at::relu(x);
    case DenseActivation::kGelu: return at::gelu(x);
    case DenseActivation::kIdentity: break;
  }
  return x;
}

at::Tensor activate_backward(DenseActivation f, const at::Tensor& d, const at::Tensor& before, const at::Tensor& out) {
  switch (f) {
    case DenseActivation::kTanh: return at::tanh_backward(d, out);
    case DenseActivation::kRelu: return at::threshold_backward(d, before, 0);
    case DenseActivation::kGelu: return at::gelu_backward(d, before);
    case DenseActivation::kIdentity: break;
  }
  return d;
}

/// 1/|x| of each row, summed in double.
at::Tensor scale_of(const at::Tensor& x) {
  return at::linalg_vector_norm(x, 2, at::IntArrayRef{1}, true, at::kDouble)
      .to(at::kFloat)
      .clamp_min_(kNormalizeEps)
      .reciprocal_();
}

}  // namespace

at::Tensor Head::forward() {
  release();
  pooled_ = backend_.pool(modes());
  at::Tensor x = pooled_;
  for (size_t i = 1; i < spec_.head.size(); ++i) {
    Step step{x, {}, {}};
    if (const auto* dense = std::get_if<DenseSpec>(&spec_.head[i])) {
      step.before = backend_.dense(table_.head[i], x);
      const Alone alone;
      step.out = activate(dense->activation, step.before);
    } else {
      const Alone alone;
      step.before = scale_of(x);
      step.out = x * step.before;
    }
    x = step.out;
    steps_.push_back(std::move(step));
  }
  return x;
}

void Head::backward(at::Tensor d) {
  for (size_t i = spec_.head.size() - 1; i >= 1; --i) {
    const Step& step = steps_[i - 1];
    if (const auto* dense = std::get_if<DenseSpec>(&spec_.head[i])) {
      {
        const Alone alone;
        d = activate_backward(dense->activation, d, step.before, step.out);
      }
      d = backend_.dense_backward(table_.head[i], d, step.in);
    } else {
      // y = x/|x|:  dx = (dy − y·(y·dy))/|x|
      const Alone alone;
      const at::Tensor dot = at::sum(step.out.to(at::kDouble) * d, at::IntArrayRef{1}, true).to(at::kFloat);
      d = (d - step.out * dot) * step.before;
    }
  }
  backend_.pool_backward(modes(), d);
}

void Head::release() {
  pooled_.reset();
  steps_.clear();
}

int64_t Head::bytes() const {
  const auto of = [](const at::Tensor& t) { return t.defined() ? static_cast<int64_t>(t.nbytes()) : 0; };
  int64_t sum = of(pooled_);
  for (const Step& step : steps_) sum += of(step.before) + (step.out.is_same(step.before) ? 0 : of(step.out));
  return sum;
}

}  // namespace vectune
