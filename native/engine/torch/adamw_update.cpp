#include "torch/adamw_update.h"

#include <ATen/ops/_fused_adamw.h>
#include <ATen/ops/full.h>

#include <optional>

namespace vectune::device {

AdamWUpdate::AdamWUpdate(const TrainingLayout& layout, const Constants& constants, const at::Tensor& weights,
                         const at::Tensor& gradients, const at::Tensor& first_moments, const at::Tensor& second_moments)
    : constants_(constants) {
  for (const auto& segment : layout.segments()) {
    Group& group = segment.decays && constants.weight_decay != 0 ? decaying_ : others_;
    const auto part = [&](const at::Tensor& flat) { return flat.narrow(0, segment.gradient_begin, segment.elements); };
    group.weights.push_back(weights.narrow(0, segment.begin, segment.elements));
    group.gradients.push_back(part(gradients));
    group.first.push_back(part(first_moments));
    group.second.push_back(part(second_moments));
    gradients_.push_back(group.gradients.back());
  }
  // The operator always corrects; after so many updates βᵗ is 0 and the corrections are 1.
  if (!constants.bias_correction) endless_ = at::full({}, 1e9, weights.options());
}

void AdamWUpdate::run(double learning_rate, const at::Tensor& updates, const at::Tensor& divisor,
                      const at::Tensor& skip) {
  for (Group* group : {&decaying_, &others_}) {
    if (group->weights.empty()) continue;
    const std::optional<at::Tensor> scale = divisor.defined() ? std::optional(divisor) : std::nullopt;
    const std::vector<at::Tensor> counts(group->weights.size(), endless_.defined() ? endless_ : updates);
    at::_fused_adamw_(group->weights, group->gradients, group->first, group->second, {}, counts, learning_rate,
                      constants_.beta1, constants_.beta2, group == &decaying_ ? constants_.weight_decay : 0.0,
                      constants_.eps, /*amsgrad=*/false, /*maximize=*/false, scale, skip);
  }
}

}  // namespace vectune::device
