#include "files/safetensors.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "check.h"
#include "files/json.h"

using vectune::Error;
using vectune::ErrorCode;
namespace st = vectune::safetensors;
namespace json = vectune::json;

namespace {

/// A folder that goes away with the test.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "vectune-safetensors-XXXXXX").string();
    path_ = ::mkdtemp(pattern.data());
  }
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }
  std::string file(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

std::string file_of(const std::string& header, const std::string& data = "") {
  std::string bytes;
  for (int i = 0; i < 8; ++i) bytes += static_cast<char>(header.size() >> (8 * i) & 0xFF);
  return bytes + header + data;
}

void put(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc)
      .write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

std::string bytes_of(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// Opens a file of these bytes and reads every byte that it hands out.
void open_bytes(const TemporaryFolder& folder, const std::string& bytes) {
  const std::string path = folder.file("hostile.safetensors");
  put(path, bytes);
  const st::File file(path);
  unsigned sum = 0;
  for (const st::Entry& entry : file.entries()) {
    for (int64_t i = 0; i < entry.bytes; ++i) sum += static_cast<unsigned>(entry.data[i]);
  }
  [[maybe_unused]] static volatile unsigned sink;
  sink = sum;
}

void refused(const std::string& header, const std::string& data, const std::string& part) {
  const TemporaryFolder folder;
  CHECK_THROWS_CODE(open_bytes(folder, file_of(header, data)), ErrorCode::kSafetensors, part);
  CHECK_THROWS_CODE(open_bytes(folder, file_of(header, data)), ErrorCode::kSafetensors, "hostile.safetensors");
}

const std::string kSmall = R"({"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
                           R"("b":{"dtype":"U8","shape":[3],"data_offsets":[8,11]}})";
const std::string kSmallData(
    "\0\0\x80\x3f\0\0\0\x40"
    "abc",
    11);

}  // namespace

TEST(safetensors_reads_a_small_file) {
  const TemporaryFolder folder;
  put(folder.file("x"), file_of(kSmall, kSmallData));
  const st::File file(folder.file("x"));
  REQUIRE(file.entries().size() == 2);
  CHECK_EQ(file.metadata().at("format"), "pt");
  const st::Entry* a = file.find("a");
  REQUIRE(a != nullptr);
  CHECK(a->dtype == st::Dtype::kF32);
  CHECK_EQ(a->elements(), 2);
  CHECK_EQ(a->shape.size(), 1u);
  float values[2];
  std::memcpy(values, a->data, sizeof values);
  CHECK_EQ(values[0], 1.0f);
  CHECK_EQ(values[1], 2.0f);
  CHECK_EQ(std::memcmp(file.find("b")->data, "abc", 3), 0);
  CHECK(file.find("c") == nullptr);
}

TEST(safetensors_refuses_every_truncation) {
  const TemporaryFolder folder;
  const std::string whole = file_of(kSmall, kSmallData);
  open_bytes(folder, whole);
  for (size_t bytes = 0; bytes < whole.size(); ++bytes) {
    CHECK_THROWS_CODE(open_bytes(folder, whole.substr(0, bytes)), ErrorCode::kSafetensors, "hostile.safetensors");
  }
  CHECK_THROWS_CODE(open_bytes(folder, whole + "x"), ErrorCode::kSafetensors, "holds 12 bytes of data");
}

TEST(safetensors_survives_every_flipped_byte) {
  const TemporaryFolder folder;
  const std::string whole = file_of(kSmall, kSmallData);
  int accepted = 0, refused_count = 0;
  for (size_t at = 0; at < whole.size(); ++at) {
    for (const unsigned mask : {0x01u, 0x02u, 0x04u, 0x08u, 0x10u, 0x20u, 0x40u, 0x80u, 0xFFu}) {
      std::string bytes = whole;
      bytes[at] = static_cast<char>(static_cast<unsigned char>(bytes[at]) ^ mask);
      try {
        open_bytes(folder, bytes);
        ++accepted;
      } catch (const Error& error) {
        if (!CHECK(error.code() == ErrorCode::kSafetensors)) std::printf("      byte %zu mask %x\n", at, mask);
        ++refused_count;
      }
    }
  }
  // What is accepted can only be another value, another name or another metadata text.
  CHECK(accepted >= static_cast<int>(9 * kSmallData.size()));
  CHECK(refused_count > accepted);
}

TEST(safetensors_refuses_bad_header_lengths) {
  const TemporaryFolder folder;
  CHECK_THROWS_CODE(open_bytes(folder, std::string(8, '\xff') + "{}"), ErrorCode::kSafetensors, "18446744073709551615");
  CHECK_THROWS_CODE(open_bytes(folder, std::string("\x01\xe1\xf5\x05\0\0\0\0{}", 10)), ErrorCode::kSafetensors,
                    "more than the format's limit");
  CHECK_THROWS_CODE(open_bytes(folder, std::string("\x03\0\0\0\0\0\0\0{}", 10)), ErrorCode::kSafetensors,
                    "claims 3 bytes, but only 2");
  CHECK_THROWS_CODE(open_bytes(folder, std::string("\0\0\0\0\0\0\0\0{}", 10)), ErrorCode::kSafetensors, "JSON");
  CHECK_THROWS_CODE(open_bytes(folder, file_of(" {}")), ErrorCode::kSafetensors, "begin with '{'");
  CHECK_THROWS_CODE(open_bytes(folder, std::string("PK\x03\x04\0\0\0\0\0\0archive", 17)), ErrorCode::kSafetensors,
                    "but only 9 follow");
}

TEST(safetensors_refuses_bad_offsets_by_tensor) {
  refused(
      R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[4],"data_offsets":[2,6]}})",
      "123456", R"(tensor "b" begins at byte 2 of the data, inside tensor "a")");
  refused(
      R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}})",
      "1234", "inside tensor");
  refused(
      R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[4,6]}})",
      "123456", "2 bytes belong to no tensor");
  refused(R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}})", "123", "1 bytes belong to no tensor");
  refused(R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}})", "123", "tensors end at byte 2");
  refused(R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}})", "123", R"(tensor "a" ends at byte 4)");
  refused(R"({"a":{"dtype":"U8","shape":[9223372036854775807],"data_offsets":[0,9223372036854775807]}})", "123",
          R"(tensor "a" ends at byte 9223372036854775807)");
  refused(R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[2,0]}})", "12", "before its begin");
  refused(R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[-2,0]}})", "12", "negative");
  refused(R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0]}})", "12", "two data_offsets, found 1");
  refused(R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,1,2]}})", "12", "two data_offsets, found 3");
  refused(R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2.0]}})", "12", "a fractional number in data_offsets");
  refused(R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,18446744073709551618]}})", "12", "64 bits");
}

