#include "cpu/kernels/columns.h"
#include "cpu/kernels/normalise.h"
#include "cpu/kernels/registry.h"

namespace vectune::kernels::VECTUNE_SIMD {
namespace {

template <typename T>
void norm_forward(const NormForward<T>& a) {
  const int64_t width = a.hidden;
  for_parts(a.rows.rows, [&](int64_t begin, int64_t end, int) {
    for (int64_t r = begin; r < end; ++r) {
      const float* x = a.x + r * width;
      const RowStats stats = a.kind == NormKind::kRms ? rms_stats(x, width, a.eps) : row_stats(x, width, a.eps);
      if (a.stats) {
        a.stats[2 * r] = stats.mean;
        a.stats[2 * r + 1] = stats.rstd;
      }
      for_lanes(width, [&](int64_t i, auto n) {
        const F v = (load(x + i, n) - stats.mean) * stats.rstd * (load(a.gamma + i, n) + a.shift) + load(a.beta + i, n);
        if (a.y) store(a.y + r * width + i, v, n);
        if (a.y_t) store(a.y_t + r * width + i, v, n);
      });
    }
  });
  if (a.y) zero_rows(a.y, a.rows.rows, a.rows.padded, width);
  if (a.y_t) zero_rows(a.y_t, a.rows.rows, a.rows.padded, width);
}

template <typename T>
void norm_backward(const NormBackward<T>& a) {
  const int64_t width = a.hidden;
  ColumnPartials partials(a.partials, 2 * width);
  for_parts(a.rows.rows, [&](int64_t begin, int64_t end, int thread) {
    float* line = partials.line(thread);
    for (int64_t r = begin; r < end; ++r) {
      const T* dy = a.dy + r * width;
      const float* x = a.x + r * width;
      float* dx = a.dx + r * width;
      const auto gamma = [&](int64_t i, auto n) { return load(a.gamma + i, n) + a.shift; };
      RowBackward back = row_backward(x, a.stats + 2 * r, gamma, width, line, line + width,
                                      [&](int64_t i, auto n) { return load(dy + i, n); });
      if (a.kind == NormKind::kRms) back.c1 = 0.0f;  // there is no mean to go back through
      for_lanes(width, [&](int64_t i, auto n) {
        F d = back.dx(load(dy + i, n) * gamma(i, n), load(x + i, n));
        if (a.add) d += load(dx + i, n);
        store(dx + i, d, n);
      });
    }
  });
  partials.total(0, width, a.dgamma, a.accumulate);
  partials.total(width, width, a.dbeta, a.accumulate);
}

}  // namespace

void register_norm(Table& t) {
  t.fp32.norm_forward = norm_forward<float>;
  t.fp32.norm_backward = norm_backward<float>;
  t.bf16_.norm_forward = norm_forward<bf16>;
  t.bf16_.norm_backward = norm_backward<bf16>;
}

}  // namespace vectune::kernels::VECTUNE_SIMD
