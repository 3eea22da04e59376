#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "model/half_weights.h"
#include "model/parameters.h"
#include "model/spec.h"
#include "model/weights_file.h"

namespace vectune {

/// A model: its spec and one flat fp32 buffer in which every parameter is a view, or, until somebody asks for that, the
/// bf16 numbers of its files (HalfWeights).
/// All methods but the accessors run on the engine thread.
class Model {
 public:
  /// Reads weights (F32, F16, BF16 into fp32). Every parameter must be there with its shape;
  /// tensors that no parameter claims are kept for `save`. Error(kSafetensors) names the tensor.
  Model(ModelSpec spec, const std::vector<ModuleFile>& files);
  /// Random weights as a fresh Hugging Face model: N(0, 0.02), layer norms 1 and 0, biases 0.
  Model(ModelSpec spec, uint32_t seed);
  ~Model();
  /// A copy of the weights, and of the tensors kept for `save`.
  Model(const Model& other);
  Model& operator=(const Model&) = delete;

  const ModelSpec& spec() const { return spec_; }
  const ParameterTable& parameters() const { return table_; }
  /// The flat buffer. Where the weights are kept in bf16 this makes it, in twice the memory, and they are in fp32 from
  /// then on; Error(kOutOfMemory). Engine thread.
  float* data() { return in_fp32().mutable_data_ptr<float>(); }
  const float* data() const { return in_fp32().const_data_ptr<float>(); }
  /// The weights as the files have them, where they are kept so; else null.
  const HalfWeights* half() const { return half_.get(); }
  /// Most tokens that a text may have.
  int64_t longest_text() const { return spec_.encoder.positions - spec_.encoder.position_offset; }

  /// Writes each module's file; the caller renames them into place.
  void save(const std::vector<ModuleFile>& files) const;

  /// Must be called after the flat buffer was written: derived copies (bf16) are made again when next needed.
  void weights_changed() { ++weights_version_; }
  uint64_t weights_version() const { return weights_version_; }

  /// What others derive of the weights and keep with them (embed/); theirs to make and to know.
  struct Attachment {
    virtual ~Attachment() = default;
  };
  std::unique_ptr<Attachment>& attachment() { return attachment_; }

  static int64_t live();

 private:
  ModelSpec spec_;
  ParameterTable table_;
  const at::Tensor& in_fp32() const;
  // What `data` makes of the weights is another form of the same values.
  mutable at::Tensor flat_;
  mutable std::unique_ptr<HalfWeights> half_;
  std::vector<UnusedTensor> unused_;
  bool former_names_ = false;  // of the encoder's tensors where they were read, and so where they are written
  std::unique_ptr<Attachment> attachment_;
  mutable uint64_t weights_version_ = 1;
};

}  // namespace vectune
