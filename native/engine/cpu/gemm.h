#pragma once
#include <cstdint>

#include "cpu/bf16.h"
#include "runtime/arena.h"

namespace vectune {

/// Who multiplies fp32 matrices here: "vectune" (kernels/product.cpp), or where it has no kernel for the processor
/// "onednn", through the function that libtorch_cpu exports, or "aten".
const char* gemm_library();

/// Runs one tiny product of each kind, so that the library's static objects exist: what is registered with `atexit`
/// after this runs before they are destroyed. What cannot be done here is passed over. Engine thread.
void prepare_products() noexcept;

/// What products need for a moment; grows, and stays for the next one until it is released.
class ProductScratch {
 public:
  template <typename T>
  T* take(int64_t elements) {
    const int64_t bytes = elements * static_cast<int64_t>(sizeof(T));
    if (arena_.bytes() < bytes) arena_.carve([&](Arena::Carver& carver) { carver.take<std::byte>(bytes); });
    return static_cast<T*>(arena_.data());
  }
  void release() { arena_.release(); }
  int64_t bytes() const { return arena_.bytes(); }

 private:
  Arena arena_;
};

/// A library compiles a primitive for every new number of rows, so there should be few.
inline constexpr int64_t kLibraryRowRounding = 32;

/// The three products of a linear layer y = x·Wᵀ with x [rows × in], W [out × in], all row-major and dense.
/// T is float or bf16; sums are fp32. Engine thread.
template <typename T>
struct Gemm {
  /// y = x·Wᵀ
  static void forward(const T* x, const T* w, T* y, int64_t rows, int64_t in, int64_t out, ProductScratch& scratch);
  /// Whether `pack` and `forward_packed` do such a W here.
  static bool packs(int64_t in, int64_t out);
  /// W, which is to stay as it is, in the order that forward_packed reads: kernels::packed_elements of them.
  static void pack(const T* w, int64_t in, int64_t out, T* packed);
  /// y = x·Wᵀ; a row of y depends on its row of x alone, however many there are.
  static void forward_packed(const T* x, const T* packed, T* y, int64_t rows, int64_t in, int64_t out);
  /// dx = dy·W
  static void input_gradient(const T* dy, const T* w, T* dx, int64_t rows, int64_t in, int64_t out,
                             ProductScratch& scratch);
  /// dx += dy·W
  static void add_input_gradient(const T* dy, const T* w, float* dx, int64_t rows, int64_t in, int64_t out,
                                 ProductScratch& scratch);
  /// dw (+)= dyᵀ·x
  static void weight_gradient(const T* dy, const T* x, float* dw, int64_t rows, int64_t in, int64_t out,
                              bool accumulate, ProductScratch& scratch);

  /// The number of rows of a large batch is best a multiple of this.
  static int64_t row_rounding();
  /// y = x·Wᵀ by the library, whoever would multiply: what benchmarks compare with.
  static void library_forward(const T* x, const T* w, T* y, int64_t rows, int64_t in, int64_t out);
};

extern template struct Gemm<float>;
extern template struct Gemm<bf16>;

}  // namespace vectune
