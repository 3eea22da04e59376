#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "model/parameters.h"
#include "model/spec.h"
#include "torch/linear.h"

namespace vectune::device {

/// A flat buffer, or a part of one, whose element `offset - shift` is the ParameterTable's `offset`.
struct FlatTensor {
  at::Tensor flat;
  int64_t shift = 0;

  at::Tensor vector(int64_t offset, int64_t elements) const { return flat.narrow(0, offset - shift, elements); }
  at::Tensor matrix(int64_t offset, int64_t rows, int64_t columns) const {
    return vector(offset, rows * columns).view({rows, columns});
  }
};

struct Norm {
  at::Tensor weight, bias;
};

/// The encoder's matrices and norms as views of one buffer, weights or gradients: made once, as each costs the
/// processor a microsecond or two.
struct EncoderTensors {
  std::vector<Linear> linears;  // by LinearAt::number
  std::vector<Norm> norms;      // by NormAt::number
};
EncoderTensors encoder_tensors(const FlatTensor& flat, const ParameterTable& table, const EncoderSpec& spec);

struct EmbeddingTables {
  at::Tensor words, positions, types;  // types undefined where the architecture has none
};
/// `words` [rows × hidden] may be a compact table.
EmbeddingTables embedding_tables(const at::Tensor& words, const FlatTensor& rest, const ParameterTable& table,
                                 const EncoderSpec& spec);

}  // namespace vectune::device
