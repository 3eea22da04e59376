#include "losses/data_check.h"

#include "runtime/errors.h"

namespace vectune {

void DataCheck::refuse(const std::string& words) const {
  throw Error(ErrorCode::kInvalidArgument, "The loss " + loss_ + " needs " + words + ".");
}

const DataCheck& DataCheck::texts(int64_t least, int64_t most, const std::string& words) const {
  for (int64_t row = 0; row < data_.rows; ++row) {
    const int64_t columns = data_.columns(row);
    if (columns < least || columns > most)
      refuse("rows of " + words + ", but row " + std::to_string(row) + " has " + std::to_string(columns));
  }
  return *this;
}

const DataCheck& DataCheck::equal_rows() const {
  for (int64_t row = 1; row < data_.rows; ++row) {
    if (data_.columns(row) != data_.columns(0))
      refuse("rows of as many texts each, but row 0 has " + std::to_string(data_.columns(0)) + " and row " +
             std::to_string(row) + " has " + std::to_string(data_.columns(row)));
  }
  return *this;
}

const DataCheck& DataCheck::labels(int64_t width, const std::string& words) const {
  if (data_.rows > 0 && data_.label_width != width)
    refuse(words + ", but there are " + std::to_string(data_.label_width) + " numbers of each row");
  return *this;
}

const DataCheck& DataCheck::values(const std::function<bool(float)>& fulfilled, const std::string& words) const {
  for (int64_t i = 0; i < data_.rows * data_.label_width; ++i) {
    if (!fulfilled(data_.labels[i]))
      refuse(words + ", but row " + std::to_string(i / data_.label_width) + " has " + std::to_string(data_.labels[i]));
  }
  return *this;
}

}  // namespace vectune
