#pragma once
// A trainer's gradients against autograd's, parameter by parameter.
#include <cmath>
#include <cstdio>
#include <string>
#include <vector>

#include "autograd_oracle.h"
#include "check.h"
#include "runtime/engine_thread.h"
#include "tiny_models.h"
#include "train/trainer.h"

namespace vectune::tiny {

/// On a lively model of the spec and texts of these lengths; `plan` is the dropout that the options come to.
inline void compare_with_autograd(const ModelSpec& spec, const TrainerOptions& options, const DropoutPlan& plan,
                                  int64_t micro_batch, const std::vector<int>& lengths) {
  auto model = lively_model(spec);
  auto data = dataset_of(lengths, spec.encoder.vocab_size);
  std::vector<int32_t> rows;
  for (int32_t i = 0; i < data->pairs(); ++i) rows.push_back(i);
  const std::string path = temporary("gradients");
  const double loss = EngineThread::instance().run([&] {
    Trainer trainer(model, data, options);
    return trainer.trace_gradients(rows.data(), static_cast<int64_t>(rows.size()), micro_batch, path);
  });
  auto leaves = oracle::leaves(*model);
  const at::Tensor reference = oracle::Forward(spec, leaves).loss(*data, rows, plan);
  reference.backward();
  CHECK(std::abs(loss - reference.item<double>()) < 1e-6);
  std::string name;
  const double worst = worst_gradient(path, leaves, &name);
  if (worst > 1.0) std::printf("  worst gradient: %s, %.3f of the tolerance\n", name.c_str(), worst);
  CHECK(worst <= 1.0);
  std::remove(path.c_str());
}

}  // namespace vectune::tiny
