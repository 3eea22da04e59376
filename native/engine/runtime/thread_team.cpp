#include "runtime/thread_team.h"

#include <pthread.h>

#include <chrono>
#include <cstdlib>
#include <string>
#include <system_error>

#if defined(__linux__)
#include <fcntl.h>
#include <unistd.h>
#endif
#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace vectune {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

/// Spinning where something else wants the cores, and where nothing does; how long it is remembered that something did.
constexpr std::chrono::nanoseconds kShortSpin = 30us, kLongSpin = 2ms, kRemembered = 20ms;

/// Where something else wants the cores, a thread leaves its own after so long, by itself and between two regions. (The
/// system takes cores away at its ticks, of which Linux has 100 to 1,000 a second, and mostly from within a part.)
constexpr std::chrono::nanoseconds kOnCore = 2ms;

/// OpenMP's own variable holds here too: 'active' threads always spin for long, 'passive' ones never.
enum class WaitPolicy { kBySituation, kActive, kPassive };
WaitPolicy wait_policy() {
  static const WaitPolicy policy = [] {
    const char* const given = std::getenv("OMP_WAIT_POLICY");
    const std::string name = given ? given : "";
    if (name == "active" || name == "ACTIVE") return WaitPolicy::kActive;
    return name == "passive" || name == "PASSIVE" ? WaitPolicy::kPassive : WaitPolicy::kBySituation;
  }();
  return policy;
}

/// A thread asks the system about itself so often, which takes a microsecond. Something else wants its core where it
/// has waited for it for a fifth of the time: on an idle machine that is a hundredth, beside a process that keeps a
/// core busy about half.
constexpr std::chrono::nanoseconds kBetweenLooks = 2ms;
constexpr int kOneIn = 5;

std::chrono::nanoseconds now() { return Clock::now().time_since_epoch(); }

void pause() {
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

/// How long the calling thread has waited for a core that something else ran on. (The time for which a hypervisor lent
/// the core to another machine does not count: there, a thread that sleeps would only wait the longer.)
class WaitsForCore {
 public:
#if defined(__linux__)
  WaitsForCore() : file_(open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC)) {}
  ~WaitsForCore() {
    if (file_ >= 0) close(file_);
  }
  /// −1 where the system does not tell.
  int64_t nanoseconds() const {
    char text[80];  // time on a core, time waited for one, times on a core
    const ssize_t size = file_ < 0 ? -1 : pread(file_, text, sizeof(text) - 1, 0);
    if (size <= 0) return -1;
    text[size] = 0;
    char* rest = nullptr;
    std::strtoll(text, &rest, 10);
    return std::strtoll(rest, nullptr, 10);
  }

 private:
  int file_;
#else
  int64_t nanoseconds() const { return -1; }
#endif
};

thread_local bool inside = false;

}  // namespace

ThreadTeam& ThreadTeam::mine() {
  thread_local ThreadTeam team;
  return team;
}

ThreadTeam::~ThreadTeam() { resize(1); }

void ThreadTeam::look_for_others() {
  thread_local std::chrono::nanoseconds looked{0};
  thread_local const WaitsForCore waits;
  thread_local int64_t known = 0;
  const auto time = now(), since = time - looked;
  if (since < kBetweenLooks) return;
  const int64_t waited = waits.nanoseconds();
  if (waited < 0 || (waited - known) * kOneIn > since.count())
    lost_core_.store(time.count(), std::memory_order_relaxed);
  looked = time;
  known = waited;
}

bool ThreadTeam::alone(std::chrono::nanoseconds time) const {
  return wait_policy() == WaitPolicy::kActive ||
         time.count() - lost_core_.load(std::memory_order_relaxed) > kRemembered.count();
}

template <typename Done>
bool ThreadTeam::spin(Done done) const {
  if (wait_policy() == WaitPolicy::kPassive) return done();
  const auto begin = now();
  for (;;) {
    for (int i = 0; i < 32; ++i) {
      if (done()) return true;
      pause();
    }
    const auto time = now(), spun = time - begin;
    if (spun > (alone(time) ? kLongSpin : kShortSpin)) return false;
  }
}

/// What belongs to a region does not change before all who have claimed a part of it have ended.
bool ThreadTeam::claim(int thread, uint32_t region) {
  uint32_t last = region - 1;
  return claimed_[static_cast<size_t>(thread)].region.compare_exchange_strong(last, region, std::memory_order_acq_rel);
}

void ThreadTeam::serve(int thread, uint32_t seen) {
  inside = true;
  auto got_core = now();
  for (;;) {
    const auto begun = [&] { return region_.load(std::memory_order_acquire) != seen; };
    const auto time = now();
    const bool leaves = !alone(time) && time - got_core > kOnCore;
    if (leaves || !spin(begun)) {
      if (leaves) std::this_thread::yield();
      region_.wait(seen, std::memory_order_acquire);
      got_core = now();
    }
    seen = region_.load(std::memory_order_acquire);
    if (!claim(thread, seen)) continue;
    if (part_ == nullptr) return;
    part_(work_, thread);
    look_for_others();
    if (working_.fetch_sub(1, std::memory_order_acq_rel) == 1) working_.notify_one();
  }
}

void ThreadTeam::resize(int threads) {
  if (!threads_.empty()) {
    part_ = nullptr;
    region_.fetch_add(1, std::memory_order_release);
    region_.notify_all();
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
  }
  wanted_ = threads;
  const uint32_t seen = region_.load(std::memory_order_relaxed);
  claimed_ = std::vector<Claimed>(static_cast<size_t>(threads));
  for (Claimed& claimed : claimed_) claimed.region.store(seen, std::memory_order_relaxed);
  try {
    for (int i = 1; i < threads; ++i) {
      threads_.emplace_back([this, i, seen] { serve(i, seen); });
#if defined(__linux__)
      pthread_setname_np(threads_.back().native_handle(), "vectune-team");
#endif
    }
  } catch (const std::system_error&) {
    // the system has no more threads to give
  }
}

void ThreadTeam::run(int threads, Part part, const void* work) {
  if (inside || threads == 1) {
    for (int i = 0; i < threads; ++i) part(work, i);
    return;
  }
  if (threads != wanted_) resize(threads);
  part_ = part;
  work_ = work;
  working_.store(static_cast<uint32_t>(threads - 1), std::memory_order_relaxed);
  const uint32_t region = region_.fetch_add(1, std::memory_order_release) + 1;
  region_.notify_all();
  inside = true;
  part(work, 0);
  for (int i = 1; i < threads; ++i) {
    if (!claim(i, region)) continue;
    part(work, i);
    working_.fetch_sub(1, std::memory_order_acq_rel);
  }
  inside = false;
  look_for_others();
  const auto ended = [&] { return working_.load(std::memory_order_acquire) == 0; };
  if (spin(ended)) return;
  for (uint32_t left; (left = working_.load(std::memory_order_acquire)) != 0;)
    working_.wait(left, std::memory_order_acquire);
}

}  // namespace vectune
