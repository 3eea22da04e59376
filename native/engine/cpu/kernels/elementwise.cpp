#include <cmath>

#include "cpu/kernels/columns.h"
#include "cpu/kernels/registry.h"

namespace vectune::kernels::VECTUNE_SIMD {
namespace {

template <typename T>
void column_sum(const ColumnSum<T>& a) {
  ColumnPartials partials(a.partials, a.width);
  for_parts(a.rows, [&](int64_t begin, int64_t end, int thread) {
    float* line = partials.line(thread);
    for (int64_t r = begin; r < end; ++r) {
      const T* x = a.x + r * a.width;
      for_lanes(a.width, [&](int64_t i, auto n) { store(line + i, load(line + i, n) + load(x + i, n), n); });
    }
  });
  partials.total(0, a.width, a.sums, a.accumulate);
}

template <typename T>
void store_to(float* y, const T* x, int64_t elements, bool accumulate) {
  for_flat_parts(elements, [&](int64_t begin, int64_t end) {
    for_lanes(end - begin, [&](int64_t i, auto n) {
      F v = load(x + begin + i, n);
      if (accumulate) v += load(y + begin + i, n);
      store(y + begin + i, v, n);
    });
  });
}

template <typename T>
void add(float* y, const T* x, int64_t elements) {
  store_to(y, x, elements, true);
}

void to_bf16(bf16* y, const float* x, int64_t elements) {
  for_flat_parts(elements, [&](int64_t begin, int64_t end) {
    for_lanes(end - begin, [&](int64_t i, auto n) { store(y + begin + i, load(x + begin + i, n), n); });
  });
}

void adamw(const AdamW& a) {
  const float grow1 = 1.0f - a.beta1, grow2 = 1.0f - a.beta2;
  for_flat_parts(a.elements, [&](int64_t begin, int64_t end) {
    for_lanes(end - begin, [&](int64_t k, auto n) {
      const int64_t i = begin + k;
      const F g = load(a.g + i, n) * a.gradient_scale;
      const F m0 = load(a.m + i, n);
      const F m = m0 + (g - m0) * grow1;
      const F v = load(a.v + i, n) * a.beta2 + g * g * grow2;
      F root;
      for (int lane = 0; lane < kLanes; ++lane) root[lane] = std::sqrt(v[lane]);
      const F p = load(a.p + i, n) * a.decay - a.step * m / (root * a.root + a.eps);
      store(a.m + i, m, n);
      store(a.v + i, v, n);
      store(a.p + i, p, n);
      if (a.copy) store(a.copy + i, p, n);
    });
  });
}

double sum_of_squares(const float* x, int64_t elements) {
  constexpr int64_t kBlock = 1 << 16;  // one partial per block: the same sum for any number of threads
  const int64_t blocks = (elements + kBlock - 1) / kBlock;
  double total = 0;
  constexpr int64_t kBatch = 256;
  double partial[kBatch];
  for (int64_t first = 0; first < blocks; first += kBatch) {
    const int64_t count = blocks - first < kBatch ? blocks - first : kBatch;
    for_parts(count, [&](int64_t begin, int64_t end, int) {
      for (int64_t b = begin; b < end; ++b) {
        const float* p = x + (first + b) * kBlock;
        const int64_t size = elements - (first + b) * kBlock < kBlock ? elements - (first + b) * kBlock : kBlock;
        double s = 0;
        for (int64_t from = 0; from < size; from += 1024) {
          const int64_t part = size - from < 1024 ? size - from : 1024;
          F v{};
          for_lanes(part, [&](int64_t i, auto n) {
            const F e = load(p + from + i, n);
            v += e * e;
          });
          s += sum(v);
        }
        partial[b] = s;
      }
    });
    for (int64_t b = 0; b < count; ++b) total += partial[b];
  }
  return total;
}

}  // namespace

void register_elementwise(Table& t) {
  t.fp32.column_sum = column_sum<float>;
  t.fp32.add = add<float>;
  t.fp32.store = store_to<float>;
  t.bf16_.column_sum = column_sum<bf16>;
  t.bf16_.add = add<bf16>;
  t.bf16_.store = store_to<bf16>;
  t.common.adamw = adamw;
  t.common.to_bf16 = to_bf16;
  t.common.sum_of_squares = sum_of_squares;
}

}  // namespace vectune::kernels::VECTUNE_SIMD
