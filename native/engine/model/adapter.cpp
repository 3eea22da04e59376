#include "model/adapter.h"

#include <ATen/ops/addmm.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <c10/util/BFloat16.h>

#include <algorithm>
#include <cstring>
#include <functional>

#include "model/weights_file.h"
#include "runtime/errors.h"

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
    const at::Tensor a = tensor(update.a), b = tensor(update.b);
    const int64_t in = update.transposed ? target.rows : target.width,
                  out = update.transposed ? target.width : target.rows;
    const int64_t rank = a.dim() == 2 ? a.size(0) : 0;
    require_shape(update.a, a, {rank, in}, update.target);
    require_shape(update.b, b, {out, rank}, update.target);
    each_block(target, [&](at::Tensor rows, int64_t begin) {
      // Of (B·A)ᵀ = Aᵀ·Bᵀ the rows are A's columns.
      const int64_t count = rows.size(0);
      const at::Tensor left = update.transposed ? a.narrow(1, begin, count).t() : b.narrow(0, begin, count);
      at::addmm_out(rows, rows, left, update.transposed ? b.t() : a, 1, update.scale);
    });
  }

  void replace(const std::string& name, const std::string& with) const {
    const Target target = target_of(name, with);
    const at::Tensor values = tensor(with);
    require_shape(with, values, target.shape, name);
    const at::Tensor all = values.reshape({target.rows, target.width});
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

  at::Tensor tensor(const std::string& name) const {
    const safetensors::Entry* entry = opened_->find(name);
    if (!entry) fail(name, "is not there");
    at::ScalarType type;
    switch (entry->dtype) {
      case safetensors::Dtype::kF32: type = at::kFloat; break;
      case safetensors::Dtype::kF16: type = at::kHalf; break;
      case safetensors::Dtype::kBf16: type = at::kBFloat16; break;
      default: fail(name, "must be F32, F16 or BF16; found " + std::string(safetensors::name(entry->dtype)));
    }
    at::Tensor values = at::empty(entry->shape, at::TensorOptions().dtype(type));  // the file's may be unaligned
    if (entry->bytes > 0) std::memcpy(values.mutable_data_ptr(), entry->data, static_cast<size_t>(entry->bytes));
    return values.to(at::kFloat);
  }

  void require_shape(const std::string& name, const at::Tensor& values, const std::vector<int64_t>& shape,
                     const std::string& target) const {
    if (values.sizes() == at::IntArrayRef(shape)) return;
    fail(name, "must have shape " + safetensors::text_of(shape) + " for '" + target + "'; found " +
                   safetensors::text_of(values.sizes().vec()));
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
