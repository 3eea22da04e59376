#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "model/half_weights.h"
#include "model/parameters.h"
#include "model/spec.h"
#include "model/weights_file.h"

namespace vectune {

/// A model: its spec and one flat fp32 buffer in which every parameter is a view, or, of files that have the matrices
/// in bf16, these as they are (HalfWeights; Fp32Weights reads both alike). All methods but the accessors run on the
/// engine thread.
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
  /// One of its shape, with the tensors kept for `save`, in one flat buffer whose numbers are anything.
  static std::shared_ptr<Model> in_shape_of(const Model& other);
  Model& operator=(const Model&) = delete;

  const ModelSpec& spec() const { return spec_; }
  const ParameterTable& parameters() const { return table_; }
  /// The flat buffer. Where there is none this makes it, in twice the memory of weights in bf16, and they are in fp32
  /// from then on: for tests, and for who knows that there is one. Error(kOutOfMemory). Engine thread.
  float* data() { return flat().mutable_data_ptr<float>(); }
  const float* data() const { return flat().const_data_ptr<float>(); }
  /// In place of the flat buffer, where matrices are kept in bf16; else null.
  const HalfWeights* half() const { return half_.get(); }
  /// Keeps the parameters that are `wanted` in fp32 from now on, worth what they were, for who writes them; with one
  /// tensor of a matrix the others of it. Where nothing is left in bf16 there is a flat buffer then. On an error, of
  /// Error(kOutOfMemory) and c10::OutOfMemoryError, the weights are worth what they were. Engine thread.
  void make_fp32(const std::function<bool(const Parameter&)>& wanted);
  /// A parameter's numbers, which must be kept in fp32.
  float* fp32(const Parameter& parameter);
  /// What [begin, begin + count) of the table's layout is worth, into `to`. Engine thread.
  void read(int64_t begin, int64_t count, float* to) const;
  /// Bytes of the weights as they are kept.
  int64_t bytes() const;
  /// Tensors of the files that no parameter claims.
  const std::vector<UnusedTensor>& unused() const { return unused_; }
  /// Most tokens that a text may have.
  int64_t longest_text() const { return spec_.encoder.positions - spec_.encoder.position_offset; }

  /// Writes each module's file, all of it in F32; the caller renames them into place. The weights stay as they are
  /// kept.
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
  struct InShapeOf {};
  Model(const Model& other, InShapeOf);
  const at::Tensor& flat() const;
  // What `data` makes of the weights is another form of the same values.
  mutable at::Tensor flat_;
  mutable std::unique_ptr<HalfWeights> half_;
  std::vector<UnusedTensor> unused_;
  bool former_names_ = false;  // of the encoder's tensors where they were read, and so where they are written
  std::unique_ptr<Attachment> attachment_;
  mutable uint64_t weights_version_ = 1;
};

}  // namespace vectune
