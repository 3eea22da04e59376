#pragma once
#include <cstdint>

#include "bf16.h"

namespace vectune {

/// Who multiplies: oneDNN through the function that libtorch_cpu exports, or, where it does not, ATen.
const char* gemm_library();

/// Runs one tiny product of each kind, so that the library's static objects exist: what is registered with `atexit`
/// after this runs before they are destroyed. Engine thread.
void prepare_products();

/// The three products of a linear layer y = x·Wᵀ with x [rows × in], W [out × in], all row-major and dense.
/// T is float or bf16 (accumulated in fp32 inside).
template <typename T>
struct Gemm {
  /// y = x·Wᵀ
  static void forward(const T* x, const T* w, T* y, int64_t rows, int64_t in, int64_t out);
  /// dx (+)= dy·W
  static void input_gradient(const T* dy, const T* w, T* dx, int64_t rows, int64_t in, int64_t out, bool accumulate);
  /// dw (+)= dyᵀ·x
  static void weight_gradient(const T* dy, const T* x, T* dw, int64_t rows, int64_t in, int64_t out, bool accumulate);
};
/// y = x·Wᵀ of int8 operands, summed exactly in int32.
void int8_product(const int8_t* x, const int8_t* w, int32_t* y, int64_t rows, int64_t in, int64_t out);

extern template struct Gemm<float>;
extern template struct Gemm<bf16>;

}  // namespace vectune
