#include "model/weights_file.h"

#include <ATen/ops/empty.h>
#include <c10/util/BFloat16.h>
#include <c10/util/Half.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <tuple>
#include <unordered_map>
#include <unordered_set>

#include "model/model2vec.h"
#include "runtime/errors.h"
#include "runtime/memory_budget.h"

namespace vectune {

namespace {

/// Takes off what tensors of a model with a head begin with.
void take_prefix(std::string& name, const Architecture& architecture) {
  for (const auto& prefix : architecture.prefixes)
    if (name.starts_with(prefix)) return void(name.erase(0, prefix.size()));
}

bool replace_suffix(std::string& name, const std::string& from, const std::string& to) {
  if (name.size() < from.size() || name.compare(name.size() - from.size(), from.size(), from) != 0) return false;
  name.replace(name.size() - from.size(), from.size(), to);
  return true;
}

/// The name under which the table knows a tensor of the file, if it does.
std::string table_name(std::string name, int module, const Architecture& architecture) {
  if (module != ModuleFile::kEncoder) return "head." + std::to_string(module) + "." + name;
  take_prefix(name, architecture);
  replace_suffix(name, "LayerNorm.gamma", "LayerNorm.weight") ||
      replace_suffix(name, "LayerNorm.beta", "LayerNorm.bias");
  return name;
}

/// The name in the file that is written: a Dense's own, the encoder's without prefix.
std::string file_name(const Parameter& parameter) {
  if (parameter.module == ModuleFile::kEncoder) return parameter.name;
  return parameter.name.substr(("head." + std::to_string(parameter.module) + ".").size());
}

bool replace(std::string& name, const std::string& from, const std::string& to) {
  const size_t at = name.find(from);
  if (at == std::string::npos) return false;
  name.replace(at, from.size(), to);
  return true;
}

/// The present name, or names, of a tensor that has a former one.
std::vector<std::string> present_names(const std::string& name, const Architecture::FormerNames& former) {
  std::vector<std::string> names;
  for (const auto& [joined, parts] : former.joined) {
    if (name.find(joined) == std::string::npos) continue;
    for (const std::string& part : parts) {
      names.push_back(name);
      replace(names.back(), joined, part);
    }
    break;
  }
  if (names.empty()) names.push_back(name);
  for (std::string& one : names)
    for (const auto& [was, is] : former.replace) replace(one, was, is);
  return names;
}

/// The former name of a parameter, and how many more beginning with it are in the tensor; empty where it is none of
/// these but the first.
std::pair<std::string, size_t> former_name(std::string name, const Architecture::FormerNames& former) {
  size_t parts = 1;
  for (const auto& [joined, all] : former.joined)
    for (size_t i = 0; i < all.size(); ++i) {
      if (!replace(name, all[i], joined)) continue;
      if (i > 0) return {"", 0};
      parts = all.size();
    }
  for (auto it = former.replace.rbegin(); it != former.replace.rend(); ++it) replace(name, it->second, it->first);
  return {name, parts};
}

template <typename T>
void convert(const std::byte* from, int64_t count, float* to) {
  for (int64_t i = 0; i < count; ++i) {
    T value;
    std::memcpy(&value, from + i * static_cast<int64_t>(sizeof(T)), sizeof(T));
    to[i] = static_cast<float>(value);
  }
}

/// Parameters that stand one after the other as one: as many rows as they have together.
struct Stacked {
  std::vector<int64_t> shape;
  int64_t elements = 0;

