#include <ATen/TensorOperators.h>
#include <ATen/ops/cosine_similarity.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/sum.h>

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
/// `mse` is the first and has no options; `embed-distill` has distance_metric cosine | l2 | mse. Separable. There is no
/// projection: the teacher's vectors have the model's dimension.
class EmbedDistill final : public Loss {
 public:
  EmbedDistill(std::string name, std::string metric) : name_(std::move(name)), metric_(std::move(metric)) {}

  bool separable() const override { return true; }
  bool labels_are_vectors() const override { return true; }

  void check(const LossData& data) const override {
    const DataCheck needs(name_, data);
    needs.equal_rows();
    if (data.rows > 0) check_width(data.label_width, data.columns(0), data.dimension);
  }

  LossValue of(const at::Tensor& vectors, const LossRows& rows) const override {
    const int64_t dimension = vectors.size(1);
    check_width(rows.labels.defined() ? rows.labels.size(1) : 0, rows.columns, dimension);
    const at::Tensor teacher = wide(rows.labels).view({rows.count, -1, dimension});
    return by_autograd_of_columns(vectors, rows, [&](const at::Tensor& columns) {
      const auto texts = static_cast<double>(rows.in_step * rows.columns);
      if (metric_ == "mse") return at::sum((columns - teacher).square()) / (texts * static_cast<double>(dimension));
      if (metric_ == "l2") return at::sum(at::linalg_vector_norm(columns - teacher, 2, at::IntArrayRef{2})) / texts;
      return at::sum(1 - at::cosine_similarity(columns, teacher, 2, 1e-8)) / texts;
    });
  }

 private:
  void check_width(int64_t width, int64_t columns, int64_t dimension) const {
    if (width == dimension || width == columns * dimension) return;
    throw Error(ErrorCode::kInvalidArgument,
                "The loss " + name_ + " needs labels of " + std::to_string(dimension) +
                    " numbers of each row, a teacher's vector of the model's dimension, or that many for each of its " +
                    std::to_string(columns) + " texts, but there are " + std::to_string(width) + ".");
  }

  std::string name_, metric_;
};

}  // namespace

std::unique_ptr<Loss> make_mse(LossOptions&) { return std::make_unique<EmbedDistill>("mse", "mse"); }

std::unique_ptr<Loss> make_embed_distill(LossOptions& options) {
  return std::make_unique<EmbedDistill>("embed-distill",
                                        options.word("distance_metric", "cosine", {"cosine", "l2", "mse"}));
}

}  // namespace vectune
