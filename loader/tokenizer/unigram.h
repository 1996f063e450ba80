// SentencePiece's unigram language model: the most probable segmentation (Viterbi).
// Follows models/unigram of Hugging Face tokenizers 0.22 (encode_optimized).
#pragma once

#include <memory>

#include "loader/tokenizer/model.h"

namespace vulcap::tokenizer {

// Beside the fields of tokenizer.json: a score may be null, then no text is cut into that token; "ids"
// {token: id} numbers the tokens in place of their rows, with "unk_token" for pieces that it lacks (Marian).
// Throws core::Error(kInvalidModel) for missing or ill-typed fields and an unk_id outside the vocabulary.
std::unique_ptr<Model> make_unigram(const Fields& fields);

}  // namespace vulcap::tokenizer
