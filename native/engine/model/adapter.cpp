#include "model/adapter.h"

#include <ATen/ops/addmm.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <c10/util/BFloat16.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <initializer_list>
#include <memory>

#include "model/weights_file.h"
#include "runtime/errors.h"
#include "runtime/memory_budget.h"

namespace vectune {

namespace {

/// Rows of a table are widened so many numbers at a time.
constexpr int64_t kBlock = 1 << 22;

class Merge {
 public:
  Merge(const ModuleFile& file, const ParameterTable& table, float* flat, HalfWeights* half)
      : opened_(file.tensors ? std::make_unique<const safetensors::File>(file.path, *file.tensors)
                             : std::make_unique<const safetensors::File>(file.path)),
        module_(file.module),
        table_(table),
        flat_(flat),
        half_(half) {}

  void update(const Adapter::Update& update) const {
    const Target target = target_of(update.target, update.a);
    const safetensors::Entry &of_a = entry(update.a), &of_b = entry(update.b);
    const int64_t in = update.transposed ? target.rows : target.width,
                  out = update.transposed ? target.width : target.rows;
    const int64_t rank = of_a.shape.size() == 2 ? of_a.shape.front() : 0;
    require_shape(of_a, {rank, in}, update.target);
    require_shape(of_b, {out, rank}, update.target);
    require_memory({&of_a, &of_b}, update.target);
    const at::Tensor a = tensor(of_a), b = tensor(of_b);
    each_block(target, [&](at::Tensor rows, int64_t begin) {
      // Of (B·A)ᵀ = Aᵀ·Bᵀ the rows are A's columns.
      const int64_t count = rows.size(0);
      const at::Tensor left = update.transposed ? a.narrow(1, begin, count).t() : b.narrow(0, begin, count);
      at::addmm_out(rows, rows, left, update.transposed ? b.t() : a, 1, update.scale);
    });
  }

  void replace(const std::string& name, const std::string& with) const {
    const Target target = target_of(name, with);
    const safetensors::Entry& values = entry(with);
    require_shape(values, target.shape, name);
    const at::Tensor all = tensor(values).reshape({target.rows, target.width});
    each_block(target, [&](at::Tensor rows, int64_t begin) { rows.copy_(all.narrow(0, begin, rows.size(0))); });
  }

 private:
  struct Target {
    int64_t offset, rows, width;
    std::vector<int64_t> shape;
  };

  [[noreturn]] void fail(const std::string& tensor, const std::string& what) const {
    throw Error(ErrorCode::kSafetensors, opened_->path() + ": tensor '" + tensor + "' " + what + ".");
  }

  Target target_of(const std::string& name, const std::string& tensor) const {
    const auto parameters = parameters_of(name, module_, table_);
    if (parameters.empty()) fail(tensor, "is for '" + name + "', which the model that it adapts does not have");
    Target target{parameters.front()->offset, 0, 1, parameters.front()->shape};
    for (const Parameter* parameter : parameters) target.rows += parameter->shape.front();
    target.shape.front() = target.rows;
    if (target.shape.size() == 2) target.width = target.shape[1];
    return target;
  }

  const safetensors::Entry& entry(const std::string& name) const {
    const safetensors::Entry* found = opened_->find(name);
    if (!found) fail(name, "is not there");
    return *found;
  }

  at::Tensor tensor(const safetensors::Entry& entry) const {
    at::ScalarType type;
    switch (entry.dtype) {
      case safetensors::Dtype::kF32: type = at::kFloat; break;
      case safetensors::Dtype::kF16: type = at::kHalf; break;
      case safetensors::Dtype::kBf16: type = at::kBFloat16; break;
      default: fail(entry.name, "must be F32, F16 or BF16; found " + std::string(safetensors::name(entry.dtype)));
    }
    at::Tensor values = at::empty(entry.shape, at::TensorOptions().dtype(type));  // the file's may be unaligned
    if (entry.bytes > 0) std::memcpy(values.mutable_data_ptr(), entry.data, static_cast<size_t>(entry.bytes));
    return values.to(at::kFloat);
  }

  void require_shape(const safetensors::Entry& entry, const std::vector<int64_t>& shape,
                     const std::string& target) const {
    if (entry.shape == shape) return;
    fail(entry.name, "must have shape " + safetensors::text_of(shape) + " for '" + target + "'; found " +
                         safetensors::text_of(entry.shape));
  }

  /// A rank may be any, and a file with holes costs its maker nothing: copying it must not take what the machine has
  /// not.
  void require_memory(std::initializer_list<const safetensors::Entry*> entries, const std::string& target) const {
    double sum = 0;
    for (const safetensors::Entry* entry : entries) {
      double elements = 1;
      for (const int64_t size : entry->shape) elements *= static_cast<double>(size);
      sum +=
          elements * sizeof(float) + (entry->dtype == safetensors::Dtype::kF32 ? 0 : static_cast<double>(entry->bytes));
    }
    const int64_t available = memory_budget::available();
    if (sum <= static_cast<double>(available)) return;
    throw Error(ErrorCode::kOutOfMemory, opened_->path() + ": the matrices for '" + target + "' take " +
                                             std::to_string(static_cast<int64_t>(std::min(sum / 1e6, 9e18))) +
                                             " MB, and there are " + std::to_string(available / 1000000) + " MB left.");
  }

  /// Rows of a target in fp32, to be changed where they are.
  void each_block(const Target& target, const std::function<void(at::Tensor, int64_t)>& work) const {
    const bool is_half = half_ && half_->is_half(target.offset);
    auto* own = static_cast<std::byte*>(half_ ? half_->at(target.offset) : flat_ + target.offset);
    const int64_t step = std::max<int64_t>(1, kBlock / target.width);
    for (int64_t begin = 0; begin < target.rows; begin += step) {
      const int64_t rows = std::min(step, target.rows - begin), first = begin * target.width;
      if (!is_half) {
        work(at::from_blob(reinterpret_cast<float*>(own) + first, {rows, target.width}, at::kFloat), begin);
        continue;
      }
      const at::Tensor kept =
          at::from_blob(reinterpret_cast<c10::BFloat16*>(own) + first, {rows, target.width}, at::kBFloat16);
      const at::Tensor wide = kept.to(at::kFloat);
      work(wide, begin);
      kept.copy_(wide);
    }
  }

  std::unique_ptr<const safetensors::File> opened_;
  int module_;
  const ParameterTable& table_;
  float* flat_;
  HalfWeights* half_;
};

}  // namespace

void merge_adapter(const ModuleFile& file, const ParameterTable& table, float* flat, HalfWeights* half) {
  const Merge merge(file, table, flat, half);
  for (const auto& [target, tensor] : file.adapter->replaced) merge.replace(target, tensor);
  for (const Adapter::Update& update : file.adapter->updates) merge.update(update);
}

}  // namespace vectune
