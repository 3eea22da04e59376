#pragma once
#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

#include "files/safetensors.h"
#include "model/half_weights.h"
#include "model/parameters.h"

namespace vectune {

/// A tensor of a weights file that no parameter claims (a pooler, position ids): kept bitwise.
struct UnusedTensor {
  int module;
  std::string name;
  safetensors::Dtype dtype;
  std::vector<int64_t> shape;
  at::Tensor bytes;  // kByte
};

/// Reads one module's parameters out of its files into the flat buffer (F32, F16, BF16 → fp32). Names may have the
/// prefix of a model with a head (Architecture::prefixes), the old LayerNorm.gamma and .beta, or be those of
/// Architecture::former; a table of words alone may be model2vec's. Error(kSafetensors): a parameter that is missing,
/// twice there, or of another shape or dtype. Error(kOutOfMemory): what is left over is more than there is memory.
struct ReadWeights {
  std::vector<UnusedTensor> unused;  // what is left over, prefix taken off
  bool former_names = false;         // whether the encoder's tensors had them
};
ReadWeights read_weights(const std::vector<ModuleFile>& files, int module, const ParameterTable& table, float* flat,
                         HalfWeights* half = nullptr);

/// Whether all matrices and the table of words of an encoder with layers are BF16 in these files: then `half` takes
/// them in place of `flat`.
bool has_bf16_matrices(const std::vector<ModuleFile>& files, const ParameterTable& table);

/// The parameters that a tensor of that name is, which stand one after the other; none where it is none of the model's.
std::vector<const Parameter*> parameters_of(const std::string& name, int module, const ParameterTable& table);

/// Writes one module's parameters (F32) and its unused tensors; the encoder's with `former_names` under these. Those of
/// `half`, in place of `flat`, are made fp32 piece by piece.
void write_weights(const std::string& path, int module, const ParameterTable& table, const float* flat,
                   const HalfWeights* half, const std::vector<UnusedTensor>& unused, bool former_names);

}  // namespace vectune
