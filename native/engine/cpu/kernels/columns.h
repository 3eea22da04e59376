#pragma once
#include <vector>

#include "cpu/kernels/simd.h"
#include "cpu/kernels/team.h"

namespace vectune::kernels::VECTUNE_SIMD {

/// Column sums across threads: each thread adds its rows into its own line of `partials`
/// [threads × width], then the lines are added in thread order.
class ColumnPartials {
 public:
  ColumnPartials(float* partials, int64_t width) : partials_(partials), width_(width), threads_(ThreadTeam::size()) {
    std::memset(partials, 0, sizeof(float) * static_cast<size_t>(width * threads_));
  }
  float* line(int thread) const { return partials_ + thread * width_; }

  /// columns[c] (+)= Σ over threads of line[from + c]
  void total(int64_t from, int64_t count, float* columns, bool accumulate) const {
    for_lanes(count, [&](int64_t c, auto n) {
      F s = accumulate ? load(columns + c, n) : F{};
      for (int t = 0; t < threads_; ++t) s += load(line(t) + from + c, n);
      store(columns + c, s, n);
    });
  }

 private:
  float* partials_;
  int64_t width_;
  int threads_;
};

}  // namespace vectune::kernels::VECTUNE_SIMD
