// Turns tokens back into text (field "decoder").
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "loader/tokenizer/json_fields.h"

namespace vulcap::tokenizer {

class Decoder {
 public:
  virtual ~Decoder() = default;
  // The text is the concatenation of the strings that come out. All strings are valid UTF-8.
  virtual std::vector<std::string> decode(std::vector<std::string> tokens) const = 0;
};

// Throws core::Error(kInvalidModel) naming the type when it is not known.
std::unique_ptr<Decoder> make_decoder(const Fields& fields);

void replace_all(std::string& text, std::string_view from, std::string_view to);

}  // namespace vulcap::tokenizer
