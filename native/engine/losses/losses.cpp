#include <ATen/ops/index_select.h>
#include <ATen/ops/zeros.h>

#include <map>

#include "losses/loss.h"
#include "losses/options.h"
#include "runtime/errors.h"

namespace vectune {

// Each is the one function of its file.
std::unique_ptr<Loss> make_cosine_mse(LossOptions& options);

namespace {

std::map<std::string, LossMaker>& makers() {
  static std::map<std::string, LossMaker> table{
      {"cosine-mse", &make_cosine_mse},
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
