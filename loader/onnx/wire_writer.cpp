#include "loader/onnx/wire_writer.h"

#include <span>

namespace vulcap::onnx {

std::string wire_varint(uint64_t value) {
  std::string bytes;
  for (; value >= 0x80; value >>= 7) bytes += char(value | 0x80);
  return bytes + char(value);
}

std::string wire_number(uint32_t field, uint64_t value) {
  return wire_varint(uint64_t(field) << 3) + wire_varint(value);
}

std::string wire_header(uint32_t field, size_t length) {
  return wire_varint(uint64_t(field) << 3 | 2) + wire_varint(length);
}

std::string wire_text(uint32_t field, const std::string& text) {
  return wire_header(field, text.size()) + text;
}

void Rope::add(Bytes bytes, bool file_backed) {
  if (bytes.empty()) return;
  size_ += bytes.size();
  if (!pieces_.empty()) {
    Piece& last = pieces_.back();
    const bool follows = last.bytes.data() + last.bytes.size() == bytes.data();
    if (follows && last.file_backed == file_backed) {
      last.bytes = Bytes(last.bytes.data(), last.bytes.size() + bytes.size());
      return;
    }
  }
  pieces_.push_back({bytes, file_backed});
}

void Rope::add(const std::string& text) {
  texts_.push_back(std::make_shared<const std::string>(text));
  pieces_.push_back({std::as_bytes(std::span(*texts_.back()))});
  size_ += text.size();
}

void Rope::add(Rope rope) {
  pieces_.insert(pieces_.end(), rope.pieces_.begin(), rope.pieces_.end());
  texts_.insert(texts_.end(), rope.texts_.begin(), rope.texts_.end());
  size_ += rope.size_;
}

std::string Rope::text() const {
  std::string text;
  text.reserve(size_);
  for (const Piece& piece : pieces_)
    text.append(reinterpret_cast<const char*>(piece.bytes.data()), piece.bytes.size());
  return text;
}

void Rope::add_field(uint32_t field, Rope rope) {
  add(wire_header(field, rope.size()));
  add(std::move(rope));
}

}  // namespace vulcap::onnx
