// sentencepiece .model files (sentencepiece_model.proto).
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace vulcap::tokenizer {

struct SentencePiece {
  enum class Kind : std::uint8_t {  // numbers of the schema
    kNormal = 1,
    kUnknown = 2,
    kControl = 3,
    kUserDefined = 4,
    kUnused = 5,
    kByte = 6,
  };
  std::string text;
  double score = 0;
  Kind kind = Kind::kNormal;
};

struct SentencePieceModel {
  std::vector<SentencePiece> pieces;  // by id
  bool is_bpe = false;                // else Unigram
  std::uint32_t unk_id = 0;
  std::string unk_piece = "<unk>";
  bool byte_fallback = false;
  std::string precompiled_charsmap;  // as in the file; may be empty
};

// Throws core::Error(kInvalidModel) naming the file: missing, damaged, no pieces, a piece that is not UTF-8,
// another model type (word, char), unk_id outside the pieces.
SentencePieceModel read_sentencepiece(const std::filesystem::path& path);

}  // namespace vulcap::tokenizer
