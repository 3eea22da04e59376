#pragma once
#include <functional>
#include <memory>

#include "model/model.h"

namespace vectune::device {

/// Embedding on a device: the weights' copy there, made again when they have changed.
class DeviceInference {
 public:
  /// Error(kDeviceUnavailable) where the place is not there.
  DeviceInference(const ModelSpec& spec, const ParameterTable& table, const Place& place, Precision precision);
  ~DeviceInference();

  bool is_for(const Place& place, Precision precision) const;
  /// `flat` are the model's weights, and `version` tells whether they are those of the last call. Texts as
  /// Model::embed has them.
  void embed(const float* flat, uint64_t version, const int32_t* ids, const int32_t* offsets, int64_t texts,
             float* out);
  using Observer = std::function<void(const std::string& name, const at::Tensor& values)>;
  /// All texts in one pass; `observe` is called with hidden.0 … hidden.N, pooled and embedding, fp32 on the processor.
  void trace(const float* flat, uint64_t version, const int32_t* ids, const int32_t* offsets, int64_t texts,
             const Observer& observe);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace vectune::device
