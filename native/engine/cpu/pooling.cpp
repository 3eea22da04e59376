#include "cpu/pooling.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "runtime/thread_team.h"

namespace vectune::cpu {

namespace {

/// (from + 1) + (from + 2) + … + n.
float weights_of(int64_t from, int64_t n) {
  const int64_t sum = (n * (n + 1) - from * (from + 1)) / 2;
  return static_cast<float>(sum);
}

}  // namespace

void pool(const kernels::Rows& rows, int64_t hidden, const std::vector<PoolingMode>& modes, const float* y, float* out,
          int32_t* maxima, const int32_t* unpooled) {
  const int64_t width = hidden * static_cast<int64_t>(modes.size());
  for_each_on_team(rows.texts, [&](int64_t t) {
    const int64_t start = rows.starts[t], end = rows.starts[t + 1], begin = start + (unpooled ? unpooled[t] : 0);
    float* to = out + t * width;
    for (const PoolingMode mode : modes) {
      if (mode == PoolingMode::kCls) {
        std::memcpy(to, y + begin * hidden, sizeof(float) * static_cast<size_t>(hidden));
      } else if (mode == PoolingMode::kLastToken) {
        std::memcpy(to, y + (end - 1) * hidden, sizeof(float) * static_cast<size_t>(hidden));
      } else if (mode == PoolingMode::kWeightedMean) {
        const float scale = 1.0f / weights_of(begin - start, end - start);
        std::memset(to, 0, sizeof(float) * static_cast<size_t>(hidden));
        for (int64_t r = begin; r < end; ++r)
          for (int64_t c = 0; c < hidden; ++c) to[c] += static_cast<float>(r - start + 1) * y[r * hidden + c];
        for (int64_t c = 0; c < hidden; ++c) to[c] *= scale;
      } else if (mode == PoolingMode::kMax) {
        int32_t* arg = maxima + t * hidden;
        for (int64_t c = 0; c < hidden; ++c) {
          int64_t best = begin;
          for (int64_t r = begin + 1; r < end; ++r)
            if (y[r * hidden + c] > y[best * hidden + c]) best = r;
          arg[c] = static_cast<int32_t>(best);
          to[c] = y[best * hidden + c];
        }
      } else {
        const float length = static_cast<float>(end - begin);
        const float scale = 1.0f / (mode == PoolingMode::kMean ? length : std::sqrt(length));
        std::memset(to, 0, sizeof(float) * static_cast<size_t>(hidden));
        for (int64_t r = begin; r < end; ++r)
          for (int64_t c = 0; c < hidden; ++c) to[c] += y[r * hidden + c];
        for (int64_t c = 0; c < hidden; ++c) to[c] *= scale;
      }
      to += hidden;
    }
  });
}

void pool_backward(const kernels::Rows& rows, int64_t hidden, const std::vector<PoolingMode>& modes, const float* d,
                   float* dy, const int32_t* maxima, const int32_t* unpooled, bool add) {
  const int64_t width = hidden * static_cast<int64_t>(modes.size());
  for_each_on_team(rows.texts, [&](int64_t t) {
    const int64_t start = rows.starts[t], end = rows.starts[t + 1], begin = start + (unpooled ? unpooled[t] : 0);
    if (!add) std::memset(dy + start * hidden, 0, sizeof(float) * static_cast<size_t>((end - start) * hidden));
    const float* from = d + t * width;
    for (const PoolingMode mode : modes) {
      if (mode == PoolingMode::kCls) {
        for (int64_t c = 0; c < hidden; ++c) dy[begin * hidden + c] += from[c];
      } else if (mode == PoolingMode::kLastToken) {
        for (int64_t c = 0; c < hidden; ++c) dy[(end - 1) * hidden + c] += from[c];
      } else if (mode == PoolingMode::kWeightedMean) {
        const float scale = 1.0f / weights_of(begin - start, end - start);
        for (int64_t r = begin; r < end; ++r)
          for (int64_t c = 0; c < hidden; ++c)
            dy[r * hidden + c] += from[c] * (static_cast<float>(r - start + 1) * scale);
      } else if (mode == PoolingMode::kMax) {
        for (int64_t c = 0; c < hidden; ++c) dy[int64_t{maxima[t * hidden + c]} * hidden + c] += from[c];
      } else {
        const float length = static_cast<float>(end - begin);
        const float scale = 1.0f / (mode == PoolingMode::kMean ? length : std::sqrt(length));
        for (int64_t r = begin; r < end; ++r)
          for (int64_t c = 0; c < hidden; ++c) dy[r * hidden + c] += from[c] * scale;
      }
      from += hidden;
    }
  });
  if (!add)
    std::memset(dy + rows.rows * hidden, 0, sizeof(float) * static_cast<size_t>((rows.padded - rows.rows) * hidden));
}

}  // namespace vectune::cpu
