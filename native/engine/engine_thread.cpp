#include "engine_thread.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <c10/core/GradMode.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <condition_variable>
#include <cstdlib>
#include <fstream>
#include <map>
#include <mutex>
#include <set>
#include <thread>
#include <unordered_map>

#include "cgroup.h"
#include "errors.h"
#include "memory_budget.h"

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
  using Job = std::function<void()>;

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
  std::mutex mutex;
  std::condition_variable wake;
  FairQueue queue;
  std::atomic<bool> stopping{false};
  std::atomic<std::thread::id> id{};
  std::mutex lifetime;  // serialises start and stop
  std::thread thread;

  void loop() {
    id.store(std::this_thread::get_id());
    pthread_setname_np(pthread_self(), "vectune-engine");
    // The team's threads inherit the floating-point state of the thread that makes them, so this comes first.
    at::globalContext().setFlushDenormal(true);
    c10::GradMode::set_enabled(false);
    at::set_num_threads(threads_or_default());
    for (;;) {
      std::function<void()> job;
      {
        std::unique_lock<std::mutex> lock(mutex);
        wake.wait(lock, [this] { return stopping || !queue.empty(); });
        if (stopping) return;
        job = queue.pop();
      }
      job();
    }
  }
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
  {
    std::lock_guard<std::mutex> lock(state_->mutex);
    if (state_->stopping) return false;
    state_->queue.push(std::move(job), lane);
  }
  state_->wake.notify_one();
  return true;
}

void EngineThread::start() {
  std::lock_guard<std::mutex> lifetime(state_->lifetime);
  if (state_->thread.joinable()) return;
  // Signals are the host's: no thread made here, nor the team it makes, may be chosen to run a handler.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  try {
    state_->stopping = false;
    state_->thread = std::thread([state = state_] { state->loop(); });
  } catch (...) {
    state_->stopping = true;
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    throw;
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void EngineThread::stop() {
  std::lock_guard<std::mutex> lifetime(state_->lifetime);
  if (!state_->thread.joinable()) return;
  FairQueue dropped;
  {
    std::lock_guard<std::mutex> lock(state_->mutex);
    state_->stopping = true;
    std::swap(dropped, state_->queue);
  }
  state_->wake.notify_one();
  state_->thread.join();
  state_->id.store(std::thread::id());
  // `dropped` is destroyed here, without the queue's lock: a job's destructor may post.
}

bool EngineThread::stopping() const { return state_->stopping; }
bool EngineThread::is_current() const { return state_->id.load() == std::this_thread::get_id(); }

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
