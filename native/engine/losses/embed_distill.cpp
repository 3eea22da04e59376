#include <ATen/TensorOperators.h>
#include <ATen/ops/cosine_similarity.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/sum.h>

#include <cmath>

#include "losses/autograd.h"
#include "losses/data_check.h"
#include "losses/loss.h"
#include "losses/options.h"
#include "losses/precision.h"
#include "runtime/errors.h"

namespace vectune {

namespace {

/// sentence-transformers' MSELoss (Reimers & Gurevych 2020) and EmbedDistillLoss (Kim et al. 2023): vectors v like a
/// teacher's t. Rows of as many texts each; labels are one teacher's vector for all texts of the row, or one for each,
/// one after the other,
///   mse     mean over rows, texts and dimensions of (v − t)²
///   l2      mean over rows and texts of |v − t|
///   cosine  mean over rows and texts of 1 − cos(v, t)
/// `mse` is the first; `embed-distill` has the option distance_metric cosine | l2 | mse. The teacher's vectors have the
/// model's dimension, or, with the option projection_dim, that many, and v is W v + b then: parameters of the loss,
/// projection.weight [projection_dim × dimension] and projection.bias, which are trained beside the model. Separable.
class EmbedDistill final : public Loss {
 public:
  EmbedDistill(std::string name, std::string metric, LossOptions& options)
      : name_(std::move(name)), metric_(std::move(metric)) {
    const double projected = options.value("projection_dim") ? options.number("projection_dim", 1.0, 1.0, 1e6) : 0.0;
    if (projected != std::floor(projected)) options.refuse("projection_dim", "a whole number");
    projected_ = static_cast<int64_t>(projected);
  }

  bool separable() const override { return true; }
  bool labels_are_vectors() const override { return projected_ == 0; }

  std::vector<LossParameter> parameters(const LossData& data) const override {
    if (projected_ == 0) return {};
    return linear_parameters("projection", data.dimension, projected_);
  }

  void check(const LossData& data) const override {
    const DataCheck needs(name_, data);
    needs.equal_rows();
    if (data.rows > 0) check_width(data.label_width, data.columns(0), data.dimension);
  }

  LossValue of(const at::Tensor& vectors, const LossRows& rows) const override {
    check_width(rows.labels.defined() ? rows.labels.size(1) : 0, rows.columns, vectors.size(1));
    const int64_t dimension = teachers(vectors.size(1));
    const at::Tensor teacher = wide(rows.labels).view({rows.count, -1, dimension});
    return by_autograd_of_columns(vectors, rows, [&](const at::Tensor& texts_of, const LossTensors& own) {
      at::Tensor columns = texts_of;
      if (projected_ > 0) columns = at::linear(texts_of, own.at("projection.weight"), own.at("projection.bias"));
      const auto texts = static_cast<double>(rows.in_step * rows.columns);
      if (metric_ == "mse") return at::sum((columns - teacher).square()) / (texts * static_cast<double>(dimension));
      if (metric_ == "l2") return at::sum(at::linalg_vector_norm(columns - teacher, 2, at::IntArrayRef{2})) / texts;
      return at::sum(1 - at::cosine_similarity(columns, teacher, 2, 1e-8)) / texts;
    });
  }

 private:
  /// The dimension of the teacher's vectors.
  int64_t teachers(int64_t dimension) const { return projected_ > 0 ? projected_ : dimension; }

  void check_width(int64_t width, int64_t columns, int64_t dimension) const {
    const int64_t each = teachers(dimension);
    if (width == each || width == columns * each) return;
    throw Error(ErrorCode::kInvalidArgument,
                "The loss " + name_ + " needs labels of " + std::to_string(each) +
                    " numbers of each row, a teacher's vector of " +
                    (projected_ > 0 ? "projection_dim numbers" : "the model's dimension") +
                    ", or that many for each of its " + std::to_string(columns) + " texts, but there are " +
                    std::to_string(width) +
                    (projected_ > 0 ? "." : "; the option projection_dim is for a teacher of another dimension."));
  }

  std::string name_, metric_;
  int64_t projected_;
};

}  // namespace

std::unique_ptr<Loss> make_mse(LossOptions& options) { return std::make_unique<EmbedDistill>("mse", "mse", options); }

std::unique_ptr<Loss> make_embed_distill(LossOptions& options) {
  return std::make_unique<EmbedDistill>("embed-distill",
                                        options.word("distance_metric", "cosine", {"cosine", "l2", "mse"}), options);
}

}  // namespace vectune
