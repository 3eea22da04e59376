#include "dataset_binding.h"

#include "arguments.h"
#include "environment.h"
#include "handles.h"
#include "register.h"
#include "train/dataset.h"

namespace vectune::binding {
namespace {

Napi::Value create_dataset(const Napi::CallbackInfo& info) {
  auto ids = to_int32_array(info[0], "ids");
  auto offsets = to_int32_array(info[1], "offsets");
  auto scores = to_float32_array(info[2], "scores");
  if (offsets.size() == 0) {
    throw Error(ErrorCode::kInvalidArgument, "offsets must have one entry more than there are texts; found none.");
  }
  return Environment::of(info.Env())
      .promise(
          info.Env(),
          [ids = std::move(ids), offsets = std::move(offsets), scores = std::move(scores)] {
            return std::make_shared<Dataset>(ids.data(), ids.size(), offsets.data(), offsets.size() - 1, scores.data(),
                                             scores.size());
          },
          [](Napi::Env env, std::shared_ptr<Dataset>& dataset) {
            const int64_t numbers = dataset->tokens() + 3 * dataset->pairs() + 1;  // ids, offsets and scores
            return Handle<Dataset>::wrap(env, std::move(dataset), 4 * numbers);
          });
}

Napi::Value dispose_dataset(const Napi::CallbackInfo& info) {
  Handle<Dataset>::dispose(info, 0);
  return info.Env().Undefined();
}

}  // namespace

void export_dataset_functions(Napi::Object exports) {
  export_async_function<create_dataset>(exports, "createDataset");
  export_function<dispose_dataset>(exports, "disposeDataset");
}

}  // namespace vectune::binding
