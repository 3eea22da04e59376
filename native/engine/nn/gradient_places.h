#pragma once
#include <cstdint>
#include <unordered_map>

namespace vectune {

/// Where gradients lie in a flat buffer that has those of what is trained and no others, in the ParameterTable's order.
/// What one operation writes (query's, key's and value's together) is there whole where any of it is trained.
class GradientPlaces {
 public:
  static constexpr int64_t kFrozen = -1;

  /// The next place is of what begins at the table's `offset`.
  int64_t add(int64_t offset, int64_t elements) {
    const int64_t place = elements_;
    places_.emplace(offset, place);
    elements_ += elements;
    return place;
  }

  /// Of what begins at the table's `offset`; kFrozen where it has none.
  int64_t at(int64_t offset) const {
    const auto found = places_.find(offset);
    return found == places_.end() ? kFrozen : found->second;
  }
  int64_t elements() const { return elements_; }

  /// The first `tables` are of the embedding tables and the bias of distances, which are added to; those up to
  /// `encoder` of the encoder.
  int64_t tables = 0, encoder = 0;

 private:
  std::unordered_map<int64_t, int64_t> places_;
  int64_t elements_ = 0;
};

}  // namespace vectune
