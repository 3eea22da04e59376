#include "losses/options.h"

#include <algorithm>

#include "runtime/errors.h"

namespace vectune {

namespace {

std::string text(double number) {
  std::string digits = std::to_string(number);
  digits.erase(digits.find_last_not_of('0') + 1);
  if (digits.back() == '.') digits.pop_back();
  return digits;
}

}  // namespace

const json::Value* LossOptions::value(const std::string& name) {
  read_.insert(name);
  const auto found =
      std::find_if(given_.begin(), given_.end(), [&](const auto& member) { return member.name == name; });
  return found == given_.end() ? nullptr : &found->value;
}

void LossOptions::refuse(const std::string& name, const std::string& expected) const {
  throw Error(ErrorCode::kInvalidArgument,
              "The option " + name + " of the loss " + loss_ + " must be " + expected + ".");
}

double LossOptions::number(const std::string& name, double otherwise, double least, double most) {
  const json::Value* given = value(name);
  if (!given) return otherwise;
  double number = 0;
  if (const auto* whole = given->get<int64_t>()) number = static_cast<double>(*whole);
  else if (const auto* real = given->get<double>()) number = *real;
  else refuse(name, std::string("a number; found ") + given->kind());
  // Written so that NaN is refused too.
  if (!(number >= least && number <= most))
    refuse(name, "from " + text(least) + " to " + text(most) + "; found " + text(number));
  return number;
}

bool LossOptions::flag(const std::string& name, bool otherwise) {
  const json::Value* given = value(name);
  if (!given) return otherwise;
  if (const auto* flag = given->get<bool>()) return *flag;
  refuse(name, std::string("true or false; found ") + given->kind());
}

std::string LossOptions::word(const std::string& name, const std::string& otherwise,
                              std::initializer_list<const char*> choices) {
  const json::Value* given = value(name);
  if (!given) return otherwise;
  const auto* word = given->get<std::string>();
  if (word && std::find(choices.begin(), choices.end(), *word) != choices.end()) return *word;
  std::string expected;
  for (const char* choice : choices) expected += (expected.empty() ? "'" : ", '") + std::string(choice) + "'";
  refuse(name, "one of " + expected + "; found " + (word ? "'" + *word + "'" : given->kind()));
}

void LossOptions::finish() const {
  for (const auto& member : given_) {
    if (read_.count(member.name)) continue;
    std::string known;
    for (const auto& name : read_) known += (known.empty() ? "" : ", ") + name;
    throw Error(ErrorCode::kInvalidArgument, "The loss " + loss_ + " has no option " + member.name + "; " +
                                                 (known.empty() ? "it has none." : "it has " + known + "."));
  }
}

}  // namespace vectune
