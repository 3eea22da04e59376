// The only file that knows both backends.
#include "cpu/inference.h"
#include "cpu/training.h"
#include "torch/inference.h"
#include "torch/training.h"

namespace vectune {

TrainingBackend make_training_backend(const TrainingContext& context) {
  return context.options.place.on_device() ? device::make_training_backend(context)
                                           : cpu::make_training_backend(context);
}

std::unique_ptr<Inference> make_inference(const Model& model, const Place& place, Precision precision) {
  return place.on_device() ? device::make_inference(model, place, precision) : cpu::make_inference(model, precision);
}

}  // namespace vectune
