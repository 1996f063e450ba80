// A part of the text on its way through the stages.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "loader/tokenizer/normalized_string.h"

namespace vulcap::tokenizer {

struct Piece {
  NormalizedString text;
  std::optional<std::uint32_t>
      added_token;  // set: the piece is this added token and no later stage touches it
};

// One token of a piece; the range counts bytes of the piece's UTF-8.
struct Token {
  std::uint32_t id;
  std::string text;
  std::size_t begin;
  std::size_t end;
};

}  // namespace vulcap::tokenizer
