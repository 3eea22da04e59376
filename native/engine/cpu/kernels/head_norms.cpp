#include "cpu/kernels/columns.h"
#include "cpu/kernels/normalise.h"
#include "cpu/kernels/registry.h"

namespace vectune::kernels::VECTUNE_SIMD {
namespace {

/// The gamma of a head, those of queries first.
inline const float* gamma_of(const HeadNorms& n, int64_t head) { return head < n.heads ? n.query_gamma : n.key_gamma; }
inline float scale_of(const HeadNorms& n, int64_t head) { return head < n.heads ? n.query_scale : 1.0f; }

template <typename T>
void head_norms_forward(const HeadNormsForward<T>& a) {
  const HeadNorms& norms = a.norms;
  const int64_t size = norms.head_size, half = size / 2, width = norms.width(), normed = norms.heads + norms.key_heads;
  for_parts(a.rows.rows, [&](int64_t begin, int64_t end, int) {
    for (int64_t r = begin; r < end; ++r) {
      const float* cosines = norms.cosines + int64_t{a.rows.positions[r]} * half;
      const float* sines = norms.sines + int64_t{a.rows.positions[r]} * half;
      for (int64_t head = 0; head < normed; ++head) {
        const T* x = a.x + r * width + head * size;
        T* y = a.y + r * width + head * size;
        const float* gamma = gamma_of(norms, head);
        const float factor = rms_stats(x, size, norms.eps).rstd * scale_of(norms, head);
        for_lanes(half, [&](int64_t i, auto n) {
          const F u = load(x + i, n) * factor * (load(gamma + i, n) + norms.shift),
                  v = load(x + half + i, n) * factor * (load(gamma + half + i, n) + norms.shift),
                  cosine = load(cosines + i, n), sine = load(sines + i, n);
          store(y + i, u * cosine - v * sine, n);
          store(y + half + i, v * cosine + u * sine, n);
        });
      }
      if (a.y != a.x)
        std::memcpy(static_cast<void*>(a.y + r * width + normed * size), a.x + r * width + normed * size,
                    sizeof(T) * static_cast<size_t>(width - normed * size));
    }
  });
}

// Back by the opposite angles, then through the norm.
template <typename T>
void head_norms_backward(const HeadNormsBackward<T>& a) {
  const HeadNorms& norms = a.norms;
  const int64_t size = norms.head_size, half = size / 2, width = norms.width(), normed = norms.heads + norms.key_heads;
  ColumnPartials partials(a.partials, 3 * size);
  for_parts(a.rows.rows, [&](int64_t begin, int64_t end, int thread) {
    float* const line = partials.line(thread);
    float* const d = line + 2 * size;  // of one head, turned back
    for (int64_t r = begin; r < end; ++r) {
      const float* cosines = norms.cosines + int64_t{a.rows.positions[r]} * half;
      const float* sines = norms.sines + int64_t{a.rows.positions[r]} * half;
      for (int64_t head = 0; head < normed; ++head) {
        const T* x = a.x + r * width + head * size;
        T* dy = a.dy + r * width + head * size;
        const float* gamma = gamma_of(norms, head);
        float* dgamma = head < norms.heads ? line : line + size;
        const float scale = scale_of(norms, head), rstd = rms_stats(x, size, norms.eps).rstd;
        for_lanes(half, [&](int64_t i, auto n) {
          const F u = load(dy + i, n), v = load(dy + half + i, n), cosine = load(cosines + i, n),
                  sine = load(sines + i, n);
          store(d + i, (u * cosine + v * sine) * scale, n);
          store(d + half + i, (v * cosine - u * sine) * scale, n);
        });
        rms_row_backward(
            x, rstd, [&](int64_t i, auto n) { return load(gamma + i, n) + norms.shift; }, size, d, dgamma, dy);
      }
    }
  });
  partials.total(0, size, a.dquery_gamma, a.accumulate);
  partials.total(size, size, a.dkey_gamma, a.accumulate);
}

}  // namespace

void register_head_norms(Table& t) {
  t.fp32.head_norms_forward = head_norms_forward<float>;
  t.fp32.head_norms_backward = head_norms_backward<float>;
  t.bf16_.head_norms_forward = head_norms_forward<bf16>;
  t.bf16_.head_norms_backward = head_norms_backward<bf16>;
}

}  // namespace vectune::kernels::VECTUNE_SIMD
