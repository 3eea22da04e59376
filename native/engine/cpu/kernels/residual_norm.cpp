#include "cpu/kernels/columns.h"
#include "cpu/kernels/normalise.h"
#include "cpu/kernels/registry.h"

namespace vectune::kernels::VECTUNE_SIMD {
namespace {

// sum = residual + mask · (branch + bias);  y = LN(sum)
template <typename T>
void residual_norm_forward(const ResidualNormForward<T>& a) {
  const int64_t width = a.hidden;
  for_parts(a.rows.rows, [&](int64_t begin, int64_t end, int) {
    for (int64_t r = begin; r < end; ++r) {
      const T* branch = a.branch + r * width;
      const float* residual = a.residual + r * width;
      float* y = a.y + r * width;
      float* sum = a.sum ? a.sum + r * width : y;
      const uint32_t row = a.dropout.on() ? row_hash(a.dropout.key, a.rows.row_keys[r]) : 0;
      for_lanes(width, [&](int64_t i, auto n) {
        F b = load(branch + i, n) + load(a.bias + i, n);
        if (a.dropout.on()) b *= keep(a.dropout, row, i);
        store(sum + i, load(residual + i, n) + b, n);
      });
      const RowStats stats = row_stats(sum, width, a.eps);
      if (a.stats) {
        a.stats[2 * r] = stats.mean;
        a.stats[2 * r + 1] = stats.rstd;
      }
      for_lanes(width, [&](int64_t i, auto n) {
        const F v = (load(sum + i, n) - stats.mean) * stats.rstd * load(a.gamma + i, n) + load(a.beta + i, n);
        store(y + i, v, n);
        if (a.y_t) store(a.y_t + r * width + i, v, n);
      });
    }
  });
  zero_rows(a.y, a.rows.rows, a.rows.padded, width);
  if (a.y_t) zero_rows(a.y_t, a.rows.rows, a.rows.padded, width);
}

// d(sum) by the layer norm; d(residual) = d(sum); d(branch + bias) = mask · d(sum)
template <typename T>
void residual_norm_backward(const ResidualNormBackward<T>& a) {
  const int64_t width = a.hidden;
  ColumnPartials partials(a.partials, 3 * width);
  for_parts(a.rows.rows, [&](int64_t begin, int64_t end, int thread) {
    float* line = partials.line(thread);
    float* dbias = line + 2 * width;
    for (int64_t r = begin; r < end; ++r) {
      float* dy = a.dy + r * width;
      const float* x = a.sum + r * width;
      T* dbranch = a.dbranch + r * width;
      const uint32_t row = a.dropout.on() ? row_hash(a.dropout.key, a.rows.row_keys[r]) : 0;
      const RowBackward back = row_backward(x, a.stats + 2 * r, a.gamma, width, line, line + width,
                                            [&](int64_t i, auto n) { return load(dy + i, n); });
      for_lanes(width, [&](int64_t i, auto n) {
        F d = back.dx(load(dy + i, n) * load(a.gamma + i, n), load(x + i, n));
        store(dy + i, d, n);
        if (a.dropout.on()) d *= keep(a.dropout, row, i);
        store(dbranch + i, d, n);
        store(dbias + i, load(dbias + i, n) + d, n);
      });
    }
  });
  zero_rows(a.dbranch, a.rows.rows, a.rows.padded, width);
  partials.total(0, width, a.dgamma, a.accumulate);
  partials.total(width, width, a.dbeta, a.accumulate);
  partials.total(2 * width, width, a.dbias, a.accumulate);
}

}  // namespace

void register_residual_norm(Table& t) {
  t.fp32.residual_norm_forward = residual_norm_forward<float>;
  t.fp32.residual_norm_backward = residual_norm_backward<float>;
  t.bf16_.residual_norm_forward = residual_norm_forward<bf16>;
  t.bf16_.residual_norm_backward = residual_norm_backward<bf16>;
}

}  // namespace vectune::kernels::VECTUNE_SIMD
