#include "runtime/worker_thread.h"

#include <pthread.h>

#include <deque>

#include "runtime/job_thread.h"

namespace vectune {

namespace {

/// First in, first out.
class Fifo {
 public:
  bool empty() const { return jobs_.empty(); }
  void push(Job job) { jobs_.push_back(std::move(job)); }
  Job pop() {
    Job job = std::move(jobs_.front());
    jobs_.pop_front();
    return job;
  }

 private:
  std::deque<Job> jobs_;
};

}  // namespace

struct WorkerThread::State {
  const char* name;
  JobThread<Fifo> thread;
};

WorkerThread::WorkerThread(const char* name) : state_(new State{name, {}}) {}

bool WorkerThread::post(std::function<void()> job) { return state_->thread.post(std::move(job)); }
void WorkerThread::start() {
  state_->thread.start([name = state_->name] { pthread_setname_np(pthread_self(), name); });
}
void WorkerThread::stop() { state_->thread.stop(); }
bool WorkerThread::stopping() const { return state_->thread.stopping(); }

}  // namespace vectune
