#include "files/safetensors.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <set>
#include <string_view>

#include "files/json.h"
#include "runtime/errors.h"

namespace vectune::safetensors {
namespace {

// The reference reader's bound on the header; a real model's is some ten thousand bytes.
constexpr uint64_t kMaxHeader = 100'000'000;
constexpr uint64_t kPrefix = 8;  // the header's length, little endian
constexpr const char* kMetadata = "__metadata__";

struct DtypeName {
  Dtype dtype;
  const char* name;
  int64_t bytes;
};
constexpr DtypeName kDtypes[] = {
    {Dtype::kBool, "BOOL", 1}, {Dtype::kU8, "U8", 1},   {Dtype::kI8, "I8", 1},     {Dtype::kI16, "I16", 2},
    {Dtype::kU16, "U16", 2},   {Dtype::kF16, "F16", 2}, {Dtype::kBf16, "BF16", 2}, {Dtype::kI32, "I32", 4},
    {Dtype::kU32, "U32", 4},   {Dtype::kF32, "F32", 4}, {Dtype::kF64, "F64", 8},   {Dtype::kI64, "I64", 8},
    {Dtype::kU64, "U64", 8},
};
const DtypeName& row(Dtype dtype) { return kDtypes[static_cast<size_t>(dtype)]; }

uint64_t read_le64(const unsigned char* p) {
  uint64_t n = 0;
  for (int i = 7; i >= 0; --i) n = n << 8 | p[i];
  return n;
}

/// A name out of the file, quoted and bounded, fit for an error message.
std::string shown(const std::string& name) {
  constexpr size_t kMost = 120;
  if (name.size() <= kMost) return json::quote(name);
  size_t end = kMost;
  while (end > 0 && (static_cast<unsigned char>(name[end]) & 0xC0) == 0x80) --end;
  return json::quote(name.substr(0, end)) + "...";
}

/// Closes the descriptor at the end of the scope.
struct Descriptor {
  int fd;
  ~Descriptor() {
    if (fd >= 0) ::close(fd);
  }
};

std::string os_error() { return std::strerror(errno); }

/// Elements of a shape, or -1 where the product with `item` bytes does not fit in 63 bits.
int64_t count(const std::vector<int64_t>& shape, int64_t item) {
  int64_t total = item;
  bool empty = false;
  for (const int64_t dim : shape) {
    if (dim == 0) empty = true;
    else if (__builtin_mul_overflow(total, dim, &total)) return -1;
  }
  return empty ? 0 : total / item;
}

/// Checks a header and turns it into entries; every message names the file and, where there is one, the tensor.
class HeaderReader {
 public:
  HeaderReader(const std::string& path, const std::byte* data, uint64_t data_bytes)
      : path_(path), data_(data), data_bytes_(data_bytes) {}

  void read(std::string_view text, std::vector<Entry>& entries, std::map<std::string, std::string>& metadata) {
    json::Value root;
    try {
      root = json::parse(text);
    } catch (const json::ParseError& error) {
      fail("its header is not valid JSON: " + std::string(error.what()) + " of the header");
    }
    const auto* object = root.get<json::Object>();
    if (!object) fail(std::string("its header must be a JSON object, found ") + root.kind());
    for (const json::Member& member : *object) {
      if (member.name == kMetadata) read_metadata(member.value, metadata);
      else entries.push_back(read_entry(member.name, member.value));
    }
    // A tensor without elements lies at the place where its neighbour begins, and goes before it.
    std::stable_sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
      return a.data != b.data ? a.data < b.data : a.bytes < b.bytes;
    });
    check_tiling(entries);
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw Error(ErrorCode::kSafetensors, "Cannot read safetensors file '" + path_ + "': " + what + ".");
  }
  [[noreturn]] void fail(const std::string& tensor, const std::string& what) const {
    fail("tensor " + shown(tensor) + " " + what);
  }

  void read_metadata(const json::Value& value, std::map<std::string, std::string>& metadata) const {
    const auto* object = value.get<json::Object>();
    if (!object) fail(std::string("__metadata__ must be an object of strings, found ") + value.kind());
    for (const json::Member& member : *object) {
      const auto* text = member.value.get<std::string>();
      if (!text) fail("__metadata__ " + shown(member.name) + " must be a string, found " + member.value.kind());
      metadata.emplace(member.name, *text);
    }
  }

