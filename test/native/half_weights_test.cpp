// Weights that a model keeps in bf16, as its file has them.
#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <string>
#include <vector>

#include "check.h"
#include "cpu/engine_info.h"
#include "embed/embed.h"
#include "files/fingerprint.h"
#include "files/safetensors.h"
#include "model/merge.h"
#include "runtime/engine_thread.h"
#include "runtime/memory_budget.h"
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

/// On the engine's thread.
std::vector<float> embed_texts(Model& model, Precision precision, const Place& place = {}) {
  const std::vector<int32_t> ids{3, 7, 9, 4, 1, 8, 8, 2}, offsets{0, 5, 8};
  std::vector<float> out(static_cast<size_t>(2 * model.spec().dimension()));
  embed(model, ids.data(), offsets.data(), 2, precision, out.data(), place);
  return out;
}

std::vector<float> vectors(Model& model, Precision precision) {
  std::vector<float> out;
  EngineThread::instance().run([&] { out = embed_texts(model, precision); });
  return out;
}

/// By the backend for devices.
std::vector<float> on_tensors(Model& model, Precision precision) {
  std::vector<float> out;
  EngineThread::instance().run([&] { out = embed_texts(model, precision, {Place::Kind::kTensors, 0}); });
  return out;
}

bool has_int8() { return engine_info().int8; }

/// Some 60 MB of weights in bf16.
ModelSpec larger_spec() {
  ModelSpec spec = spec_of("qwen3", {}, {PoolingMode::kLastToken}, 8, 64);
  spec.encoder.vocab_size = 14'000;
  spec.encoder.intermediate_size = 2'048;
  spec.encoder.layers = 6;
  spec.encoder.attention.assign(6, spec.encoder.attention.front());
  return spec;
}

void go_on() {}

/// Numbers of its parameters of such a name that are in fp32 anyway.
int64_t small_elements(const Model& model, const std::string& prefix) {
  int64_t sum = 0;
  for (const Parameter& p : model.parameters().all())
    if (p.name.starts_with(prefix) && p.shape.size() == 1) sum += p.elements;
  return sum;
}

std::vector<float> values_of(const Model& model) {
  std::vector<float> all(static_cast<size_t>(model.parameters().elements()));
  model.read(0, model.parameters().elements(), all.data());
  return all;
}

double distance(const std::vector<float>& a, const std::vector<float>& b) {
  double off = 0, all = 0;
  for (size_t i = 0; i < a.size(); ++i)
    off += (double{a[i]} - b[i]) * (double{a[i]} - b[i]), all += double{b[i]} * b[i];
  return std::sqrt(off / all);
}

}  // namespace

TEST(a_model_kept_in_bf16_gives_the_vectors_of_its_values_and_stays_so) {
  for (const auto architecture : {"bert", "albert", "electra", "modernbert", "gte", "qwen2", "qwen3", "gemma3_text"}) {
    const ModelSpec spec = spec_of(architecture, {}, {PoolingMode::kMean}, 4);
    const auto lively = lively_model(spec);
    const ModuleFile half_file = file_of(*lively, "half", false), whole_file = file_of(*lively, "whole", true);
    Model half(spec, std::vector{half_file}), whole(spec, std::vector{whole_file});
    REQUIRE(half.half() != nullptr);
    CHECK(whole.half() == nullptr);

    const std::vector<float> kept = vectors(half, Precision::kBf16);
    Model copy(half);
    CHECK(distance(kept, vectors(whole, Precision::kBf16)) < 0.02);  // sums of another order, rounded again
    CHECK(vectors(half, Precision::kFp32) == vectors(whole, Precision::kFp32));
    if (has_int8()) CHECK(vectors(half, Precision::kInt8) == vectors(whole, Precision::kInt8));
    CHECK(on_tensors(half, Precision::kFp32) == on_tensors(whole, Precision::kFp32));
    CHECK(on_tensors(half, Precision::kBf16) == on_tensors(whole, Precision::kBf16));
    CHECK(vectors(half, Precision::kBf16) == kept);
    CHECK(vectors(copy, Precision::kBf16) == kept);
    CHECK(half.half() != nullptr);
    CHECK(copy.half() != nullptr);

    CHECK(std::equal(half.data(), half.data() + half.parameters().elements(), whole.data()));
    CHECK(half.half() == nullptr);
    CHECK(vectors(half, Precision::kBf16) == vectors(whole, Precision::kBf16));  // of other places now
    CHECK(vectors(half, Precision::kFp32) == vectors(whole, Precision::kFp32));
    std::remove(half_file.path.c_str());
    std::remove(whole_file.path.c_str());
  }
}

