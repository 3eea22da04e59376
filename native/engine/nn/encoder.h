#pragma once
#include <cstdint>
#include <functional>

#include "nn/backend.h"
#include "nn/dropout_plan.h"
#include "runtime/cancel.h"

namespace vectune {

/// The encoder, written out by hand over a backend's operations, as its architecture's plan says.
class Encoder {
 public:
  Encoder(const ParameterTable& table, Backend& backend) : table_(table), backend_(backend) {}

  /// Called after the embedding layer (0) and each layer (1 …).
  using Observer = std::function<void(int64_t layer)>;

  /// Of the rows that the backend has packed; leaves the last hidden states in the stream.
  void forward(const DropoutPlan& dropout, const Cancel& cancel, const Observer& observe = nullptr) const;
  /// From the gradient of the last hidden states; the gradients of what is wanted go where the backend was told.
  /// `observe` is called before the way back through what made the hidden states of a layer, of each but the last, and
  /// may add to their gradient.
  void backward(const DropoutPlan& dropout, const Wanted& wanted, const Cancel& cancel,
                const Observer& observe = nullptr) const;

 private:
  const ParameterTable& table_;
  Backend& backend_;
};

}  // namespace vectune
