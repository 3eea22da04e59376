#include "train/optimiser.h"

#include "runtime/errors.h"

namespace vectune {

StepResult StepOutcome::get() {
  const auto result = wait();
  if (!result) throw Error(ErrorCode::kNative, "The step was not taken, as the one before it failed.");
  return *result;
}

Error not_finite(const std::string& what) {
  return Error(ErrorCode::kNative, "The " + what +
                                       " is not finite; the weights were left as before the step. Lower the "
                                       "learning rate, or look for damaged weights in the model.");
}

}  // namespace vectune
