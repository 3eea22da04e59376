// Rows of the position table, as transformers 5 gives them to token ids (RobertaEmbeddings.
// create_position_ids_from_input_ids: padding_idx + cumsum of what is not the pad token, which itself has padding_idx).
#include <vector>

#include "check.h"
#include "model/architecture.h"
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

TEST(an_architecture_is_found_by_its_name) {
  for (const Architecture* one : architectures()) CHECK(&architecture(one->name) == one);
  CHECK_THROWS_CODE(architecture("gpt2"), ErrorCode::kInvalidArgument, "found 'gpt2'");
}
