// Exhausted memory on a GPU: the fraction, what fits and what does not, and that a step that found no room can be taken
// in smaller parts. In a process of its own: the fraction can be set once.
#include <ATen/ops/empty.h>

#include <algorithm>
#include <cmath>

#include "gpu.h"

using namespace vectune;
using namespace vectune::gpu_test;

namespace {

constexpr double kFraction = 0.05;

/// Every test of this file in one share of the memory.
void bound_memory() {
  EngineThread::instance().run([] { device::set_memory_fraction(kGpu, kFraction); });
}

}  // namespace

TEST(memory_fraction_bounds_the_finder_and_a_step_beyond_it_is_split) {
  require_gpu();
  bound_memory();
  const ModelSpec spec = small_minilm();
  auto data = long_texts(spec.encoder.vocab_size, 4096);
  const auto rows = all_rows(*data);
  EngineThread::instance().run([&] {
    Trainer trainer(std::make_shared<Model>(spec, 7u), data, options_of(kGpu, Precision::kFp32, 0.1f));
    const int64_t fits = largest_batch(trainer, rows);
    const auto memory = device::memory_of(kGpu);
    std::printf("  batch %lld fits in %.0f MB of %.0f MB\n", static_cast<long long>(fits),
                kFraction * memory.total / 1e6, memory.total / 1e6);
    REQUIRE(fits >= 2 && fits < static_cast<int64_t>(rows.size()));
    CHECK(memory.peak <= static_cast<int64_t>(kFraction * static_cast<double>(memory.total)) + 1);
    // What was proposed was run, and runs again with moments.
    for (int step = 0; step < 3; ++step) trainer.step(rows.data(), fits, fits, 1e-4, 0);
    // Beyond it: an error, then the same rows in two halves.
    const int64_t steps = trainer.stats().steps;
    CHECK(code_of([&] { trainer.step(rows.data(), 4 * fits, 4 * fits, 1e-4, 0); }) == ErrorCode::kOutOfMemory);
    CHECK_EQ(trainer.stats().steps, steps);
    CHECK(std::isfinite(trainer.step(rows.data(), 4 * fits, fits / 2, 1e-4, 0).loss));
    CHECK_EQ(trainer.stats().steps, steps + 1);
    CHECK(code_of([] { device::set_memory_fraction(kGpu, 0.5); }) == ErrorCode::kInvalidArgument);
  });
}

TEST(memory_that_others_take_during_a_run_is_survived) {
  require_gpu();
  bound_memory();
  const ModelSpec spec = small_minilm();
  auto data = long_texts(spec.encoder.vocab_size, 2048);
  const auto rows = all_rows(*data);
  EngineThread::instance().run([&] {
    // Room is made scarce at every point of a step in turn: forward, backward and optimiser all meet it once.
    Trainer disturbed(std::make_shared<Model>(spec, 7u), data, options_of(kGpu, Precision::kFp32, 0.1f));
    Trainer quiet(std::make_shared<Model>(spec, 7u), data, options_of(kGpu, Precision::kFp32, 0.1f));
    const int64_t batch = std::max<int64_t>(2, largest_batch(disturbed, rows) / 2);
    const int64_t share = static_cast<int64_t>(kFraction * static_cast<double>(device::memory_of(kGpu).total));
    int64_t failures = 0;
    for (int step = 0; step < 8; ++step) {
      device::release_cached(kGpu);
      const int64_t free = share - device::memory_of(kGpu).reserved;
      try {
        const at::Tensor taken = at::empty({std::max<int64_t>(1, free - free * step / 8)},
                                           at::TensorOptions().dtype(at::kByte).device(kGpu.torch()));
        disturbed.step(rows.data(), batch, batch, 1e-4, 0);
      } catch (...) {
        CHECK(current_error().code() == ErrorCode::kOutOfMemory);
        ++failures;
        disturbed.step(rows.data(), batch, batch, 1e-4, 0);
      }
      const double expected = quiet.step(rows.data(), batch, batch, 1e-4, 0).loss;
      CHECK_EQ(disturbed.stats().steps, step + 1);
      CHECK(std::isfinite(expected));
    }
    CHECK(failures > 0);
    std::vector<float> a(64), b(64);
    disturbed.evaluate(rows.data(), 64, 8, 64, a.data());
    quiet.evaluate(rows.data(), 64, 8, 64, b.data());
    for (size_t i = 0; i < a.size(); ++i) CHECK(std::abs(a[i] - b[i]) < 1e-3f);
  });
}

TEST(memory_statistics_tell_what_is_held) {
  require_gpu();
  bound_memory();
  EngineThread::instance().run([] {
    const auto bytes = at::TensorOptions().dtype(at::kByte).device(kGpu.torch());
    {
      const at::Tensor first = at::empty({1 << 20}, bytes);
    }
    device::reset_peak(kGpu);
    const auto before = device::memory_of(kGpu);
    {
      const at::Tensor held = at::empty({64 << 20}, bytes);
      const auto now = device::memory_of(kGpu);
      CHECK(now.allocated - before.allocated >= 64 << 20);
      CHECK(now.reserved >= now.allocated);
    }
    const auto after = device::memory_of(kGpu);
    CHECK_EQ(after.allocated, before.allocated);
    CHECK(after.peak - before.allocated >= 64 << 20);
    CHECK(after.fragmentation >= 0 && after.fragmentation <= 1);
    CHECK(after.free > 0 && after.free < after.total);
    device::release_cached(kGpu);
    CHECK(device::memory_of(kGpu).reserved < after.reserved);
  });
}
