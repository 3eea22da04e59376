#include "model/half_weights.h"

#include <ATen/ops/empty.h>
#include <c10/util/BFloat16.h>

#include <algorithm>
#include <cstddef>
#include <iterator>

#include "runtime/thread_team.h"

namespace vectune {

HalfWeights::HalfWeights(const ParameterTable& table) {
  struct Range {
    int64_t begin, end;
  };
  std::vector<Range> matrices{{table.word_embeddings, table.word_embeddings + table.all().front().elements}};
  for (const LinearAt* linear : table.linears())
    matrices.push_back({linear->weight, linear->weight + linear->in * linear->out});
  const auto add = [&](int64_t begin, int64_t end, at::ScalarType type) {
    if (end > begin) parts_.push_back({begin, end - begin, at::empty({end - begin}, at::TensorOptions().dtype(type))});
  };
  int64_t begin = 0;
  for (const Range& matrix : matrices) {
    add(begin, matrix.begin, at::kFloat);
    add(matrix.begin, matrix.end, at::kBFloat16);
    begin = matrix.end;
  }
  add(begin, table.elements(), at::kFloat);
}

const HalfWeights::Part& HalfWeights::part(int64_t offset) const {
  return *std::prev(
      std::upper_bound(parts_.begin(), parts_.end(), offset, [](int64_t at, const Part& p) { return at < p.begin; }));
}

bool HalfWeights::is_half(int64_t offset) const { return part(offset).values.scalar_type() == at::kBFloat16; }

void* HalfWeights::at(int64_t offset) {
  const Part& found = part(offset);
  return static_cast<std::byte*>(found.values.mutable_data_ptr()) +
         (offset - found.begin) * static_cast<int64_t>(found.values.element_size());
}
const void* HalfWeights::half(int64_t offset) const { return const_cast<HalfWeights*>(this)->at(offset); }
const float* HalfWeights::fp32(int64_t offset) const {
  return static_cast<const float*>(const_cast<HalfWeights*>(this)->at(offset));
}

void HalfWeights::widen(float* flat) {
  for (Part& p : parts_) {
    if (p.values.scalar_type() == at::kBFloat16) vectune::widen(p.values.const_data_ptr(), p.elements, flat + p.begin);
    else std::copy_n(p.values.const_data_ptr<float>(), p.elements, flat + p.begin);
    p.values.reset();
  }
}

HalfWeights HalfWeights::clone() const {
  HalfWeights copy;
  for (const Part& p : parts_) copy.parts_.push_back({p.begin, p.elements, p.values.clone()});
  return copy;
}

void widen(const void* half, int64_t count, float* to) {
  const auto* from = static_cast<const c10::BFloat16*>(half);
  for_parts(count, [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i) to[i] = static_cast<float>(from[i]);
  });
}

}  // namespace vectune
