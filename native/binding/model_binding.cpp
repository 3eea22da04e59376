#include "model_binding.h"

#include <algorithm>

#include "arguments.h"
#include "embed/embed.h"
#include "environment.h"
#include "files/fingerprint.h"
#include "handles.h"
#include "model/fp32_weights.h"
#include "model/merge.h"
#include "model/model.h"
#include "register.h"
#include "spec_from_js.h"
#include "train/dataset.h"

namespace vectune::binding {
namespace {

Napi::Value wrap_model(Napi::Env env, std::shared_ptr<Model>& model) {
  const int64_t bytes = model->bytes();
  return Handle<Model>::wrap(env, std::move(model), bytes);
}

Napi::Value create_model(const Napi::CallbackInfo& info) {
  ModelSpec spec = to_model_spec(info[0]);
  std::vector<ModuleFile> files = to_module_files(info[1], "files");
  const auto seed = static_cast<uint32_t>(to_integer(info[2], "seed", 0, kLargestUint32));
  return Environment::of(info.Env())
      .promise(
          info.Env(),
          [spec = std::move(spec), files = std::move(files), seed]() mutable {
            spec.validate();
            return files.empty() ? std::make_shared<Model>(std::move(spec), seed)
                                 : std::make_shared<Model>(std::move(spec), files);
          },
          &wrap_model);
}

Napi::Value parameters(const Napi::CallbackInfo& info) {
  const auto model = Handle<Model>::get(info, 0);
  const auto& all = model->parameters().all();
  auto result = Napi::Array::New(info.Env(), all.size());
  for (uint32_t i = 0; i < all.size(); ++i) {
    auto shape = Napi::Array::New(info.Env(), all[i].shape.size());
    for (uint32_t d = 0; d < all[i].shape.size(); ++d) shape.Set(d, static_cast<double>(all[i].shape[d]));
    auto parameter = Napi::Object::New(info.Env());
    parameter.Set("name", all[i].name);
    parameter.Set("shape", shape);
    result.Set(i, parameter);
  }
  return result;
}

Napi::Value unused_tensors(const Napi::CallbackInfo& info) {
  const auto model = Handle<Model>::get(info, 0);
  const auto& all = model->unused();
  auto result = Napi::Array::New(info.Env(), all.size());
  for (uint32_t i = 0; i < all.size(); ++i) result.Set(i, all[i].name);
  return result;
}

Napi::Value save_model(const Napi::CallbackInfo& info) {
  auto model = Handle<Model>::get(info, 0);
  std::vector<ModuleFile> files = to_module_files(info[1], "files");
  return Environment::of(info.Env())
      .lane_of(model)
      .promise(info.Env(), [model = std::move(model), files = std::move(files)] { model->save(files); });
}

Napi::Value fingerprint(const Napi::CallbackInfo& info) {
  auto model = Handle<Model>::get(info, 0);
  return Environment::of(info.Env())
      .promise(
          info.Env(),
          [model = std::move(model)] {
            constexpr int64_t kPiece = 1 << 20;
            Fingerprint all;
            Fp32Weights weights(*model);
            const int64_t elements = model->parameters().elements();
            for (int64_t begin = 0; begin < elements; begin += kPiece) {
              const int64_t some = std::min(kPiece, elements - begin);
              all.add(weights.at(begin, some), sizeof(float) * static_cast<size_t>(some));
            }
            return all.text();
          },
          [](Napi::Env env, std::string& text) { return Napi::String::New(env, text); });
}

// Texts packed as ids[offsets[i] .. offsets[i+1]). Copied first, then checked: the copy is what is used.
struct Texts {
  CountedArray<int32_t> ids, offsets;
  int64_t count;

  Texts(const Napi::CallbackInfo& info, size_t first)
      : ids(to_int32_array(info[first], "ids")), offsets(to_int32_array(info[first + 1], "offsets")) {
    count = offsets.size() - 1;
    if (count < 0) {
      throw Error(ErrorCode::kInvalidArgument, "offsets must have one entry more than there are texts; found none.");
    }
  }
  // What texts a model may have is the engine's to say.
  void check() const { check_texts(ids.data(), ids.size(), offsets.data(), count, true); }
};

Napi::Value embed(const Napi::CallbackInfo& info) {
  auto model = Handle<Model>::get(info, 0);
  Texts texts(info, 1);
  const Precision precision = to_embedding_precision(info[3], "precision");
  const Place place = info[4].IsUndefined() ? Place{} : to_place(info[4], "device");
  const int64_t unpooled = info[5].IsUndefined() ? 0 : to_integer(info[5], "promptTokens", 0, kLargestInt32);
  return Environment::of(info.Env())
      .lane_of(model)
      .promise(
          info.Env(),
          [model = std::move(model), texts = std::move(texts), precision, place, unpooled] {
            texts.check();
            CountedArray<float> out(texts.count * model->spec().dimension());
            if (texts.count == 0) return out;
            vectune::embed(*model, texts.ids.data(), texts.offsets.data(), texts.count, precision, out.data(), place,
                           unpooled);
            return out;
          },
          [](Napi::Env env, CountedArray<float>& out) { return to_js_array(env, out); });
}

Napi::Value trace_forward(const Napi::CallbackInfo& info) {
  auto model = Handle<Model>::get(info, 0);
  Texts texts(info, 1);
  std::string path = to_path(info[3], "path");
  const Precision precision = info[4].IsUndefined() ? Precision::kFp32 : to_precision(info[4], "precision");
  const Place place = info[5].IsUndefined() ? Place{} : to_place(info[5], "device");
  return Environment::of(info.Env())
      .lane_of(model)
      .promise(
          info.Env(), [model = std::move(model), texts = std::move(texts), path = std::move(path), precision, place] {
            texts.check();
            vectune::trace_forward(*model, texts.ids.data(), texts.offsets.data(), texts.count, path, precision, place);
          });
}

Napi::Value merge_models(const Napi::CallbackInfo& info) {
  const Napi::Array list = to_array(info[0], "models");
  std::vector<std::shared_ptr<const Model>> models;
  for (uint32_t i = 0; i < list.Length(); ++i)
    models.push_back(Handle<Model>::of(list.Get(i), "models[" + std::to_string(i) + "]"));
  const Napi::Array given = to_array(info[1], "shares");
  std::vector<double> shares;
  for (uint32_t i = 0; i < given.Length(); ++i)
    shares.push_back(to_finite(given.Get(i), "shares[" + std::to_string(i) + "]"));
  const auto merging =
      to_choice<Merging>(info[2], "merging", {{"linear", Merging::kLinear}, {"spherical", Merging::kSpherical}});
  return Environment::of(info.Env())
      .promise(
          info.Env(),
          [models = std::move(models), shares = std::move(shares), merging] { return merge(models, shares, merging); },
          &wrap_model);
}

Napi::Value dispose_model(const Napi::CallbackInfo& info) {
  Handle<Model>::dispose(info, 0);
  return info.Env().Undefined();
}

}  // namespace

void export_model_functions(Napi::Object exports) {
  export_async_function<create_model>(exports, "createModel");
  export_function<parameters>(exports, "parameters");
  export_function<unused_tensors>(exports, "unusedTensors");
  export_async_function<save_model>(exports, "saveModel");
  export_async_function<fingerprint>(exports, "fingerprint");
  export_async_function<embed>(exports, "embed");
  export_async_function<trace_forward>(exports, "traceForward");
  export_async_function<merge_models>(exports, "mergeModels");
  export_function<dispose_model>(exports, "disposeModel");
}

}  // namespace vectune::binding
