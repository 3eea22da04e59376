#include "quantised.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "gemm.h"
#include "kernels.h"
#include "profile.h"

namespace vectune {

namespace {

/// Whether the matrices stand in the order of our own products.
bool packs(int64_t in) { return kernels::table().common.int8_forward && in % 4 == 0; }

}  // namespace

QuantisedMatrices::QuantisedMatrices(const ParameterTable& table, const float* flat) {
  const auto& kernels = kernels::table().common;
  const auto linears = table.linears();
  std::vector<int8_t*> q(linears.size());
  std::vector<float*> scales(linears.size()), sums(linears.size());
  int64_t largest = 0;
  arena_.carve([&](Arena::Carver& carver) {
    for (size_t i = 0; i < linears.size(); ++i) {
      const auto [in, out] = std::pair{linears[i]->in, linears[i]->out};
      q[i] = carver.take<int8_t>(packs(in) ? kernels::packed_elements(in, out) : out * in);
      scales[i] = carver.take<float>(out);
      sums[i] = carver.take<float>(out);
      if (packs(in)) largest = std::max(largest, out * in);
    }
  });
  Arena by_rows;
  by_rows.carve([&](Arena::Carver& carver) { carver.take<int8_t>(largest); });
  for (size_t i = 0; i < linears.size(); ++i) {
    const LinearAt& linear = *linears[i];
    int8_t* const to = packs(linear.in) ? static_cast<int8_t*>(by_rows.data()) : q[i];
    kernels.quantise_weights(flat + linear.weight, linear.out, linear.in, to, scales[i], sums[i]);
    if (packs(linear.in)) kernels.int8_pack(to, linear.in, linear.out, q[i]);
    matrices_[linear.weight] = {q[i], scales[i], sums[i]};
  }
}

void quantised_product(const float* x, const QuantisedMatrices::Matrix& w, float* y, int64_t rows, int64_t in,
                       int64_t out, int8_t* q, float* scales) {
  const auto& k = kernels::table().common;
  k.quantise_rows(x, rows, in, packs(in), q, scales);
  if (packs(in)) {
    const profile::Scope scope(profile::kGemmForward);
    return k.int8_forward(q, scales, w.q, w.scales, w.sums, y, rows, in, out);
  }
  static_assert(sizeof(int32_t) == sizeof(float));
  library_int8_product(q, w.q, reinterpret_cast<int32_t*>(y), rows, in, out);
  k.dequantise_rows(y, rows, out, scales, w.scales, w.sums);
}

}  // namespace vectune
