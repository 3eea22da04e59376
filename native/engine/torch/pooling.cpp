#include "torch/pooling.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/lt.h>
#include <ATen/ops/masked_fill.h>
#include <ATen/ops/ne.h>
#include <ATen/ops/segment_reduce.h>
#include <ATen/ops/zeros.h>

#include <limits>

namespace vectune::device {

namespace {

at::Tensor first_rows(const DeviceBatch& batch) {
  const at::Tensor starts = batch.starts.narrow(0, 0, batch.texts + 1);
  return batch.unpooled.defined() ? starts + batch.unpooled : starts;
}

/// The place of each row in its text, from 0 on [rows].
at::Tensor places_of(const DeviceBatch& batch) {
  const at::Tensor first = at::index_select(batch.starts, 0, batch.text_of_row);
  return at::arange(batch.rows, first.options()) - first;
}

/// Which rows no pooling sees [rows × 1].
at::Tensor is_skipped(const DeviceBatch& batch) {
  return at::lt(places_of(batch), at::index_select(batch.unpooled, 0, batch.text_of_row)).unsqueeze(1);
}

/// What a sum over a text's rows is divided by [texts + 1 × 1].
at::Tensor lengths_of(PoolingMode mode, const DeviceBatch& batch) {
  at::Tensor lengths = batch.lengths.to(at::kFloat).unsqueeze(1);
  at::Tensor before = batch.unpooled.defined() ? batch.unpooled.to(at::kFloat).unsqueeze(1) : at::Tensor();
  if (mode == PoolingMode::kWeightedMean) {
    const at::Tensor all = lengths * (lengths + 1) / 2;
    return before.defined() ? all - before * (before + 1) / 2 : all;
  }
  if (before.defined()) lengths = lengths - before;
  if (batch.has_empty) lengths = lengths.clamp_min(1);  // whose sum is 0
  return mode == PoolingMode::kMean ? lengths : lengths.sqrt();
}

/// How often each row counts in a weighted mean [rows × 1].
at::Tensor weights_of(const DeviceBatch& batch) { return (places_of(batch) + 1).to(at::kFloat).unsqueeze(1); }

at::Tensor last_rows(const DeviceBatch& batch) { return batch.starts.narrow(0, 1, batch.texts + 1) - 1; }

/// Over the rows of each text: x [rows × width] → [texts + 1 × width].
at::Tensor reduce(const at::Tensor& x, const char* how, const DeviceBatch& batch) {
  // `unsafe` leaves out a check of the lengths that would wait for the device.
  return at::segment_reduce(x, how, batch.lengths, {}, {}, 0, /*unsafe=*/true);
}

/// The first row that has its text's maximum [texts + 1 × width], as torch.max and cpu/pooling.cpp choose it.
/// (_segment_reduce_backward shares a positive gradient out among equal rows and gives each of them a negative one
/// whole.)
at::Tensor rows_of_maxima(const at::Tensor& y, const at::Tensor& maxima, const DeviceBatch& batch) {
  const at::Tensor row = at::arange(batch.rows, y.options()).unsqueeze(1);  // fp32 holds every row up to 2^24
  const at::Tensor is_less = at::ne(y, at::index_select(maxima, 0, batch.text_of_row));
  // Where nothing equals (NaN), any row that there is: the loss is not finite then and no gradient is used.
  return reduce(at::masked_fill(row.expand(y.sizes()), is_less, batch.rows - 1), "min", batch).to(at::kLong);
}

/// y with rows that are no maximum where none may be.
at::Tensor without(const at::Tensor& y, const at::Tensor& rows) {
  return rows.defined() ? at::masked_fill(y, rows, -std::numeric_limits<float>::infinity()) : y;
}

}  // namespace

at::Tensor pool(const DeviceBatch& batch, const std::vector<PoolingMode>& modes, const at::Tensor& all,
                at::Tensor& maxima) {
  maxima.reset();
  const at::Tensor hidden = batch.unpooled.defined() ? is_skipped(batch) : at::Tensor();
  const at::Tensor y = hidden.defined() ? at::masked_fill(all, hidden, 0) : all;
  std::vector<at::Tensor> parts;
  at::Tensor sums;
  for (const PoolingMode mode : modes) {
    if (mode == PoolingMode::kCls) {
      parts.push_back(at::index_select(y, 0, first_rows(batch)));
    } else if (mode == PoolingMode::kMax) {
      parts.push_back(maxima = reduce(without(all, hidden), "max", batch));
    } else if (mode == PoolingMode::kLastToken) {
      parts.push_back(at::index_select(y, 0, last_rows(batch)));
    } else if (mode == PoolingMode::kWeightedMean) {
      parts.push_back(reduce(y * weights_of(batch), "sum", batch) / lengths_of(mode, batch));
    } else {
      if (!sums.defined()) sums = reduce(y, "sum", batch);
      parts.push_back(sums / lengths_of(mode, batch));
    }
  }
  return (parts.size() == 1 ? parts.front() : at::cat(parts, 1)).narrow(0, 0, batch.texts);
}

at::Tensor pool_backward(const DeviceBatch& batch, const std::vector<PoolingMode>& modes, const at::Tensor& d,
                         const at::Tensor& y, const at::Tensor& maxima) {
  const at::Tensor hidden_rows = batch.unpooled.defined() ? is_skipped(batch) : at::Tensor();
  const int64_t hidden = d.size(1) / static_cast<int64_t>(modes.size());
  // The dummy after the texts has no gradient.
  at::Tensor all = at::zeros({batch.texts + 1, d.size(1)}, d.options());
  all.narrow(0, 0, batch.texts).copy_(d);
  at::Tensor dy;
  const auto add = [&](const at::Tensor& part) { dy = dy.defined() ? dy.add_(part) : part; };
  int64_t column = 0;
  at::Tensor spread;  // of mean and mean_sqrt_len together: the same for every row of a text
  for (const PoolingMode mode : modes) {
    const at::Tensor part = all.narrow(1, column, hidden);
    column += hidden;
    if (mode == PoolingMode::kCls) {
      at::Tensor at_first = at::zeros({batch.rows, hidden}, d.options());
      add(at_first.index_add_(0, first_rows(batch), part));
    } else if (mode == PoolingMode::kLastToken) {
      at::Tensor at_last = at::zeros({batch.rows, hidden}, d.options());
      add(at_last.index_add_(0, last_rows(batch), part));
    } else if (mode == PoolingMode::kWeightedMean) {
      add(at::index_select(part / lengths_of(mode, batch), 0, batch.text_of_row) * weights_of(batch));
    } else if (mode == PoolingMode::kMax) {
      at::Tensor at_maxima = at::zeros({batch.rows, hidden}, d.options());
      add(at_maxima.scatter_(0, rows_of_maxima(without(y, hidden_rows), maxima, batch), part));
    } else {
      const at::Tensor share = part / lengths_of(mode, batch);
      spread = spread.defined() ? spread.add_(share) : share;
    }
  }
  if (spread.defined()) add(at::index_select(spread, 0, batch.text_of_row));
  if (hidden_rows.defined()) dy.masked_fill_(hidden_rows, 0);
  return dy;
}

}  // namespace vectune::device
