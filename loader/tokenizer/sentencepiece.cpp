#include "loader/tokenizer/sentencepiece.h"

#include <cmath>

#include "loader/onnx/wire.h"
#include "loader/open_regular.h"
#include "loader/tokenizer/json_fields.h"
#include "loader/tokenizer/unicode.h"
#include "runtime/core/error.h"
#include "runtime/core/mapped_file.h"

namespace vulcap::tokenizer {
namespace {

using onnx::WireReader;

// Field numbers of sentencepiece_model.proto.
enum ModelField : std::uint32_t { kPieces = 1, kTrainerSpec = 2, kNormalizerSpec = 3 };
enum PieceField : std::uint32_t { kText = 1, kScore = 2, kKind = 3 };
enum TrainerField : std::uint32_t { kModelType = 3, kByteFallback = 35, kUnkId = 40, kUnkPiece = 45 };
enum NormalizerField : std::uint32_t { kCharsmap = 2 };

constexpr std::int64_t kUnigram = 1, kBpe = 2;

[[noreturn]] void fail(const std::string& what) { throw core::Error(core::ErrorCode::kInvalidModel, what); }

SentencePiece read_piece(WireReader reader) {
  SentencePiece piece;
  while (reader.next()) {
    if (reader.field() == kText) piece.text = reader.text();
    if (reader.field() == kScore) piece.score = double(reader.float32());
    if (reader.field() == kKind) {
      const std::int64_t kind = reader.integer();
      if (kind < 1 || kind > 6) fail("a piece has the unknown type " + std::to_string(kind));
      piece.kind = SentencePiece::Kind(kind);
    }
  }
  if (piece.text.empty() || !is_valid_utf8(piece.text)) fail("a piece is empty or not UTF-8");
  if (!std::isfinite(piece.score)) fail("the score of piece '" + piece.text + "' is not finite");
  return piece;
}

void read_trainer(WireReader reader, SentencePieceModel& model) {
  std::int64_t type = kUnigram, unk = 0;
  while (reader.next()) {
    if (reader.field() == kModelType) type = reader.integer();
    if (reader.field() == kByteFallback) model.byte_fallback = reader.integer() != 0;
    if (reader.field() == kUnkId) unk = reader.integer();
    if (reader.field() == kUnkPiece) model.unk_piece = reader.text();
  }
  if (type != kUnigram && type != kBpe)
    fail("model type " + std::to_string(type) + " is not supported; unigram (1) and bpe (2) are");
  if (unk < 0 || unk > UINT32_MAX) fail("unk_id " + std::to_string(unk) + " is not an id");
  model.is_bpe = type == kBpe;
  model.unk_id = std::uint32_t(unk);
}

SentencePieceModel read(WireReader reader) {
  SentencePieceModel model;
  while (reader.next()) {
    if (reader.field() == kPieces) model.pieces.push_back(read_piece(reader.message()));
    if (reader.field() == kTrainerSpec) read_trainer(reader.message(), model);
    if (reader.field() != kNormalizerSpec) continue;
    WireReader normalizer = reader.message();
    while (normalizer.next()) {
      if (normalizer.field() == kCharsmap) model.precompiled_charsmap = normalizer.text();
    }
  }
  if (model.pieces.empty()) fail("holds no pieces");
  if (model.unk_id >= model.pieces.size())
    fail("unk_id " + std::to_string(model.unk_id) + " is outside its pieces");
  return model;
}

}  // namespace

SentencePieceModel read_sentencepiece(const std::filesystem::path& path) {
  const auto file = loader::open_regular(path);
  try {
    return read(WireReader(file->bytes()));
  } catch (core::Error& error) {
    error.add_context(path.string() + ": not a sentencepiece model, or damaged");
    throw;
  }
}

}  // namespace vulcap::tokenizer
