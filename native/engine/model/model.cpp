#include "model/model.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <set>

#include "model/adapter.h"
#include "runtime/arena.h"
#include "runtime/errors.h"
#include "runtime/memory_budget.h"
#include "runtime/split_mix.h"
#include "runtime/thread_team.h"

#ifdef __GLIBC__
#include <malloc.h>
#endif

namespace vectune {

namespace {

std::atomic<int64_t> live_models{0};

/// What others have freed, such as what a large tokenizer was read with, goes back to the system first.
void return_freed_memory() {
#ifdef __GLIBC__
  ::malloc_trim(0);
#endif
}

/// Systems promise more than they have and then end who uses it: what is beyond that is refused.
void check_memory(int64_t elements, const std::string& what) {
  const int64_t bytes = elements * static_cast<int64_t>(sizeof(float)), available = memory_budget::available();
  if (bytes > available)
    throw Error(ErrorCode::kOutOfMemory, what + std::to_string(elements) + " parameters take " +
                                             std::to_string(bytes / 1000000) + " MB, and there are " +
                                             std::to_string(available / 1000000) + " MB left.");
}

/// Memory for all parameters.
at::Tensor parameters_buffer(int64_t elements) {
  check_memory(elements, "The model's ");
  return empty_floats(elements);
}

/// x[i] ~ N(0, σ²) by Box and Muller from a hash of (seed, i): the same for any number of threads.
void fill_normal(float* x, int64_t count, float sigma, uint64_t seed) {
  for_each_on_team((count + 1) / 2, [&](int64_t pair) {
    const uint64_t h = split_mix(seed + static_cast<uint64_t>(pair));
    const double u = (static_cast<double>(h >> 32) + 1.0) / 4294967296.0;
    const double v = static_cast<double>(h & 0xffffffffu) / 4294967296.0 * 6.283185307179586;
    const double radius = sigma * std::sqrt(-2.0 * std::log(u));
    x[2 * pair] = static_cast<float>(radius * std::cos(v));
    if (2 * pair + 1 < count) x[2 * pair + 1] = static_cast<float>(radius * std::sin(v));
  });
}

}  // namespace

Model::Model(ModelSpec spec, const std::vector<ModuleFile>& files)
    : spec_(std::move(spec)), table_((spec_.validate(), spec_)) {
  const auto of_module = [&](int module) {
    std::vector<ModuleFile> own;
    std::copy_if(files.begin(), files.end(), std::back_inserter(own),
                 [&](const auto& f) { return f.module == module && !f.adapter; });
    return own;
  };
  return_freed_memory();
  if (has_bf16_matrices(of_module(ModuleFile::kEncoder), table_)) half_ = std::make_unique<HalfWeights>(table_);
  else flat_ = parameters_buffer(table_.elements());
  std::vector<int> modules{ModuleFile::kEncoder};
  for (size_t i = 0; i < spec_.head.size(); ++i)
    if (table_.has_parameters(i)) modules.push_back(static_cast<int>(i));
  for (const int module : modules) {
    const std::vector<ModuleFile> own = of_module(module);
    if (own.empty())
      throw Error(
          ErrorCode::kInvalidArgument,
          "No weights file was given for " +
              (module == ModuleFile::kEncoder ? std::string("the encoder") : "head[" + std::to_string(module) + "]") +
              ".");
    auto [unused, former_names] = read_weights(own, module, table_, half_ ? nullptr : data(), half_.get());
    std::move(unused.begin(), unused.end(), std::back_inserter(unused_));
    former_names_ |= former_names;
  }
  for (const ModuleFile& file : files)
    if (file.adapter) merge_adapter(file, table_, half_ ? nullptr : data(), half_.get());
  ++live_models;
}

Model::Model(ModelSpec spec, uint32_t seed) : spec_(std::move(spec)), table_((spec_.validate(), spec_)) {
  flat_ = parameters_buffer(table_.elements());
  uint64_t stream = split_mix(seed);
  for (const auto& parameter : table_.all()) {
    float* x = data() + parameter.offset;
    stream = split_mix(stream);
    if (parameter.shape.size() == 2) {
      fill_normal(x, parameter.elements, 0.02f, stream);
    } else {
      const bool is_norm_weight = !parameter.decays && parameter.name.ends_with("weight"),
                 adds_one = table_.architecture().norms_add_one && parameter.module == ModuleFile::kEncoder;
      std::fill(x, x + parameter.elements, is_norm_weight && !adds_one ? 1.0f : 0.0f);
    }
  }
  ++live_models;
}

Model::Model(const Model& other)
    : spec_(other.spec_), table_(spec_), unused_(other.unused_), former_names_(other.former_names_) {
  if (other.half_) {
    half_ = std::make_unique<HalfWeights>(other.half_->clone());
  } else {
    flat_ = parameters_buffer(table_.elements());
    std::copy(other.data(), other.data() + table_.elements(), data());
  }
  ++live_models;
}

Model::Model(const Model& other, InShapeOf)
    : spec_(other.spec_), table_(spec_), unused_(other.unused_), former_names_(other.former_names_) {
  flat_ = parameters_buffer(table_.elements());
  ++live_models;
}

std::shared_ptr<Model> Model::in_shape_of(const Model& other) {
  return std::shared_ptr<Model>(new Model(other, InShapeOf{}));
}

void Model::make_fp32(const std::function<bool(const Parameter&)>& wanted) {
  if (!half_) return;
  std::set<int64_t> matrices;
  int64_t elements = 0;
  for (const Parameter& p : table_.all())
    if (half_->is_half(p.offset) && wanted(p) && matrices.insert(half_->begin_of(p.offset)).second)
      elements += half_->kept(p.offset).numel();
  if (matrices.empty()) return;
  if (matrices.size() == half_->kept_matrices()) return void(flat());
  check_memory(elements, "The model's trained ");
  ++weights_version_;  // who has places in the bf16 numbers looks for others
  for (const int64_t offset : matrices) half_->make_fp32(offset);
}

float* Model::fp32(const Parameter& parameter) {
  return half_ ? half_->fp32(parameter.offset) : data() + parameter.offset;
}

void Model::read(int64_t begin, int64_t count, float* to) const {
  if (half_) half_->read(begin, count, to);
  else std::copy_n(data() + begin, count, to);
}

int64_t Model::bytes() const {
  return half_ ? half_->bytes() : static_cast<int64_t>(sizeof(float)) * table_.elements();
}

const at::Tensor& Model::flat() const {
  if (half_) {
    flat_ = parameters_buffer(table_.elements());
    half_->widen(flat_.mutable_data_ptr<float>());
    half_.reset();
    ++weights_version_;  // who has places in the bf16 numbers looks for others
  }
  return flat_;
}

Model::~Model() { --live_models; }

int64_t Model::live() { return live_models; }

void Model::save(const std::vector<ModuleFile>& files) const {
  for (const auto& file : files)
    write_weights(file.path, file.module, table_, half_ ? nullptr : data(), half_.get(), unused_, former_names_);
}

}  // namespace vectune
