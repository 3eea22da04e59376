#include <ATen/TensorOperators.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/sum.h>
#include <ATen/ops/xlogy.h>

#include "losses/autograd.h"
#include "losses/data_check.h"
#include "losses/loss.h"
#include "losses/options.h"
#include "losses/unit.h"

namespace vectune {

namespace {

/// sentence-transformers' DistillKLDivLoss (Lin et al. 2020): rows of a query q and at least two candidates d, as many
/// in each row; labels are the teacher's scores t of the candidates,
///   L = τ_s² · mean Σ_d P(d) (log P(d) − log Q(d)),   P = softmax(t / τ_t),  Q = softmax(s(q, d) / τ_s)
/// Options: similarity_fct dot_score | cos_sim; temperature 1, and student_temperature and teacher_temperature, which
/// are `temperature` unless given. Separable.
class DistillKlDiv final : public Loss {
 public:
  explicit DistillKlDiv(LossOptions& options) {
    cosine_ = options.word("similarity_fct", "dot_score", {"dot_score", "cos_sim"}) == "cos_sim";
    const double temperature = options.positive("temperature", 1.0);
    student_ = options.positive("student_temperature", temperature);
    teacher_ = options.positive("teacher_temperature", temperature);
  }

  bool separable() const override { return true; }

  void check(const LossData& data) const override {
    const DataCheck needs("distill-kl-div", data);
    needs.texts(3, kAnyNumber, "a query and at least two candidates").equal_rows();
    if (data.rows > 0) needs.labels(data.columns(0) - 1, "the teacher's score of each candidate as labels of each row");
  }

  LossValue of(const at::Tensor& vectors, const LossRows& rows) const override {
    return by_autograd_of_columns(vectors, rows, [&](const at::Tensor& columns) {
      const at::Tensor compared = cosine_ ? Units::of(columns).value : columns;
      const at::Tensor scores =
          at::sum(compared.narrow(1, 0, 1) * compared.narrow(1, 1, rows.columns - 1), at::IntArrayRef{2});
      const at::Tensor of_student = at::log_softmax(scores / student_, 1);
      const at::Tensor of_teacher = at::softmax(rows.labels.to(columns.scalar_type()) / teacher_, 1);
      // xlogy: a candidate whose share is 0 costs nothing.
      const at::Tensor sum = at::sum(at::xlogy(of_teacher, of_teacher) - of_teacher * of_student);
      return sum * (student_ * student_ / static_cast<double>(rows.in_step));
    });
  }

 private:
  bool cosine_;
  double student_, teacher_;
};

}  // namespace

std::unique_ptr<Loss> make_distill_kl_div(LossOptions& options) { return std::make_unique<DistillKlDiv>(options); }

}  // namespace vectune
