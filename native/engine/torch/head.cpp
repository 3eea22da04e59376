#include "torch/head.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/gelu_backward.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/masked_fill.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/ne.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/rsqrt.h>
#include <ATen/ops/segment_reduce.h>
#include <ATen/ops/sum.h>
#include <ATen/ops/tanh.h>
#include <ATen/ops/tanh_backward.h>
#include <ATen/ops/threshold_backward.h>
#include <ATen/ops/zeros.h>

namespace vectune::device {

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

at::Tensor lengths_of(PoolingMode mode, const DeviceBatch& batch) {
  const at::Tensor lengths = batch.lengths.to(at::kFloat).unsqueeze(1);
  return mode == PoolingMode::kMean ? lengths : lengths.sqrt();
}

at::Tensor norms(const at::Tensor& x) {
  return at::linalg_vector_norm(x, 2, at::IntArrayRef{1}, true).clamp_min_(kNormalizeEps);
}

/// Over the rows of each text: x [rows × width] → [texts + 1 × width].
at::Tensor reduce(const at::Tensor& x, const char* how, const DeviceBatch& batch) {
  // `unsafe` leaves out a check of the lengths that would wait for the device.
  return at::segment_reduce(x, how, batch.lengths, {}, {}, 0, /*unsafe=*/true);
}

/// The first row that has its text's maximum [texts + 1 × width], as torch.max and native/engine/head.cpp choose it.
/// (_segment_reduce_backward shares a positive gradient out among equal rows and gives each of them a negative one
/// whole.)
at::Tensor rows_of_maxima(const at::Tensor& y, const at::Tensor& maxima, const DeviceBatch& batch) {
  const at::Tensor row = at::arange(batch.rows, y.options()).unsqueeze(1);  // fp32 holds every row up to 2^24
  const at::Tensor is_less = at::ne(y, at::index_select(maxima, 0, batch.text_of_row));
  // Where nothing equals (NaN), any row that there is: the loss is not finite then and no gradient is used.
  return reduce(at::masked_fill(row.expand(y.sizes()), is_less, batch.rows - 1), "min", batch).to(at::kLong);
}

}  // namespace

at::Tensor DeviceHead::pool(const DeviceBatch& batch, const at::Tensor& y) {
  y_ = y.to(at::kFloat);
  std::vector<at::Tensor> parts;
  at::Tensor sums;
  for (const PoolingMode mode : std::get<PoolingSpec>(spec_.head.front()).modes) {
    if (mode == PoolingMode::kCls) {
      parts.push_back(at::index_select(y_, 0, batch.starts.narrow(0, 0, batch.texts + 1)));
    } else if (mode == PoolingMode::kMax) {
      parts.push_back(maxima_ = reduce(y_, "max", batch));
    } else {
      if (!sums.defined()) sums = reduce(y_, "sum", batch);
      parts.push_back(sums / lengths_of(mode, batch));
    }
  }
  if (!maxima_.defined()) y_.reset();
  return (parts.size() == 1 ? parts.front() : at::cat(parts, 1)).narrow(0, 0, batch.texts);
}

at::Tensor DeviceHead::pool_backward(const DeviceBatch& batch, const at::Tensor& d) const {
  const int64_t hidden = spec_.encoder.hidden_size;
  // The dummy after the texts has no gradient.
  at::Tensor all = at::zeros({batch.texts + 1, d.size(1)}, d.options());
  all.narrow(0, 0, batch.texts).copy_(d);
  at::Tensor dy;
  const auto add = [&](const at::Tensor& part) { dy = dy.defined() ? dy.add_(part) : part; };
  int64_t column = 0;
  at::Tensor spread;  // of mean and mean_sqrt_len together: the same for every row of a text
  for (const PoolingMode mode : std::get<PoolingSpec>(spec_.head.front()).modes) {
    const at::Tensor part = all.narrow(1, column, hidden);
    column += hidden;
    if (mode == PoolingMode::kCls) {
      at::Tensor at_first = at::zeros({batch.rows, hidden}, d.options());
      add(at_first.index_add_(0, batch.starts.narrow(0, 0, batch.texts + 1), part));
    } else if (mode == PoolingMode::kMax) {
      at::Tensor at_maxima = at::zeros({batch.rows, hidden}, d.options());
      add(at_maxima.scatter_(0, rows_of_maxima(y_, maxima_, batch), part));
    } else {
      const at::Tensor share = part / lengths_of(mode, batch);
      spread = spread.defined() ? spread.add_(share) : share;
    }
  }
  if (spread.defined()) add(at::index_select(spread, 0, batch.text_of_row));
  return dy.to(type_);
}

at::Tensor DeviceHead::forward(const DeviceBatch& batch, const at::Tensor& y, const FlatTensor& weights) {
  release();
  type_ = y.scalar_type();
  pooled_ = pool(batch, y);
  at::Tensor x = pooled_;
  for (size_t i = 1; i < spec_.head.size(); ++i) {
    Step step{x, {}, {}};
    if (const auto* dense = std::get_if<DenseSpec>(&spec_.head[i])) {
      const LinearAt& at = table_.head[i];
      const at::Tensor w = weights.matrix(at.weight, at.out, at.in);
      step.before = at.bias >= 0 ? at::addmm(weights.vector(at.bias, at.out), x, w.t()) : at::mm(x, w.t());
      step.out = activate(dense->activation, step.before);
    } else {
      step.before = norms(x);
      step.out = x / step.before;
    }
    x = step.out;
    steps_.push_back(std::move(step));
  }
  return x;
}

at::Tensor DeviceHead::backward(const DeviceBatch& batch, at::Tensor d, const FlatTensor& weights,
                                const FlatTensor& gradients, bool accumulate) {
  for (size_t i = spec_.head.size() - 1; i >= 1; --i) {
    const Step& step = steps_[i - 1];
    if (const auto* dense = std::get_if<DenseSpec>(&spec_.head[i])) {
      const LinearAt& at = table_.head[i];
      d = activate_backward(dense->activation, d, step.before, step.out);
      at::Tensor dw = gradients.matrix(at.weight, at.out, at.in);
      if (accumulate) dw.addmm_(d.t(), step.in);
      else at::mm_out(dw, d.t(), step.in);
      if (at.bias >= 0) {
        at::Tensor db = gradients.vector(at.bias, at.out);
        if (accumulate) db.add_(at::sum(d, at::IntArrayRef{0}));
        else at::sum_out(db, d, at::IntArrayRef{0});
      }
      d = at::mm(d, weights.matrix(at.weight, at.out, at.in));
    } else {
      // y = x/|x|:  dx = (dy − y·(y·dy))/|x|
      d = (d - step.out * at::sum(step.out * d, at::IntArrayRef{1}, true)) / step.before;
    }
  }
  return pool_backward(batch, d);
}

void DeviceHead::release() {
  y_.reset();
  maxima_.reset();
  pooled_.reset();
  steps_.clear();
}

}  // namespace vectune::device
