#include "model/model2vec.h"

#include <c10/util/BFloat16.h>
#include <c10/util/Half.h>

#include <cstring>
#include <string>

#include "runtime/errors.h"

namespace vectune {

namespace {

using safetensors::Dtype;

struct Found {
  const safetensors::File* file = nullptr;
  const safetensors::Entry* entry = nullptr;
};

Found find(const std::vector<std::unique_ptr<const safetensors::File>>& files, const std::string& name) {
  for (const auto& file : files)
    if (const auto* entry = file->find(name)) return {file.get(), entry};
  return {};
}

[[noreturn]] void refuse(const Found& found, const std::string& what) {
  throw Error(ErrorCode::kSafetensors, found.file->path() + ": tensor '" + found.entry->name + "' " + what);
}

void require_shape(const Found& found, const std::vector<int64_t>& shape) {
  if (found.entry->shape != shape)
    refuse(found, "must have shape " + safetensors::text_of(shape) + "; found " +
                      safetensors::text_of(found.entry->shape) + ".");
}

template <typename T>
T at(const safetensors::Entry& entry, int64_t i) {
  T value;  // a file's tensors may be unaligned
  std::memcpy(&value, entry.data + i * static_cast<int64_t>(sizeof(T)), sizeof(T));
  return value;
}

double number(const Found& found, int64_t i) {
  switch (found.entry->dtype) {
    case Dtype::kF32: return static_cast<double>(at<float>(*found.entry, i));
    case Dtype::kF16: return static_cast<double>(static_cast<float>(at<c10::Half>(*found.entry, i)));
    case Dtype::kBf16: return static_cast<double>(static_cast<float>(at<c10::BFloat16>(*found.entry, i)));
    case Dtype::kF64: return at<double>(*found.entry, i);
    case Dtype::kI8: return static_cast<double>(at<int8_t>(*found.entry, i));
    default:
      refuse(found,
             "must be F32, F16, BF16, F64 or I8; found " + std::string(safetensors::name(found.entry->dtype)) + ".");
  }
}

int64_t row_of(const Found& mapping, int64_t token, int64_t rows) {
  int64_t row = 0;
  switch (mapping.entry->dtype) {
    case Dtype::kI64: row = at<int64_t>(*mapping.entry, token); break;
    case Dtype::kI32: row = at<int32_t>(*mapping.entry, token); break;
    case Dtype::kU32: row = at<uint32_t>(*mapping.entry, token); break;
    case Dtype::kU16: row = at<uint16_t>(*mapping.entry, token); break;
    default:
      refuse(mapping,
             "must be I64, I32, U32 or U16; found " + std::string(safetensors::name(mapping.entry->dtype)) + ".");
  }
  if (row < 0 || row >= rows)
    refuse(mapping, "names row " + std::to_string(row) + " for token " + std::to_string(token) +
                        ", but 'embeddings' has " + std::to_string(rows) + " rows.");
  return row;
}

}  // namespace

bool has_model2vec(const std::vector<std::unique_ptr<const safetensors::File>>& files) {
  return find(files, "embeddings").entry && !find(files, "embedding.weight").entry;
}

void read_model2vec(const std::vector<std::unique_ptr<const safetensors::File>>& files, const Parameter& words,
                    float* to) {
  const Found table = find(files, "embeddings"), mapping = find(files, "mapping"), weights = find(files, "weights");
  const int64_t tokens = words.shape[0], width = words.shape[1];
  if (table.entry->shape.size() != 2) require_shape(table, words.shape);
  const int64_t rows = table.entry->shape[0];
  require_shape(table, {mapping.entry ? rows : tokens, width});
  if (mapping.entry) require_shape(mapping, {tokens});
  if (weights.entry) require_shape(weights, {tokens});
  for (int64_t token = 0; token < tokens; ++token) {
    const int64_t row = mapping.entry ? row_of(mapping, token, rows) : token;
    // Rounded once: a product of two floats is exact in double.
    const double weight = weights.entry ? number(weights, token) : 1.0;
    for (int64_t c = 0; c < width; ++c)
      to[token * width + c] = static_cast<float>(number(table, row * width + c) * weight);
  }
}

}  // namespace vectune
