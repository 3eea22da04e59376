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

std::string quoted(std::initializer_list<const char*> choices) {
  std::string list;
  for (const char* choice : choices) list += (list.empty() ? "'" : ", '") + std::string(choice) + "'";
  return list;
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

double LossOptions::number_of(const std::string& name, const json::Value& given, double least, double most) const {
  double number = 0;
  if (const auto* whole = given.get<int64_t>()) number = static_cast<double>(*whole);
  else if (const auto* real = given.get<double>()) number = *real;
  else refuse(name, std::string("a number; found ") + given.kind());
  // Written so that NaN is refused too.
  if (!(number >= least && number <= most))
    refuse(name, "from " + text(least) + " to " + text(most) + "; found " + text(number));
  return number;
}

double LossOptions::number(const std::string& name, double otherwise, double least, double most) {
  const json::Value* given = value(name);
  return given ? number_of(name, *given, least, most) : otherwise;
}

double LossOptions::positive(const std::string& name, double otherwise) { return number(name, otherwise, 1e-6, 1e6); }

std::vector<double> LossOptions::numbers(const std::string& name, double least, double most) {
  const json::Value* given = value(name);
  if (!given) return {};
  const auto* list = given->get<json::Array>();
  if (!list) refuse(name, std::string("a list of numbers; found ") + given->kind());
  if (list->empty()) refuse(name, "a list of at least one number; found none");
  std::vector<double> result;
  for (size_t i = 0; i < list->size(); ++i)
    result.push_back(number_of(name + "[" + std::to_string(i) + "]", (*list)[i], least, most));
  return result;
}

std::vector<std::string> LossOptions::words(const std::string& name, const std::vector<std::string>& otherwise,
                                            std::initializer_list<const char*> choices) {
  const json::Value* given = value(name);
  if (!given) return otherwise;
  const auto* list = given->get<json::Array>();
  if (!list) refuse(name, std::string("a list; found ") + given->kind());
  if (list->empty()) refuse(name, "a list of at least one of " + quoted(choices) + "; found none");
  std::vector<std::string> result;
  for (size_t i = 0; i < list->size(); ++i) {
    const std::string word = word_of(name + "[" + std::to_string(i) + "]", (*list)[i], choices);
    if (std::find(result.begin(), result.end(), word) != result.end())
      refuse(name, "a list that has each once; found '" + word + "' twice");
    result.push_back(word);
  }
  return result;
}

LossSpec LossOptions::loss(const std::string& name, const json::Value* given) const {
  const json::Object* object = given ? given->get<json::Object>() : nullptr;
  if (!object) refuse(name, std::string("a loss with its name and options; found ") + (given ? given->kind() : "none"));
  LossSpec spec{"", {}};
  for (const auto& member : *object) {
    const auto* text = member.value.get<std::string>();
    if (member.name != "name") spec.options.push_back(member);
    else if (text) spec.name = *text;
  }
  if (spec.name.empty()) refuse(name, "a loss with its name and options; it has no name");
  return spec;
}

bool LossOptions::flag(const std::string& name, bool otherwise) {
  const json::Value* given = value(name);
  if (!given) return otherwise;
  if (const auto* flag = given->get<bool>()) return *flag;
  refuse(name, std::string("true or false; found ") + given->kind());
}

std::string LossOptions::word_of(const std::string& name, const json::Value& given,
                                 std::initializer_list<const char*> choices) const {
  const auto* word = given.get<std::string>();
  if (word && std::find(choices.begin(), choices.end(), *word) != choices.end()) return *word;
  refuse(name, "one of " + quoted(choices) + "; found " + (word ? "'" + *word + "'" : given.kind()));
}

std::string LossOptions::word(const std::string& name, const std::string& otherwise,
                              std::initializer_list<const char*> choices) {
  const json::Value* given = value(name);
  return given ? word_of(name, *given, choices) : otherwise;
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
