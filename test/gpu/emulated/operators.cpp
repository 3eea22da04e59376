#include <ATen/CPUGeneratorImpl.h>
#include <ATen/EmptyTensor.h>
#include <ATen/ops/_local_scalar_dense.h>
#include <ATen/ops/_reshape_alias_native.h>
#include <ATen/ops/as_strided_native.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/view_native.h>
#include <ATen/ops/zeros.h>
#include <torch/library.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <set>
#include <string>
#include <vector>

#include "emulated_gpu.h"
#include "runtime/split_mix.h"

namespace vectune::emulated_gpu {

at::Tensor on_cpu(const at::Tensor& tensor) {
  if (!tensor.defined() || !tensor.is_cuda()) return tensor;
  return at::from_blob(tensor.data_ptr(), tensor.sizes(), tensor.strides(),
                       tensor.options().device(at::kCPU).pinned_memory(false));
}

at::Tensor on_gpu(const at::Tensor& tensor) {
  if (!tensor.defined()) return tensor;
  const at::Tensor there = at::detail::empty_strided_generic(
      tensor.sizes(), tensor.strides(), allocator(), c10::DispatchKeySet(c10::DispatchKey::CUDA), tensor.scalar_type());
  on_cpu(there).copy_(tensor);
  return there;
}

const at::Generator& default_generator() {
  static const at::Generator generator = at::detail::createCPUGenerator(1);
  return generator;
}

uint64_t draw() {
  at::Generator generator = default_generator();
  const std::lock_guard<std::mutex> lock(generator.mutex());
  return at::check_generator<at::CPUGeneratorImpl>(generator)->random64();
}

at::Tensor dropout_scale(at::IntArrayRef sizes, double p, uint64_t seed) {
  const at::Tensor scale = at::empty(sizes, at::kFloat);
  const auto dropped = static_cast<uint64_t>(p * 4294967296.0);
  const auto kept = static_cast<float>(1.0 / (1.0 - p));
  float* const to = scale.mutable_data_ptr<float>();
  for (int64_t i = 0; i < scale.numel(); ++i)
    to[i] = (split_mix(seed + static_cast<uint64_t>(i)) >> 32) < dropped ? 0.0f : kept;
  return scale;
}

namespace {

at::Tensor empty(at::IntArrayRef size, std::optional<at::ScalarType> type, std::optional<at::Layout>,
                 std::optional<at::Device>, std::optional<bool>, std::optional<at::MemoryFormat> format) {
  check();
  return at::detail::empty_generic(size, allocator(), c10::DispatchKeySet(c10::DispatchKey::CUDA),
                                   c10::dtype_or_default(type), format);
}

at::Tensor empty_strided(at::IntArrayRef size, at::IntArrayRef stride, std::optional<at::ScalarType> type,
                         std::optional<at::Layout>, std::optional<at::Device>, std::optional<bool>) {
  check();
  return at::detail::empty_strided_generic(size, stride, allocator(), c10::DispatchKeySet(c10::DispatchKey::CUDA),
                                           c10::dtype_or_default(type));
}

bool asynchronous(const at::Tensor& host, const at::Tensor& there, bool non_blocking) {
  return non_blocking && host.is_pinned() && host.is_contiguous() && there.is_contiguous() &&
         host.scalar_type() == there.scalar_type();
}

/// Between processor and device: a pinned buffer is read and written when the stream comes to it, anything else at
/// once, for which the processor waits.
at::Tensor& copy(at::Tensor& self, const at::Tensor& source, bool non_blocking) {
  check();
  if (self.is_cuda() && source.is_cuda()) {
    on_cpu(self).copy_(on_cpu(source));
  } else if (self.is_cuda()) {
    const bool later = asynchronous(source, self, non_blocking);
    if (!later) synchronise();
    on_cpu(self).copy_(source);
    if (later) {
      const std::vector<char> as_read(static_cast<const char*>(source.data_ptr()),
                                      static_cast<const char*>(source.data_ptr()) + source.nbytes());
      enqueue([from = source.data_ptr(), as_read] {
        if (std::memcmp(from, as_read.data(), as_read.size()) != 0) {
          std::fprintf(stderr, "a pinned buffer was changed before its copy to the emulated GPU was done\n");
          std::abort();
        }
      });
    }
  } else if (asynchronous(self, source, non_blocking)) {
    enqueue([to = self.data_ptr(), now = on_cpu(source).clone()] { std::memcpy(to, now.data_ptr(), now.nbytes()); });
  } else {
    synchronise();
    self.copy_(on_cpu(source));
  }
  return self;
}

at::Scalar local_scalar(const at::Tensor& self) {
  synchronise();
  return at::_local_scalar_dense(on_cpu(self));
}

at::Tensor index_select(const at::Tensor& self, int64_t dim, const at::Tensor& index) {
  check();
  TORCH_CHECK(index.is_cuda() && self.is_cuda(), "Expected all tensors to be on the same device");
  const at::Tensor rows = on_cpu(index), from = on_cpu(self);
  if (rows.numel() > 0 && (rows.min().item<int64_t>() < 0 || rows.max().item<int64_t>() >= from.size(dim))) {
    fail_assertion();
    std::vector<int64_t> sizes = from.sizes().vec();
    sizes[static_cast<size_t>(dim)] = rows.numel();
    return on_gpu(at::zeros(sizes, from.options()));
  }
  return on_gpu(at::index_select(from, dim, rows));
}

std::tuple<at::Tensor, at::Tensor> native_dropout(const at::Tensor& input, double p, std::optional<bool> train) {
  check();
  TORCH_CHECK(train.value_or(true), "only in training");
  const at::Tensor scale = dropout_scale(input.sizes(), p, draw());
  return {on_gpu(on_cpu(input).mul(scale).to(input.scalar_type())), on_gpu(scale.ne(0))};
}

/// Operators whose CUDA kernels sum half types in fp32, which the processor's do not, or slowly.
bool sums_in_fp32(const std::string& name) {
  static const std::set<std::string> all{"aten::addmm", "aten::addmm_", "aten::mm", "aten::native_layer_norm",
                                         "aten::native_layer_norm_backward"};
  return all.contains(name);
}

/// An operand for results that has no room yet: it is given that of `found`.
void take(const at::Tensor& result, const at::Tensor& found) {
  const at::Tensor there = on_gpu(found);
  result.unsafeGetTensorImpl()->set_storage_keep_dtype(there.storage());
  result.unsafeGetTensorImpl()->set_sizes_and_strides(there.sizes(), there.strides());
}

bool is_half(const at::Tensor& t) {
  return t.defined() && (t.scalar_type() == at::kHalf || t.scalar_type() == at::kBFloat16);
}

/// Every other operator: the processor's kernel, on the same memory.
void on_the_processor(const c10::OperatorHandle& op, torch::jit::Stack* stack) {
  check();
  const auto& schema = op.schema();
  const size_t count = schema.arguments().size(), first = stack->size() - count;
  const std::vector<c10::IValue> given(stack->begin() + static_cast<int64_t>(first), stack->end());
  std::optional<at::ScalarType> half;  // of operands that are widened
  const auto moved = [&](const at::Tensor& tensor) {
    TORCH_CHECK(!tensor.defined() || tensor.is_cuda() || tensor.dim() == 0,
                "Expected all tensors to be on the same device, but found one of ", schema.name(), " on cpu");
    const at::Tensor here =
        tensor.defined() && tensor.numel() == 0 ? at::empty({0}, tensor.options().device(at::kCPU)) : on_cpu(tensor);
    if (!is_half(here) || !sums_in_fp32(schema.name())) return here;
    half = here.scalar_type();
    return here.to(at::kFloat);
  };
  const auto moved_of_list = [&](const at::Tensor& tensor) {
    TORCH_CHECK(!tensor.defined() || tensor.is_cuda(),
                "Expected all tensors to be on the same device, but found one in a list of ", schema.name(), " on cpu");
    return moved(tensor);
  };
  const auto list_of = [](const c10::IValue& value, const auto& change) {
    c10::List<at::Tensor> list;
    for (const at::Tensor& tensor : value.toTensorVector()) list.push_back(change(tensor));
    return list;
  };
  for (size_t i = 0; i < count; ++i) {
    c10::IValue& value = (*stack)[first + i];
    if (value.isTensor()) value = moved(value.toTensor());
    else if (value.isTensorList()) value = list_of(value, moved_of_list);
    else if (value.isDevice()) value = c10::Device(c10::DeviceType::CPU);
  }
  op.callBoxed(stack);
  const size_t results = schema.returns().size(), begin = stack->size() - results;
  for (size_t r = 0; r < results; ++r) {
    c10::IValue& value = (*stack)[begin + r];
    if (const auto* alias = schema.returns()[r].alias_info()) {
      TORCH_CHECK(alias->isWrite(), "the emulated GPU has no view operator ", schema.name());
      for (size_t i = 0; i < count; ++i) {
        const auto* of = schema.arguments()[i].alias_info();
        if (!of || of->beforeSets() != alias->beforeSets()) continue;
        const at::Tensor result = given[i].toTensor(), found = value.toTensor();
        if (result.numel() == 0 && found.numel() > 0) take(result, found);
        else if (half && is_half(result)) on_cpu(result).copy_(found);
        value = result;
      }
    } else if (value.isTensor()) {
      const bool narrow =
          half && (r == 0 || schema.name() != "aten::native_layer_norm");  // mean and deviation stay fp32
      value = on_gpu(narrow && value.toTensor().defined() ? value.toTensor().to(*half) : value.toTensor());
    } else if (value.isTensorList()) {
      value = list_of(value, on_gpu);
    }
  }
}

}  // namespace

TORCH_LIBRARY_IMPL(_, CUDA, m) { m.fallback(torch::CppFunction::makeFromBoxedFunction<&on_the_processor>()); }

TORCH_LIBRARY_IMPL(aten, CUDA, m) {
  m.impl("empty.memory_format", empty);
  m.impl("empty_strided", empty_strided);
  m.impl("as_strided", at::native::as_strided_tensorimpl);
  m.impl("view", at::native::view);
  m.impl("_reshape_alias", at::native::_reshape_alias);
  m.impl("copy_", copy);
  m.impl("_local_scalar_dense", local_scalar);
  m.impl("index_select", index_select);
  m.impl("native_dropout", native_dropout);
  // CUDA has a kernel of its own; without one LibTorch would put it together of others.
  m.impl("native_layer_norm", torch::CppFunction::makeFromBoxedFunction<&on_the_processor>());
}

}  // namespace vectune::emulated_gpu
