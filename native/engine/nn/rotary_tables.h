#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "model/spec.h"

namespace vectune {

/// Cosines and sines of the angles of each position, fp32 [positions × head size / 2], on the processor.
struct RotaryTable {
  Rotary rotary;
  at::Tensor cosines, sines;
};

/// The tables of a model's layers, one for each theta. Every backend asks these. Angles are rounded as in transformers,
/// which has them in fp32: at position 8,000 that is 5e-4 of a turn's radian.
class RotaryTables {
 public:
  explicit RotaryTables(const EncoderSpec& spec);
  /// Makes room for texts of so many tokens; keeps what is large enough. Whether it was not.
  bool reserve(int64_t longest);
  /// Null where the layer's queries and keys are not turned.
  const RotaryTable* of(int64_t layer) const;
  const std::vector<RotaryTable>& all() const { return tables_; }
  int64_t bytes() const;
  void release();

 private:
  int64_t half_, positions_ = 0, most_;
  std::vector<RotaryTable> tables_;
  std::vector<size_t> of_layer_;
};

}  // namespace vectune
