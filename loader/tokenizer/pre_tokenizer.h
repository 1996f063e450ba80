// Cuts the normalised text into words (field "pre_tokenizer").
#pragma once

#include <memory>

#include "loader/tokenizer/json_fields.h"
#include "loader/tokenizer/piece.h"

namespace vulcap::tokenizer {

class PreTokenizer {
 public:
  virtual ~PreTokenizer() = default;
  // Appends the parts of one piece to `out`; empty parts are left out.
  virtual void split(NormalizedString text, std::vector<NormalizedString>& out) const = 0;
};

// Throws core::Error(kInvalidModel) naming the type when it is not known.
std::unique_ptr<PreTokenizer> make_pre_tokenizer(const Fields& fields);

// Applies it to every piece that is no added token.
std::vector<Piece> pre_tokenize(const PreTokenizer* pre_tokenizer, std::vector<Piece> pieces);

// "prepend_scheme" of Metaspace, which older files spell "add_prefix_space".
enum class PrependScheme { kAlways, kFirst, kNever };
PrependScheme read_prepend_scheme(const Fields& fields);

}  // namespace vulcap::tokenizer
