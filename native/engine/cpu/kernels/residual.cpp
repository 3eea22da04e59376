#include "cpu/kernels/columns.h"
#include "cpu/kernels/mask.h"
#include "cpu/kernels/registry.h"

namespace vectune::kernels::VECTUNE_SIMD {
namespace {

template <typename T>
void residual_forward(const ResidualForward<T>& a) {
  const int64_t width = a.hidden;
  for_parts(a.rows.rows, [&](int64_t begin, int64_t end, int) {
    for (int64_t r = begin; r < end; ++r) {
      const T* branch = a.branch + r * width;
      const float* residual = a.residual + r * width;
      float* sum = a.sum + r * width;
      const uint32_t row = a.dropout.on() ? row_hash(a.dropout.key, a.rows.row_keys[r]) : 0;
      for_lanes(width, [&](int64_t i, auto n) {
        F b = load(branch + i, n) + load(a.bias + i, n);
        if (a.dropout.on()) b *= keep(a.dropout, row, i);
        store(sum + i, load(residual + i, n) + b, n);
      });
    }
  });
}

template <typename T>
void residual_backward(const ResidualBackward<T>& a) {
  const int64_t width = a.hidden;
  ColumnPartials partials(a.partials, width);
  for_parts(a.rows.rows, [&](int64_t begin, int64_t end, int thread) {
    float* dbias = partials.line(thread);
    for (int64_t r = begin; r < end; ++r) {
      const float* dsum = a.dsum + r * width;
      T* dbranch = a.dbranch + r * width;
      const uint32_t row = a.dropout.on() ? row_hash(a.dropout.key, a.rows.row_keys[r]) : 0;
      for_lanes(width, [&](int64_t i, auto n) {
        F d = load(dsum + i, n);
        if (a.dropout.on()) d *= keep(a.dropout, row, i);
        store(dbranch + i, d, n);
        store(dbias + i, load(dbias + i, n) + d, n);
      });
    }
  });
  zero_rows(a.dbranch, a.rows.rows, a.rows.padded, width);
  partials.total(0, width, a.dbias, a.accumulate);
}

}  // namespace

void register_residual(Table& t) {
  t.fp32.residual_forward = residual_forward<float>;
  t.fp32.residual_backward = residual_backward<float>;
  t.bf16_.residual_forward = residual_forward<bf16>;
  t.bf16_.residual_backward = residual_backward<bf16>;
}

}  // namespace vectune::kernels::VECTUNE_SIMD
