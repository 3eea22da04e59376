#include "model/architectures/architectures.h"

#include <algorithm>

#include "model/spec.h"
#include "runtime/errors.h"

namespace vectune {

const std::vector<const Architecture*>& architectures() {
  static const auto all = [] {
    static const Architecture plans[] = {
        albert(), bert(),       camembert(), distilbert(), electra(), gemma3_text(),      gte(),        modernbert(),
        mpnet(),  nomic_bert(), qwen2(),     qwen3(),      roberta(), static_embedding(), xlm_roberta()};
    std::vector<const Architecture*> list;
    for (const Architecture& plan : plans) list.push_back(&plan);
    return list;
  }();
  return all;
}

const Architecture& architecture(std::string_view name) {
  const auto& all = architectures();
  const auto found = std::find_if(all.begin(), all.end(), [&](const Architecture* a) { return a->name == name; });
  if (found != all.end()) return **found;
  std::string known;
  for (const Architecture* a : all) known += (known.empty() ? "'" : ", '") + a->name + "'";
  throw Error(ErrorCode::kInvalidArgument,
              "The architecture must be one of " + known + ", found '" + std::string(name) + "'.");
}

int64_t pad_position(const EncoderSpec& spec) {
  return spec.architecture->positions == Architecture::Positions::kAfterPad ? spec.pad_id : -1;
}

void write_positions(const EncoderSpec& spec, const int32_t* ids, int64_t tokens, int32_t* rows) {
  const auto pad = static_cast<int32_t>(pad_position(spec));
  auto next = static_cast<int32_t>(spec.position_offset);
  for (int64_t i = 0; i < tokens; ++i) rows[i] = pad >= 0 && ids[i] == pad ? pad : next++;
}

}  // namespace vectune
