#include "runtime/thread_team.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>

#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <thread>

#include "check.h"
#include "kernels_reference.h"

using namespace vectune;
using namespace vectune::test;

namespace {

int64_t threads_of_process() {
  int64_t count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/task")) ++count;
  return count;
}

/// Work in a thread of its own, which has a team of its own, of so many.
template <typename Work>
void on_a_thread(int team, Work work) {
  std::thread([&] {
    omp_set_num_threads(team);
    work();
  }).join();
}

/// Waits in each part for those of all the others, which then cannot be done by the owner after its own.
class Together {
 public:
  void operator()(int threads) {
    ++here_;
    while (here_.load() < threads) std::this_thread::yield();
  }

 private:
  std::atomic<int> here_{0};
};

double cpu_seconds() {
  rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

}  // namespace

TEST(a_team_does_each_part_once_and_each_on_a_thread_of_its_own) {
  on_a_thread(1, [] {
    for (const int size : {1, 2, 4, 3, 4, 1, 2}) {
      omp_set_num_threads(size);
      std::vector<int> times(static_cast<size_t>(size));
      std::set<std::thread::id> ids;
      std::mutex mutex;
      Together together;
      on_team([&](int thread, int threads) {
        together(threads);
        const std::lock_guard lock(mutex);
        times[static_cast<size_t>(thread)] += threads == size;
        ids.insert(std::this_thread::get_id());
      });
      CHECK_EQ(times, std::vector<int>(static_cast<size_t>(size), 1));
      CHECK_EQ(ids.size(), static_cast<size_t>(size));
      CHECK_EQ(ids.count(std::this_thread::get_id()), 1u);
    }
  });
}

TEST(a_team_sees_what_its_owner_wrote_and_the_owner_what_the_team_wrote) {
  on_a_thread(3, [] {
    std::vector<int64_t> x(1000);
    for (int64_t round = 0; round < 20000; ++round) {
      const int64_t before = x[static_cast<size_t>(round % 1000)];
      for_each_on_team(1000, [&](int64_t i) { x[static_cast<size_t>(i)] += before == round; });
    }
    CHECK_EQ(x, std::vector<int64_t>(1000, 20000));
  });
}

TEST(work_for_whichever_thread_is_free_is_all_done) {
  on_a_thread(4, [] {
    for (const int64_t n : {0, 1, 3, 4, 5, 1001}) {
      std::vector<int> times(static_cast<size_t>(n));
      for_each_when_free(n, 4, [&](int64_t i, int) { ++times[static_cast<size_t>(i)]; });
      CHECK_EQ(times, std::vector<int>(static_cast<size_t>(n), 1));
    }
  });
}

TEST(a_region_inside_of_a_part_is_done_by_its_thread) {
  on_a_thread(3, [] {
    std::atomic<int> done{0}, elsewhere{0};
    on_team([&](int, int) {
      const auto here = std::this_thread::get_id();
      ThreadTeam::mine().run(
          4, [](const void* work, int) { (*static_cast<const std::function<void()>*>(work))(); },
          std::make_unique<std::function<void()>>([&] {
            ++done;
            if (std::this_thread::get_id() != here) ++elsewhere;
          }).get());
    });
    CHECK_EQ(done.load(), 12);
    CHECK_EQ(elsewhere.load(), 0);
  });
}

TEST(a_team_ends_with_its_owner) {
  const int64_t before = threads_of_process();
  int64_t during = 0;
  on_a_thread(5, [&] {
    on_team([](int, int) {});
    during = threads_of_process();
  });
  CHECK_EQ(during, before + 5);
  CHECK_EQ(threads_of_process(), before);
}

TEST(a_team_has_its_owners_floating_point_state_and_blocked_signals) {
  reference::with_threads(4, [] {
    volatile float denormal = 1e-40f;
    std::atomic<int> flushed{0}, blocked{0};
    Together together;
    on_team([&](int, int threads) {
      together(threads);
      flushed += denormal * 1.0f == 0.0f;
      sigset_t mask;
      pthread_sigmask(SIG_SETMASK, nullptr, &mask);
      blocked += sigismember(&mask, SIGTERM) == 1;
    });
    CHECK_EQ(flushed.load(), 4);
    CHECK_EQ(blocked.load(), 4);
  });
}

TEST(what_threads_that_cannot_be_made_would_do_is_done_by_the_owner) {
  pthread_attr_t attributes, before;
  pthread_getattr_default_np(&before);
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, size_t{1} << 46);  // more than there are addresses for
  std::set<std::thread::id> ids;
  std::vector<int> times(3);
  on_a_thread(3, [&] {
    pthread_setattr_default_np(&attributes);
    std::mutex mutex;
    on_team([&](int thread, int) {
      const std::lock_guard lock(mutex);
      ++times[static_cast<size_t>(thread)];
      ids.insert(std::this_thread::get_id());
    });
    pthread_setattr_default_np(&before);
  });
  CHECK_EQ(times, std::vector<int>(3, 1));
  CHECK_EQ(ids.size(), 1u);
  pthread_attr_destroy(&attributes);
  pthread_attr_destroy(&before);
}

TEST(what_a_thread_without_a_core_would_do_is_done_by_the_owner) {
  on_a_thread(2, [] {
    cpu_set_t first;  // for both: the team's thread inherits it
    sched_getaffinity(0, sizeof(first), &first);
    int core = 0;
    while (!CPU_ISSET(core, &first)) ++core;
    CPU_ZERO(&first);
    CPU_SET(core, &first);
    CHECK_EQ(sched_setaffinity(0, sizeof(first), &first), 0);
    int by_the_owner = 0, done = 0;
    const auto owner = std::this_thread::get_id();
    for (int region = 0; region < 1000; ++region)
      on_team([&](int thread, int) {
        if (thread == 1) ++done, by_the_owner += std::this_thread::get_id() == owner;
      });
    CHECK_EQ(done, 1000);
    CHECK(by_the_owner > 0);
  });
}

TEST(beside_a_thread_that_keeps_its_core_busy_every_part_is_done) {
  on_a_thread(2, [] {
    std::atomic<bool> ends{false};
    std::vector<std::thread> busy;
    for (unsigned i = 0; i < std::thread::hardware_concurrency(); ++i)
      busy.emplace_back([&] {
        while (!ends.load(std::memory_order_relaxed)) {
        }
      });
    std::vector<int64_t> x(1000);
    const auto begin = std::chrono::steady_clock::now();
    int64_t rounds = 0;
    for (; std::chrono::steady_clock::now() - begin < std::chrono::milliseconds(300); ++rounds)
      for_each_on_team(1000, [&](int64_t i) {
        for (int again = 0; again < 20; ++again) x[static_cast<size_t>(i)] += again == 0;
      });
    ends = true;
    for (std::thread& thread : busy) thread.join();
    CHECK_EQ(x, std::vector<int64_t>(1000, rounds));
  });
}

TEST(a_thread_that_waits_for_long_sleeps_and_is_woken) {
  on_a_thread(3, [] {
    using namespace std::chrono_literals;
    std::atomic<int> done{0};
    const double before = cpu_seconds();
    for (int slow = 0; slow < 3; ++slow) {  // the owner sleeps, and the others, by turns
      on_team([&](int thread, int) {
        if (thread == slow) std::this_thread::sleep_for(100ms);
        ++done;
      });
      std::this_thread::sleep_for(100ms);
    }
    on_team([&](int, int) { ++done; });
    CHECK_EQ(done.load(), 12);
    // 600 ms in which two or three threads wait, of which each may spin for a few
    CHECK(cpu_seconds() - before < 0.2);
  });
}
