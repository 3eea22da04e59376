#include "torch/passes.h"

#include <ATen/Context.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include "runtime/split_mix.h"
#include "torch/health.h"
#include "torch/memory.h"
#include "torch/precision.h"

namespace vectune::device {

DevicePasses::DevicePasses(const TrainingContext& context)
    : c_(context),
      type_(compute_type(c_.options.precision)),
      backend_(c_.spec, c_.table, c_.options.place, type_),
      encoder_(c_.spec, c_.table, backend_) {}

void DevicePasses::guarded(const std::function<void()>& work) const {
  on_device(c_.options.place, [&] {
    const ScopedTf32 tf32(c_.options.place, c_.options.precision);
    work();
  });
}

void DevicePasses::weights_replaced(LiveState& state) {
  if (kept_.size() != c_.layout.kept().size())
    for (const auto& [offset, half] : c_.layout.kept()) kept_.emplace(offset, half.to(c_.options.place.torch(), type_));
  if (type_ == at::kFloat) {
    compute_ = state.weights;
  } else {
    if (!compute_.defined()) compute_ = at::empty({c_.layout.elements()}, floats().dtype(type_));
    compute_.copy_(state.weights);
  }
  const TrainingTensor compute{compute_, c_.layout, kept_};
  backend_.set_weights({encoder_tensors(compute, c_.table),
                        embedding_tables(words_of(compute_), compute, c_.table, c_.spec.encoder),
                        head_tensors(TrainingTensor{state.weights, c_.layout, kept_}, c_.table)});
}

void DevicePasses::weights_changed(const LiveState& state) {
  if (type_ != at::kFloat) compute_.copy_(state.weights);
}

at::Tensor DevicePasses::words_of(const at::Tensor& flat) const {
  return flat.narrow(0, 0, c_.layout.words()).view({c_.vocabulary.size(), c_.spec.encoder.embedding_width()});
}

/// The masks of a step are a function of seed, epoch, step and place in the step, so a resumed run has those of one
/// that was never interrupted, and no generator's state need be kept.
void DevicePasses::seed_masks(const MaskKey& key) const {
  const uint64_t run = split_mix(static_cast<uint64_t>(c_.options.seed) << 32 | static_cast<uint64_t>(key.epoch));
  const uint64_t seed = split_mix(split_mix(run + static_cast<uint64_t>(key.step)) + static_cast<uint64_t>(key.place));
  at::Generator generator = at::globalContext().defaultGenerator(c_.options.place.torch());
  const std::lock_guard<std::mutex> lock(generator.mutex());
  generator.set_current_seed(seed);
}

void DevicePasses::reserve_gradients(LiveState& state) {
  const GradientPlaces& places = c_.layout.gradients();
  if (!state.gradients.defined()) state.gradients = at::zeros({places.elements()}, floats());
  if (type_ != at::kFloat && !half_gradients_.defined())
    half_gradients_ = at::zeros({places.encoder - places.tables}, floats().dtype(type_));
  if (has_gradients_) return;
  const GradientTensor flat{state.gradients, places};
  const GradientTensor compute = type_ == at::kFloat ? flat : GradientTensor{half_gradients_, places, places.tables};
  backend_.set_gradients({encoder_tensors(compute, c_.table),
                          embedding_tables(flat, c_.vocabulary.size(), c_.table, c_.spec.encoder),
                          head_tensors(flat, c_.table)});
  has_gradients_ = true;
}

void DevicePasses::forget_gradients(const LiveState& state) {
  backend_.set_gradients({});
  has_gradients_ = false;
  if (!state.gradients.defined()) half_gradients_.reset();
}

at::Tensor DevicePasses::forward(std::span<const int32_t> texts, const std::vector<int64_t>& layers,
                                 const MaskKey& masks, bool keep) {
  plan_ = DropoutPlan::of(c_.spec.encoder, c_.options.dropout, c_.options.seed, static_cast<uint32_t>(masks.epoch));
  if (plan_.on()) seed_masks(masks);
  const at::Tensor vectors = encoder_.forward(c_.texts(texts), plan_, keep, cancel(), layers);
  note({backend_.batch().rows, 0, 0});
  return vectors;
}

void DevicePasses::backward(const at::Tensor& gradient, LiveState& state, bool add) {
  const GradientPlaces& places = c_.layout.gradients();
  // The tables' gradients are added to row by row; everything else is overwritten.
  if (!add) state.gradients.narrow(0, 0, places.tables).zero_();
  backend_.add_gradients(type_ == at::kFloat && add, add);
  encoder_.backward(gradient.to(at::kFloat), plan_, c_.layout.wanted(), cancel());
  backend_.release();
  if (type_ == at::kFloat) return;
  at::Tensor into = state.gradients.narrow(0, places.tables, half_gradients_.numel());
  if (add) into.add_(half_gradients_);
  else into.copy_(half_gradients_);
}

at::Tensor DevicePasses::evaluate(std::span<const int32_t> texts, const std::vector<int64_t>& layers) {
  return encoder_.forward(c_.texts(texts), {}, false, cancel(), layers);
}

at::Tensor DevicePasses::send(const at::Tensor& tensor) const {
  if (!c_.options.place.cuda()) return tensor;
  // The host's caching allocator keeps a pinned buffer from being used again before the copy is done.
  at::Tensor staging = at::empty(tensor.sizes(), tensor.options().pinned_memory(true));
  staging.copy_(tensor);
  return staging.to(c_.options.place.torch(), /*non_blocking=*/true);
}

void DevicePasses::release() {
  encoder_.release();
  release_cached(c_.options.place);
}

}  // namespace vectune::device
