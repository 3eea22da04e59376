#include "train/set_losses.h"

#include <utility>

#include "runtime/errors.h"

namespace vectune {

SetLosses::SetLosses(const std::vector<LossSpec>& specs, const Dataset& dataset, int64_t dimension, int64_t layers) {
  if (static_cast<int64_t>(specs.size()) != dataset.sets())
    throw Error(ErrorCode::kInvalidArgument, "There must be a loss for each set of the dataset; found " +
                                                 std::to_string(specs.size()) + " losses and " +
                                                 std::to_string(dataset.sets()) + " sets.");
  for (int64_t set = 0; set < dataset.sets(); ++set) {
    LossData data = dataset.for_loss(set);
    data.dimension = dimension;
    losses_.push_back(make_loss(specs[static_cast<size_t>(set)]));
    losses_.back()->check(data);
    if (losses_.back()->sees_layers() && layers == 0)
      throw Error(ErrorCode::kInvalidArgument, "The loss '" + specs[static_cast<size_t>(set)].name +
                                                   "' looks at hidden layers; the model has none.");
  }
  for (int64_t set = 0; set < dataset.sets(); ++set) {
    LossData data = dataset.for_loss(set);
    data.dimension = dimension;
    for (LossParameter parameter : of(set).parameters(data)) {
      parameter.name = prefix(set) + parameter.name;
      parameters_.push_back(std::move(parameter));
    }
  }
}

}  // namespace vectune
