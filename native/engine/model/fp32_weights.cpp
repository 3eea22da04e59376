#include "model/fp32_weights.h"

namespace vectune {

const float* Fp32Weights::at(int64_t begin, int64_t count) {
  const HalfWeights* half = model_.half();
  if (!half) return model_.data() + begin;
  const auto bytes = static_cast<int64_t>(sizeof(float)) * count;
  if (wide_.bytes() < bytes) wide_.carve([&](Arena::Carver& carver) { carver.take<float>(count); });
  auto* const wide = static_cast<float*>(wide_.data());
  half->read(begin, count, wide);
  return wide;
}

}  // namespace vectune
