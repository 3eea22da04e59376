#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/sum.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>
#include <vector>

#include "losses/loss.h"
#include "losses/options.h"
#include "losses/precision.h"
#include "runtime/errors.h"
#include "runtime/split_mix.h"

namespace vectune {

namespace {

/// sentence-transformers' AdaptiveLayerLoss (Li et al. 2024), around any loss: a model that may be cut to its first
/// layers. Of n layers l of a step beside the last one, with vectors by the same pooling and head,
///   L = last_layer_weight · loss(v)
///     + Σ_l prior_layers_weight · weight(l) / n · loss(v_l)
///         + kl_div_weight · T · KL(softmax(v / T) ‖ softmax(v_l / T)),   v a constant in it, the mean over the texts
///         of
///                                                                       rows,   T = kl_temperature
/// weight(l) is 1, 1 / (1 + ln(1 + l)) or 1 / (1 + l) (`layer_weighting` uniform, log, linear); layer 0 is the
/// embedding layer. Options: loss, {"name": …, OPTION: …}; n_layers_per_step 1 (−1: all), last_layer_weight 1,
/// prior_layers_weight 1, kl_div_weight 1, kl_temperature 0.3 (0: no KL), layer_weighting. Which layers a step has is
/// drawn by the run's seed and the step. An evaluation takes all of them, the KL term by n / layers: what is expected
/// of a draw. Separable where the loss is.
class AdaptiveLayer final : public Loss {
 public:
  explicit AdaptiveLayer(LossOptions& options) {
    loss_ = make_loss(options.loss("loss", options.value("loss")));
    if (loss_->sees_layers() || loss_->given()) options.refuse("loss", "a loss that sees the last layer alone");
    const double per_step = options.number("n_layers_per_step", 1.0, -1.0, 1e4);
    if (per_step != std::floor(per_step) || per_step == 0.0)
      options.refuse("n_layers_per_step", "a whole number from 1, or -1 for all layers");
    per_step_ = static_cast<int64_t>(per_step);
    last_weight_ = options.number("last_layer_weight", 1.0, 0.0, 1e6);
    prior_weight_ = options.number("prior_layers_weight", 1.0, 0.0, 1e6);
    kl_weight_ = options.number("kl_div_weight", 1.0, 0.0, 1e6);
    temperature_ = options.number("kl_temperature", 0.3, 0.0, 1e6);
    weighting_ = options.word("layer_weighting", "uniform", {"uniform", "log", "linear"});
  }

  bool separable() const override { return loss_->separable(); }
  bool labels_are_vectors() const override { return loss_->labels_are_vectors(); }
  bool sees_layers() const override { return true; }
  void check(const LossData& data) const override { loss_->check(data); }
  std::vector<LossParameter> parameters(const LossData& data) const override { return loss_->parameters(data); }

  std::vector<int64_t> layers(int64_t of, std::optional<uint64_t> draw) const override {
    std::vector<int64_t> all(static_cast<size_t>(of));
    std::iota(all.begin(), all.end(), int64_t{0});
    if (!draw || per_step_ < 0 || per_step_ >= of) return all;
    uint64_t state = *draw;
    for (size_t i = 0; i < static_cast<size_t>(per_step_); ++i) {
      state = split_mix(state);
      std::swap(all[i], all[i + static_cast<size_t>(state % (all.size() - i))]);
    }
    all.resize(static_cast<size_t>(per_step_));
    return all;
  }

  LossValue of(const at::Tensor& vectors, const LossRows& rows) const override {
    const auto count = static_cast<int64_t>(rows.layers.size());
    const int64_t dimension = vectors.size(1) / (count + 1);
    const auto of_layer = [&](int64_t i) { return vectors.narrow(1, i * dimension, dimension).contiguous(); };
    LossRows of_last = rows;
    of_last.layers.clear();
    std::vector<at::Tensor> gradients;
    LossValue sum;
    const auto add = [&](const LossValue& value, double weight) {
      const at::Tensor loss = value.loss * weight;
      sum.loss = sum.loss.defined() ? sum.loss + loss : loss;
      gradients.push_back(value.gradient * weight);
      for (const auto& [name, gradient] : value.of_parameters) {
        at::Tensor& total = sum.of_parameters[name];
        total = total.defined() ? total + gradient * weight : gradient * weight;
      }
    };
    const at::Tensor last = of_layer(0);
    add(loss_->of(last, of_last), last_weight_);
    for (int64_t i = 1; i <= count; ++i) {
      const at::Tensor layer = of_layer(i);
      const int64_t number = rows.layers[static_cast<size_t>(i - 1)];
      add(loss_->of(layer, of_last), prior_weight_ * weight_of(number) / static_cast<double>(count));
      if (temperature_ == 0.0) continue;
      const auto [loss, gradient] = divergence(last, layer, rows);
      const double share = per_step_ < 0 ? 1.0 : static_cast<double>(std::min(per_step_, count)) / count;
      sum.loss = sum.loss + loss * (kl_weight_ * share);
      gradients.back() = gradients.back() + gradient * (kl_weight_ * share);
    }
    sum.gradient = at::cat(gradients, 1);
    return sum;
  }

 private:
  double weight_of(int64_t layer) const {
    if (weighting_ == "uniform") return 1.0;
    const auto number = static_cast<double>(layer);
    return 1.0 / (1.0 + (weighting_ == "log" ? std::log(1.0 + number) : number));
  }

  /// T · KL and its gradient of the layer's vectors, (q − p) of each text as often as rows name it, over their number.
  std::pair<at::Tensor, at::Tensor> divergence(const at::Tensor& last, const at::Tensor& layer,
                                               const LossRows& rows) const {
    const int64_t named = rows.columns > 0 ? rows.in_step * rows.columns : int64_t{rows.offsets.back()};
    const at::Tensor log_p = at::log_softmax(wide(last) / temperature_, 1),
                     log_q = at::log_softmax(wide(layer) / temperature_, 1), p = log_p.exp();
    const at::Tensor times = at::zeros({last.size(0)}, log_p.options())
                                 .index_add_(0, rows.places, at::zeros({rows.places.size(0)}, log_p.options()).add_(1))
                                 .unsqueeze(1) /
                             static_cast<double>(named);
    return {at::sum(p * (log_p - log_q) * times) * temperature_, (log_q.exp() - p) * times};
  }

  std::unique_ptr<Loss> loss_;
  int64_t per_step_;
  double last_weight_, prior_weight_, kl_weight_, temperature_;
  std::string weighting_;
};

}  // namespace

std::unique_ptr<Loss> make_adaptive_layer(LossOptions& options) { return std::make_unique<AdaptiveLayer>(options); }

}  // namespace vectune
