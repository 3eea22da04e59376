#include "cpu/kernels/columns.h"
#include "cpu/kernels/normalise.h"
#include "cpu/kernels/registry.h"

namespace vectune::kernels::VECTUNE_SIMD {
namespace {

template <typename T>
void normed_residual_forward(const NormedResidualForward<T>& a) {
  const int64_t width = a.hidden;
  for_parts(a.rows.rows, [&](int64_t begin, int64_t end, int) {
    for (int64_t r = begin; r < end; ++r) {
      const T* branch = a.branch + r * width;
      const float* residual = a.residual + r * width;
      float* sum = a.sum + r * width;
      const float rstd = rms_stats(branch, width, a.eps).rstd;
      if (a.stats) a.stats[r] = rstd;
      for_lanes(width, [&](int64_t i, auto n) {
        const F y = load(branch + i, n) * rstd * (load(a.gamma + i, n) + a.shift);
        store(sum + i, load(residual + i, n) + y, n);
      });
    }
  });
}

template <typename T>
void normed_residual_backward(const NormedResidualBackward<T>& a) {
  const int64_t width = a.hidden;
  ColumnPartials partials(a.partials, width);
  for_parts(a.rows.rows, [&](int64_t begin, int64_t end, int thread) {
    float* dgamma = partials.line(thread);
    for (int64_t r = begin; r < end; ++r) {
      const auto gamma = [&](int64_t i, auto n) { return load(a.gamma + i, n) + a.shift; };
      rms_row_backward(a.branch + r * width, a.stats[r], gamma, width, a.dsum + r * width, dgamma,
                       a.dbranch + r * width);
    }
  });
  zero_rows(a.dbranch, a.rows.rows, a.rows.padded, width);
  partials.total(0, width, a.dgamma, a.accumulate);
}

}  // namespace

void register_normed_residual(Table& t) {
  t.fp32.normed_residual_forward = normed_residual_forward<float>;
  t.fp32.normed_residual_backward = normed_residual_backward<float>;
  t.bf16_.normed_residual_forward = normed_residual_forward<bf16>;
  t.bf16_.normed_residual_backward = normed_residual_backward<bf16>;
}

}  // namespace vectune::kernels::VECTUNE_SIMD
