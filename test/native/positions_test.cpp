// Rows of the position table, as transformers 5 gives them to token ids (RobertaEmbeddings.
// create_position_ids_from_input_ids: padding_idx + cumsum of what is not the pad token, which itself has padding_idx).
#include <vector>

#include "check.h"
#include "model/architecture.h"
#include "model/relative_buckets.h"
#include "model/spec.h"

using namespace vectune;

namespace {

using Ids = std::vector<int32_t>;

Ids positions(const char* name, int64_t pad, int64_t offset, const Ids& ids) {
  EncoderSpec spec;
  spec.architecture = &architecture(name);
  spec.pad_id = pad;
  spec.position_offset = offset;
  Ids rows(ids.size());
  write_positions(spec, ids.data(), static_cast<int64_t>(ids.size()), rows.data());
  return rows;
}

}  // namespace

TEST(roberta_counts_tokens_that_are_not_the_pad_token) {
  CHECK(positions("roberta", 1, 2, {0, 8845, 19, 1437, 1, 2}) == (Ids{2, 3, 4, 5, 1, 6}));
  CHECK(positions("roberta", 1, 2, {0, 8845, 19, 1437, 2}) == (Ids{2, 3, 4, 5, 6}));
  CHECK(positions("roberta", 1, 2, {1, 1, 7, 1}) == (Ids{1, 1, 2, 1}));
  // The pad token is the configuration's, whatever the tokenizer calls that id.
  CHECK(positions("roberta", 0, 1, {0, 8845, 1, 2}) == (Ids{0, 1, 2, 3}));
}

TEST(bert_counts_every_token) {
  CHECK(positions("bert", 0, 0, {101, 0, 0, 102}) == (Ids{0, 1, 2, 3}));
  CHECK(positions("distilbert", 0, 0, {101, 0, 102}) == (Ids{0, 1, 2}));
}

TEST(mpnet_counts_as_roberta_does) { CHECK(positions("mpnet", 1, 2, {0, 8845, 1, 2}) == (Ids{2, 3, 1, 4})); }

// By transformers' MPNetEncoder.relative_position_bucket: keys before the query, and after it.
TEST(distances_have_the_buckets_of_transformers) {
  for (int64_t d = 0; d < 8; ++d) CHECK(relative_bucket(-d) == d);
  for (int64_t d = 1; d < 8; ++d) CHECK(relative_bucket(d) == 16 + d);
  const int64_t first[] = {8, 12, 16, 23, 32, 46, 64, 91, 8193};  // of the buckets 8 to 15
  for (int64_t i = 0; i < 8; ++i)
    for (const int64_t distance : {first[i], first[i + 1] - 1}) {
      CHECK(relative_bucket(-distance) == 8 + i);
      CHECK(relative_bucket(distance) == 24 + i);
    }
}

TEST(an_architecture_is_found_by_its_name) {
  for (const Architecture* one : architectures()) CHECK(&architecture(one->name) == one);
  CHECK_THROWS_CODE(architecture("gpt2"), ErrorCode::kInvalidArgument, "found 'gpt2'");
}