TEST(what_reads_weights_kept_in_bf16_takes_no_fp32_copy_of_them) {
  memory_budget::install();
  const ModelSpec spec = larger_spec();
  ModuleFile half_file, whole_file;
  {
    const Model random(spec, 3u);
    half_file = file_of(random, "half", false), whole_file = file_of(random, "whole", true);
  }
  const int64_t before = memory_budget::in_use();
  auto half = std::make_shared<Model>(spec, std::vector{half_file});
  REQUIRE(half->half() != nullptr);
  const int64_t elements = half->parameters().elements(), held = memory_budget::in_use() - before;
  CHECK(elements > 30'000'000);
  CHECK_EQ(half->bytes(), held);
  CHECK(held < elements * 2 + elements / 50);
  /// Most bytes that `work` takes beside the model, which is as it was then.
  const auto beside = [&](const auto& work) {
    memory_budget::reset_peak();
    EngineThread::instance().run(work);
    CHECK(half->half() != nullptr);
    CHECK_EQ(half->bytes(), held);
    return memory_budget::peak() - before - held;
  };

  const std::vector<float> kept = vectors(*half, Precision::kBf16);
  half->attachment().reset();
  const std::string saved = temporary("saved"), expected = temporary("expected");
  CHECK(beside([&] { half->save({{ModuleFile::kEncoder, saved, {}}}); }) < 5'000'000);
  {
    const Model whole(spec, std::vector{whole_file});
    whole.save({{ModuleFile::kEncoder, expected, {}}});
  }
  CHECK(fingerprint_of_file(saved, &go_on).text() == fingerprint_of_file(expected, &go_on).text());
  CHECK(vectors(*half, Precision::kBf16) == kept);
  half->attachment().reset();

  int64_t matrices = 0, largest = 0;
  for (const LinearAt* l : half->parameters().linears())
    matrices += l->in * l->out, largest = std::max(largest, l->in * l->out);
  // Beside the integers one matrix in fp32 and as integers, and the buffers of a pass.
  if (has_int8())
    CHECK(beside([&] { embed_texts(*half, Precision::kInt8); }) < matrices + matrices / 20 + 5 * largest + 2'000'000);
  half->attachment().reset();
  // The matrices, and no words.
  CHECK(beside([&] { embed_texts(*half, Precision::kFp32); }) < 4 * (matrices + matrices / 20 + largest) + 2'000'000);
  half->attachment().reset();
  // In bf16 nothing but the buffers, and where the processor does not multiply it one matrix in fp32.
  CHECK(beside([&] { embed_texts(*half, Precision::kBf16); }) < 4 * largest + 2'000'000);
  half->attachment().reset();

  std::shared_ptr<Model> merged;
  const auto merge_two = [&](Merging merging) {
    return [&, merging] { merged = merge({half, half}, {0.25, 0.75}, merging); };
  };
  const int64_t words = spec.encoder.vocab_size * spec.encoder.hidden_size;
  CHECK(beside(merge_two(Merging::kLinear)) < 4 * elements + 20'000'000);
  merged.reset();
  CHECK(beside(merge_two(Merging::kSpherical)) < 4 * elements + 2 * 4 * words + 2'000'000);
  CHECK(std::equal(merged->data(), merged->data() + elements,
                   Model(spec, std::vector{whole_file}).data()));  // what all agree in stays to the bit
  for (const std::string& path : {saved, expected, half_file.path, whole_file.path}) std::remove(path.c_str());
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

namespace {

/// A run of three steps in one precision, in which `freeze` is frozen; committed after the second.
struct Trained {
  std::vector<float> values;   // of the model
  std::vector<float> vectors;  // of the trainer after the last step
  bool kept;                   // whether the model keeps anything in bf16
};
Trained train(const ModelSpec& spec, const ModuleFile& file, TrainerOptions options) {
  auto model = std::make_shared<Model>(spec, std::vector{file});
  auto data = dataset_of({5, 9, 1, 17}, spec.encoder.vocab_size);
  Trained found;
  EngineThread::instance().run([&] {
    Trainer trainer(model, data, std::move(options));
    const std::vector<int32_t> rows{0, 1}, texts{0, 1, 2, 3};
    trainer.step(rows.data(), 2, 2, 1e-3, 0);
    trainer.step(rows.data(), 2, 1, 1e-3, 0);
    trainer.commit();
    trainer.step(rows.data(), 2, 2, 1e-3, 1);
    found.vectors.resize(static_cast<size_t>(4 * trainer.dimension()));
    trainer.embed(texts.data(), 4, 4, found.vectors.data());
  });
  found.values = values_of(*model);
  found.kept = model->half() != nullptr;
  return found;
}

TrainerOptions freezing(const std::vector<std::string>& freeze, const char* place, Precision precision) {
  TrainerOptions options;
  options.freeze = freeze;
  options.place = Place::parse(place);
  options.precision = precision;
  options.max_gradient_norm = 0.5;
  options.weight_decay = 0.1;
  return options;
}

}  // namespace

TEST(a_model_kept_in_bf16_trains_as_one_of_the_same_values) {
  const ModelSpec spec = spec_of("qwen3", {}, {PoolingMode::kLastToken}, 4);
  const auto lively = lively_model(spec);
  const ModuleFile half_file = file_of(*lively, "half", false), whole_file = file_of(*lively, "whole", true);
  const std::vector<std::vector<std::string>> frozen{
      {},
      {"embed_tokens"},
      {"layers.0"},
      {"embed_tokens", "layers.0"},
      {"layers.0.mlp", "layers.1.self_attn.q_proj"},  // of a product that is trained
      {"layers.1", "norm"},
  };
  for (const auto& freeze : frozen)
    for (const char* place : {"cpu", "cpu-tensors"})
      for (const Precision precision : {Precision::kFp32, Precision::kBf16}) {
        const Trained half = train(spec, half_file, freezing(freeze, place, precision));
        const Trained whole = train(spec, whole_file, freezing(freeze, place, precision));
        CHECK(half.values == whole.values);
        CHECK(half.vectors == whole.vectors);
        CHECK_EQ(half.kept, !freeze.empty());
        CHECK(!whole.kept);
      }
  std::remove(half_file.path.c_str());
  std::remove(whole_file.path.c_str());
}

TEST(a_model_of_which_some_is_trained_gives_the_vectors_of_its_values) {
  for (const auto& freeze : std::vector<std::vector<std::string>>{{"embed_tokens"}, {"layers.0"}, {"layers.1"}}) {
    const ModelSpec spec = spec_of("qwen3", {}, {PoolingMode::kLastToken}, 4);
    const auto lively = lively_model(spec);
    const ModuleFile file = file_of(*lively, "half", false);
    auto model = std::make_shared<Model>(spec, std::vector{file});
    auto data = dataset_of({5, 9, 1, 17}, spec.encoder.vocab_size);
    const std::vector<float> first = vectors(*model, Precision::kBf16);
    EngineThread::instance().run([&] {
      Trainer trainer(model, data, freezing(freeze, "cpu", Precision::kFp32));
      const std::vector<int32_t> rows{0, 1};
      trainer.step(rows.data(), 2, 2, 1e-2, 0);
      trainer.commit();
    });
    REQUIRE(model->half() != nullptr);
    const std::string path = temporary("partly");
    model->save({{ModuleFile::kEncoder, path, {}}});
    Model whole(spec, std::vector{ModuleFile{ModuleFile::kEncoder, path, {}}});
    CHECK(whole.half() == nullptr);
    CHECK(values_of(*model) == values_of(whole));
    CHECK(vectors(*model, Precision::kFp32) == vectors(whole, Precision::kFp32));
    if (has_int8()) CHECK(vectors(*model, Precision::kInt8) == vectors(whole, Precision::kInt8));
    CHECK(on_tensors(*model, Precision::kBf16) == on_tensors(whole, Precision::kBf16));
    CHECK(distance(vectors(*model, Precision::kBf16), vectors(whole, Precision::kBf16)) < 0.02);
    CHECK(distance(vectors(*model, Precision::kBf16), first) > 0.001);
    std::remove(path.c_str());
    std::remove(file.path.c_str());
  }
}

TEST(training_some_layers_leaves_the_others_in_bf16) {
  memory_budget::install();
  const ModelSpec spec = larger_spec();
  ModuleFile file;
  {
    const Model random(spec, 3u);
    file = file_of(random, "half", false);
  }
  auto model = std::make_shared<Model>(spec, std::vector{file});
  REQUIRE(model->half() != nullptr);
  auto data = dataset_of({5, 9, 1, 17}, 60);
  const int64_t held = model->bytes();
  int64_t trained = 0;
  std::vector<std::string> freeze{"embed_tokens", "norm"};
  for (int64_t i = 0; i < spec.encoder.layers - 1; ++i) freeze.push_back("layers." + std::to_string(i));
  for (const Parameter& p : model->parameters().all())
    if (p.name.starts_with("layers.5.")) trained += p.elements;
  int64_t largest = 0;
  for (const LinearAt* l : model->parameters().linears()) largest = std::max(largest, l->in * l->out);
  const std::vector<int32_t> rows{0, 1};
  const std::string state = temporary("state"), again = temporary("state-again");
  for (const Precision precision : {Precision::kFp32, Precision::kBf16}) {
    model = std::make_shared<Model>(spec, std::vector{file});
    const int64_t before = memory_budget::in_use();
    memory_budget::reset_peak();
    EngineThread::instance().run([&] {
      Trainer trainer(model, data, freezing(freeze, "cpu", precision));
      trainer.step(rows.data(), 2, 2, 1e-3, 0);
      // Weights, gradients and two moments of what is trained, its copy in bf16, one matrix in fp32, one that a library
      // brings into another order, and buffers. All in fp32 the model alone would take 120 MB and the run as many.
      const int64_t most = 18 * trained + 8 * largest + 4'000'000;
      CHECK(memory_budget::peak() - before < most);
      trainer.state().write(state, &go_on);
      CHECK(memory_budget::peak() - before < most);
      trainer.commit();
      trainer.step(rows.data(), 2, 2, 1e-3, 0);
      CHECK(memory_budget::peak() - before < most + 2 * trained);
    });
    CHECK_EQ(model->bytes(), held + 2 * trained - 2 * small_elements(*model, "layers.5."));
    CHECK(memory_budget::in_use() - before == model->bytes() - held);

    const safetensors::File written(state);
    CHECK(written.find("weights.layers.5.mlp.up_proj.weight") != nullptr);
    CHECK(written.find("weights.layers.4.mlp.up_proj.weight") == nullptr);
    int64_t bytes = 0;
    for (const auto& entry : written.entries()) bytes += entry.bytes;
    CHECK(bytes < 12 * trained + 1'000'000);
  }

  // From that file the run goes on to the same bits, with the frozen layers in bf16 or in fp32.
  const auto resumed = [&](const std::shared_ptr<Model>& to) {
    EngineThread::instance().run([&] {
      Trainer trainer(to, data, freezing(freeze, "cpu", Precision::kBf16));
      trainer.restore(state, true);
      trainer.commit();
      trainer.step(rows.data(), 2, 2, 1e-3, 0);
      trainer.commit();
      trainer.state().write(again, &go_on);
    });
    return values_of(*to);
  };
  auto straight = std::make_shared<Model>(spec, std::vector{file});
  EngineThread::instance().run([&] {
    Trainer trainer(straight, data, freezing(freeze, "cpu", Precision::kBf16));
    trainer.step(rows.data(), 2, 2, 1e-3, 0);
    trainer.commit();
    trainer.step(rows.data(), 2, 2, 1e-3, 0);
    trainer.commit();
  });
  CHECK(resumed(std::make_shared<Model>(spec, std::vector{file})) == values_of(*straight));
  auto whole = std::make_shared<Model>(spec, std::vector{file});
  whole->data();
  REQUIRE(whole->half() == nullptr);
  CHECK(resumed(whole) == values_of(*straight));
  for (const std::string& path : {state, again, file.path}) std::remove(path.c_str());
}
