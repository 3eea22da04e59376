#include "cpu/kernels/activations.h"
#include "cpu/kernels/columns.h"
#include "cpu/kernels/mask.h"
#include "cpu/kernels/registry.h"

namespace vectune::kernels::VECTUNE_SIMD {
namespace {

// y = mask · f(a)·b, a and b the halves of x + bias  (Shazeer 2020, "GLU variants")
template <typename T>
void gate_forward(const GateForward<T>& g) {
  const int64_t width = g.width, a = g.first ? 0 : width, b = width - a;
  with_activation(g.activation, [&](auto f) {
    for_parts(g.rows.rows, [&](int64_t begin, int64_t end, int) {
      for (int64_t r = begin; r < end; ++r) {
        const T* x = g.x + r * 2 * width;
        T* y = g.y + r * width;
        const uint32_t row = g.dropout.on() ? row_hash(g.dropout.key, g.rows.row_keys[r]) : 0;
        for_lanes(width, [&](int64_t i, auto n) {
          F v = f.value(load(x + a + i, n) + load(g.bias + a + i, n)) * (load(x + b + i, n) + load(g.bias + b + i, n));
          if (g.dropout.on()) v *= keep(g.dropout, row, i);
          store(y + i, v, n);
        });
      }
    });
  });
  zero_rows(g.y, g.rows.rows, g.rows.padded, width);
}

// da = mask · dy·b·f'(a)   db = mask · dy·f(a)
template <typename T>
void gate_backward(const GateBackward<T>& g) {
  const int64_t width = g.width, a = g.first ? 0 : width, b = width - a;
  ColumnPartials partials(g.partials, 2 * width);
  with_activation(g.activation, [&](auto f) {
    for_parts(g.rows.rows, [&](int64_t begin, int64_t end, int thread) {
      float* dbias = partials.line(thread);
      for (int64_t r = begin; r < end; ++r) {
        const T* x = g.x + r * 2 * width;
        const T* dy = g.dy + r * width;
        T* dx = g.dx + r * 2 * width;
        const uint32_t row = g.dropout.on() ? row_hash(g.dropout.key, g.rows.row_keys[r]) : 0;
        for_lanes(width, [&](int64_t i, auto n) {
          F d = load(dy + i, n);
          if (g.dropout.on()) d *= keep(g.dropout, row, i);
          const F in = load(x + a + i, n) + load(g.bias + a + i, n),
                  gated = load(x + b + i, n) + load(g.bias + b + i, n);
          const F da = d * gated * f.slope(in), db = d * f.value(in);
          store(dx + a + i, da, n);
          store(dx + b + i, db, n);
          store(dbias + a + i, load(dbias + a + i, n) + da, n);
          store(dbias + b + i, load(dbias + b + i, n) + db, n);
        });
      }
    });
  });
  zero_rows(g.dx, g.rows.rows, g.rows.padded, 2 * width);
  partials.total(0, 2 * width, g.dbias, g.accumulate);
}

}  // namespace

void register_gate(Table& t) {
  t.fp32.gate_forward = gate_forward<float>;
  t.fp32.gate_backward = gate_backward<float>;
  t.bf16_.gate_forward = gate_forward<bf16>;
  t.bf16_.gate_backward = gate_backward<bf16>;
}

}  // namespace vectune::kernels::VECTUNE_SIMD