TEST(safetensors_refuses_bad_dtypes_and_shapes_by_tensor) {
  refused(R"({"w":{"dtype":"F8_E4M3","shape":[2],"data_offsets":[0,2]}})", "12",
          R"(tensor "w" has the unknown dtype "F8_E4M3", expected one of BOOL)");
  refused(R"({"w":{"dtype":"f32","shape":[1],"data_offsets":[0,4]}})", "1234", "unknown dtype");
  refused(R"({"w":{"dtype":7,"shape":[1],"data_offsets":[0,4]}})", "1234", "found an integer");
  refused(R"({"w":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}})", "1234",
          R"(tensor "w" takes 4 bytes, expected 8 for 2 elements of F32)");
  refused(R"({"w":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}})", "1234", "negative number -1 in shape");
  refused(R"({"w":{"dtype":"F32","shape":[-1,-1],"data_offsets":[0,4]}})", "1234", "negative");
  refused(R"({"w":{"dtype":"F32","shape":[4611686018427387904],"data_offsets":[0,4]}})", "1234", "does not fit");
  refused(R"({"w":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}})", "", "does not fit");
  refused(R"({"w":{"dtype":"F32","shape":[1.0],"data_offsets":[0,4]}})", "1234", "expected integers");
  refused(R"({"w":{"dtype":"F32","shape":"1","data_offsets":[0,4]}})", "1234", "an array as shape, found a string");
  refused(R"({"w":{"dtype":"F32","data_offsets":[0,4]}})", "1234", "lacks the field shape");
  refused(R"({"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"scale":1}})", "1234", "unknown field \"scale\"");
  refused(R"({"w":[1,2]})", "", "must be described by an object, found an array");
}

