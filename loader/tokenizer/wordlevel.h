// One token a word. Follows models/wordlevel of Hugging Face tokenizers 0.22.
#pragma once

#include <memory>

#include "loader/tokenizer/model.h"

namespace vulcap::tokenizer {

// Throws core::Error(kInvalidModel) for missing or ill-typed fields.
std::unique_ptr<Model> make_wordlevel(const Fields& fields);

}  // namespace vulcap::tokenizer
