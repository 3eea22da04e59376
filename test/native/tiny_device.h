#pragma once
// What the tests of the device path on CPU tensors share.
#include <cstdint>
#include <vector>

#include "model/place.h"
#include "tiny_models.h"
#include "train/trainer.h"

namespace vectune::tiny {

inline const Place kTensors{Place::Kind::kTensors, 0};
inline const std::vector<int> kLengths{5, 9, 1, 17, 33, 2, 70, 8};
inline const std::vector<int32_t> kRows{0, 1, 2, 3};

inline TrainerOptions options_of(const Place& place, Precision precision = Precision::kFp32, float dropout = 0.0f) {
  TrainerOptions options;
  options.place = place;
  options.precision = precision;
  options.dropout = dropout;
  options.seed = 5;
  return options;
}

inline ModelSpec plain_spec() { return spec_of("bert", {}, {PoolingMode::kMean}, 4, 32); }

inline std::vector<float> weights_of(const Model& model) {
  return {model.data(), model.data() + model.parameters().elements()};
}

}  // namespace vectune::tiny