  Entry read_entry(const std::string& name, const json::Value& value) const {
    const auto* object = value.get<json::Object>();
    if (!object) fail(name, std::string("must be described by an object, found ") + value.kind());
    const json::Value *dtype = nullptr, *shape = nullptr, *offsets = nullptr;
    for (const json::Member& member : *object) {
      if (member.name == "dtype") dtype = &member.value;
      else if (member.name == "shape") shape = &member.value;
      else if (member.name == "data_offsets") offsets = &member.value;
      else fail(name, "has the unknown field " + shown(member.name) + ", expected dtype, shape, data_offsets");
    }
    if (!dtype || !shape || !offsets) {
      fail(name, std::string("lacks the field ") + (!dtype ? "dtype" : !shape ? "shape" : "data_offsets"));
    }
    Entry entry;
    entry.name = name;
    entry.dtype = read_dtype(name, *dtype);
    entry.shape = read_sizes(name, "shape", *shape);
    const std::vector<int64_t> range = read_sizes(name, "data_offsets", *offsets);
    if (range.size() != 2) {
      fail(name, "must have two data_offsets, found " + std::to_string(range.size()));
    }
    const int64_t item = byte_size(entry.dtype);
    const int64_t elements = count(entry.shape, item);
    if (elements < 0) fail(name, "has a shape whose number of bytes does not fit in 64 bits");
    if (range[0] > range[1]) {
      fail(name, "ends at byte " + std::to_string(range[1]) + ", before its begin " + std::to_string(range[0]));
    }
    if (static_cast<uint64_t>(range[1]) > data_bytes_) {
      fail(name, "ends at byte " + std::to_string(range[1]) + " of the data, but the file holds only " +
                     std::to_string(data_bytes_) + " bytes of data (a download that broke off?)");
    }
    entry.bytes = range[1] - range[0];
    if (entry.bytes != elements * item) {
      fail(name, "takes " + std::to_string(entry.bytes) + " bytes, expected " + std::to_string(elements * item) +
                     " for " + std::to_string(elements) + " elements of " + vectune::safetensors::name(entry.dtype));
    }
    entry.data = data_ + range[0];
    return entry;
  }

  Dtype read_dtype(const std::string& tensor, const json::Value& value) const {
    const auto* text = value.get<std::string>();
    if (!text) fail(tensor, std::string("must have a string as dtype, found ") + value.kind());
    std::string known;
    for (const DtypeName& candidate : kDtypes) {
      if (*text == candidate.name) return candidate.dtype;
      known += (known.empty() ? "" : ", ") + std::string(candidate.name);
    }
    fail(tensor, "has the unknown dtype " + shown(*text) + ", expected one of " + known);
  }

  std::vector<int64_t> read_sizes(const std::string& tensor, const char* field, const json::Value& value) const {
    const auto* array = value.get<json::Array>();
    if (!array) fail(tensor, std::string("must have an array as ") + field + ", found " + value.kind());
    std::vector<int64_t> sizes;
    for (const json::Value& item : *array) {
      const auto* integer = item.get<int64_t>();
      if (!integer) fail(tensor, std::string("has ") + item.kind() + " in " + field + ", expected integers");
      if (*integer < 0) {
        fail(tensor, std::string("has the negative number ") + std::to_string(*integer) + " in " + field);
      }
      sizes.push_back(*integer);
    }
    return sizes;
  }

  // The tensors, in order, must cover the data from its first byte to its last, as the reference reader asks:
  // no byte belongs to two tensors, and no byte to none.
  void check_tiling(const std::vector<Entry>& entries) const {
    int64_t at = 0;
    const Entry* before = nullptr;
    for (const Entry& entry : entries) {
      const int64_t begin = entry.data - data_;
      if (begin < at) {
        fail(entry.name, "begins at byte " + std::to_string(begin) + " of the data, inside tensor " +
                             shown(before->name) + ", which ends at " + std::to_string(at));
      }
      if (begin > at) {
        fail(entry.name, "begins at byte " + std::to_string(begin) + " of the data, expected " + std::to_string(at) +
                             ": " + std::to_string(begin - at) + " bytes belong to no tensor");
      }
      at = begin + entry.bytes;
      before = &entry;
    }
    if (static_cast<uint64_t>(at) != data_bytes_) {
      fail("its tensors end at byte " + std::to_string(at) + " of the data, but the file holds " +
           std::to_string(data_bytes_) + " bytes of data");
    }
  }

  const std::string& path_;
  const std::byte* data_;
  uint64_t data_bytes_;
};

std::string header_text(const std::vector<const Item*>& items, const std::map<std::string, std::string>& metadata) {
  std::string text = "{";
  if (!metadata.empty()) {
    text += std::string("\"") + kMetadata + "\":{";
    bool first = true;
    for (const auto& [key, value] : metadata) {
      text += (first ? "" : ",") + json::quote(key) + ":" + json::quote(value);
      first = false;
    }
    text += "}";
  }
  int64_t at = 0;
  for (const Item* item : items) {
    const int64_t end = at + count(item->shape, byte_size(item->dtype)) * byte_size(item->dtype);
    text += (text.size() > 1 ? "," : "") + json::quote(item->name) + ":{\"dtype\":\"" + name(item->dtype) +
            "\",\"shape\":[";
    for (size_t i = 0; i < item->shape.size(); ++i) text += (i ? "," : "") + std::to_string(item->shape[i]);
    text += "],\"data_offsets\":[" + std::to_string(at) + "," + std::to_string(end) + "]}";
    at = end;
  }
  text += "}";
  while (text.size() % 8 != 0) text += ' ';
  return text;
}

