#include "cpu/kernels/registry.h"
#include "cpu/kernels/simd.h"
#include "cpu/kernels/team.h"

namespace vectune::kernels::VECTUNE_SIMD {
namespace {

template <typename T>
void rotate(const Rotate<T>& a) {
  const int64_t half = a.head_size / 2, turned = a.heads * a.head_size;
  const float sign = a.back ? -1.0f : 1.0f;
  for_parts(a.rows.rows, [&](int64_t begin, int64_t end, int) {
    for (int64_t r = begin; r < end; ++r) {
      T* row = a.x + r * a.width;
      const float* cosines = a.cosines + int64_t{a.rows.positions[r]} * half;
      const float* sines = a.sines + int64_t{a.rows.positions[r]} * half;
      for (int64_t at = 0; at < turned; at += a.head_size)
        for_lanes(half, [&](int64_t i, auto n) {
          T *first = row + at + i, *second = first + half;
          const F cosine = load(cosines + i, n), sine = load(sines + i, n) * sign;
          F u = load(first, n), v = load(second, n);
          if (a.bias) {
            u += load(a.bias + at + i, n);
            v += load(a.bias + at + half + i, n);
          }
          store(first, u * cosine - v * sine, n);
          store(second, v * cosine + u * sine, n);
        });
      if (!a.bias) continue;
      for_lanes(a.width - turned, [&](int64_t i, auto n) {
        store(row + turned + i, load(row + turned + i, n) + load(a.bias + turned + i, n), n);
      });
    }
  });
}

}  // namespace

void register_rotate(Table& t) {
  t.fp32.rotate = rotate<float>;
  t.bf16_.rotate = rotate<bf16>;
}

}  // namespace vectune::kernels::VECTUNE_SIMD
