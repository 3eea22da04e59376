#include "runtime/memory_budget.h"

#include <ATen/Functions.h>
#include <ATen/ops/empty.h>
#include <c10/util/Exception.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <thread>
#include <vector>

#include "check.h"
#include "runtime/cgroup.h"
#include "runtime/engine_thread.h"
#include "runtime/errors.h"

namespace budget = vectune::memory_budget;
namespace cgroup = vectune::cgroup;
using vectune::ErrorCode;

namespace {

constexpr int64_t kMega = 1'000'000;

at::Tensor take(int64_t bytes) { return at::empty({bytes}, at::kByte); }

/// Whether an allocation fails, and as the class that the engine's callers act on.
bool is_refused(int64_t bytes) {
  try {
    take(bytes);
  } catch (const c10::OutOfMemoryError&) {
    return vectune::current_error().code() == ErrorCode::kOutOfMemory;
  }
  return false;
}

/// A file tree that stands for a machine; paths as in /proc and /sys.
class Machine {
 public:
  Machine() {
    std::string pattern = (std::filesystem::temp_directory_path() / "vectune-machine-XXXXXX").string();
    root_ = ::mkdtemp(pattern.data());
  }
  ~Machine() { std::filesystem::remove_all(root_); }
  const std::string& root() const { return root_; }
  void file(const std::string& path, const std::string& text) {
    std::filesystem::create_directories(std::filesystem::path(root_ + path).parent_path());
    std::ofstream(root_ + path) << text;
  }

 private:
  std::string root_;
};

Machine with_v2() {
  Machine machine;
  machine.file("/proc/self/cgroup", "0::/service/job\n");
  machine.file("/proc/self/mountinfo", "30 23 0:26 / /sys/fs/cgroup rw shared:4 - cgroup2 cgroup2 rw,nsdelegate\n");
  machine.file("/proc/meminfo", "MemTotal: 16000000 kB\nMemFree: 100 kB\nMemAvailable:    8000000 kB\n");
  return machine;
}

}  // namespace

TEST(memory_budget_counts_what_tensors_hold) {
  budget::install();
  const int64_t before = budget::in_use();
  {
    const at::Tensor a = take(kMega), b = take(3 * kMega);
    CHECK_EQ(budget::in_use() - before, 4 * kMega);
    const at::Tensor view = a.narrow(0, 0, 10);
    CHECK_EQ(budget::in_use() - before, 4 * kMega);
  }
  CHECK_EQ(budget::in_use(), before);
}

TEST(memory_budget_keeps_the_peak) {
  budget::install();
  const int64_t before = budget::in_use();
  budget::reset_peak();
  CHECK_EQ(budget::peak(), before);
  take(5 * kMega);
  take(2 * kMega);
  CHECK_EQ(budget::peak() - before, 5 * kMega);
  budget::reset_peak();
  CHECK_EQ(budget::peak(), budget::in_use());
}

TEST(memory_budget_aligns_to_64_bytes) {
  budget::install();
  for (const int64_t bytes : {1, 7, 64, 65, 4097, 1000003}) {
    const at::Tensor tensor = take(bytes);
    CHECK_EQ(reinterpret_cast<uintptr_t>(tensor.data_ptr()) % 64, uintptr_t{0});
  }
  CHECK_EQ(take(0).numel(), int64_t{0});
}

TEST(memory_budget_refuses_above_the_limit_and_recovers) {
  budget::install();
  const int64_t before = budget::in_use();
  budget::set_limit(before + 10 * kMega);
  CHECK_EQ(budget::limit().value_or(0), before + 10 * kMega);
  CHECK(!is_refused(10 * kMega));
  CHECK(is_refused(10 * kMega + 1));
  {
    const at::Tensor held = take(6 * kMega);
    CHECK(is_refused(5 * kMega));
    CHECK(!is_refused(4 * kMega));
  }
  CHECK_EQ(budget::in_use(), before);
  budget::set_limit(std::nullopt);
  CHECK(!budget::limit().has_value());
  CHECK(!is_refused(11 * kMega));
}

