#include "torch/loss_scaler.h"

#include <ATen/ops/_amp_foreach_non_finite_check_and_unscale.h>
#include <ATen/ops/_amp_update_scale.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>

namespace vectune::device {

namespace {

constexpr double kFirstScale = 65536.0, kGrowth = 2.0, kBackoff = 0.5;
constexpr int64_t kGrowthInterval = 2000;

}  // namespace

LossScaler::LossScaler(const at::Device& device)
    : scale_(at::full({}, kFirstScale, at::TensorOptions().dtype(at::kFloat).device(device))),
      growth_(at::zeros({}, at::TensorOptions().dtype(at::kInt).device(device))) {}

at::Tensor LossScaler::unscale(const std::vector<at::Tensor>& gradients) {
  at::Tensor overflow = at::zeros({}, scale_.options());
  at::_amp_foreach_non_finite_check_and_unscale_(gradients, overflow, scale_.reciprocal());
  return overflow;
}

void LossScaler::update(const at::Tensor& overflow) {
  at::_amp_update_scale_(scale_, growth_, overflow, kGrowth, kBackoff, kGrowthInterval);
}

std::vector<float> LossScaler::state() const {
  return {scale_.item<float>(), static_cast<float>(growth_.item<int32_t>())};
}

void LossScaler::set_state(float scale, float growth) {
  scale_.fill_(scale);
  growth_.fill_(static_cast<int32_t>(growth));
}

}  // namespace vectune::device
