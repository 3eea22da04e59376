#include "nn/rotary_tables.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cos.h>
#include <ATen/ops/outer.h>
#include <ATen/ops/pow.h>
#include <ATen/ops/reciprocal.h>
#include <ATen/ops/sin.h>

#include <algorithm>

#include "runtime/alone.h"

namespace vectune {

RotaryTables::RotaryTables(const EncoderSpec& spec) : half_(spec.head_size() / 2), most_(spec.positions) {
  for (const LayerAttention& layer : spec.attention) {
    if (!layer.rotary.on()) continue;
    const auto found = std::find_if(tables_.begin(), tables_.end(),
                                    [&](const RotaryTable& table) { return table.rotary == layer.rotary; });
    of_layer_.push_back(static_cast<size_t>(found - tables_.begin()));
    if (found == tables_.end()) tables_.push_back({layer.rotary, {}, {}});
  }
}

bool RotaryTables::reserve(int64_t longest) {
  if (tables_.empty() || longest <= positions_) return false;
  const Alone alone;
  positions_ = std::min(most_, std::max(longest, 2 * positions_));
  positions_ = std::max(positions_, longest);
  const auto fp32 = at::TensorOptions().dtype(at::kFloat);
  const at::Tensor position = at::arange(positions_, fp32);
  for (RotaryTable& table : tables_) {
    const at::Tensor exponent = at::arange(0, 2 * half_, 2, fp32) / static_cast<double>(2 * half_);
    at::Tensor frequency = at::reciprocal(at::pow(table.rotary.theta, exponent));
    if (table.rotary.divisor != 1) frequency = frequency / table.rotary.divisor;
    const at::Tensor angle = at::outer(position, frequency);
    table.cosines = at::cos(angle);
    table.sines = at::sin(angle);
  }
  return true;
}

const RotaryTable* RotaryTables::of(int64_t layer) const {
  return of_layer_.empty() ? nullptr : &tables_[of_layer_[static_cast<size_t>(layer)]];
}

int64_t RotaryTables::bytes() const {
  return static_cast<int64_t>(2 * sizeof(float) * tables_.size()) * positions_ * half_;
}

void RotaryTables::release() {
  for (RotaryTable& table : tables_) table = {table.rotary, {}, {}};
  positions_ = 0;
}

}  // namespace vectune