TEST(memory_budget_refuses_inside_an_operation_of_LibTorch) {
  budget::install();
  const at::Tensor a = at::ones({1000, 1000}), b = at::ones({1000, 1000});
  const int64_t before = budget::in_use();
  budget::set_limit(before + kMega);
  bool refused = false;
  try {
    at::mm(a, b);
  } catch (const c10::OutOfMemoryError&) {
    refused = true;
  }
  budget::set_limit(std::nullopt);
  CHECK(refused);
  CHECK_EQ(budget::in_use(), before);
  CHECK_EQ(at::mm(a, b)[5][5].item<float>(), 1000.0f);
}

TEST(memory_budget_takes_a_refusal_of_the_system_as_out_of_memory) {
  budget::install();
  const int64_t before = budget::in_use();
  CHECK(is_refused(int64_t{1} << 62));  // no address space has it
  CHECK_EQ(budget::in_use(), before);
}

TEST(memory_budget_scope_narrows_and_nests) {
  budget::install();
  const int64_t before = budget::in_use();
  {
    const budget::ScopedLimit outer(before + 4 * kMega);
    CHECK(is_refused(5 * kMega));
    {
      const budget::ScopedLimit wider(before + 100 * kMega), narrower(before + 2 * kMega), none(std::nullopt);
      CHECK(is_refused(3 * kMega));
    }
    CHECK(!is_refused(3 * kMega));
    bool elsewhere = true;
    std::thread([&] { elsewhere = is_refused(5 * kMega); }).join();
    CHECK(!elsewhere);
    CHECK(!budget::limit().has_value());
  }
  CHECK(!is_refused(5 * kMega));
}

TEST(memory_budget_fails_the_chosen_allocation) {
  budget::install();
  budget::fail_nth_allocation(3);
  CHECK(!is_refused(8));
  CHECK(!is_refused(8));
  CHECK(is_refused(8));
  CHECK(!is_refused(8));
  CHECK_EQ(budget::allocations_since(), int64_t{4});
  budget::fail_nth_allocation(0);
  for (int i = 0; i < 5; ++i) CHECK(!is_refused(8));
}

TEST(memory_budget_counts_exactly_from_many_threads) {
  budget::install();
  const int64_t before = budget::in_use();
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([t] {
      for (int i = 0; i < 2000; ++i) take(100 * (t + 1) + i);
    });
  }
  for (auto& thread : threads) thread.join();
  CHECK_EQ(budget::in_use(), before);
}

TEST(out_of_memory_message_tells_sizes_and_a_way_out) {
  budget::install();
  budget::set_limit(budget::in_use() + kMega);
  std::string message;
  try {
    take(2 * kMega);
  } catch (...) {
    message = vectune::current_error().what();
  }
  budget::set_limit(std::nullopt);
  for (const char* part : {"2.0 MB more were needed", "the limit is", "smaller batch"}) {
    CHECK(message.find(part) != std::string::npos);
  }
  CHECK(message.find("Exception raised from") == std::string::npos);  // no backtrace
}

TEST(errors_are_sorted_by_class) {
  const auto sorted = [](auto raise) {
    try {
      raise();
    } catch (...) {
      return vectune::current_error();
    }
    return vectune::Error(ErrorCode::kNative, "nothing was thrown");
  };
  CHECK_EQ(sorted([] { throw vectune::Error(ErrorCode::kFile, "f"); }).code(), ErrorCode::kFile);
  CHECK_EQ(sorted([] { throw std::bad_alloc(); }).code(), ErrorCode::kOutOfMemory);
  CHECK_EQ(sorted([] { TORCH_CHECK(false, "CUBLAS_STATUS_ALLOC_FAILED when calling"); }).code(),
           ErrorCode::kOutOfMemory);
  CHECK_EQ(sorted([] { TORCH_CHECK(false, "shapes differ"); }).code(), ErrorCode::kNative);
  CHECK_EQ(std::string(sorted([] { TORCH_CHECK(false, "shapes differ"); }).what()), std::string("shapes differ"));
  CHECK_EQ(std::string(sorted([] { throw std::logic_error("odd"); }).what()), std::string("odd"));
  CHECK_EQ(sorted([] { throw 7; }).code(), ErrorCode::kNative);
}

