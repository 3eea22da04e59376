#include <ATen/ops/index_select.h>
#include <ATen/ops/zeros.h>

#include <cmath>
#include <map>

#include "losses/loss.h"
#include "losses/options.h"
#include "runtime/errors.h"

namespace vectune {

// Each is the one function of its file; a file has two where losses are one but for a constant.
std::unique_ptr<Loss> make_adaptive_layer(LossOptions& options);
std::unique_ptr<Loss> make_angle(LossOptions& options);
std::unique_ptr<Loss> make_batch_all_triplet(LossOptions& options);
std::unique_ptr<Loss> make_batch_hard_soft_margin_triplet(LossOptions& options);
std::unique_ptr<Loss> make_batch_hard_triplet(LossOptions& options);
std::unique_ptr<Loss> make_batch_semi_hard_triplet(LossOptions& options);
std::unique_ptr<Loss> make_contrastive(LossOptions& options);
std::unique_ptr<Loss> make_cosent(LossOptions& options);
std::unique_ptr<Loss> make_cosine_mse(LossOptions& options);
std::unique_ptr<Loss> make_distill_kl_div(LossOptions& options);
std::unique_ptr<Loss> make_embed_distill(LossOptions& options);
std::unique_ptr<Loss> make_gist(LossOptions& options);
std::unique_ptr<Loss> make_given(LossOptions& options);
std::unique_ptr<Loss> make_global_orthogonal_regularization(LossOptions& options);
std::unique_ptr<Loss> make_logistic(LossOptions& options);
std::unique_ptr<Loss> make_margin_mse(LossOptions& options);
std::unique_ptr<Loss> make_matryoshka(LossOptions& options);
std::unique_ptr<Loss> make_mega_batch_margin(LossOptions& options);
std::unique_ptr<Loss> make_mse(LossOptions& options);
std::unique_ptr<Loss> make_multiple_negatives_ranking(LossOptions& options);
std::unique_ptr<Loss> make_online_contrastive(LossOptions& options);
std::unique_ptr<Loss> make_pearson(LossOptions& options);
std::unique_ptr<Loss> make_softmax(LossOptions& options);
std::unique_ptr<Loss> make_sum(LossOptions& options);
std::unique_ptr<Loss> make_triplet(LossOptions& options);

namespace {

std::map<std::string, LossMaker>& makers() {
  static std::map<std::string, LossMaker> table{
      {"adaptive-layer", &make_adaptive_layer},
      {"angle", &make_angle},
      {"batch-all-triplet", &make_batch_all_triplet},
      {"batch-hard-soft-margin-triplet", &make_batch_hard_soft_margin_triplet},
      {"batch-hard-triplet", &make_batch_hard_triplet},
      {"batch-semi-hard-triplet", &make_batch_semi_hard_triplet},
      {"contrastive", &make_contrastive},
      {"cosent", &make_cosent},
      {"cosine-mse", &make_cosine_mse},
      {"distill-kl-div", &make_distill_kl_div},
      {"embed-distill", &make_embed_distill},
      {"gist", &make_gist},
      {"given", &make_given},
      {"global-orthogonal-regularization", &make_global_orthogonal_regularization},
      {"logistic", &make_logistic},
      {"margin-mse", &make_margin_mse},
      {"matryoshka", &make_matryoshka},
      {"mega-batch-margin", &make_mega_batch_margin},
      {"mse", &make_mse},
      {"multiple-negatives-ranking", &make_multiple_negatives_ranking},
      {"online-contrastive", &make_online_contrastive},
      {"pearson", &make_pearson},
      {"softmax", &make_softmax},
      {"sum", &make_sum},
      {"triplet", &make_triplet},
  };
  return table;
}

}  // namespace

std::unique_ptr<Loss> make_loss(const LossSpec& spec) {
  const auto found = makers().find(spec.name);
  if (found == makers().end()) {
    std::string known;
    for (const auto& [name, _] : makers()) known += (known.empty() ? "'" : ", '") + name + "'";
    throw Error(ErrorCode::kInvalidArgument, "There is no loss '" + spec.name + "'; there is " + known + ".");
  }
  LossOptions options(spec.name, spec.options);
  auto loss = found->second(options);
  options.finish();
  return loss;
}

void add_loss(const std::string& name, LossMaker make) { makers()[name] = make; }

int64_t LossParameter::elements() const {
  int64_t product = 1;
  for (const int64_t size : shape) product *= size;
  return product;
}

std::vector<LossParameter> linear_parameters(const std::string& name, int64_t in, int64_t out) {
  const double bound = 1.0 / std::sqrt(static_cast<double>(in));
  return {{name + ".weight", {out, in}, bound, true}, {name + ".bias", {out}, bound, false}};
}

at::Tensor vectors_of(const LossRows& rows, const at::Tensor& vectors) {
  const at::Tensor named = rows.in_order ? vectors : at::index_select(vectors, 0, rows.places);
  return named.view({rows.count, rows.columns, vectors.size(1)});
}

at::Tensor gradient_of_vectors(const LossRows& rows, const at::Tensor& gradient, int64_t texts) {
  const at::Tensor flat = gradient.view({rows.count * rows.columns, gradient.size(2)});
  if (rows.in_order) return flat;
  return at::zeros({texts, gradient.size(2)}, gradient.options()).index_add_(0, rows.places, flat);
}

}  // namespace vectune
