#pragma once
#include "cpu/kernels/simd.h"
#include "model/hidden_activation.h"

namespace vectune::kernels::VECTUNE_SIMD {

inline constexpr float kSqrtHalf = 0.70710678118654752f;
inline constexpr float kInvSqrt2Pi = 0.39894228040143268f;
inline constexpr float kSqrt2OverPi = 0.79788456080286536f;

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

/// x·σ(x), σ(x) = 1/(1 + e⁻ˣ)
struct Silu {
  static F sigmoid(F x) { return 1.0f / (1.0f + exp(-x)); }
  static F value(F x) { return x * sigmoid(x); }
  static F slope(F x) {
    const F s = sigmoid(x);
    return s * (1.0f + x * (1.0f - s));
  }
};

template <typename Run>
void with_activation(HiddenActivation activation, Run run) {
  switch (activation) {
    case HiddenActivation::kGelu: return run(Gelu{});
    case HiddenActivation::kGeluTanh: return run(GeluTanh{});
    case HiddenActivation::kRelu: return run(Relu{});
    case HiddenActivation::kSilu: return run(Silu{});
  }
}

}  // namespace vectune::kernels::VECTUNE_SIMD