  explicit Stacked(const std::vector<const Parameter*>& parameters) : shape(parameters.front()->shape) {
    shape.front() = 0;
    for (const Parameter* parameter : parameters) {
      shape.front() += parameter->shape.front();
      elements += parameter->elements;
    }
  }
};

/// To fp32 numbers; or to bf16 ones, of a BF16 tensor alone.
void read_tensor(const std::string& path, const safetensors::Entry& entry, const Stacked& parameter, void* to,
                 bool to_half) {
  const std::string where = path + ": tensor '" + entry.name + "'";
  if (entry.shape != parameter.shape)
    throw Error(ErrorCode::kSafetensors, where + " must have shape " + safetensors::text_of(parameter.shape) +
                                             " by the model's "
                                             "configuration; found " +
                                             safetensors::text_of(entry.shape) + ".");
  if (to_half || entry.dtype == safetensors::Dtype::kF32)
    return void(std::memcpy(to, entry.data, static_cast<size_t>(entry.bytes)));
  switch (entry.dtype) {
    case safetensors::Dtype::kF16: return convert<c10::Half>(entry.data, parameter.elements, static_cast<float*>(to));
    case safetensors::Dtype::kBf16:
      return convert<c10::BFloat16>(entry.data, parameter.elements, static_cast<float*>(to));
    default:
      throw Error(ErrorCode::kSafetensors,
                  where + " must be F32, F16 or BF16; found " + std::string(safetensors::name(entry.dtype)) + ".");
  }
}

/// The parameters that a tensor of the file is, which stand one after the other; none where it is none of the model's.
struct Claim {
  std::vector<const Parameter*> parameters;
  bool by_former_name = false;
};
Claim claim_of(const std::string& given, int module, const ParameterTable& table) {
  const std::string name = table_name(given, module, table.architecture());
  const Parameter* parameter = table.find(name);
  if (parameter) return parameter->module == module ? Claim{{parameter}} : Claim{};
  if (module != ModuleFile::kEncoder) return {};
  Claim claim{{}, true};
  for (const std::string& present : present_names(name, table.architecture().former)) {
    const Parameter* found = table.find(present);
    if (!found || found->module != module) return {};
    claim.parameters.push_back(found);
  }
  return claim;
}

std::vector<std::unique_ptr<const safetensors::File>> open_all(const std::vector<ModuleFile>& files) {
  std::vector<std::unique_ptr<const safetensors::File>> opened;
  for (const ModuleFile& file : files)
    opened.push_back(file.tensors ? std::make_unique<const safetensors::File>(file.path, *file.tensors)
                                  : std::make_unique<const safetensors::File>(file.path));
  return opened;
}

/// What no parameter claims has any size, and a file with holes costs its maker nothing: copying it must not take what
/// the machine has not.
void check_unused_fit(const std::vector<std::unique_ptr<const safetensors::File>>& files, int module,
                      const ParameterTable& table) {
  double sum = 0;  // tensors may share bytes: more than the files'
  for (const auto& file : files)
    for (const auto& entry : file->entries())
      if (claim_of(entry.name, module, table).parameters.empty()) sum += static_cast<double>(entry.bytes);
  const auto bytes = static_cast<int64_t>(std::min(sum, 9e18));
  const int64_t available = memory_budget::available();
  if (bytes > available)
    throw Error(ErrorCode::kOutOfMemory, files.front()->path() + ": its tensors that are not the model's take " +
                                             std::to_string(bytes / 1000000) + " MB, and there are " +
                                             std::to_string(available / 1000000) + " MB left.");
}

}  // namespace

bool has_bf16_matrices(const std::vector<ModuleFile>& files, const ParameterTable& table) {
  if (files.empty() || table.architecture().is_bag) return false;
  std::unordered_set<int64_t> matrices{table.word_embeddings};
  const auto opened = open_all(files);
  for (const LinearAt* linear : table.linears()) matrices.insert(linear->weight);
  size_t found = 0;
  for (const auto& file : opened)
    for (const auto& entry : file->entries()) {
      const Claim claim = claim_of(entry.name, ModuleFile::kEncoder, table);
      for (const Parameter* parameter : claim.parameters) {
        // Of a product of several tensors all must be, each of which is a matrix.
        if (parameter->shape.size() != 2 || parameter->offset == table.position_embeddings ||
            parameter->offset == table.type_embeddings || parameter->offset == table.relative_bias)
          continue;
        if (entry.dtype != safetensors::Dtype::kBf16) return false;
        found += matrices.count(parameter->offset);
      }
    }
  return found == matrices.size();
}

ReadWeights read_weights(const std::vector<ModuleFile>& files, int module, const ParameterTable& table, float* flat,
                         HalfWeights* half) {
  const auto opened = open_all(files);
  if (module == ModuleFile::kEncoder && table.architecture().is_bag && has_model2vec(opened)) {
    const Parameter& words = table.all().front();
    read_model2vec(opened, words, flat + words.offset);
    return {};
  }
  check_unused_fit(opened, module, table);
  ReadWeights result;
  std::unordered_map<std::string, std::string> claimed;  // parameter → name in the file
  std::unordered_set<std::string> others;
  size_t tensors = 0;
  const auto read = [&](const std::string& path, const safetensors::Entry& entry) {
    ++tensors;
    const Claim claim = claim_of(entry.name, module, table);
    if (claim.parameters.empty()) {
      std::string name = entry.name;
      if (module == ModuleFile::kEncoder) take_prefix(name, table.architecture());
      at::Tensor bytes = at::empty({entry.bytes}, at::TensorOptions().dtype(at::kByte));
      if (entry.bytes > 0) std::memcpy(bytes.mutable_data_ptr(), entry.data, static_cast<size_t>(entry.bytes));
      if (!others.insert(name).second)
        throw Error(ErrorCode::kSafetensors, path + ": the tensor '" + name + "' is there twice.");
      result.unused.push_back({module, name, entry.dtype, entry.shape, bytes});
      return;
    }
    for (const Parameter* parameter : claim.parameters) {
      const auto [at, first] = claimed.emplace(parameter->name, entry.name);
      if (!first)
        throw Error(ErrorCode::kSafetensors, path + ": the tensors '" + at->second + "' and '" + entry.name +
                                                 "' are both the parameter '" + parameter->name + "'.");
    }
    result.former_names |= claim.by_former_name;
    const int64_t offset = claim.parameters.front()->offset;
    read_tensor(path, entry, Stacked(claim.parameters), half ? half->at(offset) : flat + offset,
                half && half->is_half(offset));
  };
  for (const auto& file : opened)
    for (const auto& entry : file->entries()) {
      read(file->path(), entry);
      file->done_with(entry);
    }
  const std::string& path = files.front().path;
  for (const auto& parameter : table.all())
    if (parameter.module == module && !claimed.count(parameter.name))
      throw Error(ErrorCode::kSafetensors, path + ": the tensor '" + file_name(parameter) + "' " +
                                               safetensors::text_of(parameter.shape) + " is missing; the file has " +
                                               std::to_string(tensors) + " tensors.");
  return result;
}

std::vector<const Parameter*> parameters_of(const std::string& name, int module, const ParameterTable& table) {
  return claim_of(name, module, table).parameters;
}

void write_weights(const std::string& path, int module, const ParameterTable& table, const float* flat,
                   const HalfWeights* half, const std::vector<UnusedTensor>& unused, bool former_names) {
  std::vector<safetensors::Item> items;
  const auto& all = table.all();
  for (size_t i = 0; i < all.size(); ++i) {
    if (all[i].module != module) continue;
    std::string name = file_name(all[i]);
    size_t parts = 1;
    if (former_names && module == ModuleFile::kEncoder)
      std::tie(name, parts) = former_name(name, table.architecture().former);
    if (parts == 0) continue;  // it is in the tensor of the one before
    std::vector<const Parameter*> parameters;
    for (size_t part = 0; part < parts; ++part) parameters.push_back(&all[i + part]);
    const int64_t offset = all[i].offset;
    safetensors::Item item{name, safetensors::Dtype::kF32, Stacked(parameters).shape, half ? nullptr : flat + offset};
    if (half)
      item.fill = [half, offset](int64_t first, int64_t count, void* to) {
        half->read(offset + first, count, static_cast<float*>(to));
      };
    items.push_back(std::move(item));
  }
  if (items.empty())
    throw Error(ErrorCode::kInvalidArgument, "Module " + std::to_string(module) + " has no weights to save.");
  for (const auto& tensor : unused)
    if (tensor.module == module)
      items.push_back({tensor.name, tensor.dtype, tensor.shape, tensor.bytes.const_data_ptr()});
  safetensors::write(path, items);
}

}  // namespace vectune