TEST(safetensors_refuses_bad_json) {
  refused(
      R"({"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}})",
      "", R"("a" occurs twice)");
  refused(R"({"a":{"dtype":"U8","dtype":"U8","shape":[0],"data_offsets":[0,0]}})", "", "occurs twice");
  refused(R"({"__metadata__":{"format":1}})", "", "must be a string, found an integer");
  refused(R"({"__metadata__":"pt"})", "", "must be an object of strings");
  refused(R"({"a":{"dtype":"U8","shape":[)", "", "not valid JSON");
  refused("{} x", "", "end of the JSON text");
  refused("{\"\xff\":1}", "", "UTF-8");
  refused("{" + std::string(100, '[') + "}", "", "JSON");
  refused("{\"a\":" + std::string(50'000, '[') + std::string(50'000, ']') + "}", "", "deeper than");
  std::string many = "{\"a\":[0";
  for (int i = 0; i < 1'100'000; ++i) many += ",0";
  refused(many + "]}", "", "More than 1000000 JSON values");
}

TEST(safetensors_reads_empty_tensors_and_scalars) {
  const TemporaryFolder folder;
  put(folder.file("x"),
      file_of(
          R"({"s":{"dtype":"I64","shape":[],"data_offsets":[0,8]},"e":{"dtype":"F32","shape":[0,5],"data_offsets":[8,8]},)"
          R"("f":{"dtype":"F32","shape":[3,0],"data_offsets":[0,0]}})",
          "12345678"));
  const st::File file(folder.file("x"));
  REQUIRE(file.entries().size() == 3);
  CHECK_EQ(file.entries()[0].name, "f");
  CHECK_EQ(file.entries()[1].name, "s");
  CHECK_EQ(file.entries()[1].elements(), 1);
  CHECK_EQ(file.entries()[2].elements(), 0);
  put(folder.file("none"), file_of("{}"));
  CHECK_EQ(st::File(folder.file("none")).entries().size(), 0u);
}

TEST(safetensors_names_files_that_cannot_be_opened) {
  const TemporaryFolder folder;
  CHECK_THROWS_CODE(st::File(folder.file("missing")), ErrorCode::kFile, "missing': No such file");
  CHECK_THROWS_CODE(st::File(folder.file(".")), ErrorCode::kFile, "not a regular file");
  REQUIRE(::mkfifo(folder.file("pipe").c_str(), 0600) == 0);
  CHECK_THROWS_CODE(st::File(folder.file("pipe")), ErrorCode::kFile, "not a regular file");
}

TEST(safetensors_writes_the_reference_layout_byte_for_byte) {
  const TemporaryFolder folder;
  const float f[3] = {1, 2, 3};
  const uint16_t h[2] = {0x3c00, 0x4000};
  const int64_t ids[1] = {7};
  st::write(folder.file("x"), {{"h", st::Dtype::kF16, {2}, h},
                               {"w", st::Dtype::kF32, {3, 1}, f},
                               {"v", st::Dtype::kF32, {0}, nullptr},
                               {"ids", st::Dtype::kI64, {1}, ids}});
  // The reference orders by width, then name; here by width, then the order given.
  std::string header = R"({"__metadata__":{"format":"pt"},"ids":{"dtype":"I64","shape":[1],"data_offsets":[0,8]},)"
                       R"("w":{"dtype":"F32","shape":[3,1],"data_offsets":[8,20]},)"
                       R"("v":{"dtype":"F32","shape":[0],"data_offsets":[20,20]},)"
                       R"("h":{"dtype":"F16","shape":[2],"data_offsets":[20,24]}})";
  while (header.size() % 8) header += ' ';
  std::string data(24, '\0');
  std::memcpy(data.data(), ids, 8);
  std::memcpy(data.data() + 8, f, 12);
  std::memcpy(data.data() + 20, h, 4);
  CHECK(bytes_of(folder.file("x")) == file_of(header, data));
}

