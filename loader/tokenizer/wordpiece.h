// Longest-match-first word pieces. Follows models/wordpiece of Hugging Face tokenizers 0.22.
#pragma once

#include <memory>

#include "loader/tokenizer/model.h"

namespace vulcap::tokenizer {

// Throws core::Error(kInvalidModel) for missing or ill-typed fields and an unk_token outside the vocabulary.
std::unique_ptr<Model> make_wordpiece(const Fields& fields);

}  // namespace vulcap::tokenizer
