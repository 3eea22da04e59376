#include "dataset_binding.h"

#include <vector>

#include "arguments.h"
#include "environment.h"
#include "handles.h"
#include "register.h"
#include "train/dataset.h"

namespace vectune::binding {
namespace {

std::vector<RowSet> to_row_sets(const Napi::Value& value) {
  std::vector<RowSet> sets;
  if (value.IsUndefined()) return sets;
  const Napi::Array array = to_array(value, "sets");
  for (uint32_t i = 0; i < array.Length(); ++i) {
    Fields fields(array.Get(i), "sets[" + std::to_string(i) + "]");
    const int64_t rows = fields.integer("rows", 1, kLargestInt32);
    sets.push_back({rows, fields.integer("labelWidth", 0, kLargestInt32)});
    fields.finish();
  }
  return sets;
}

Napi::Value create_dataset(const Napi::CallbackInfo& info) {
  auto ids = to_int32_array(info[0], "ids");
  auto offsets = to_int32_array(info[1], "offsets");
  auto columns = to_int32_array(info[2], "columns");
  auto row_offsets = to_int32_array(info[3], "rowOffsets");
  auto labels = to_float32_array(info[4], "labels");
  auto sets = to_row_sets(info[5]);
  auto unpooled = info[6].IsUndefined() ? CountedArray<int32_t>(0) : to_int32_array(info[6], "unpooled");
  if (offsets.size() == 0) {
    throw Error(ErrorCode::kInvalidArgument, "offsets must have one entry more than there are texts; found none.");
  }
  if (row_offsets.size() == 0) {
    throw Error(ErrorCode::kInvalidArgument, "rowOffsets must have one entry more than there are rows; found none.");
  }
  if (!info[6].IsUndefined() && unpooled.size() != offsets.size() - 1) {
    throw Error(ErrorCode::kInvalidArgument, "unpooled must have one entry for each of the " +
                                                 std::to_string(offsets.size() - 1) + " texts; found " +
                                                 std::to_string(unpooled.size()) + ".");
  }
  return Environment::of(info.Env())
      .promise(
          info.Env(),
          [ids = std::move(ids), offsets = std::move(offsets), columns = std::move(columns),
           row_offsets = std::move(row_offsets), labels = std::move(labels), sets = std::move(sets),
           unpooled = std::move(unpooled)] {
            return std::make_shared<Dataset>(
                PackedTexts{ids.data(), ids.size(), offsets.data(), offsets.size() - 1,
                            unpooled.size() == 0 ? nullptr : unpooled.data()},
                PackedRows{columns.data(), columns.size(), row_offsets.data(), row_offsets.size() - 1},
                PackedLabels{labels.data(), labels.size()}, sets);
          },
          [](Napi::Env env, std::shared_ptr<Dataset>& dataset) {
            const int64_t bytes = dataset->bytes();
            return Handle<Dataset>::wrap(env, std::move(dataset), bytes);
          });
}

Napi::Value dispose_dataset(const Napi::CallbackInfo& info) {
  Handle<Dataset>::dispose(info, 0);
  return info.Env().Undefined();
}

}  // namespace

void export_dataset_functions(Napi::Object exports) {
  export_async_function<create_dataset>(exports, "createDataset");
  export_function<dispose_dataset>(exports, "disposeDataset");
}

}  // namespace vectune::binding