TEST(safetensors_round_trip_is_byte_identical) {
  const TemporaryFolder folder;
  const std::vector<unsigned char> noise(64, 0xA5);
  std::vector<st::Item> items;
  for (const st::Dtype dtype : {st::Dtype::kBool, st::Dtype::kU8, st::Dtype::kI8, st::Dtype::kI16, st::Dtype::kU16,
                                st::Dtype::kF16, st::Dtype::kBf16, st::Dtype::kI32, st::Dtype::kU32, st::Dtype::kF32,
                                st::Dtype::kF64, st::Dtype::kI64, st::Dtype::kU64}) {
    items.push_back({std::string("tensor \"") + st::name(dtype) + "\"\n\xc3\xa9", dtype, {1, 3}, noise.data()});
  }
  st::write(folder.file("first"), items, {{"format", "pt"}, {"by", "a \\ test\x01"}});
  const st::File first(folder.file("first"));
  CHECK_EQ(first.entries().size(), items.size());
  CHECK_EQ(first.metadata().at("by"), "a \\ test\x01");
  std::vector<st::Item> again;
  for (const st::Entry& entry : first.entries()) again.push_back({entry.name, entry.dtype, entry.shape, entry.data});
  st::write(folder.file("second"), again, first.metadata());
  CHECK(bytes_of(folder.file("first")) == bytes_of(folder.file("second")));
  for (const st::Entry& entry : first.entries()) {
    CHECK_EQ((reinterpret_cast<uintptr_t>(entry.data)) % static_cast<uintptr_t>(st::byte_size(entry.dtype)), 0u);
  }
}

