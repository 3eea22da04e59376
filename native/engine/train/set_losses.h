#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "losses/loss.h"
#include "train/dataset.h"

namespace vectune {

/// The loss of each set of a data set. Of several sets the names of their own parameters begin with the set's number.
class SetLosses {
 public:
  /// `dimension` of the vectors. Error(kInvalidArgument) where there is not one loss for each set, or a loss does not
  /// train on the rows of its set, or looks at hidden layers of a model of no `layers`.
  SetLosses(const std::vector<LossSpec>& specs, const Dataset& dataset, int64_t dimension, int64_t layers);

  const Loss& of(int64_t set) const { return *losses_[static_cast<size_t>(set)]; }
  /// Of all sets, in their order.
  const std::vector<LossParameter>& parameters() const { return parameters_; }
  /// Before the names of a set's parameters.
  std::string prefix(int64_t set) const { return losses_.size() == 1 ? "" : std::to_string(set) + "."; }

 private:
  std::vector<std::unique_ptr<Loss>> losses_;
  std::vector<LossParameter> parameters_;
};

}  // namespace vectune
