// Weights that a model keeps in bf16, as its file has them.
#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <string>
#include <vector>

#include "check.h"
#include "embed/embed.h"
#include "files/safetensors.h"
#include "runtime/engine_thread.h"
#include "tiny_models.h"
#include "train/trainer.h"

using namespace vectune;
using namespace vectune::tiny;

namespace {

/// The model's weights in a file: matrices as BF16, or where `as_fp32` as F32 of the same values.
ModuleFile file_of(const Model& model, const char* name, bool as_fp32) {
  std::vector<at::Tensor> kept;
  std::vector<safetensors::Item> items;
  for (const auto& p : model.parameters().all()) {
    at::Tensor values =
        at::from_blob(const_cast<float*>(model.data() + p.offset), p.shape, at::kFloat).to(at::kBFloat16);
    if (as_fp32) values = values.to(at::kFloat);
    kept.push_back(values);
    items.push_back(
        {p.name, as_fp32 ? safetensors::Dtype::kF32 : safetensors::Dtype::kBf16, p.shape, values.data_ptr()});
  }
  const std::string path = temporary(name);
  safetensors::write(path, items);
  return {ModuleFile::kEncoder, path, {}};
}

std::vector<float> vectors(Model& model, Precision precision) {
  const std::vector<int32_t> ids{3, 7, 9, 4, 1, 8, 8, 2}, offsets{0, 5, 8};
  std::vector<float> out(static_cast<size_t>(2 * model.spec().dimension()));
  EngineThread::instance().run([&] { embed(model, ids.data(), offsets.data(), 2, precision, out.data()); });
  return out;
}

double distance(const std::vector<float>& a, const std::vector<float>& b) {
  double off = 0, all = 0;
  for (size_t i = 0; i < a.size(); ++i)
    off += (double{a[i]} - b[i]) * (double{a[i]} - b[i]), all += double{b[i]} * b[i];
  return std::sqrt(off / all);
}

}  // namespace

TEST(weights_stay_in_bf16_until_they_are_wanted_in_fp32) {
  for (const auto architecture : {"bert", "albert", "electra", "modernbert", "gte", "qwen2", "qwen3", "gemma3_text"}) {
    const ModelSpec spec = spec_of(architecture, {}, {PoolingMode::kMean}, 4);
    const auto lively = lively_model(spec);
    const ModuleFile half_file = file_of(*lively, "half", false), whole_file = file_of(*lively, "whole", true);
    Model half(spec, std::vector{half_file}), whole(spec, std::vector{whole_file});
    REQUIRE(half.half() != nullptr);
    CHECK(whole.half() == nullptr);

    const std::vector<float> kept = vectors(half, Precision::kBf16);
    CHECK(half.half() != nullptr);
    Model copy(half);
    CHECK(copy.half() != nullptr);
    CHECK(distance(kept, vectors(whole, Precision::kBf16)) < 0.02);  // sums of another order, rounded again
    CHECK(vectors(half, Precision::kFp32) == vectors(whole, Precision::kFp32));
    CHECK(half.half() == nullptr);
    CHECK(std::equal(half.data(), half.data() + half.parameters().elements(), whole.data()));
    CHECK(vectors(half, Precision::kBf16) == vectors(whole, Precision::kBf16));  // of other places now
    CHECK(vectors(copy, Precision::kBf16) == kept);
    std::remove(half_file.path.c_str());
    std::remove(whole_file.path.c_str());
  }
}

TEST(a_model_with_one_matrix_in_fp32_is_kept_in_fp32) {
  const ModelSpec spec = spec_of("qwen3", {}, {PoolingMode::kMean}, 4);
  const auto lively = lively_model(spec);
  std::vector<at::Tensor> kept;
  std::vector<safetensors::Item> items;
  for (const auto& p : lively->parameters().all()) {
    const bool wide = p.name == "layers.1.self_attn.k_proj.weight";
    kept.push_back(at::from_blob(lively->data() + p.offset, p.shape, at::kFloat).to(wide ? at::kFloat : at::kBFloat16));
    items.push_back(
        {p.name, wide ? safetensors::Dtype::kF32 : safetensors::Dtype::kBf16, p.shape, kept.back().data_ptr()});
  }
  const std::string path = temporary("mixed");
  safetensors::write(path, items);
  Model model(spec, std::vector{ModuleFile{ModuleFile::kEncoder, path, {}}});
  CHECK(model.half() == nullptr);
  const Parameter* wide = model.parameters().find("layers.1.self_attn.k_proj.weight");
  CHECK(std::equal(model.data() + wide->offset, model.data() + wide->offset + wide->elements,
                   lively->data() + wide->offset));
  std::remove(path.c_str());
}

TEST(a_model_kept_in_bf16_trains_as_one_of_the_same_values) {
  const ModelSpec spec = spec_of("qwen3", {}, {PoolingMode::kLastToken}, 4);
  const auto lively = lively_model(spec);
  const ModuleFile half_file = file_of(*lively, "half", false), whole_file = file_of(*lively, "whole", true);
  const auto trained = [&](const ModuleFile& file) {
    auto model = std::make_shared<Model>(spec, std::vector{file});
    auto data = dataset_of({5, 9, 1, 17}, spec.encoder.vocab_size);
    EngineThread::instance().run([&] {
      Trainer trainer(model, data, {});
      const std::vector<int32_t> rows{0, 1};
      trainer.step(rows.data(), 2, 2, 1e-3, 0);
      trainer.commit();
    });
    return std::vector<float>(model->data(), model->data() + model->parameters().elements());
  };
  CHECK(trained(half_file) == trained(whole_file));
  std::remove(half_file.path.c_str());
  std::remove(whole_file.path.c_str());
}
