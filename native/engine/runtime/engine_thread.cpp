#include "runtime/engine_thread.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <c10/core/GradMode.h>
#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <map>
#include <set>
#include <unordered_map>

#include "runtime/cgroup.h"
#include "runtime/errors.h"
#include "runtime/job_thread.h"
#include "runtime/memory_budget.h"

namespace vectune {
namespace {

std::atomic<int> team{0};  // 0: not chosen yet

int threads_or_default() {
  int chosen = team.load();
  if (chosen > 0) return chosen;
  int expected = 0;
  team.compare_exchange_strong(expected, default_threads());
  return team.load();
}

/// Jobs by the turn in which they run, and in a turn by the order in which they came. A lane has one job in a turn; one
/// that was idle joins in the turn that is on.
class FairQueue {
 public:
  bool empty() const { return jobs_.empty(); }

  void push(Job job, const void* lane) {
    uint64_t turn = turn_;
    if (lane == nullptr) {
      if (!jobs_.empty()) turn = jobs_.rbegin()->first.first;
    } else {
      uint64_t& next = next_turn_[lane];
      turn = std::max(turn, next);
      next = turn + 1;
    }
    jobs_.emplace(std::pair(turn, ++number_), std::move(job));
  }

  Job pop() {
    const auto first = jobs_.begin();
    if (first->first.first > turn_) {
      turn_ = first->first.first;
      std::erase_if(next_turn_, [this](const auto& lane) { return lane.second <= turn_; });  // as good as unknown
    }
    Job job = std::move(first->second);
    jobs_.erase(first);
    return job;
  }

 private:
  std::map<std::pair<uint64_t, uint64_t>, Job> jobs_;
  std::unordered_map<const void*, uint64_t> next_turn_;
  uint64_t turn_ = 0, number_ = 0;
};

}  // namespace

struct EngineThread::State {
  JobThread<FairQueue> thread;
};

EngineThread::EngineThread() : state_(new State) {
  memory_budget::install();
  start();
}

EngineThread& EngineThread::instance() {
  static EngineThread* const engine = new EngineThread;
  return *engine;
}

bool EngineThread::post(std::function<void()> job, const void* lane) {
  return state_->thread.post(std::move(job), lane);
}

void EngineThread::start() {
  state_->thread.start([] {
    pthread_setname_np(pthread_self(), "vectune-engine");
    // The team's threads inherit the floating-point state of the thread that makes them, so this comes first.
    at::globalContext().setFlushDenormal(true);
    c10::GradMode::set_enabled(false);
    at::set_num_threads(threads_or_default());
  });
}

void EngineThread::stop() { state_->thread.stop(); }
bool EngineThread::stopping() const { return state_->thread.stopping(); }
bool EngineThread::is_current() const { return state_->thread.is_current(); }

void set_threads(int threads) {
  if (threads < 1) throw Error(ErrorCode::kInvalidArgument, "Threads must be at least 1.");
  team.store(threads);
  at::set_num_threads(threads);
}

int threads() { return threads_or_default(); }

int default_threads(const std::string& root) {
  if (const char* text = std::getenv("OMP_NUM_THREADS")) {
    const int wanted = std::atoi(text);  // "4,2" sets nested levels too: the first is ours
    if (wanted > 0) return wanted;
  }
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  int cores = 1;
  if (sched_getaffinity(0, sizeof allowed, &allowed) == 0) {
    // Hyper-threads of one core share its vector units: each core counts once, by its first sibling.
    std::set<std::string> seen;
    for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
      if (!CPU_ISSET(cpu, &allowed)) continue;
      std::ifstream in(root + "/sys/devices/system/cpu/cpu" + std::to_string(cpu) + "/topology/thread_siblings_list");
      std::string siblings;
      seen.insert(std::getline(in, siblings) ? siblings : "cpu" + std::to_string(cpu));
    }
    cores = std::max<int>(1, static_cast<int>(seen.size()));
  }
  if (const auto quota = cgroup::cpu_quota(root)) {
    cores = std::min(cores, std::max(1, static_cast<int>(std::ceil(*quota))));
  }
  return cores;
}

}  // namespace vectune
