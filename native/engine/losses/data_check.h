#pragma once
#include <cstdint>
#include <functional>
#include <string>

#include "losses/loss.h"

namespace vectune {

/// What a loss asks of the data that it is to train on. Errors are kInvalidArgument and name the loss, what it needs
/// and the first row that is otherwise.
class DataCheck {
 public:
  DataCheck(std::string loss, const LossData& data) : loss_(std::move(loss)), data_(data) {}

  /// Rows of `least` to `most` texts, in words.
  const DataCheck& texts(int64_t least, int64_t most, const std::string& words) const;
  /// Rows of as many texts each.
  const DataCheck& equal_rows() const;
  /// `width` numbers of each row, in words.
  const DataCheck& labels(int64_t width, const std::string& words) const;
  /// Every number of a row fulfils it; in words.
  const DataCheck& values(const std::function<bool(float)>& fulfilled, const std::string& words) const;

  [[noreturn]] void refuse(const std::string& words) const;

 private:
  std::string loss_;
  const LossData& data_;
};

inline constexpr int64_t kAnyNumber = INT64_MAX;

}  // namespace vectune