void check_items(const std::vector<Item>& items) {
  std::set<std::string_view> names;
  int64_t total = 0;
  for (const Item& item : items) {
    const auto refuse = [&](const std::string& what) {
      throw Error(ErrorCode::kInvalidArgument, "Cannot write tensor " + shown(item.name) + ": " + what + ".");
    };
    if (item.name == kMetadata) refuse("the name is reserved by the format");
    if (!names.insert(item.name).second) refuse("the name occurs twice");
    for (const int64_t dim : item.shape) {
      if (dim < 0) refuse("its shape holds the negative size " + std::to_string(dim));
    }
    const int64_t elements = count(item.shape, byte_size(item.dtype));
    if (elements < 0 || __builtin_add_overflow(total, elements * byte_size(item.dtype), &total)) {
      refuse("the number of bytes does not fit in 64 bits");
    }
    if (elements > 0 && item.data == nullptr && !item.fill) refuse("it has no data");
  }
}

void write_all(int fd, const void* data, size_t bytes, const std::function<void(const void*, size_t)>& on_piece) {
  constexpr size_t kPiece = size_t{16} << 20;
  const char* at = static_cast<const char*>(data);
  while (bytes > 0) {
    const size_t piece = std::min(bytes, kPiece);
    if (on_piece) on_piece(at, piece);
    for (size_t left = piece; left > 0;) {
      const ssize_t done = ::write(fd, at, left);
      if (done < 0) {
        if (errno == EINTR) continue;
        throw Error(ErrorCode::kFile, os_error());
      }
      at += done;
      left -= static_cast<size_t>(done);
    }
    bytes -= piece;
  }
}

/// Bytes of a tensor that are made at once.
constexpr int64_t kMade = 1 << 20;

/// `made` has room for kMade bytes.
void write_item(int fd, const Item& item, std::byte* made, const std::function<void(const void*, size_t)>& on_piece) {
  const int64_t item_bytes = byte_size(item.dtype), elements = count(item.shape, item_bytes);
  if (!item.fill) return write_all(fd, item.data, static_cast<size_t>(elements * item_bytes), on_piece);
  for (int64_t first = 0; first < elements;) {
    const int64_t some = std::min(elements - first, kMade / item_bytes);
    item.fill(first, some, made);
    write_all(fd, made, static_cast<size_t>(some * item_bytes), on_piece);
    first += some;
  }
}

}  // namespace

int64_t byte_size(Dtype dtype) { return row(dtype).bytes; }
const char* name(Dtype dtype) { return row(dtype).name; }

int64_t Entry::elements() const { return bytes / byte_size(dtype); }

std::string text_of(const std::vector<int64_t>& shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); ++i) text += (i ? ", " : "") + std::to_string(shape[i]);
  return text + "]";
}

Dtype dtype_of(const std::string& name) {
  for (const DtypeName& candidate : kDtypes)
    if (name == candidate.name) return candidate.dtype;
  throw Error(ErrorCode::kInvalidArgument, "There is no dtype '" + name + "'.");
}

