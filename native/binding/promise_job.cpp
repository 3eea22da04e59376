#include "promise_job.h"

namespace vectune::binding {

void PromiseJob::run() {
  try {
    execute();
  } catch (...) {
    error_ = current_error();
  }
  release();
}

void PromiseJob::finish() {
  try {
    await();
  } catch (...) {
    error_ = current_error();
  }
}

void PromiseJob::settle(Napi::Env env) {
  if (error_) return reject(env, *error_);
  try {
    deferred_.Resolve(value(env));
  } catch (...) {
    deferred_.Reject(current_js_error(env).Value());
  }
}

}  // namespace vectune::binding
