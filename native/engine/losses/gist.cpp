#include <ATen/TensorOperators.h>
#include <ATen/ops/abs.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/sum.h>

#include <limits>

#include "losses/data_check.h"
#include "losses/in_batch.h"
#include "losses/loss.h"
#include "losses/options.h"
#include "losses/precision.h"
#include "losses/unit.h"

namespace vectune {

namespace {

/// sentence-transformers' GISTEmbedLoss (Solatorio 2024): in-batch negatives without those that a guide model finds
/// closer than the positive. Rows of an anchor a, a positive p and, as many in each row, negatives n; labels are the
/// guide's vectors of the row's texts, one after the other [columns × the guide's dimension].
///   L = 1/B Σ_i −s(a_i, p_i) + log Σ_candidates e^s,   s = cos / temperature
/// over p_j, a_j (`contrast_anchors`), p_j against p_i (`contrast_positives`) and n_j; a candidate but p_i itself is
/// left out where guide(it) > guide(a_i, p_i) − margin, or, `margin_strategy` relative, − margin · |guide(a_i, p_i)|.
/// Options: temperature 0.01, margin_strategy absolute | relative, margin 0, contrast_anchors true, contrast_positives
/// true. Not separable. Guide similarities within 1e-6 are equal: of texts that are there twice rounding would decide.
class Gist final : public Loss {
 public:
  explicit Gist(LossOptions& options) {
    temperature_ = options.positive("temperature", 0.01);
    relative_ = options.word("margin_strategy", "absolute", {"absolute", "relative"}) == "relative";
    margin_ = options.number("margin", 0.0, 0.0, 2.0);
    anchors_ = options.flag("contrast_anchors", true);
    positives_ = options.flag("contrast_positives", true);
  }

  bool separable() const override { return false; }

  void check(const LossData& data) const override {
    const DataCheck needs("gist", data);
    needs.texts(2, kAnyNumber, "an anchor, a positive, and any number of negatives").equal_rows();
    if (data.rows > 0 && (data.label_width == 0 || data.label_width % data.columns(0) != 0))
      needs.refuse("the guide's vectors of the " + std::to_string(data.columns(0)) +
                   " texts of each row as its labels, but there are " + std::to_string(data.label_width) +
                   " numbers of each row");
  }

  LossValue of(const at::Tensor& vectors, const LossRows& rows) const override {
    InBatch batch(vectors, rows, 1e-8);
    const int64_t count = rows.count, columns = rows.columns;
    const at::Tensor guide = Units::of(wide(rows.labels).view({count, columns, -1}), 1e-8).value;
    const at::Tensor guide_anchors = guide.select(1, 0), guide_positives = guide.select(1, 1);
    // In the order of InBatch: all positives, then row after row.
    const at::Tensor guide_documents =
        at::cat({guide_positives, guide.narrow(1, 2, columns - 2).reshape({-1, guide.size(2)})});
    at::Tensor most = at::sum(guide_anchors * guide_positives, at::IntArrayRef{1}, true);
    most = most - (relative_ ? at::abs(most) * margin_ : at::Tensor(most.new_full({}, margin_))) + 1e-6;
    const auto filter = [&most, count](const at::Tensor& anchors, const at::Tensor& candidates, bool keep_own) {
      return [&most, count, anchors, candidates, keep_own](at::Tensor& scores, int64_t first) {
        const int64_t some = scores.size(0);
        at::Tensor closer = at::matmul(anchors.narrow(0, first, some), candidates.t()).gt(most.narrow(0, first, some));
        if (keep_own) closer.narrow(1, 0, count).narrow(1, first, some).diagonal().fill_(false);
        scores.masked_fill_(closer, -std::numeric_limits<double>::infinity());
      };
    };
    std::vector<InBatch::Direction> directions{
        {batch.queries(), batch.documents_side(), filter(guide_anchors, guide_documents, true)}};
    if (anchors_) directions.push_back({batch.queries(), batch.queries(), filter(guide_anchors, guide_anchors, false)});
    if (positives_)
      directions.push_back({batch.positives(), batch.positives(), filter(guide_positives, guide_positives, false)});
    const at::Tensor loss = batch.cross_entropy(directions, 1.0 / temperature_, InBatch::Partition::kJoint);
    return {loss, batch.gradient_of_vectors()};
  }

 private:
  double temperature_, margin_;
  bool relative_, anchors_, positives_;
};

}  // namespace

std::unique_ptr<Loss> make_gist(LossOptions& options) { return std::make_unique<Gist>(options); }

}  // namespace vectune
