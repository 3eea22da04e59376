#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "model/model.h"
#include "model/place.h"
#include "nn/texts.h"

namespace vectune {

/// How a place computes a model's vectors: the weights as it reads them, made again when they have changed, and its
/// buffers. Dropout is off. cpu/ and torch/ have one each. Engine thread.
class Inference {
 public:
  virtual ~Inference() = default;

  /// Vectors of the texts, as `embed` has them, into `out`.
  virtual void embed(const Model& model, const int32_t* ids, const int32_t* offsets, int64_t texts, int64_t unpooled,
                     float* out) = 0;
  using Observer = std::function<void(const std::string& name, const at::Tensor& values)>;
  /// All texts in one pass; `observe` is called with hidden.0 … hidden.N, pooled and embedding, fp32 on the processor
  /// and good for the time of the call.
  virtual void trace(const Model& model, const int32_t* ids, const int32_t* offsets, int64_t texts,
                     const Observer& observe) = 0;
};

/// That of a place in a precision (backends.cpp). Error(kDeviceUnavailable) where the place is not there,
/// Error(kInvalidArgument) where it does not have the precision.
std::unique_ptr<Inference> make_inference(const Model& model, const Place& place, Precision precision);

/// each(first, count) for all texts, as many at once as have `most` tokens, or one.
template <typename Each>
void for_packs(const int32_t* offsets, int64_t texts, int64_t most, const Each& each) {
  for (int64_t first = 0; first < texts;) {
    int64_t last = first + 1;
    while (last < texts && offsets[last + 1] - offsets[first] <= most) ++last;
    each(first, last - first);
    first = last;
  }
}

/// What is made of the weights, and made again once they have changed.
template <typename T>
class Derived {
 public:
  /// `make` gives a unique_ptr, which may be null. What was made of older weights goes before.
  template <typename Make>
  void follow(uint64_t version, Make make) {
    if (version_ == version) return;
    made_.reset();
    made_ = make();
    version_ = version;
  }
  const T* get() const { return made_.get(); }

 private:
  std::unique_ptr<T> made_;
  uint64_t version_ = 0;
};

}  // namespace vectune