TEST(safetensors_that_are_made_in_their_turn_are_those_that_are_there) {
  const TemporaryFolder folder;
  std::vector<float> wide(700'001);  // of more than two of the pieces that are made at once
  for (size_t i = 0; i < wide.size(); ++i) wide[i] = static_cast<float>(i) / 3;
  const std::vector<int64_t> shape{static_cast<int64_t>(wide.size())}, none{0};
  const std::vector<int16_t> narrow{1, 2, 3};
  int64_t most = 0;
  const auto fill = [&](int64_t first, int64_t count, void* to) {
    most = std::max(most, count);
    std::copy_n(wide.data() + first, count, static_cast<float*>(to));
  };
  st::write(folder.file("there"), {{"narrow", st::Dtype::kI16, {3}, narrow.data()},
                                   {"wide", st::Dtype::kF32, shape, wide.data()},
                                   {"none", st::Dtype::kF32, none, nullptr}});
  st::write(folder.file("made"), {{"narrow", st::Dtype::kI16, {3}, narrow.data()},
                                  {"wide", st::Dtype::kF32, shape, nullptr, fill},
                                  {"none", st::Dtype::kF32, none, nullptr, fill}});
  const auto content = [&](const char* name) {
    std::ifstream in(folder.file(name), std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(in), {});
  };
  CHECK(content("made") == content("there"));
  CHECK(most > 0);
  CHECK(most < 300'000);
}

TEST(safetensors_writer_refuses_what_no_reader_would_take) {
  const TemporaryFolder folder;
  const float f[1] = {1};
  const auto write = [&](std::vector<st::Item> items) { st::write(folder.file("x"), items); };
  CHECK_THROWS_CODE(write({{"a", st::Dtype::kF32, {1}, f}, {"a", st::Dtype::kF32, {1}, f}}),
                    ErrorCode::kInvalidArgument, "\"a\"");
  CHECK_THROWS_CODE(write({{"__metadata__", st::Dtype::kF32, {1}, f}}), ErrorCode::kInvalidArgument, "reserved");
  CHECK_THROWS_CODE(write({{"a", st::Dtype::kF32, {-1}, f}}), ErrorCode::kInvalidArgument, "negative");
  CHECK_THROWS_CODE(write({{"a", st::Dtype::kF32, {INT64_MAX, 2}, f}}), ErrorCode::kInvalidArgument, "64 bits");
  CHECK_THROWS_CODE(write({{"a", st::Dtype::kF32, {1}, nullptr}}), ErrorCode::kInvalidArgument, "no data");
  CHECK(!std::filesystem::exists(folder.file("x")));
  CHECK_THROWS_CODE(st::write(folder.file("no/such/folder"), {{"a", st::Dtype::kF32, {1}, f}}), ErrorCode::kFile,
                    "No such file");
}

TEST(safetensors_writer_tells_of_a_full_disk) {
  if (::access("/dev/full", W_OK) != 0) SKIP("no /dev/full on this machine");
  const TemporaryFolder folder;
  std::filesystem::create_symlink("/dev/full", folder.file("full"));
  const float f[1] = {1};
  CHECK_THROWS_CODE(st::write(folder.file("full"), {{"a", st::Dtype::kF32, {1}, f}}), ErrorCode::kFile,
                    "No space left");
  CHECK(!std::filesystem::exists(std::filesystem::symlink_status(folder.file("full"))));
}

TEST(json_reads_values_exactly) {
  const json::Value root = json::parse(
      " {\"i\":-9223372036854775808,\"j\":9223372036854775807,\"d\":1.5e3,\"z\":-0,\"t\":true,\"f\":false,\"n\":null,"
      "\"s\":\"a\\u00e9\\ud83d\\ude00\\n\\/\xc3\xa9\",\"a\":[ ],\"o\":{ }}\n");
  const auto* object = root.get<json::Object>();
  REQUIRE(object && object->size() == 10);
  const auto& at = *object;
  CHECK_EQ(*at[0].value.get<int64_t>(), INT64_MIN);
  CHECK_EQ(*at[1].value.get<int64_t>(), INT64_MAX);
  CHECK_EQ(*at[2].value.get<double>(), 1500.0);
  CHECK_EQ(*at[3].value.get<int64_t>(), 0);
  CHECK_EQ(*at[4].value.get<bool>(), true);
  CHECK_EQ(*at[5].value.get<bool>(), false);
  CHECK(at[6].value.get<std::nullptr_t>() != nullptr);
  CHECK_EQ(*at[7].value.get<std::string>(), "a\xc3\xa9\xf0\x9f\x98\x80\n/\xc3\xa9");
  CHECK(at[8].value.get<json::Array>()->empty());
  CHECK(at[9].value.get<json::Object>()->empty());
}

TEST(json_refuses_what_is_not_json) {
  for (const char* text : {"",
                           " ",
                           "{",
                           "[",
                           "[1,]",
                           "{\"a\":1,}",
                           "{\"a\"}",
                           "{a:1}",
                           "01",
                           "+1",
                           "1.",
                           ".5",
                           "1e",
                           "-",
                           "tru",
                           "nul",
                           "NaN",
                           "Infinity",
                           "\"",
                           "\"\\x\"",
                           "\"\\u12g4\"",
                           "\"\\ud800\"",
                           "\"\\ud800\\u0041\"",
                           "\"\\udc00\"",
                           "\"\t\"",
                           "\"\xc0\x80\"",
                           "\"\xed\xa0\x80\"",
                           "\"\xf4\x90\x80\x80\"",
                           "\"\xe2\x82\"",
                           "\"\x80\"",
                           "1 2",
                           "[1 2]",
                           "9223372036854775808",
                           "1e999",
                           "/**/1",
                           "'a'",
                           "{\"a\":1,\"\\u0061\":2}"}) {
    bool thrown = false;
    try {
      json::parse(text);
    } catch (const json::ParseError&) {
      thrown = true;
    }
    if (!CHECK(thrown)) std::printf("      accepted: %s\n", text);
  }
}
