#include <ATen/TensorOperators.h>
#include <ATen/ops/zeros_like.h>

#include <cmath>
#include <vector>

#include "losses/loss.h"
#include "losses/options.h"
#include "losses/unit.h"
#include "runtime/errors.h"

namespace vectune {

namespace {

/// sentence-transformers' MatryoshkaLoss (Kusupati et al. 2022), around any loss: vectors that may be cut,
///   L = Σ weight · loss(the first `dim` dimensions of the vectors, of length 1)
/// Labels that are vectors of the texts' dimension are cut too, and keep their length. Options: loss, {"name": …,
/// OPTION: …}; matryoshka_dims; matryoshka_weights, 1 each. Every step takes all of them (n_dims_per_step -1).
/// Separable where the loss is.
class Matryoshka final : public Loss {
 public:
  explicit Matryoshka(LossOptions& options) {
    loss_ = make_loss(options.loss("loss", options.value("loss")));
    if (loss_->sees_layers() || loss_->given())
      options.refuse("loss", "a loss that sees the last layer alone; adaptive-layer goes around matryoshka");
    for (const double dim : options.numbers("matryoshka_dims", 1.0, 1e6)) {
      if (dim != std::floor(dim)) options.refuse("matryoshka_dims", "a list of whole numbers");
      dims_.push_back(static_cast<int64_t>(dim));
    }
    if (dims_.empty()) options.refuse("matryoshka_dims", "given, a list of dimensions");
    weights_ = options.numbers("matryoshka_weights", 0.0, 1e6);
    if (weights_.empty()) weights_.assign(dims_.size(), 1.0);
    if (weights_.size() != dims_.size())
      options.refuse("matryoshka_weights", "as many as matryoshka_dims, " + std::to_string(dims_.size()));
  }

  bool separable() const override { return loss_->separable(); }
  bool labels_are_vectors() const override { return loss_->labels_are_vectors(); }

  void check(const LossData& data) const override {
    check_dims(data.dimension);
    loss_->check(data);
    if (!loss_->parameters(data).empty())
      throw Error(
          ErrorCode::kInvalidArgument,
          "The loss matryoshka cannot be around a loss with parameters of its own, which have one length of the "
          "vectors.");
  }

  LossValue of(const at::Tensor& vectors, const LossRows& rows) const override {
    check_dims(vectors.size(1));
    LossValue sum{{}, at::zeros_like(vectors)};
    for (size_t i = 0; i < dims_.size(); ++i) {
      const Units cut = Units::of(vectors.narrow(1, 0, dims_[i]));
      const LossValue value = loss_->of(cut.value, cut_labels(rows, vectors.size(1), dims_[i]));
      const at::Tensor loss = value.loss * weights_[i];
      sum.loss = sum.loss.defined() ? sum.loss + loss : loss;
      sum.gradient.narrow(1, 0, dims_[i]).add_(cut.backward(value.gradient), weights_[i]);
    }
    return sum;
  }

 private:
  void check_dims(int64_t dimension) const {
    for (const int64_t dim : dims_) {
      if (dim > dimension)
        throw Error(ErrorCode::kInvalidArgument, "The option matryoshka_dims of the loss matryoshka has " +
                                                     std::to_string(dim) + ", but the vectors have " +
                                                     std::to_string(dimension) + " dimensions.");
    }
  }

  LossRows cut_labels(const LossRows& rows, int64_t dimension, int64_t dim) const {
    LossRows cut = rows;
    if (rows.labels.defined() && loss_->labels_are_vectors() && rows.labels.size(1) % dimension == 0)
      cut.labels = rows.labels.view({rows.count, -1, dimension}).narrow(2, 0, dim).reshape({rows.count, -1});
    return cut;
  }

  std::unique_ptr<Loss> loss_;
  std::vector<int64_t> dims_;
  std::vector<double> weights_;
};

}  // namespace

std::unique_ptr<Loss> make_matryoshka(LossOptions& options) { return std::make_unique<Matryoshka>(options); }

}  // namespace vectune
