#include "cpu/gemm.h"

#include <ATen/core/Tensor.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/mm.h>
#include <dlfcn.h>

#include "cpu/kernels.h"
#include "runtime/engine_thread.h"
#include "runtime/profile.h"

namespace vectune {

namespace {

// at::native::mkldnn_matmul(mat1, mat2, result, beta, alpha): exported by libtorch_cpu 2.11 to 2.15 without a
// shipped header, hence looked up by its mangled name. For fp32 oneDNN is 10-20 % faster than MKL on these shapes. It
// compiles a primitive for every new shape, which costs a first epoch about 8 %: hence own products where there are
// any.
using MkldnnMatmul = void (*)(const at::Tensor&, const at::Tensor&, const at::Tensor&, float, float);

// On x86 it refuses fp32 too where the processor lacks what its bf16 needs: AVX-512.
bool onednn_multiplies() {
#if defined(__x86_64__)
  return c10::Dispatcher::singleton().findSchemaOrThrow("mkldnn::_is_mkldnn_bf16_supported", "").typed<bool()>().call();
#else
  return true;
#endif
}

MkldnnMatmul mkldnn_matmul() {
  static const auto found =
      onednn_multiplies()
          ? reinterpret_cast<MkldnnMatmul>(dlsym(RTLD_DEFAULT, "_ZN2at6native13mkldnn_matmulERKNS_6TensorES3_S3_ff"))
          : nullptr;
  return found;
}

template <typename T>
constexpr at::ScalarType dtype_of() {
  if constexpr (std::is_same_v<T, float>) return at::kFloat;
  if constexpr (std::is_same_v<T, bf16>) return at::kBFloat16;
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

/// Own products, or null where a library is faster or the only one: bf16 goes to it where the processor has AMX.
template <typename T>
const kernels::Products<T>* own_products() {
  static const kernels::Products<T>* const found = []() -> const kernels::Products<T>* {
    const auto& product = kernels::of<T>(kernels::table(kernels::simd_level())).product;
#if defined(__x86_64__)
    if (std::is_same_v<T, bf16> && __builtin_cpu_supports("amx-bf16")) return nullptr;
#endif
    return product.forward ? &product : nullptr;
  }();
  return found;
}

/// As own_products, where these dimensions suit it: bf16 comes in pairs.
template <typename T>
const kernels::Products<T>* own_products(int64_t a, int64_t b) {
  return sizeof(T) == sizeof(float) || (a % 2 == 0 && b % 2 == 0) ? own_products<T>() : nullptr;
}

}  // namespace

const char* gemm_library() { return own_products<float>() ? "vectune" : mkldnn_matmul() ? "onednn" : "aten"; }

template <typename T>
int64_t Gemm<T>::row_rounding() {
  return own_products<T>() ? kernels::kTileRows : kLibraryRowRounding;
}

template <typename T>
void Gemm<T>::library_forward(const T* x, const T* w, T* y, int64_t rows, int64_t in, int64_t out) {
  multiply(matrix(x, rows, in), matrix(w, out, in).t(), matrix(y, rows, out), false);
}

template <typename T>
void Gemm<T>::forward(const T* x, const T* w, T* y, int64_t rows, int64_t in, int64_t out, ProductScratch& scratch) {
  const profile::Scope scope(profile::kGemmForward);
  if (const auto* own = own_products<T>(in, out)) {
    T* panels = rows > kernels::kFewRows ? scratch.template take<T>(kernels::product_panels(in, threads())) : nullptr;
    return own->forward(x, w, y, rows, in, out, panels);
  }
  if constexpr (std::is_same_v<T, float>) {
    // From 16 rows on oneDNN copies W to another order; MKL does not, which pays until about 32 (one short text:
    // 5.1 to 7.5 ms for a MiniLM's products instead of 7.8 to 9.3 on a 2-core EPYC).
    if (rows >= 16 && rows < 32) {
      at::Tensor to = matrix(y, rows, out);
      at::mm_out(to, matrix(x, rows, in), matrix(w, out, in).t());
      return;
    }
  }
  library_forward(x, w, y, rows, in, out);
}

template <typename T>
bool Gemm<T>::packs(int64_t in, int64_t out) {
  return own_products<T>(in, out) != nullptr;
}

template <typename T>
void Gemm<T>::pack(const T* w, int64_t in, int64_t out, T* packed) {
  own_products<T>()->pack(w, in, out, packed);
}

template <typename T>
void Gemm<T>::forward_packed(const T* x, const T* packed, T* y, int64_t rows, int64_t in, int64_t out) {
  const profile::Scope scope(profile::kGemmForward);
  own_products<T>()->forward_packed(x, packed, y, rows, in, out);
}

template <typename T>
void Gemm<T>::input_gradient(const T* dy, const T* w, T* dx, int64_t rows, int64_t in, int64_t out,
                             ProductScratch& scratch) {
  const profile::Scope scope(profile::kGemmBackward);
  if (const auto* own = own_products<T>(in, out))
    return own->input_gradient(dy, w, dx, rows, in, out, false,
                               scratch.template take<T>(kernels::product_panels(out, threads())));
  multiply(matrix(dy, rows, out), matrix(w, out, in), matrix(dx, rows, in), false);
}

template <typename T>
void Gemm<T>::add_input_gradient(const T* dy, const T* w, float* dx, int64_t rows, int64_t in, int64_t out,
                                 ProductScratch& scratch) {
  const profile::Scope scope(profile::kGemmBackward);
  if (const auto* own = own_products<T>(in, out))
    return own->input_gradient_fp32(dy, w, dx, rows, in, out, true,
                                    scratch.template take<T>(kernels::product_panels(out, threads())));
  if constexpr (std::is_same_v<T, float>) {
    multiply(matrix(dy, rows, out), matrix(w, out, in), matrix(dx, rows, in), true);
  } else {
    T* product = scratch.template take<T>(rows * in);
    multiply(matrix(dy, rows, out), matrix(w, out, in), matrix(product, rows, in), false);
    kernels::of<T>(kernels::table()).add(dx, product, rows * in);
  }
}

template <typename T>
void Gemm<T>::weight_gradient(const T* dy, const T* x, float* dw, int64_t rows, int64_t in, int64_t out,
                              bool accumulate, ProductScratch& scratch) {
  const profile::Scope scope(profile::kGemmBackward);
  if (const auto* own = own_products<T>(rows, in))
    return own->weight_gradient(dy, x, dw, rows, in, out, accumulate,
                                scratch.template take<T>(own->weight_gradient_scratch(rows, in, out, threads())));
  if constexpr (std::is_same_v<T, float>) {
    multiply(matrix(dy, rows, out).t(), matrix(x, rows, in), matrix(dw, out, in), accumulate);
  } else {
    T* product = scratch.template take<T>(in * out);
    multiply(matrix(dy, rows, out).t(), matrix(x, rows, in), matrix(product, out, in), false);
    kernels::of<T>(kernels::table()).store(dw, product, in * out, accumulate);
  }
}

namespace {

template <typename T>
void prepare() {
  constexpr int64_t n = 16;
  T x[n * n] = {}, y[n * n] = {};
  Gemm<T>::library_forward(x, x, y, n, n, n);
}

}  // namespace

void prepare_products() noexcept {
  // Not every processor has them all (oneDNN refuses bf16 without AVX-512), nor is there always memory: who needs one
  // is told.
  for (const auto product : {prepare<float>, prepare<bf16>}) {
    try {
      product();
    } catch (const std::exception&) {
    }
  }
}

template struct Gemm<float>;
template struct Gemm<bf16>;

}  // namespace vectune
