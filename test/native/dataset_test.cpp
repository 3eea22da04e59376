#include "train/dataset.h"

#include <cmath>
#include <limits>
#include <vector>

#include "check.h"
#include "runtime/memory_budget.h"

using vectune::Dataset;
using vectune::ErrorCode;

namespace {

struct Input {
  std::vector<int32_t> ids{101, 7, 102, 101, 102, 101, 8, 9, 102, 101};
  std::vector<int32_t> offsets{0, 3, 5, 9, 10};
  std::vector<float> scores{0.25f, 1.0f};

  Dataset make() const {
    return Dataset(ids.data(), static_cast<int64_t>(ids.size()), offsets.data(),
                   static_cast<int64_t>(offsets.size()) - 1, scores.data(), static_cast<int64_t>(scores.size()));
  }
  void refused(const char* part) const { CHECK_THROWS_CODE(make(), ErrorCode::kInvalidArgument, part); }
};

}  // namespace

TEST(dataset_copies_and_measures) {
  vectune::memory_budget::install();
  const int64_t live = Dataset::live(), held = vectune::memory_budget::in_use();
  {
    Input input;
    const Dataset dataset = input.make();
    CHECK_EQ(Dataset::live(), live + 1);
    CHECK_EQ(vectune::memory_budget::in_use() - held, int64_t{4 * (10 + 5 + 2)});
    input.ids.assign(10, -1);
    input.offsets.assign(5, -1);
    input.scores.assign(2, -1.0f);
    CHECK_EQ(dataset.pairs(), int64_t{2});
    CHECK_EQ(dataset.tokens(), int64_t{10});
    CHECK_EQ(dataset.longest_text(), int64_t{4});
    CHECK_EQ(dataset.largest_id(), 102);
    CHECK_EQ(dataset.length(3), int64_t{1});
    CHECK_EQ(dataset.ids()[6], 8);
    CHECK_EQ(dataset.offsets()[4], 10);
    CHECK_EQ(dataset.scores()[0], 0.25f);
  }
  CHECK_EQ(Dataset::live(), live);
  CHECK_EQ(vectune::memory_budget::in_use(), held);
}

TEST(dataset_may_be_empty) {
  Input input;
  input.ids.clear();
  input.offsets = {0};
  input.scores.clear();
  CHECK_EQ(input.make().pairs(), int64_t{0});
}

TEST(dataset_refuses_what_is_not_packed_text) {
  vectune::memory_budget::install();
  const int64_t live = Dataset::live(), held = vectune::memory_budget::in_use();
  Input input;
  input.offsets = {1, 3, 5, 9, 10};
  input.refused("offsets[0] must be 0; found 1");
  input.offsets = {0, 3, 3, 9, 10};
  input.refused("Text 1 must have at least one token");
  input.offsets = {0, 5, 3, 9, 10};
  input.refused("Text 1");
  input.offsets = {0, 3, 5, 9, 11};
  input.refused("number of ids, 10; found 11");
  input.offsets = {0, 3, 5, 8, 9};
  input.refused("number of ids, 10; found 9");
  input.offsets = {0, std::numeric_limits<int32_t>::max(), std::numeric_limits<int32_t>::min(), 9, 10};
  input.refused("Text 1");
  input.offsets = {0, 3, 10};
  input.refused("found 2 texts and 2 scores");

  input = Input();
  input.ids[5] = -3;
  input.refused("Text 2 has the negative token id -3");
  input = Input();
  input.scores[1] = std::numeric_limits<float>::quiet_NaN();
  input.refused("pair 1");
  CHECK_EQ(Dataset::live(), live);
  CHECK_EQ(vectune::memory_budget::in_use(), held);
}
