#include "train/dataset.h"

#include <cmath>
#include <limits>
#include <vector>

#include "check.h"
#include "runtime/memory_budget.h"
#include "train/group_batch.h"

using namespace vectune;

namespace {

/// Four texts; two rows, one of two columns and one of three, which name text 1 both.
struct Input {
  std::vector<int32_t> ids{101, 7, 102, 101, 102, 101, 8, 9, 102, 101};
  std::vector<int32_t> offsets{0, 3, 5, 9, 10};
  std::vector<int32_t> columns{0, 1, 3, 1, 2};
  std::vector<int32_t> row_offsets{0, 2, 5};
  std::vector<float> labels{0.25f, 1.0f, 0.5f, 0.75f};
  std::vector<RowSet> sets;

  Dataset make() const {
    const auto size = [](const auto& list) { return static_cast<int64_t>(list.size()); };
    return Dataset({ids.data(), size(ids), offsets.data(), size(offsets) - 1},
                   {columns.data(), size(columns), row_offsets.data(), size(row_offsets) - 1},
                   {labels.data(), size(labels)}, sets);
  }
  void refused(const char* part) const { CHECK_THROWS_CODE(make(), ErrorCode::kInvalidArgument, part); }
};

constexpr int32_t kLargest = std::numeric_limits<int32_t>::max(), kLeast = std::numeric_limits<int32_t>::min();

}  // namespace

TEST(dataset_copies_and_measures) {
  memory_budget::install();
  const int64_t live = Dataset::live(), held = memory_budget::in_use();
  {
    Input input;
    const Dataset dataset = input.make();
    CHECK_EQ(Dataset::live(), live + 1);
    CHECK_EQ(memory_budget::in_use() - held, int64_t{4 * (10 + 5 + 5 + 3 + 4)});
    CHECK_EQ(dataset.bytes(), memory_budget::in_use() - held);
    input.ids.assign(10, -1);
    input.offsets.assign(5, -1);
    input.columns.assign(5, -1);
    input.row_offsets.assign(3, -1);
    input.labels.assign(4, -1.0f);
    CHECK_EQ(dataset.texts(), int64_t{4});
    CHECK_EQ(dataset.rows(), int64_t{2});
    CHECK_EQ(dataset.tokens(), int64_t{10});
    CHECK_EQ(dataset.longest_text(), int64_t{4});
    CHECK_EQ(dataset.largest_id(), 102);
    CHECK_EQ(dataset.length(3), int64_t{1});
    CHECK_EQ(dataset.ids()[6], 8);
    CHECK_EQ(dataset.offsets()[4], 10);
    CHECK_EQ(dataset.columns(0).size(), size_t{2});
    CHECK_EQ(dataset.columns(1).size(), size_t{3});
    CHECK_EQ(dataset.columns(1)[0], 3);
    CHECK_EQ(dataset.label_width(), int64_t{2});
    CHECK_EQ(dataset.labels(1)[1], 0.75f);
  }
  CHECK_EQ(Dataset::live(), live);
  CHECK_EQ(memory_budget::in_use(), held);
}

TEST(dataset_may_be_empty_and_without_labels) {
  Input input;
  input.labels.clear();
  CHECK_EQ(input.make().label_width(), int64_t{0});
  input.ids.clear();
  input.offsets = {0};
  input.columns.clear();
  input.row_offsets = {0};
  CHECK_EQ(input.make().rows(), int64_t{0});
}

TEST(dataset_refuses_what_is_not_packed_text) {
  memory_budget::install();
  const int64_t live = Dataset::live(), held = memory_budget::in_use();
  Input input;
  input.offsets = {1, 3, 5, 9, 10};
  input.refused("offsets[0] must be 0; found 1");
  input.offsets = {0, 5, 3, 9, 10};
  input.refused("Text 1 ends before it begins; its offsets are 5 and 3");
  input.offsets = {0, 3, 5, 9, 11};
  input.refused("number of ids, 10; found 11");
  input.offsets = {0, 3, 5, 8, 9};
  input.refused("number of ids, 10; found 9");
  input.offsets = {0, kLargest, kLeast, 9, 10};
  input.refused("Text 1");
  input = Input();
  input.ids[5] = -3;
  input.refused("Text 2 has the negative token id -3");
  CHECK_EQ(Dataset::live(), live);
  CHECK_EQ(memory_budget::in_use(), held);
}

