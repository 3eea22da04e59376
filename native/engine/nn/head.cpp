#include "nn/head.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/elu.h>
#include <ATen/ops/elu_backward.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/gelu_backward.h>
#include <ATen/ops/leaky_relu.h>
#include <ATen/ops/leaky_relu_backward.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/mish.h>
#include <ATen/ops/mish_backward.h>
#include <ATen/ops/native_layer_norm.h>
#include <ATen/ops/native_layer_norm_backward.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/sigmoid.h>
#include <ATen/ops/sigmoid_backward.h>
#include <ATen/ops/silu.h>
#include <ATen/ops/silu_backward.h>
#include <ATen/ops/softplus.h>
#include <ATen/ops/softplus_backward.h>
#include <ATen/ops/sum.h>
#include <ATen/ops/tanh.h>
#include <ATen/ops/tanh_backward.h>
#include <ATen/ops/threshold_backward.h>

#include <tuple>

#include "runtime/alone.h"

namespace vectune {

namespace {

constexpr double kNormalizeEps = 1e-12;  // torch.nn.functional.normalize
constexpr double kLayerNormEps = 1e-5;   // torch.nn.LayerNorm

// torch.nn.LeakyReLU's slope and torch.nn.SELU's two numbers.
constexpr double kSlope = 0.01, kSeluAlpha = 1.6732632423543772848170429916717,
                 kSeluScale = 1.0507009873554804934193349852946;

at::Tensor activate(DenseActivation f, const at::Tensor& x) {
  switch (f) {
    case DenseActivation::kTanh: return at::tanh(x);
    case DenseActivation::kRelu: return at::relu(x);
    case DenseActivation::kGelu: return at::gelu(x);
    case DenseActivation::kSigmoid: return at::sigmoid(x);
    case DenseActivation::kSilu: return at::silu(x);
    case DenseActivation::kLeakyRelu: return at::leaky_relu(x, kSlope);
    case DenseActivation::kElu: return at::elu(x);
    case DenseActivation::kSelu: return at::elu(x, kSeluAlpha, kSeluScale);
    case DenseActivation::kSoftplus: return at::softplus(x);
    case DenseActivation::kMish: return at::mish(x);
    case DenseActivation::kIdentity: break;
  }
  return x;
}

at::Tensor activate_backward(DenseActivation f, const at::Tensor& d, const at::Tensor& before, const at::Tensor& out) {
  switch (f) {
    case DenseActivation::kTanh: return at::tanh_backward(d, out);
    case DenseActivation::kRelu: return at::threshold_backward(d, before, 0);
    case DenseActivation::kGelu: return at::gelu_backward(d, before);
    case DenseActivation::kSigmoid: return at::sigmoid_backward(d, out);
    case DenseActivation::kSilu: return at::silu_backward(d, before);
    case DenseActivation::kLeakyRelu: return at::leaky_relu_backward(d, before, kSlope, false);
    case DenseActivation::kElu: return at::elu_backward(d, 1, 1, 1, false, before);
    case DenseActivation::kSelu: return at::elu_backward(d, kSeluAlpha, kSeluScale, 1, false, before);
    case DenseActivation::kSoftplus: return at::softplus_backward(d, before, 1, 20);
    case DenseActivation::kMish: return at::mish_backward(d, before);
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
  pooled_ = backend_.pool(modes(), number_);
  at::Tensor x = pooled_;
  for (size_t i = 1; i < spec_.head.size(); ++i) {
    Step step;
    step.in = x;
    if (const auto* dense = std::get_if<DenseSpec>(&spec_.head[i])) {
      step.before = backend_.dense(table_.head[i], x);
      const at::Tensor around = !dense->residual             ? at::Tensor()
                                : table_.residual[i].out > 0 ? backend_.dense(table_.residual[i], x)
                                                             : x;
      const Alone alone;
      step.activated = activate(dense->activation, step.before);
      step.out = around.defined() ? step.activated + around : step.activated;
    } else if (const NormAt& norm = table_.module_norms[i]; norm.exists()) {
      const auto [weight, bias] = backend_.module_norm(norm);
      const Alone alone;
      std::tie(step.out, step.mean, step.scale) =
          at::native_layer_norm(x, at::IntArrayRef{norm.width}, weight, bias, kLayerNormEps);
    } else {
      const Alone alone;
      step.scale = scale_of(x);
      step.out = x * step.scale;
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
      at::Tensor inner;
      {
        const Alone alone;
        inner = activate_backward(dense->activation, d, step.before, step.activated);
      }
      const at::Tensor through = backend_.dense_backward(table_.head[i], inner, step.in, number_ > 0);
      if (!dense->residual) {
        d = through;
      } else {
        const at::Tensor around =
            table_.residual[i].out > 0 ? backend_.dense_backward(table_.residual[i], d, step.in, number_ > 0) : d;
        const Alone alone;
        d = through + around;
      }
    } else if (const NormAt& norm = table_.module_norms[i]; norm.exists()) {
      const auto [weight, bias] = backend_.module_norm(norm);
      Backend::NormVectors gradients;
      {
        const Alone alone;
        std::tie(d, gradients.weight, gradients.bias) =
            at::native_layer_norm_backward(d.contiguous(), step.in, at::IntArrayRef{norm.width}, step.mean, step.scale,
                                           weight, bias, {true, true, true});
      }
      backend_.module_norm_gradients(norm, gradients, number_ > 0);
    } else {
      // y = x/|x|:  dx = (dy − y·(y·dy))/|x|
      const Alone alone;
      const at::Tensor dot = at::sum(step.out.to(at::kDouble) * d, at::IntArrayRef{1}, true).to(at::kFloat);
      d = (d - step.out * dot) * step.scale;
    }
  }
  backend_.pool_backward(modes(), d, number_);
}

void Head::release() {
  pooled_.reset();
  steps_.clear();
}

int64_t Head::bytes() const {
  const auto of = [](const at::Tensor& t) { return t.defined() ? static_cast<int64_t>(t.nbytes()) : 0; };
  int64_t sum = of(pooled_);
  for (const Step& step : steps_)
    sum += of(step.before) + of(step.mean) + of(step.scale) + (step.out.is_same(step.before) ? 0 : of(step.out)) +
           (step.activated.is_same(step.out) || step.activated.is_same(step.before) ? 0 : of(step.activated));
  return sum;
}

}  // namespace vectune
