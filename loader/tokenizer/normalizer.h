// First stage of tokenizer.json: rewrites the text (field "normalizer").
#pragma once

#include <memory>

#include "loader/tokenizer/json_fields.h"
#include "loader/tokenizer/normalized_string.h"

namespace vulcap::tokenizer {

class Normalizer {
 public:
  virtual ~Normalizer() = default;
  virtual void apply(NormalizedString& text) const = 0;
};

// Throws core::Error(kInvalidModel) naming the type when it is not known.
std::unique_ptr<Normalizer> make_normalizer(const Fields& fields);

// The "pattern" of Replace and Split: {"String": s} or {"Regex": r}.
class Pattern {
 public:
  explicit Pattern(const Fields& fields);  // the object that holds "pattern"
  std::vector<Segment> find(const std::u32string& text) const;

 private:
  std::u32string literal_;
  std::shared_ptr<const class Regex> regex_;  // null for a literal; shared so that Pattern can be copied
};

}  // namespace vulcap::tokenizer
