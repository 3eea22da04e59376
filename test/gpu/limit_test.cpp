// The GPU's own limit, without a share that bounds the process, and another process that takes memory meanwhile. In a
// process of its own: the share can be set once.
#include <ATen/ops/empty.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>

#include "gpu.h"

using namespace vectune;
using namespace vectune::gpu_test;

namespace {

constexpr const char* kHold = "VECTUNE_GPU_HOLD";

/// This program once more, holding so many bytes of the GPU until it goes out of scope.
class OtherProcess {
 public:
  explicit OtherProcess(int64_t bytes) {
    const std::string self = std::filesystem::read_symlink("/proc/self/exe").string();
    const std::string held = tiny::temporary("gpu-held");
    std::remove(held.c_str());
    // It reads until this end of the pipe is closed, and makes the file when it has what it was told to hold.
    pipe_ = popen((std::string(kHold) + "='" + std::to_string(bytes) + " " + held + "' '" + self +
                   "' other_process_holds_what_it_is_told")
                      .c_str(),
                  "w");
    REQUIRE(pipe_ != nullptr);
    for (int tenths = 0; tenths < 600 && !there_; ++tenths) {
      usleep(100'000);
      there_ = access(held.c_str(), F_OK) == 0;
    }
    std::remove(held.c_str());
  }
  ~OtherProcess() { pclose(pipe_); }
  OtherProcess(const OtherProcess&) = delete;
  OtherProcess& operator=(const OtherProcess&) = delete;

  bool there() const { return there_; }

 private:
  FILE* pipe_ = nullptr;
  bool there_ = false;
};

}  // namespace

TEST(other_process_holds_what_it_is_told) {
  const char* told = std::getenv(kHold);
  if (!told) SKIP("it is the other process of a test");
  require_gpu();
  EngineThread::instance().run([&] {
    char* rest = nullptr;
    const int64_t bytes = std::strtoll(told, &rest, 10);
    const at::Tensor held = at::empty({bytes}, at::TensorOptions().dtype(at::kByte).device(kGpu.torch()));
    CHECK_EQ(held.numel(), bytes);
    if (FILE* file = std::fopen(rest + 1, "w")) std::fclose(file);
    while (std::getchar() != EOF) {
    }
  });
}

TEST(limit_of_the_gpu_is_met_and_a_batch_up_to_it_is_split_while_another_process_has_the_room) {
  require_gpu();
  const ModelSpec spec = small_minilm();
  auto data = long_texts(spec.encoder.vocab_size, 16384);
  const auto rows = all_rows(*data);
  EngineThread::instance().run([&] {
    Trainer trainer(std::make_shared<Model>(spec, 7u), data, options_of(kGpu, Precision::kFp32, 0.1f));
    const int64_t fits = largest_batch(trainer, rows);
    const auto memory = device::memory_of(kGpu);
    std::printf("  batch %lld fits; at most %.1f GB of %.1f GB were held\n", static_cast<long long>(fits),
                memory.peak / 1e9, memory.total / 1e9);
    REQUIRE(fits >= 16 && fits < static_cast<int64_t>(rows.size()));
    CHECK(memory.peak > memory.total / 4);  // half of it would have been a failure of the next size's doing
    const auto step = [&](int64_t micro_batch) { return trainer.step(rows.data(), fits, micro_batch, 1e-4, 0).loss; };
    CHECK(std::isfinite(step(fits)));
    device::release_cached(kGpu);
    const int64_t free = device::memory_of(kGpu).free;
    const int64_t steps = trainer.stats().steps;
    {
      // What is left is enough for a sixteenth of the batch, and the other process's own context (half a GB and more).
      const OtherProcess other(free - std::max(memory.peak / 8, std::min<int64_t>(int64_t{2} << 30, free / 4)));
      REQUIRE(other.there());
      CHECK(device::memory_of(kGpu).free < free / 2);
      CHECK(code_of([&] { step(fits); }) == ErrorCode::kOutOfMemory);
      CHECK_EQ(trainer.stats().steps, steps);
      CHECK(std::isfinite(step(fits / 16)));
      device::release_cached(kGpu);
    }
    CHECK(std::isfinite(step(fits)));
    CHECK_EQ(trainer.stats().steps, steps + 2);
  });
}
