// cases.json beside a tokenizer: what the reference makes of texts, pairs, truncation, padding and ids.
#pragma once

#include <filesystem>

#include "loader/verify/verify.h"

namespace vulcap::loader {

// One row a case: ids, tokens, offsets, types, masks, word and sequence numbers and decoded texts must all be
// equal, as far as the case states them. Returns how many rows were made; 0 where there is no cases.json.
// Throws core::Error(kInvalidModel) for a tokenizer that cannot be loaded, or cases without the fields.
int verify_tokenizer(const std::filesystem::path& dir, const OnRow& on_row);

}  // namespace vulcap::loader
