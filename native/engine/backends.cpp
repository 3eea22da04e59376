// The only file that knows both backends.
#include "cpu/training.h"
#include "torch/training.h"

namespace vectune {

TrainingBackend make_training_backend(const TrainingContext& context) {
  return context.options.place.on_device() ? device::make_training_backend(context)
                                           : cpu::make_training_backend(context);
}

}  // namespace vectune
