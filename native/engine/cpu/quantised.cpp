#include "cpu/quantised.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "cpu/kernels.h"
#include "model/fp32_weights.h"

namespace vectune::cpu {

void QuantisedLinear::forward(const float* x, float* y, int64_t rows, const LinearScratch& scratch) const {
  const auto& k = kernels::table().common;
  k.quantise_rows(x, rows, in(), scratch.quantised, scratch.scales);
  k.int8_forward(scratch.quantised, scratch.scales, packed_, scales_, sums_, y, rows, in(), out());
}

QuantisedMatrices::QuantisedMatrices(const Model& model) {
  const auto& kernels = kernels::table().common;
  const auto linears = model.parameters().linears();
  std::vector<int8_t*> packed(linears.size());
  std::vector<float*> scales(linears.size()), sums(linears.size());
  int64_t largest = 0;
  arena_.carve([&](Arena::Carver& carver) {
    for (size_t i = 0; i < linears.size(); ++i) {
      const auto [row, out] = std::pair{kernels::quantised_row(linears[i]->in), linears[i]->out};
      packed[i] = carver.take<int8_t>(kernels::packed_elements(row, out));
      scales[i] = carver.take<float>(out);
      sums[i] = carver.take<float>(out);
      largest = std::max(largest, out * row);
    }
  });
  Arena by_rows;
  by_rows.carve([&](Arena::Carver& carver) { carver.take<int8_t>(largest); });
  auto* const q = static_cast<int8_t*>(by_rows.data());
  Fp32Weights weights(model);
  for (size_t i = 0; i < linears.size(); ++i) {
    const LinearAt& linear = *linears[i];
    kernels.quantise_weights(weights.at(linear.weight, linear.out * linear.in), linear.out, linear.in, q, scales[i],
                             sums[i]);
    kernels.int8_pack(q, linear.in, linear.out, packed[i]);
    add(std::make_unique<QuantisedLinear>(packed[i], scales[i], sums[i], linear.in, linear.out));
  }
}

bool QuantisedMatrices::supported() { return kernels::table().common.int8_forward != nullptr; }

int64_t quantised_bytes(int64_t rows, int64_t in) {
  return rows * kernels::quantised_row(in) * kernels::table().common.quantised_bytes;
}

}  // namespace vectune::cpu
