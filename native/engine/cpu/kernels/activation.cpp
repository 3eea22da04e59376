#include "cpu/kernels/columns.h"
#include "cpu/kernels/registry.h"

namespace vectune::kernels::VECTUNE_SIMD {
namespace {

constexpr float kSqrtHalf = 0.70710678118654752f;
constexpr float kInvSqrt2Pi = 0.39894228040143268f;
constexpr float kSqrt2OverPi = 0.79788456080286536f;

/// gelu(x) = x·Φ(x), Φ(x) = ½(1 + erf(x/√2));  gelu'(x) = Φ(x) + x·φ(x)   (Hendrycks & Gimpel 2016)
struct Gelu {
  static F value(F x) { return x * 0.5f * (1.0f + erf(x * kSqrtHalf)); }
  static F slope(F x) { return 0.5f * (1.0f + erf(x * kSqrtHalf)) + x * kInvSqrt2Pi * exp(x * x * -0.5f); }
};

/// The tanh form: ½x(1 + tanh(√(2/π)(x + 0.044715x³)))
struct GeluTanh {
  static F inner(F x) { return kSqrt2OverPi * (x + 0.044715f * x * x * x); }
  static F value(F x) { return 0.5f * x * (1.0f + tanh(inner(x))); }
  static F slope(F x) {
    const F t = tanh(inner(x));
    return 0.5f * (1.0f + t) + 0.5f * x * (1.0f - t * t) * kSqrt2OverPi * (1.0f + 0.134145f * x * x);
  }
};

struct Relu {
  static F value(F x) { return max(x, F{}); }
  static F slope(F x) { return x > 0.0f ? splat(1.0f) : F{}; }
};

template <typename Run>
void with_activation(HiddenActivation activation, Run run) {
  switch (activation) {
    case HiddenActivation::kGelu: return run(Gelu{});
    case HiddenActivation::kGeluTanh: return run(GeluTanh{});
    case HiddenActivation::kRelu: return run(Relu{});
  }
}

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
