#include "model/half_weights.h"

#include <ATen/ops/empty.h>
#include <c10/util/BFloat16.h>

#include <algorithm>
#include <cstddef>

#include "runtime/arena.h"
#include "runtime/thread_team.h"

namespace vectune {

namespace {

bool in_bf16(const at::Tensor& values) { return values.scalar_type() == at::kBFloat16; }

void widen_here(const c10::BFloat16* from, int64_t count, float* to) {
  for (int64_t i = 0; i < count; ++i) to[i] = static_cast<float>(from[i]);
}

}  // namespace

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

size_t HalfWeights::number_of(int64_t offset) const {
  const auto after =
      std::upper_bound(parts_.begin(), parts_.end(), offset, [](int64_t at, const Part& p) { return at < p.begin; });
  return static_cast<size_t>(after - parts_.begin()) - 1;
}

bool HalfWeights::is_half(int64_t offset) const { return in_bf16(part(offset).values); }

size_t HalfWeights::kept_matrices() const {
  return static_cast<size_t>(
      std::count_if(parts_.begin(), parts_.end(), [](const Part& p) { return in_bf16(p.values); }));
}

int64_t HalfWeights::bytes() const {
  int64_t sum = 0;
  for (const Part& p : parts_) sum += static_cast<int64_t>(p.values.nbytes());
  return sum;
}

void* HalfWeights::at(int64_t offset) {
  const Part& found = part(offset);
  return static_cast<std::byte*>(found.values.mutable_data_ptr()) +
         (offset - found.begin) * static_cast<int64_t>(found.values.element_size());
}
const void* HalfWeights::half(int64_t offset) const { return const_cast<HalfWeights*>(this)->at(offset); }
const float* HalfWeights::fp32(int64_t offset) const {
  return static_cast<const float*>(const_cast<HalfWeights*>(this)->at(offset));
}

void HalfWeights::read(int64_t begin, int64_t count, float* to) const {
  constexpr int64_t kFew = 1 << 16;  // a row of a table is not worth waking the team for
  for (int64_t done = 0; done < count;) {
    const Part& p = part(begin + done);
    const int64_t first = begin + done - p.begin, some = std::min(p.elements - first, count - done);
    if (!in_bf16(p.values)) std::copy_n(p.values.const_data_ptr<float>() + first, some, to + done);
    else if (some < kFew) widen_here(p.values.const_data_ptr<c10::BFloat16>() + first, some, to + done);
    else vectune::widen(p.values.const_data_ptr<c10::BFloat16>() + first, some, to + done);
    done += some;
  }
}

void HalfWeights::make_fp32(int64_t offset) {
  Part& p = parts_[number_of(offset)];
  if (!in_bf16(p.values)) return;
  at::Tensor wide = empty_floats(p.elements);
  vectune::widen(p.values.const_data_ptr(), p.elements, wide.mutable_data_ptr<float>());
  p.values = std::move(wide);
}

void HalfWeights::widen(float* flat) {
  for (Part& p : parts_) {
    if (in_bf16(p.values)) vectune::widen(p.values.const_data_ptr(), p.elements, flat + p.begin);
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
  for_parts(count, [&](int64_t begin, int64_t end, int) { widen_here(from + begin, end - begin, to + begin); });
}

}  // namespace vectune
