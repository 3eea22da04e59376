#include "quantised.h"

#include "gemm.h"
#include "kernels.h"

namespace vectune {

QuantisedMatrices::QuantisedMatrices(const ParameterTable& table, const float* flat) {
  std::vector<const LinearAt*> linears;
  for (const LayerAt& layer : table.layers)
    for (const LinearAt* linear : {&layer.qkv, &layer.attention_out, &layer.up, &layer.down}) linears.push_back(linear);

  std::vector<int8_t*> q(linears.size());
  std::vector<float*> scales(linears.size()), sums(linears.size());
  arena_.carve([&](Arena::Carver& carver) {
    for (size_t i = 0; i < linears.size(); ++i) {
      q[i] = carver.take<int8_t>(linears[i]->out * linears[i]->in);
      scales[i] = carver.take<float>(linears[i]->out);
      sums[i] = carver.take<float>(linears[i]->out);
    }
  });
  for (size_t i = 0; i < linears.size(); ++i) {
    const LinearAt& linear = *linears[i];
    kernels::table().common.quantise_weights(flat + linear.weight, linear.out, linear.in, q[i], scales[i], sums[i]);
    matrices_[linear.weight] = {q[i], scales[i], sums[i]};
  }
}

void quantised_product(const float* x, const QuantisedMatrices::Matrix& w, float* y, int64_t rows, int64_t in,
                       int64_t out, int8_t* q, float* scales, ProductScratch& scratch) {
  const auto& k = kernels::table().common;
  k.quantise_rows(x, rows, in, q, scales);
  static_assert(sizeof(int32_t) == sizeof(float));
  int8_product(q, w.q, w.sums, reinterpret_cast<int32_t*>(y), rows, in, out, scratch);
  k.dequantise_rows(y, rows, out, scales, w.scales, w.sums);
}

}  // namespace vectune