void File::map(uint64_t least) {
  const auto fail = [&](ErrorCode code, const std::string& what) {
    throw Error(code, "Cannot read safetensors file '" + path_ + "': " + what + ".");
  };
  // O_NONBLOCK: opening a pipe by mistake must not wait for its writer.
  const Descriptor file{::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  if (file.fd < 0) fail(ErrorCode::kFile, os_error());
  struct stat info{};
  if (::fstat(file.fd, &info) != 0) fail(ErrorCode::kFile, os_error());
  if (!S_ISREG(info.st_mode)) fail(ErrorCode::kFile, "it is not a regular file");
  const auto size = static_cast<uint64_t>(info.st_size);
  if (size < least) {
    fail(ErrorCode::kSafetensors, "expected at least 10 bytes (a length and a header), found " + std::to_string(size));
  }
  map_bytes_ = size;
  map_ = ::mmap(nullptr, map_bytes_, PROT_READ, MAP_PRIVATE, file.fd, 0);
  if (map_ == MAP_FAILED) {
    map_ = nullptr;
    fail(ErrorCode::kFile, os_error());
  }
}

File::File(const std::string& path, const std::vector<Place>& places) : path_(path) {
  map(1);
  try {
    for (const Place& place : places) {
      const auto fail = [&](const std::string& what) {
        throw Error(ErrorCode::kSafetensors, path + ": tensor " + shown(place.name) + " " + what + ".");
      };
      const int64_t item = byte_size(place.dtype), elements = count(place.shape, item);
      if (elements < 0 || std::any_of(place.shape.begin(), place.shape.end(), [](int64_t size) { return size < 0; }))
        fail("has a shape that cannot be");
      const auto bytes = static_cast<uint64_t>(elements * item);
      if (place.begin < 0 || static_cast<uint64_t>(place.begin) > map_bytes_ ||
          bytes > map_bytes_ - static_cast<uint64_t>(place.begin))
        fail("lies outside of the file's " + std::to_string(map_bytes_) + " bytes (a download that broke off?)");
      if (!index_.emplace(place.name, entries_.size()).second) fail("is there twice");
      entries_.push_back({place.name, place.dtype, place.shape, static_cast<const std::byte*>(map_) + place.begin,
                          static_cast<int64_t>(bytes)});
    }
  } catch (...) {
    ::munmap(map_, map_bytes_);
    throw;
  }
}

File::File(const std::string& path) : path_(path) {
  const auto fail = [&](ErrorCode code, const std::string& what) {
    throw Error(code, "Cannot read safetensors file '" + path + "': " + what + ".");
  };
  map(kPrefix + 2);
  const uint64_t size = map_bytes_;
  try {
    const auto* bytes = static_cast<const unsigned char*>(map_);
    const uint64_t header = read_le64(bytes);
    if (header > kMaxHeader) {
      fail(ErrorCode::kSafetensors, "its header claims " + std::to_string(header) +
                                        " bytes, more than the format's limit of 100000000 (not a safetensors file?)");
    }
    if (header > size - kPrefix) {
      fail(ErrorCode::kSafetensors, "its header claims " + std::to_string(header) + " bytes, but only " +
                                        std::to_string(size - kPrefix) +
                                        " follow the length (a download that broke off?)");
    }
    if (bytes[kPrefix] != '{') fail(ErrorCode::kSafetensors, "its header must begin with '{'");
    const std::string_view text(reinterpret_cast<const char*>(bytes) + kPrefix, header);
    HeaderReader reader(path_, reinterpret_cast<const std::byte*>(bytes) + kPrefix + header, size - kPrefix - header);
    reader.read(text, entries_, metadata_);
    for (size_t i = 0; i < entries_.size(); ++i) index_.emplace(entries_[i].name, i);
  } catch (...) {
    ::munmap(map_, map_bytes_);
    throw;
  }
}

File::~File() {
  if (map_) ::munmap(map_, map_bytes_);
}

void File::done_with(const Entry& entry) const noexcept {
  const auto page = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
  // Whole pages of it alone; its first bytes may stand in the page of the one before, which is done with as well.
  const auto begin = reinterpret_cast<uintptr_t>(entry.data) / page * page,
             end = (reinterpret_cast<uintptr_t>(entry.data) + static_cast<uintptr_t>(entry.bytes)) / page * page;
  if (end > begin) ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
}

const Entry* File::find(const std::string& name) const {
  const auto found = index_.find(name);
  return found == index_.end() ? nullptr : &entries_[found->second];
}

void write(const std::string& path, const std::vector<Item>& items, const std::map<std::string, std::string>& metadata,
           const std::function<void(const void*, size_t)>& on_piece) {
  check_items(items);
  std::vector<const Item*> order;
  for (const Item& item : items) order.push_back(&item);
  std::stable_sort(order.begin(), order.end(),
                   [](const Item* a, const Item* b) { return byte_size(a->dtype) > byte_size(b->dtype); });
  const std::string header = header_text(order, metadata);
  unsigned char length[kPrefix];
  for (size_t i = 0; i < kPrefix; ++i) length[i] = static_cast<unsigned char>(header.size() >> (8 * i) & 0xFF);

  const bool makes =
      std::any_of(items.begin(), items.end(), [](const Item& item) { return static_cast<bool>(item.fill); });
  std::vector<std::byte> made(makes ? kMade : 0);

  const auto fail = [&](const std::string& reason) {
    throw Error(ErrorCode::kFile, "Cannot write '" + path + "': " + reason + ".");
  };
  Descriptor file{::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644)};
  if (file.fd < 0) fail(os_error());
  try {
    write_all(file.fd, length, kPrefix, on_piece);
    write_all(file.fd, header.data(), header.size(), on_piece);
    for (const Item* item : order) write_item(file.fd, *item, made.data(), on_piece);
    if (::fsync(file.fd) != 0) throw Error(ErrorCode::kFile, os_error());
    const int fd = file.fd;
    file.fd = -1;
    if (::close(fd) != 0) throw Error(ErrorCode::kFile, os_error());
  } catch (const Error& error) {
    ::unlink(path.c_str());  // a part of a file must not pass for one
    if (error.code() != ErrorCode::kFile) throw;
    fail(error.what());
  }
}

}  // namespace vectune::safetensors
