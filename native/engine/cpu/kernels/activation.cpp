#include "cpu/kernels/activations.h"
#include "cpu/kernels/columns.h"
#include "cpu/kernels/registry.h"

namespace vectune::kernels::VECTUNE_SIMD {
namespace {

template <typename T>
void bias_activation_forward(const BiasActivationForward<T>& a) {
  with_activation(a.activation, [&](auto f) {
    for_parts(a.rows.rows, [&](int64_t begin, int64_t end, int) {
      for (int64_t r = begin; r < end; ++r) {
        const T* x = a.x + r * a.width;
        T* y = a.y + r * a.width;
        for_lanes(a.width, [&](int64_t i, auto n) { store(y + i, f.value(load(x + i, n) + load(a.bias + i, n)), n); });
      }
    });
  });
  zero_rows(a.y, a.rows.rows, a.rows.padded, a.width);
}

template <typename T>
void bias_activation_backward(const BiasActivationBackward<T>& a) {
  ColumnPartials partials(a.partials, a.width);
  with_activation(a.activation, [&](auto f) {
    for_parts(a.rows.rows, [&](int64_t begin, int64_t end, int thread) {
      float* dbias = partials.line(thread);
      for (int64_t r = begin; r < end; ++r) {
        const T* x = a.x + r * a.width;
        T* dy = a.dy + r * a.width;
        for_lanes(a.width, [&](int64_t i, auto n) {
          const F d = load(dy + i, n) * f.slope(load(x + i, n) + load(a.bias + i, n));
          store(dy + i, d, n);
          store(dbias + i, load(dbias + i, n) + d, n);
        });
      }
    });
  });
  zero_rows(a.dy, a.rows.rows, a.rows.padded, a.width);
  partials.total(0, a.width, a.dbias, a.accumulate);
}

}  // namespace

void register_activation(Table& t) {
  t.fp32.bias_activation_forward = bias_activation_forward<float>;
  t.fp32.bias_activation_backward = bias_activation_backward<float>;
  t.bf16_.bias_activation_forward = bias_activation_forward<bf16>;
  t.bf16_.bias_activation_backward = bias_activation_backward<bf16>;
}

}  // namespace vectune::kernels::VECTUNE_SIMD