TEST(available_memory_follows_cgroup_v2) {
  Machine machine = with_v2();
  CHECK_EQ(budget::available(machine.root()), int64_t{8000000} * 1024);  // no limit anywhere: MemAvailable
  machine.file("/sys/fs/cgroup/service/job/memory.max", "max\n");
  machine.file("/sys/fs/cgroup/service/job/memory.current", "700\n");
  machine.file("/sys/fs/cgroup/service/memory.max", "4000\n");  // the parent's limit holds for the child
  machine.file("/sys/fs/cgroup/service/memory.current", "1500\n");
  machine.file("/sys/fs/cgroup/service/memory.stat", "anon 1000\ninactive_file 500\n");
  CHECK_EQ(cgroup::memory_left(machine.root()).value_or(-1), int64_t{3000});
  machine.file("/sys/fs/cgroup/service/job/memory.max", "1000\n");
  CHECK_EQ(budget::available(machine.root()), int64_t{300});
  machine.file("/sys/fs/cgroup/service/job/memory.current", "1200\n");
  CHECK_EQ(budget::available(machine.root()), int64_t{0});
}

TEST(available_memory_follows_cgroup_v1) {
  Machine machine;
  machine.file("/proc/meminfo", "MemAvailable: 1000 kB\n");
  machine.file("/proc/self/cgroup", "9:name=systemd:/\n4:memory:/box/inner\n1:cpu,cpuacct:/box\n0::/\n");
  machine.file("/proc/self/mountinfo",
               "31 23 0:27 /box /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
               "32 23 0:28 /box /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n");
  machine.file("/sys/fs/cgroup/memory/inner/memory.limit_in_bytes", "9223372036854771712\n");
  machine.file("/sys/fs/cgroup/memory/inner/memory.usage_in_bytes", "10\n");
  CHECK(!cgroup::memory_left(machine.root()).has_value());
  CHECK_EQ(budget::available(machine.root()), int64_t{1024000});
  machine.file("/sys/fs/cgroup/memory/memory.limit_in_bytes", "5000\n");
  machine.file("/sys/fs/cgroup/memory/memory.usage_in_bytes", "2000\n");
  machine.file("/sys/fs/cgroup/memory/memory.stat", "inactive_file 1\ntotal_inactive_file 800\n");
  CHECK_EQ(budget::available(machine.root()), int64_t{3800});
}

TEST(available_memory_of_this_machine_is_positive) { CHECK(budget::available() > 0); }

TEST(threads_follow_the_cpu_quota) {
  Machine machine = with_v2();
  CHECK(!cgroup::cpu_quota(machine.root()).has_value());
  machine.file("/sys/fs/cgroup/service/job/cpu.max", "max 100000\n");
  CHECK(!cgroup::cpu_quota(machine.root()).has_value());
  machine.file("/sys/fs/cgroup/service/cpu.max", "50000 100000\n");
  CHECK_EQ(cgroup::cpu_quota(machine.root()).value_or(0), 0.5);
  if (!std::getenv("OMP_NUM_THREADS")) CHECK_EQ(vectune::default_threads(machine.root()), 1);

  Machine old;
  old.file("/proc/self/cgroup", "1:cpu,cpuacct:/box\n");
  old.file("/proc/self/mountinfo", "32 23 0:28 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n");
  old.file("/sys/fs/cgroup/cpu/box/cpu.cfs_quota_us", "-1\n");
  old.file("/sys/fs/cgroup/cpu/box/cpu.cfs_period_us", "100000\n");
  CHECK(!cgroup::cpu_quota(old.root()).has_value());
  old.file("/sys/fs/cgroup/cpu/box/cpu.cfs_quota_us", "250000\n");
  CHECK_EQ(cgroup::cpu_quota(old.root()).value_or(0), 2.5);
}
