#include "open_job.h"

#include <string>
#include <utility>

#include "libraries.h"
#include "wait_policy.h"

namespace vectune::loader {
namespace {

class OpenJob : public Napi::AsyncWorker {
 public:
  OpenJob(Napi::Env env, std::string folder, bool cuda)
      : Napi::AsyncWorker(env), deferred_(env), folder_(std::move(folder)), cuda_(cuda) {}
  Napi::Promise promise() const { return deferred_.Promise(); }

 protected:
  void Execute() override {
    try {
      opened_ = open_libtorch(folder_, cuda_);
    } catch (const OpenError& error) {
      failed_path_ = error.path;
      SetError(error.what());
    }
  }

  void OnOK() override {
    Napi::HandleScope scope(Env());
    auto result = Napi::Object::New(Env());
    auto paths = Napi::Array::New(Env(), opened_.paths.size());
    for (uint32_t i = 0; i < opened_.paths.size(); ++i) paths[i] = Napi::String::New(Env(), opened_.paths[i]);
    result["paths"] = paths;
    result["version"] = Napi::String::New(Env(), opened_.version);
    deferred_.Resolve(result);
  }

  void OnError(const Napi::Error& error) override {
    Napi::HandleScope scope(Env());
    error.Set("code", Napi::String::New(Env(), "ERR_LIBTORCH_LOAD"));
    error.Set("file", Napi::String::New(Env(), failed_path_));
    deferred_.Reject(error.Value());
  }

 private:
  WaitPolicy wait_policy_;  // made and destroyed on the JavaScript thread, around Execute
  Napi::Promise::Deferred deferred_;
  std::string folder_;
  bool cuda_;
  Opened opened_;
  std::string failed_path_;
};

}  // namespace

Napi::Value open(const Napi::CallbackInfo& info) {
  const bool valid = info.Length() == 2 && info[0].IsString() && info[1].IsObject() &&
                     info[1].As<Napi::Object>().Get("cuda").IsBoolean();
  if (!valid) throw Napi::TypeError::New(info.Env(), "open(folder: string, options: { cuda: boolean }) was expected.");
  auto folder = info[0].As<Napi::String>().Utf8Value();
  const bool cuda = info[1].As<Napi::Object>().Get("cuda").As<Napi::Boolean>();
  auto* job = new OpenJob(info.Env(), std::move(folder), cuda);  // deletes itself when done
  auto promise = job->promise();
  job->Queue();
  return promise;
}

}  // namespace vectune::loader
