#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/where.h>

#include <algorithm>

#include "losses/data_check.h"
#include "losses/in_batch.h"
#include "losses/loss.h"
#include "losses/options.h"

namespace vectune {

namespace {

/// sentence-transformers' MultipleNegativesRankingLoss (InfoNCE, in-batch negatives): rows of a query, the document
/// that answers it, and any number of documents that do not. Of B rows, queries q and documents d (first all positives)
///   L = 1/B Σ_i −s(q_i, d_i) + log Σ_candidates e^s,   s = scale · similarity
/// where the candidates are, by `directions`,
///   query_to_doc    s(q_i, d_j)  of all documents (always)
///   query_to_query  s(q_i, q_j)  of all other queries
///   doc_to_query    s(q_j, d_i)  of all queries
///   doc_to_doc      s(d_j, d_i)  of all documents of other rows
/// in one sum (`partition_mode` joint) or as the mean of a sum for each (per_direction: only query_to_doc and
/// doc_to_query, whose candidates have the positive among them).
/// `hardness_mode` with `hardness_strength` h adds h · similarity, taken as a constant, to negatives of query_to_doc:
/// in_batch_negatives (documents of other rows), hard_negatives (the row's own but its positive), all_negatives.
///   dL/ds = (share of the candidate − [it is the positive]) / B
/// Options: scale 20, similarity_fct cos_sim | dot_score, directions [query_to_doc], partition_mode joint,
/// hardness_mode (none), hardness_strength 0. Not separable. The cached form of sentence-transformers is this one: no
/// loss depends on how a batch is split.
class MultipleNegativesRanking final : public Loss {
 public:
  explicit MultipleNegativesRanking(LossOptions& options) {
    scale_ = options.positive("scale", 20.0);
    cosine_ = options.word("similarity_fct", "cos_sim", {"cos_sim", "dot_score"}) == "cos_sim";
    directions_ =
        options.words("directions", {"query_to_doc"}, {"query_to_doc", "query_to_query", "doc_to_query", "doc_to_doc"});
    joint_ = options.word("partition_mode", "joint", {"joint", "per_direction"}) == "joint";
    hardness_ = options.word("hardness_mode", "", {"in_batch_negatives", "hard_negatives", "all_negatives"});
    strength_ = options.number("hardness_strength", 0.0, 0.0, 1e6);
    if (!has("query_to_doc")) options.refuse("directions", "a list with 'query_to_doc', which has the positives");
    if (!joint_ && (has("query_to_query") || has("doc_to_doc")))
      options.refuse("partition_mode",
                     "'joint' with the directions query_to_query and doc_to_doc, whose candidates do "
                     "not have the positive among them");
    if (hardness_.empty() != (strength_ == 0.0))
      options.refuse("hardness_strength", "above 0 with hardness_mode, and is nothing without it");
  }

  bool separable() const override { return false; }

  void check(const LossData& data) const override {
    DataCheck("multiple-negatives-ranking", data)
        .texts(2, kAnyNumber, "a query, the document that answers it, and any number that do not");
  }

  LossValue of(const at::Tensor& vectors, const LossRows& rows) const override {
    InBatch batch(vectors, rows, cosine_ ? 1e-12 : 0.0);
    const int64_t documents = batch.documents();
    const at::Tensor numbers = at::arange(std::max(documents, batch.rows()), batch.owners().options());
    // [rows of the chunk × n], whether a document is of the row, and whether query j is the row's
    const auto of_row = [&](const at::Tensor& owners, const at::Tensor& scores, int64_t first) {
      return owners.unsqueeze(0).eq(numbers.narrow(0, first, scores.size(0)).unsqueeze(1));
    };
    const auto leave_out_own = [&](const at::Tensor& owners) {
      return [&of_row, owners](at::Tensor& scores, int64_t first) {
        scores.masked_fill_(of_row(owners, scores, first), -std::numeric_limits<double>::infinity());
      };
    };
    const auto harden = [&](at::Tensor& scores, int64_t first) {
      const at::Tensor own = of_row(batch.owners(), scores, first), others = own.logical_not();
      const at::Tensor not_positive = numbers.narrow(0, 0, documents).ge(batch.rows());
      const at::Tensor hard = hardness_ == "in_batch_negatives" ? others
                              : hardness_ == "hard_negatives"   ? own.logical_and(not_positive)
                                                                : others.logical_or(not_positive);
      scores.add_(hard * scores, strength_ / scale_);
    };
    std::vector<InBatch::Direction> directions{{batch.queries(), batch.documents_side(), {}}};
    if (!hardness_.empty()) directions.front().adjust = harden;
    if (has("query_to_query"))
      directions.push_back({batch.queries(), batch.queries(), leave_out_own(numbers.narrow(0, 0, batch.rows()))});
    if (has("doc_to_query")) directions.push_back({batch.positives(), batch.queries(), {}});
    if (has("doc_to_doc"))
      directions.push_back({batch.positives(), batch.documents_side(), leave_out_own(batch.owners())});
    const at::Tensor loss = batch.cross_entropy(
        directions, scale_, joint_ ? InBatch::Partition::kJoint : InBatch::Partition::kPerDirection);
    return {loss, batch.gradient_of_vectors()};
  }

 private:
  bool has(const std::string& direction) const {
    return std::find(directions_.begin(), directions_.end(), direction) != directions_.end();
  }

  double scale_, strength_;
  bool cosine_, joint_;
  std::vector<std::string> directions_;
  std::string hardness_;
};

}  // namespace

std::unique_ptr<Loss> make_multiple_negatives_ranking(LossOptions& options) {
  return std::make_unique<MultipleNegativesRanking>(options);
}

}  // namespace vectune
