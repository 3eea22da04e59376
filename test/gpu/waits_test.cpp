// That a step, once begun, has the processor wait for nothing. A GPU does not tell; the emulated one counts, so
// scripts/gpu-check leaves this out.
#include <dlfcn.h>

#include <cmath>

#include "gpu.h"

using namespace vectune;
using namespace vectune::gpu_test;

TEST(waits_of_a_step_for_the_gpu_are_none) {
  require_gpu();
  const auto waits = reinterpret_cast<int64_t (*)()>(dlsym(RTLD_DEFAULT, "vectune_emulated_gpu_waits"));
  if (!waits) SKIP("only the emulated GPU counts them");
  ModelSpec spec = small_minilm();
  std::get<PoolingSpec>(spec.head.front()).modes = {PoolingMode::kCls, PoolingMode::kMax, PoolingMode::kMean};
  std::get<DenseSpec>(spec.head.back()).in_features = 3 * 384;
  spec.head.push_back(NormalizeSpec{});
  auto data = mixed_texts(spec.encoder.vocab_size);
  const auto rows = all_rows(*data);
  EngineThread::instance().run([&] {
    for (const Precision precision : {Precision::kFp32, Precision::kBf16, Precision::kFp16}) {
      TrainerOptions options = options_of(kGpu, precision, 0.1f);
      options.max_gradient_norm = 1.0;
      options.weight_decay = 0.01;
      Trainer trainer(std::make_shared<Model>(spec, 7u), data, options);
      trainer.step(rows.data(), 16, 8, 1e-4, 0);  // what is made once is there then
      const int64_t before = waits();
      std::vector<StepOutcome> begun;
      for (int step = 0; step < 4; ++step) begun.push_back(trainer.begin_step(rows.data(), 16, 8, 1e-4, 0));
      CHECK_EQ(waits(), before);
      for (auto& outcome : begun) CHECK(std::isfinite(outcome.get().loss));
      CHECK_EQ(waits(), before);  // by events
      trainer.state();
      CHECK(waits() > before);
    }
  });
}
