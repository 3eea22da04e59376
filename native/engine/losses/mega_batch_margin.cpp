#include <ATen/TensorOperators.h>
#include <ATen/ops/argmax.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/sum.h>

#include <algorithm>
#include <limits>
#include <vector>

#include "losses/autograd.h"
#include "losses/data_check.h"
#include "losses/loss.h"
#include "losses/options.h"
#include "losses/unit.h"

namespace vectune {

namespace {

/// sentence-transformers' MegaBatchMarginLoss (Wieting & Gimpel 2018): rows of an anchor a and a positive p; of each
/// anchor the closest positive of another row is its negative,
///   L = mean relu(positive_margin − cos(a_i, p_i)) + relu(max_{j ≠ i} cos(a_i, p_j) − negative_margin)
/// Options: positive_margin 0.8, negative_margin 0.3. Not separable. The closest are found by chunks of rows in fp32.
class MegaBatchMargin final : public Loss {
 public:
  explicit MegaBatchMargin(LossOptions& options) {
    positive_margin_ = options.number("positive_margin", 0.8, -1.0, 1.0);
    negative_margin_ = options.number("negative_margin", 0.3, -1.0, 1.0);
  }

  bool separable() const override { return false; }

  void check(const LossData& data) const override {
    DataCheck("mega-batch-margin", data).texts(2, 2, "two texts, an anchor and a positive");
  }

  LossValue of(const at::Tensor& vectors, const LossRows& rows) const override {
    const at::Tensor closest = closest_of_others(Units::of(vectors_of(rows, vectors)).value);
    return by_autograd_of_columns(vectors, rows, [&](const at::Tensor& columns) {
      const at::Tensor unit = Units::of(columns).value;
      const at::Tensor a = unit.select(1, 0), p = unit.select(1, 1);
      const at::Tensor right = at::sum(a * p, at::IntArrayRef{1});
      at::Tensor loss = at::sum(at::relu(positive_margin_ - right));
      if (rows.count > 1) {
        const at::Tensor wrong = at::sum(a * p.index_select(0, closest), at::IntArrayRef{1});
        loss = loss + at::sum(at::relu(wrong - negative_margin_));
      }
      return loss / static_cast<double>(rows.count);
    });
  }

 private:
  static constexpr int64_t kScoresAtOnce = int64_t{1} << 22;

  /// int64 [rows]; the first where several are as close. Of units [rows × 2 × dimension].
  static at::Tensor closest_of_others(const at::Tensor& unit) {
    const at::Tensor a = unit.select(1, 0), p = unit.select(1, 1).t();
    const int64_t rows = unit.size(0), chunk = std::max<int64_t>(1, kScoresAtOnce / rows);
    std::vector<at::Tensor> closest;
    for (int64_t first = 0; first < rows; first += chunk) {
      const int64_t count = std::min(chunk, rows - first);
      at::Tensor scores = at::matmul(a.narrow(0, first, count), p);
      scores.narrow(1, first, count).diagonal().fill_(-std::numeric_limits<double>::infinity());
      closest.push_back(at::argmax(scores, 1));
    }
    return at::cat(closest);
  }

  double positive_margin_, negative_margin_;
};

}  // namespace

std::unique_ptr<Loss> make_mega_batch_margin(LossOptions& options) {
  return std::make_unique<MegaBatchMargin>(options);
}

}  // namespace vectune
