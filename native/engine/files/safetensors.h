#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace vectune::safetensors {

/// The dtypes of the format (https://github.com/huggingface/safetensors, README "Format"), by their names there.
enum class Dtype { kBool, kU8, kI8, kI16, kU16, kF16, kBf16, kI32, kU32, kF32, kF64, kI64, kU64 };
int64_t byte_size(Dtype dtype);
const char* name(Dtype dtype);

/// A tensor inside a mapped file. `data` is valid while the File lives and may be unaligned.
struct Entry {
  std::string name;
  Dtype dtype;
  std::vector<int64_t> shape;
  const std::byte* data;
  int64_t bytes;
  int64_t elements() const;
};

/// Where a tensor lies in a file of another format, from its first byte on.
struct Place {
  std::string name;
  Dtype dtype;
  std::vector<int64_t> shape;
  int64_t begin;
};
/// Of that name; Error(kInvalidArgument) where there is none.
Dtype dtype_of(const std::string& name);
/// "[2, 3]"
std::string text_of(const std::vector<int64_t>& shape);

/// A memory-mapped safetensors file. Treated as hostile: header length, JSON (depth, duplicate keys,
/// types), dtype, shape (overflow), offsets (order, out of file, overlap, holes) are checked before
/// anything is handed out; Error(kSafetensors) names the file, the tensor, what was expected and found.
class File {
 public:
  explicit File(const std::string& path);
  /// A file of another format whose tensors whoever read it has found: a dtype, a shape and a place that do not fit in
  /// the file are Error(kSafetensors). Tensors may share bytes.
  File(const std::string& path, const std::vector<Place>& places);
  ~File();
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  const std::string& path() const { return path_; }
  /// In the order of their data.
  const std::vector<Entry>& entries() const { return entries_; }
  const Entry* find(const std::string& name) const;
  /// The pages of a tensor that has been read need not stay in memory; reading it again is possible.
  void done_with(const Entry& entry) const noexcept;
  const std::map<std::string, std::string>& metadata() const { return metadata_; }

 private:
  void map(uint64_t least);

  std::string path_;
  void* map_ = nullptr;
  size_t map_bytes_ = 0;
  std::vector<Entry> entries_;
  std::map<std::string, size_t> index_;
  std::map<std::string, std::string> metadata_;
};

/// A tensor to write.
struct Item {
  std::string name;
  Dtype dtype;
  std::vector<int64_t> shape;
  const void* data;
  /// In place of `data`: makes `count` elements, from `first` on, when their turn comes.
  std::function<void(int64_t first, int64_t count, void* to)> fill = {};
};

/// Writes the items, those with the widest elements first and otherwise in the order given, so that every
/// tensor is aligned to its element as the reference writer's are (PyTorch cannot view an unaligned one), data
/// aligned to 8 bytes, metadata as given, and flushes the file to disk (fsync). Writes `path` itself: the caller
/// names a temporary file and renames it. Error(kFile) carries the operating system's reason, and no part of
/// the file is left; Error(kInvalidArgument): a name twice or reserved, a shape that cannot be. `on_piece` sees all
/// bytes in order, in pieces of at most 16 MiB, each before it is written; what it throws ends the write.
void write(const std::string& path, const std::vector<Item>& items,
           const std::map<std::string, std::string>& metadata = {{"format", "pt"}},
           const std::function<void(const void*, size_t)>& on_piece = {});

}  // namespace vectune::safetensors
