#pragma once
#include <omp.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <thread>
#include <vector>

namespace vectune {

/// The threads that work for the thread that owns them, and with it, as in OpenMP's parallel regions. They differ in
/// how they wait for each other: libgomp's spin for a time that is chosen once for the process. A long time is quick
/// (on a virtual machine a core that sleeps may be lent to others, and comes back late), but where something else runs
/// on a core, a thread that spins keeps its own from the very thread that it waits for. Here a thread spins for long
/// only where no thread of the team has lately had to wait for its core; where one has, the owner goes on without those
/// that have none, and they leave theirs between two regions, before the system takes it away in the middle of a part.
///
/// The threads are made when they are first needed, by the owner (whose floating-point state and blocked signals they
/// have), and end with it.
class ThreadTeam {
 public:
  /// The calling thread's.
  static ThreadTeam& mine();
  /// How many threads a region has: as LibTorch has been told on this thread.
  static int size() { return omp_get_max_threads(); }

  /// part(work, thread) for each thread of 0 … threads − 1, of which the owner is 0; must not throw. Inside of a part:
  /// one after the other. What a thread has not begun by the time that the owner has ended its own part, the owner
  /// does: that of one that cannot be made, or that has no core.
  using Part = void (*)(const void* work, int thread);
  void run(int threads, Part part, const void* work);

  ~ThreadTeam();

 private:
  ThreadTeam() = default;
  void resize(int threads);
  void serve(int thread, uint32_t seen);
  bool claim(int thread, uint32_t region);
  bool alone(std::chrono::nanoseconds time) const;
  template <typename Done>
  bool spin(Done done) const;
  void look_for_others();

  struct alignas(64) Claimed {
    std::atomic<uint32_t> region;  // the last of which this thread's part has been begun, by whomever
  };

  std::vector<std::thread> threads_;  // all but the owner
  std::vector<Claimed> claimed_;
  int wanted_ = 1;
  Part part_ = nullptr;  // null tells the threads to end
  const void* work_ = nullptr;
  alignas(64) std::atomic<uint32_t> region_{0};   // the number of the last that has begun
  alignas(64) std::atomic<uint32_t> working_{0};  // its parts, but for the owner's, that have not ended
  alignas(64) std::atomic<int64_t> lost_core_;    // when one had to wait for its core: nanoseconds of the steady clock
};

/// work(thread, threads) on each thread of the calling thread's team.
template <typename Work>
inline void on_team(const Work& work) {
  const int threads = ThreadTeam::size();
  const auto with_size = [&](int thread) { work(thread, threads); };
  ThreadTeam::mine().run(
      threads, [](const void* of, int thread) { (*static_cast<decltype(&with_size)>(of))(thread); }, &with_size);
}

/// part(begin, end, thread) with 0 … n cut into one fixed piece per thread.
template <typename Part>
inline void for_parts(int64_t n, const Part& part) {
  on_team([&](int64_t thread, int64_t threads) {
    const int64_t begin = n * thread / threads, end = n * (thread + 1) / threads;
    if (begin < end) part(begin, end, static_cast<int>(thread));
  });
}

/// each(i) for 0 … n, in such pieces.
template <typename Each>
inline void for_each_on_team(int64_t n, const Each& each) {
  for_parts(n, [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i) each(i);
  });
}

/// each(i, thread) for 0 … n, `some` at a time for whichever thread is free.
template <typename Each>
inline void for_each_when_free(int64_t n, int64_t some, const Each& each) {
  std::atomic<int64_t> next{0};
  on_team([&](int thread, int) {
    for (int64_t begin; (begin = next.fetch_add(some, std::memory_order_relaxed)) < n;)
      for (int64_t i = begin; i < n && i < begin + some; ++i) each(i, thread);
  });
}

}  // namespace vectune
