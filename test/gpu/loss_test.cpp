// The loss of a GPU in the middle of a run, by an assertion that really fails on it. In a process of its own: nothing
// can be done on the GPU after it.
#include <ATen/ops/full.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/zeros.h>

#include <cmath>

#include "gpu.h"

using namespace vectune;
using namespace vectune::gpu_test;

TEST(loss_of_the_gpu_is_an_error_and_the_processor_goes_on) {
  require_gpu();
  const ModelSpec spec = small_minilm();
  auto data = mixed_texts(spec.encoder.vocab_size);
  const auto rows = all_rows(*data);
  const std::string path = tiny::temporary("gpu-last-checkpoint");
  EngineThread::instance().run([&] {
    auto model = std::make_shared<Model>(spec, 7u);
    Trainer trainer(model, data, options_of(kGpu, Precision::kFp32, 0.1f));
    trainer.step(rows.data(), 16, 16, 1e-4, 0);
    trainer.state().write(path, [] {});
    trainer.commit();
    const std::vector<float> committed(model->data(), model->data() + model->parameters().elements());

    // An index far outside the table: the kernel's own assertion fails, some time after the call has returned.
    const auto on_gpu = at::TensorOptions().device(kGpu.torch());
    StepOutcome begun = trainer.begin_step(rows.data(), 16, 16, 1e-4, 0);
    const at::Tensor broken =
        at::index_select(at::zeros({4, 4}, on_gpu), 0, at::full({1}, 1 << 30, on_gpu.dtype(at::kLong)));
    // Told where the processor first sees it: while it begins the step, or when it waits for it.
    CHECK(code_of([&] { trainer.begin_step(rows.data(), 16, 16, 1e-4, 0).wait(); }) == ErrorCode::kDeviceLost);
    CHECK(code_of([&] { begun.wait(); }) == ErrorCode::kDeviceLost);
    CHECK(code_of([&] { trainer.step(rows.data(), 16, 16, 1e-4, 0); }) == ErrorCode::kDeviceLost);
    CHECK(code_of([&] { trainer.commit(); }) == ErrorCode::kDeviceLost);

    CHECK(std::equal(committed.begin(), committed.end(), model->data()));
    Trainer here(model, data, options_of({}, Precision::kFp32, 0.1f));
    here.restore(path, false);  // the last checkpoint is whole
    CHECK(std::isfinite(here.step(rows.data(), 16, 16, 1e-4, 0).loss));
  });
  std::remove(path.c_str());
}
