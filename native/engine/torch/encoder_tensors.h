#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <vector>

#include "model/parameters.h"
#include "model/spec.h"
#include "nn/gradient_places.h"
#include "torch/linear.h"
#include "train/training_layout.h"

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

/// The flat buffer of a TrainingLayout, and what it has not (TrainingLayout::kept) as the device has it.
struct TrainingTensor {
  at::Tensor flat;
  const TrainingLayout& layout;
  const std::map<int64_t, at::Tensor>& kept;

  at::Tensor vector(int64_t offset, int64_t elements) const { return flat.narrow(0, layout.at(offset), elements); }
  at::Tensor matrix(int64_t offset, int64_t rows, int64_t columns) const {
    const auto found = kept.find(offset);
    return (found == kept.end() ? vector(offset, rows * columns) : found->second).view({rows, columns});
  }
};

struct Norm {
  at::Tensor weight, bias;  // the bias undefined where there is none
};

/// The encoder's matrices and norms as views of one buffer, weights or gradients: made once, as each costs the
/// processor a microsecond or two. Gradients of what is frozen are undefined.
struct EncoderTensors {
  std::vector<Linear> linears;  // by LinearAt::number
  std::vector<Norm> norms;      // by NormAt::number
};
EncoderTensors encoder_tensors(const FlatTensor& flat, const ParameterTable& table);
EncoderTensors encoder_tensors(const TrainingTensor& flat, const ParameterTable& table);

/// A flat buffer of gradients, or the part of one from `begin` on.
struct GradientTensor {
  at::Tensor flat;
  const GradientPlaces& places;
  int64_t begin = 0;

  at::Tensor vector(int64_t offset, int64_t elements) const {
    const int64_t place = places.at(offset);
    return place == GradientPlaces::kFrozen ? at::Tensor() : flat.narrow(0, place - begin, elements);
  }
  at::Tensor matrix(int64_t offset, int64_t rows, int64_t columns) const {
    const at::Tensor found = vector(offset, rows * columns);
    return found.defined() ? found.view({rows, columns}) : found;
  }
};
EncoderTensors encoder_tensors(const GradientTensor& flat, const ParameterTable& table);

/// What the modules of the head have, likewise; by their numbers there.
struct HeadTensors {
  std::vector<Linear> linears;  // of Dense modules, then of their residuals
  std::vector<Norm> norms;      // of LayerNorm modules
};
HeadTensors head_tensors(const FlatTensor& flat, const ParameterTable& table);
HeadTensors head_tensors(const TrainingTensor& flat, const ParameterTable& table);
HeadTensors head_tensors(const GradientTensor& flat, const ParameterTable& table);

struct EmbeddingTables {
  at::Tensor words;
  at::Tensor positions, types, relative;  // undefined where there is none; relative: [kRelativeBuckets × heads]
};
/// `words` [rows × hidden] may be a compact table.
EmbeddingTables embedding_tables(const at::Tensor& words, const FlatTensor& rest, const ParameterTable& table,
                                 const EncoderSpec& spec);
EmbeddingTables embedding_tables(const at::Tensor& words, const TrainingTensor& rest, const ParameterTable& table,
                                 const EncoderSpec& spec);
/// `words`: rows of the word table.
EmbeddingTables embedding_tables(const GradientTensor& flat, int64_t words, const ParameterTable& table,
                                 const EncoderSpec& spec);

}  // namespace vectune::device
