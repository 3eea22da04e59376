#include "thread_team.h"

#include <pthread.h>

#include <chrono>
#include <cstdlib>
#include <string>
#include <system_error>

#if defined(__linux__)
#include <sys/resource.h>
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

/// A thread asks the system about itself so often, which takes less than a microsecond. On an idle machine one answer in
/// ten is that it has lost its core to something short, beside a process that keeps a core busy all but one in ten are.
constexpr std::chrono::nanoseconds kBetweenLooks = 500us;

std::chrono::nanoseconds now() { return Clock::now().time_since_epoch(); }

void pause() {
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

/// How often the calling thread had to leave its core to another; −1 where the system does not tell.
long cores_lost() {
#if defined(__linux__)
  rusage usage;
  if (getrusage(RUSAGE_THREAD, &usage) == 0) return usage.ru_nivcsw;
#endif
  return -1;
}

thread_local bool inside = false;

}  // namespace

ThreadTeam& ThreadTeam::mine() {
  thread_local ThreadTeam team;
  return team;
}

ThreadTeam::~ThreadTeam() { resize(1); }

void ThreadTeam::look_for_others() {
  thread_local std::chrono::nanoseconds looked{0};
  thread_local long known = 0;
  thread_local bool before = false;
  const auto time = now();
  if (time - looked < kBetweenLooks) return;
  const long lost = cores_lost();
  // Twice in a row is no accident. Where nobody tells, others are always supposed.
  const bool now_too = lost < 0 || lost > known;
  if (before && now_too) lost_core_.store(time.count(), std::memory_order_relaxed);
  before = now_too;
  looked = time;
  known = lost;
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
    const bool alone = wait_policy() == WaitPolicy::kActive ||
                       time.count() - lost_core_.load(std::memory_order_relaxed) > kRemembered.count();
    if (spun > (alone ? kLongSpin : kShortSpin)) return false;
  }
}

void ThreadTeam::serve(int thread, uint32_t seen) {
  inside = true;
  for (;;) {
    const auto begun = [&] { return region_.load(std::memory_order_acquire) != seen; };
    if (!spin(begun)) region_.wait(seen, std::memory_order_acquire);
    ++seen;
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
  const int made = static_cast<int>(threads_.size());
  part_ = part;
  work_ = work;
  working_.store(static_cast<uint32_t>(made), std::memory_order_relaxed);
  region_.fetch_add(1, std::memory_order_release);
  region_.notify_all();
  inside = true;
  part(work, 0);
  for (int i = made + 1; i < threads; ++i) part(work, i);
  inside = false;
  look_for_others();
  const auto ended = [&] { return working_.load(std::memory_order_acquire) == 0; };
  if (spin(ended)) return;
  for (uint32_t left; (left = working_.load(std::memory_order_acquire)) != 0;) working_.wait(left, std::memory_order_acquire);
}

}  // namespace vectune
