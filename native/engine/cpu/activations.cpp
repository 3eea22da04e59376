#include "cpu/activations.h"

#include <algorithm>

#include "cpu/kernels.h"
#include "cpu/quantised.h"
#include "runtime/engine_thread.h"

namespace vectune {

namespace {

constexpr bool same_buffer(const float*) { return true; }
constexpr bool same_buffer(const bf16*) { return false; }

/// Floats of a head's RelativeBias.
constexpr int64_t relative_width(int64_t longest) { return (2 * longest + 31) / 16 * 16; }

/// The copy of an fp32 buffer as T: the buffer itself when T is float.
template <typename T>
T* as_t(Arena::Carver& carver, float* y, int64_t count) {
  if constexpr (same_buffer(static_cast<T*>(nullptr))) {
    (void)carver;
    (void)count;
    return y;
  } else {
    (void)y;
    return carver.take<T>(count);
  }
}

}  // namespace

template <typename T>
void Activations<T>::reserve(int64_t padded, int64_t longest) {
  if (padded <= rows_ && longest <= longest_ && threads() == threads_) return;
  const int64_t rows = std::max(padded, rows_), length = std::max(longest, longest_);
  release();
  const int64_t hidden = spec_.hidden_size, inner = spec_.intermediate_size, width = spec_.attention_width(),
                embedding = spec_.embedding_width();
  const bool gated = spec_.architecture->gated();
  const int64_t up = gated ? 2 * inner : inner, heads = spec_.qkv_width();
  const int team = threads();
  constexpr bool kFloat = std::is_same_v<T, float>;
  layers.resize(static_cast<size_t>(spec_.layers));
  arena_.carve([&](Arena::Carver& carver) {
    const auto floats = [&](int64_t width) { return carver.take<float>(rows * width); };
    const auto ts = [&](int64_t width) { return carver.take<T>(rows * width); };
    scratch_stride = (kernels::attention_scratch(length, spec_.head_size()) + 15) / 16 * 16;
    scratch = carver.take<float>(scratch_stride * team);
    if (spec_.architecture->has_relative_bias()) {
      relative_stride = relative_width(length);
      relative = carver.take<float>(spec_.heads * relative_stride);
    }
    branch = ts(hidden);
    if (quantised_) {
      quantised = carver.take<std::byte>(cpu::quantised_bytes(rows, std::max({hidden, inner, width, embedding})));
      scales = floats(2);
    }
    if (spec_.architecture->norms_before()) {
      const bool first = spec_.architecture->first_attention_norm, around = spec_.architecture->norms_around(),
                 summed = training_ && spec_.architecture->has_embedding_norm();
      sum0 = summed ? floats(hidden) : nullptr;
      stats0 = summed ? floats(2) : nullptr;
      y0 = floats(hidden);
      y0_t = as_t<T>(carver, y0, first ? 0 : rows * hidden);
      if (training_) {
        before0_t = first ? ts(hidden) : nullptr;
        before0_stats = first ? floats(2) : nullptr;
        for (Layer& l : layers) {
          const bool is_last = &l == &layers.back();
          l = {ts(heads),
               floats(spec_.heads),
               ts(width),
               floats(hidden),
               floats(2),
               nullptr,
               ts(hidden),
               ts(up),
               ts(inner),
               floats(hidden),
               floats(2),
               nullptr,
               is_last ? nullptr : ts(hidden)};
          if (!around) continue;
          l.branch1 = ts(hidden), l.branch2 = ts(hidden);
          l.branch1_stats = floats(1), l.branch2_stats = floats(1);
        }
        normed_qkv = spec_.architecture->has_head_norms() ? ts(heads) : nullptr;
        last = floats(hidden);
      } else {
        T* const qkv = ts(std::max(heads, up));  // attention is over when the feed-forward begins
        T* const context = ts(width);
        T* const before = ts(hidden);
        T* const act = gated ? ts(inner) : qkv;
        before0_t = before;
        normed_qkv = qkv;
        for (Layer& l : layers) {
          l = {qkv, nullptr, context, y0, nullptr, nullptr, before, qkv, act, y0, nullptr, nullptr, before};
          l.branch1 = l.branch2 = branch;
        }
        last = y0;
      }
    } else if (training_) {
      // bf16: the fp32 stream is needed by the next residual only, so two buffers take turns
      float* turn[2] = {kFloat ? nullptr : floats(hidden), kFloat ? nullptr : floats(hidden)};
      sum0 = floats(embedding);
      stats0 = floats(2);
      y0 = kFloat ? floats(hidden) : turn[0];
      y0_t = as_t<T>(carver, y0, rows * hidden);
      for (Layer& l : layers) {
        l.qkv = ts(heads);
        l.logsumexp = floats(spec_.heads);
        l.context = ts(width);
        l.sum1 = floats(hidden);
        l.stats1 = floats(2);
        l.y1 = kFloat ? floats(hidden) : turn[1];
        l.y1_t = as_t<T>(carver, l.y1, rows * hidden);
        l.up = ts(up);
        l.act = ts(inner);
        l.sum2 = floats(hidden);
        l.stats2 = floats(2);
        l.y2 = kFloat ? floats(hidden) : turn[0];
        l.y2_t = as_t<T>(carver, l.y2, rows * hidden);
      }
    } else {
      sum0 = stats0 = nullptr;
      y0 = floats(hidden);
      y0_t = as_t<T>(carver, y0, rows * hidden);
      float* y1 = floats(hidden);
      T* y1_t = as_t<T>(carver, y1, rows * hidden);
      T* qkv = ts(std::max(heads, up));  // attention is over when the feed-forward begins
      T* context = ts(width);
      T* act = gated ? ts(inner) : qkv;
      for (Layer& l : layers)
        l = {qkv, nullptr, context, nullptr, nullptr, y1, y1_t, qkv, act, nullptr, nullptr, y0, y0_t};
    }
    const bool projected = spec_.embedding_size > 0;
    embedded = projected ? floats(embedding) : y0;
    embedded_t = projected ? as_t<T>(carver, embedded, rows * embedding) : y0_t;
  });
  rows_ = rows;
  longest_ = length;
  threads_ = team;
  ++growths_;
}

template <typename T>
void Activations<T>::release() {
  arena_.release();
  products.release();
  rows_ = longest_ = 0;
}

template <typename T>
void BackwardBuffers<T>::reserve(int64_t padded, int64_t longest) {
  if (padded <= rows_ && longest <= longest_ && threads() == threads_) return;
  const int64_t rows = std::max(padded, rows_), length = std::max(longest, longest_);
  release();
  const int64_t hidden = spec_.hidden_size, inner = spec_.intermediate_size, embedding = spec_.embedding_width();
  const bool gated = spec_.architecture->gated();
  const int64_t width = spec_.attention_width(), heads = spec_.qkv_width();
  const int team = threads();
  arena_.carve([&](Arena::Carver& carver) {
    scratch_stride =
        (kernels::attention_scratch(length, spec_.head_size(), spec_.architecture->has_relative_bias()) + 15) / 16 * 16;
    scratch = carver.take<float>(scratch_stride * team);
    partials = carver.take<float>(std::max({3 * hidden, 3 * embedding, gated ? 2 * inner : inner, heads}) * team);
    dy = carver.take<float>(rows * std::max(hidden, embedding));
    dbranch = carver.take<T>(rows * hidden);
    dhidden = carver.take<T>(rows * std::max(hidden, width));
    dqkv = carver.take<T>(rows * heads);
    dact = carver.take<T>(rows * inner);
    if (gated) dup = carver.take<T>(rows * 2 * inner);
  });
  rows_ = rows;
  longest_ = length;
  threads_ = team;
  ++growths_;
}

template <typename T>
void BackwardBuffers<T>::release() {
  arena_.release();
  products.release();
  rows_ = longest_ = 0;
}

template class Activations<float>;
template class Activations<bf16>;
template class BackwardBuffers<float>;
template class BackwardBuffers<bf16>;

}  // namespace vectune
