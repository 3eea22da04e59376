#include "model/place.h"

#include <cctype>

#include "runtime/errors.h"

namespace vectune {

Place Place::parse(const std::string& text) {
  if (text == "cpu") return {};
  if (text == "cpu-tensors") return {Kind::kTensors, 0};
  if (text.size() > 5 && text.size() < 8 && text.starts_with("cuda:")) {
    int index = 0;
    bool digits = true;
    for (const char c : text.substr(5)) {
      digits = digits && std::isdigit(static_cast<unsigned char>(c));
      index = 10 * index + (c - '0');
    }
    if (digits) return {Kind::kCuda, index};
  }
  throw Error(ErrorCode::kInvalidArgument,
              "A device is 'cpu' or 'cuda:' and a number below 100; found '" + text + "'.");
}

std::string Place::text() const {
  switch (kind) {
    case Kind::kCpu: return "cpu";
    case Kind::kTensors: return "cpu-tensors";
    case Kind::kCuda: break;
  }
  return "cuda:" + std::to_string(index);
}

}  // namespace vectune
