#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "losses/loss.h"
#include "model/place.h"
#include "model/spec.h"

namespace vectune {

struct TrainerOptions {
  Place place;  // where to compute
  Precision precision = Precision::kFp32;
  std::vector<LossSpec> losses{LossSpec{}};  // of each set of the data set
  uint32_t seed = 0;
  std::optional<float> dropout;  // replaces both of the model's probabilities
  double beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weight_decay = 0.0;
  bool bias_correction = true;
  std::optional<double> max_gradient_norm;
  std::vector<std::string> freeze;
  std::optional<int64_t> memory_limit;
  bool whole_steps = false;  // no parts but those that the micro-batch asks for, whatever memory they would save
  bool keep_base = false;    // holds the weights that training begins with, for `Trainer::blend`
};

}  // namespace vectune
