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
      encoder_(c_.spec.encoder, PackedAttention(PackedAttention::choose(c_.options.place, gpu_of(c_.options.place),
                                                                        type_, c_.spec.encoder.head_size()),
                                                c_.spec.encoder.heads, c_.spec.encoder.head_size())),
      head_(c_.spec, c_.table) {}

void DevicePasses::guarded(const std::function<void()>& work) const {
  on_device(c_.options.place, [&] {
    const ScopedTf32 tf32(c_.options.place, c_.options.precision);
    work();
  });
}

void DevicePasses::weights_replaced(LiveState& state) {
  const FlatTensor fp32{state.weights, c_.layout.rest_begin() - c_.layout.words()};
  head_weights_ = fp32;
  if (type_ == at::kFloat) {
    compute_ = state.weights;
  } else {
    if (!compute_.defined()) compute_ = at::empty({c_.layout.elements()}, floats().dtype(type_));
    compute_.copy_(state.weights);
  }
  const FlatTensor compute{compute_, fp32.shift};
  tensors_ = encoder_tensors(compute, c_.table, c_.spec.encoder);
  tables_ = embedding_tables(words_of(compute_), compute, c_.table, c_.spec.encoder);
}

void DevicePasses::weights_changed(const LiveState& state) {
  if (type_ != at::kFloat) compute_.copy_(state.weights);
}

at::Tensor DevicePasses::words_of(const at::Tensor& flat) const {
  return flat.narrow(0, 0, c_.layout.words()).view({c_.vocabulary.size(), c_.spec.encoder.hidden_size});
}

DropoutRates DevicePasses::dropout() const {
  const EncoderSpec& e = c_.spec.encoder;
  const double hidden = c_.options.dropout.value_or(e.hidden_dropout),
               attention = c_.options.dropout.value_or(e.attention_dropout);
  return {hidden, attention, e.architecture == Architecture::kDistilBert ? 0.0 : hidden};
}

/// The masks of a step are a function of seed, epoch, step and place in the step, so a resumed run has those of one that
/// was never interrupted, and no generator's state need be kept.
void DevicePasses::seed_masks(const MaskKey& key) const {
  const uint64_t run = split_mix(static_cast<uint64_t>(c_.options.seed) << 32 | static_cast<uint64_t>(key.epoch));
  const uint64_t seed =
      split_mix(split_mix(run + static_cast<uint64_t>(key.step)) + static_cast<uint64_t>(key.place));
  at::Generator generator = at::globalContext().defaultGenerator(c_.options.place.torch());
  const std::lock_guard<std::mutex> lock(generator.mutex());
  generator.set_current_seed(seed);
}

DeviceBatch DevicePasses::pack(std::span<const int32_t> texts) const {
  return stage(
      c_.options.place, static_cast<int64_t>(texts.size()),
      [&](int64_t i) {
        const int32_t text = texts[static_cast<size_t>(i)];
        return StagedText{c_.dataset.ids() + c_.dataset.offsets()[text], c_.dataset.length(text)};
      },
      {}, c_.spec.encoder.position_offset, c_.vocabulary.remap());
}

void DevicePasses::reserve_gradients(LiveState& state) {
  if (!state.gradients.defined()) state.gradients = at::zeros({c_.layout.elements()}, floats());
  if (type_ != at::kFloat && !half_gradients_.defined())
    half_gradients_ =
        at::zeros({c_.table.layers.back().end - c_.table.embedding_norm.weight}, floats().dtype(type_));
  if (gradients_) return;
  const FlatTensor flat{state.gradients, head_weights_.shift};
  const FlatTensor compute = type_ == at::kFloat ? flat : FlatTensor{half_gradients_, c_.table.embedding_norm.weight};
  gradients_ = {encoder_tensors(compute, c_.table, c_.spec.encoder),
                embedding_tables(words_of(state.gradients), flat, c_.table, c_.spec.encoder), false};
}

void DevicePasses::forget_gradients(const LiveState& state) {
  gradients_.reset();
  if (!state.gradients.defined()) half_gradients_.reset();
}

at::Tensor DevicePasses::forward(std::span<const int32_t> texts, const MaskKey& masks, bool keep) {
  const DropoutRates rates = dropout();
  activations_ = {};
  batch_ = pack(texts);
  note({batch_.rows, 0, 0});
  if (rates.hidden > 0 || rates.attention > 0) seed_masks(masks);
  const at::Tensor y = encoder_.forward(batch_, tables_, tensors_, rates, keep ? &activations_ : nullptr, cancel());
  return head_.forward(batch_, y, head_weights_);
}

void DevicePasses::backward(const at::Tensor& gradient, LiveState& state, bool add) {
  const int64_t norm_begin = c_.layout.at(c_.table.embedding_norm.weight),
                layers_end = c_.layout.at(c_.table.layers.back().end);
  // The tables' gradients are added to row by row; everything else is overwritten.
  if (!add) state.gradients.narrow(0, 0, norm_begin).zero_();
  at::Tensor dy =
      head_.backward(batch_, gradient.to(at::kFloat), head_weights_, {state.gradients, head_weights_.shift}, add);
  head_.release();
  gradients_->accumulate = type_ == at::kFloat && add;
  encoder_.backward(std::move(dy), batch_, tensors_, dropout(), activations_, *gradients_, c_.layout.wanted(),
                    cancel());
  activations_ = {};
  if (type_ == at::kFloat) return;
  at::Tensor into = state.gradients.narrow(0, norm_begin, layers_end - norm_begin);
  if (add) into.add_(half_gradients_);
  else into.copy_(half_gradients_);
}

at::Tensor DevicePasses::evaluate(std::span<const int32_t> texts) {
  const DeviceBatch batch = pack(texts);
  const at::Tensor y = encoder_.forward(batch, tables_, tensors_, {}, nullptr, cancel());
  return head_.forward(batch, y, head_weights_);
}

at::Tensor DevicePasses::send(const at::Tensor& tensor) const {
  if (!c_.options.place.cuda()) return tensor;
  // The host's caching allocator keeps a pinned buffer from being used again before the copy is done.
  at::Tensor staging = at::empty(tensor.sizes(), tensor.options().pinned_memory(true));
  staging.copy_(tensor);
  return staging.to(c_.options.place.torch(), /*non_blocking=*/true);
}

void DevicePasses::release() {
  activations_ = {};
  batch_ = {};
  head_.release();
  release_cached(c_.options.place);
}

}  // namespace vectune::device
