#pragma once
#include "cpu/kernels.h"
#include "cpu/linear.h"

namespace vectune::cpu {

/// W in bf16, made fp32, which changes no number, for the time of a product. What is frozen has such: there is no
/// gradient of it.
class WidenedLinear final : public Linear<float> {
 public:
  /// `wide` has room for in · out, and is for the time of a product alone: all may share one.
  WidenedLinear(const bf16* half, int64_t in, int64_t out, float* wide)
      : Linear<float>(in, out), half_(half), wide_(wide) {}

  void forward(const float* x, float* y, int64_t rows, const LinearScratch& scratch) const override {
    Gemm<float>::forward(x, widened(), y, rows, in(), out(), scratch.products);
  }
  void input_gradient(const float* dy, float* dx, int64_t rows, ProductScratch& scratch) const override {
    Gemm<float>::input_gradient(dy, widened(), dx, rows, in(), out(), scratch);
  }
  void add_input_gradient(const float* dy, float* dx, int64_t rows, ProductScratch& scratch) const override {
    Gemm<float>::add_input_gradient(dy, widened(), dx, rows, in(), out(), scratch);
  }

 private:
  const float* widened() const {
    kernels::of<bf16>(kernels::table()).store(wide_, half_, in() * out(), false);
    return wide_;
  }
  const bf16* half_;
  float* wide_;
};

}  // namespace vectune::cpu
