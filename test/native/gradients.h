#pragma once
// A trainer's gradients against autograd's, parameter by parameter.
#include <cmath>
#include <cstdio>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "autograd_oracle.h"
#include "check.h"
#include "runtime/engine_thread.h"
#include "tiny_models.h"
#include "train/trainer.h"

namespace vectune::tiny {

/// The loss of rows by the oracle.
using OracleLoss = std::function<at::Tensor(const oracle::Forward&, const Dataset&, const std::vector<int32_t>& rows,
                                            const DropoutPlan&)>;

/// On a lively model of the spec; `plan` is the dropout that the options come to.
inline void compare_with_autograd(const ModelSpec& spec, const TrainerOptions& options, const DropoutPlan& plan,
                                  int64_t micro_batch, const std::shared_ptr<Dataset>& data,
                                  const OracleLoss& oracle_loss) {
  auto model = lively_model(spec);
  std::vector<int32_t> rows;
  for (int32_t i = 0; i < data->rows(); ++i) rows.push_back(i);
  const std::string path = temporary("gradients");
  const double loss = EngineThread::instance().run([&] {
    Trainer trainer(model, data, options);
    return trainer.trace_gradients(rows.data(), static_cast<int64_t>(rows.size()), micro_batch, path);
  });
  auto leaves = oracle::leaves(*model);
  const at::Tensor reference = oracle_loss(oracle::Forward(spec, leaves), *data, rows, plan);
  reference.backward();
  CHECK(std::abs(loss - reference.item<double>()) < 1e-6);
  std::string name;
  const double worst = worst_gradient(path, leaves, &name);
  if (worst > 1.0) std::printf("  worst gradient: %s, %.3f of the tolerance\n", name.c_str(), worst);
  CHECK(worst <= 1.0);
  std::remove(path.c_str());
}

/// The same of pairs of texts of these lengths, and the trainer's usual loss.
inline void compare_with_autograd(const ModelSpec& spec, const TrainerOptions& options, const DropoutPlan& plan,
                                  int64_t micro_batch, const std::vector<int>& lengths) {
  compare_with_autograd(spec, options, plan, micro_batch, dataset_of(lengths, spec.encoder.vocab_size),
                        &oracle::Forward::loss);
}

}  // namespace vectune::tiny