TEST(dataset_refuses_rows_and_labels_that_cannot_be) {
  memory_budget::install();
  const int64_t live = Dataset::live(), held = memory_budget::in_use();
  for (const int32_t text : {-1, 4, kLargest, kLeast}) {
    Input input;
    input.columns[3] = text;
    input.refused(("Column 1 of row 1 names text " + std::to_string(text) + ", but there are 4 texts").c_str());
  }
  Input input;
  input.row_offsets = {1, 2, 5};
  input.refused("rowOffsets[0] must be 0; found 1");
  input.row_offsets = {0, 0, 5};
  input.refused("Row 0 must have at least one column");
  input.row_offsets = {0, 5, 2};
  input.refused("Row 1 must have at least one column; its offsets are 5 and 2");
  input.row_offsets = {0, kLargest, kLeast};
  input.refused("Row 1");
  input.row_offsets = {0, 2, 4};
  input.refused("number of columns, 5; found 4");
  input.row_offsets = {0, 2, 6};
  input.refused("number of columns, 5; found 6");

  input = Input();
  input.labels.pop_back();
  input.refused("found 2 rows and 3 labels");
  input = Input();
  input.labels[3] = std::numeric_limits<float>::quiet_NaN();
  input.refused("row 1");
  input.columns.clear();
  input.row_offsets = {0};
  input.labels.resize(1);
  input.refused("found 0 rows and 1 labels");
  CHECK_EQ(Dataset::live(), live);
  CHECK_EQ(memory_budget::in_use(), held);
}

TEST(sets_have_their_own_labels) {
  Input input;
  input.labels = {0.25f, 1.0f, 0.5f, 0.75f};
  input.sets = {{1, 1}, {1, 3}};
  const Dataset dataset = input.make();
  CHECK_EQ(dataset.sets(), int64_t{2});
  CHECK_EQ(dataset.set_of(0), int64_t{0});
  CHECK_EQ(dataset.set_of(1), int64_t{1});
  CHECK_EQ(dataset.label_width(0), int64_t{1});
  CHECK_EQ(dataset.label_width(1), int64_t{3});
  CHECK_EQ(*dataset.labels(0), 0.25f);
  CHECK_EQ(dataset.labels(1)[2], 0.75f);
  const LossData second = dataset.for_loss(1);
  CHECK_EQ(second.rows, int64_t{1});
  CHECK_EQ(second.columns(0), int64_t{3});
  CHECK_EQ(second.label_width, int64_t{3});
  CHECK_EQ(second.labels[0], 1.0f);
  const int32_t row = 1;
  const GroupBatch batch(dataset, &row, 1);
  CHECK_EQ(batch.set, int64_t{1});
  CHECK(batch.labels == std::vector<float>({1.0f, 0.5f, 0.75f}));

  input.sets = {{1, 0}, {1, 4}};
  CHECK_EQ(input.make().label_width(0), int64_t{0});
  CHECK_EQ(input.make().labels(1)[3], 0.75f);
  for (const std::vector<RowSet>& sets : {std::vector<RowSet>{{1, 1}},
                                          {{1, 1}, {1, 2}},
                                          {{1, 1}, {1, 4}},
                                          {{1, 1}, {1, 3}, {1, 0}},
                                          {{0, 1}, {2, 2}},
                                          {{2, -1}},
                                          {{1, kLargest}, {1, 3}}}) {
    input.sets = sets;
    input.refused("Sets must have");
  }
  input.sets = {{1, 1}, {1, 3}};
  input.labels[2] = std::numeric_limits<float>::infinity();
  input.refused("A label of row 1 is not a finite number");
}

TEST(a_batch_has_each_text_once) {
  Input input;
  input.columns = {2, 1, 3, 1, 2};
  const Dataset dataset = input.make();
  const std::vector<int32_t> rows{1, 0, 1};
  const GroupBatch batch(dataset, rows.data(), 3);
  CHECK(batch.texts == (std::vector<int32_t>{3, 1, 2}));
  CHECK(batch.places == (std::vector<int32_t>{0, 1, 2, 2, 1, 0, 1, 2}));
  CHECK(batch.offsets == (std::vector<int32_t>{0, 3, 5, 8}));
  CHECK(batch.labels == (std::vector<float>{0.5f, 0.75f, 0.25f, 1.0f, 0.5f, 0.75f}));
  CHECK_EQ(batch.columns, int64_t{0});
  CHECK_EQ(batch.tokens, int64_t{2 * (1 + 2 + 4) + 4 + 2});  // as often as it is named
  CHECK_EQ(batch.texts_before(0), int64_t{0});
  CHECK_EQ(batch.texts_before(1), int64_t{3});
  CHECK_EQ(batch.texts_before(3), int64_t{3});
  CHECK(!batch.in_order());

  const GroupBatch kept(dataset, rows.data(), 3, GroupBatch::Repeats::kKept);
  CHECK(kept.texts == (std::vector<int32_t>{3, 1, 2, 2, 1, 3, 1, 2}));
  CHECK(kept.in_order());
  CHECK_EQ(kept.tokens, batch.tokens);
  CHECK_EQ(GroupBatch(dataset, rows.data() + 1, 1).columns, int64_t{2});
}
