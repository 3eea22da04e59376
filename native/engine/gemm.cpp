#include "gemm.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/_int_mm.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/mm.h>
#include <dlfcn.h>

#include "profile.h"

namespace vectune {

namespace {

// at::native::mkldnn_matmul(mat1, mat2, result, beta, alpha): exported by libtorch_cpu 2.11 to 2.15 without a
// shipped header, hence looked up by its mangled name. For fp32 oneDNN is 10-20 % faster than MKL on these shapes.
using MkldnnMatmul = void (*)(const at::Tensor&, const at::Tensor&, const at::Tensor&, float, float);

MkldnnMatmul mkldnn_matmul() {
  static const auto found = reinterpret_cast<MkldnnMatmul>(
      dlsym(RTLD_DEFAULT, "_ZN2at6native13mkldnn_matmulERKNS_6TensorES3_S3_ff"));
  return found;
}

template <typename T>
constexpr at::ScalarType dtype_of() {
  if constexpr (std::is_same_v<T, float>) return at::kFloat;
  if constexpr (std::is_same_v<T, bf16>) return at::kBFloat16;
  if constexpr (std::is_same_v<T, int8_t>) return at::kChar;
  if constexpr (std::is_same_v<T, int32_t>) return at::kInt;
}

template <typename T>
at::Tensor matrix(const T* data, int64_t rows, int64_t columns) {
  return at::from_blob(const_cast<T*>(data), {rows, columns}, at::TensorOptions().dtype(dtype_of<T>()));
}

/// c = a·b (+ c)
void multiply(const at::Tensor& a, const at::Tensor& b, at::Tensor c, bool accumulate) {
  if (const auto onednn = mkldnn_matmul()) {
    onednn(a, b, c, accumulate ? 1.0f : 0.0f, 1.0f);
  } else if (accumulate) {
    at::addmm_out(c, c, a, b);
  } else {
    at::mm_out(c, a, b);
  }
}

}  // namespace

const char* gemm_library() { return mkldnn_matmul() ? "onednn" : "aten"; }

namespace {

template <typename T>
void prepare() {
  constexpr int64_t n = 16;
  T x[n * n] = {}, y[n * n] = {};
  Gemm<T>::forward(x, x, y, n, n, n);
  Gemm<T>::input_gradient(x, x, y, n, n, n, true);
  Gemm<T>::weight_gradient(x, x, y, n, n, n, false);
}

}  // namespace

void prepare_products() {
  prepare<float>();
  prepare<bf16>();
}

template <typename T>
void Gemm<T>::forward(const T* x, const T* w, T* y, int64_t rows, int64_t in, int64_t out) {
  const profile::Scope scope(profile::kGemmForward);
  if constexpr (std::is_same_v<T, float>) {
    // From 16 rows on oneDNN copies W to another order; MKL does not, which pays until about 32 (one short text:
    // 5.1 to 7.5 ms for a MiniLM's products instead of 7.8 to 9.3 on a 2-core EPYC).
    if (rows >= 16 && rows < 32) {
      at::Tensor to = matrix(y, rows, out);
      at::mm_out(to, matrix(x, rows, in), matrix(w, out, in).t());
      return;
    }
  }
  multiply(matrix(x, rows, in), matrix(w, out, in).t(), matrix(y, rows, out), false);
}

template <typename T>
void Gemm<T>::input_gradient(const T* dy, const T* w, T* dx, int64_t rows, int64_t in, int64_t out, bool accumulate) {
  const profile::Scope scope(profile::kGemmBackward);
  multiply(matrix(dy, rows, out), matrix(w, out, in), matrix(dx, rows, in), accumulate);
}

template <typename T>
void Gemm<T>::weight_gradient(const T* dy, const T* x, T* dw, int64_t rows, int64_t in, int64_t out, bool accumulate) {
  const profile::Scope scope(profile::kGemmBackward);
  multiply(matrix(dy, rows, out).t(), matrix(x, rows, in), matrix(dw, out, in), accumulate);
}

void int8_product(const int8_t* x, const int8_t* w, int32_t* y, int64_t rows, int64_t in, int64_t out) {
  const profile::Scope scope(profile::kGemmForward);
  at::Tensor sums = matrix(y, rows, out);
  at::_int_mm_out(sums, matrix(x, rows, in), matrix(w, out, in).t());
}

template struct Gemm<float>;
template struct Gemm<bf16>;

}  // namespace vectune
