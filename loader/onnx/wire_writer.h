// Writes the protobuf wire format.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "loader/onnx/wire.h"

namespace vulcap::onnx {

std::string wire_varint(uint64_t value);
// A field that holds a number.
std::string wire_number(uint32_t field, uint64_t value);
// Key and length of a field of bytes, which follow.
std::string wire_header(uint32_t field, size_t length);
std::string wire_text(uint32_t field, const std::string& text);

// A message in pieces: bytes that lie elsewhere and stay there, and text of its own.
class Rope {
 public:
  // The bytes must outlive the rope. `file_backed`: they are mapped from a file and may be released once they
  // are written.
  void add(Bytes bytes, bool file_backed = false);
  void add(const std::string& text);
  void add(Rope rope);
  // `rope` as the value of a field of bytes.
  void add_field(uint32_t field, Rope rope);

  struct Piece {
    Bytes bytes;
    bool file_backed = false;
  };

  size_t size() const { return size_; }
  // The whole message, copied.
  std::string text() const;
  const std::vector<Piece>& pieces() const { return pieces_; }

 private:
  std::vector<Piece> pieces_;
  std::vector<std::shared_ptr<const std::string>> texts_;
  size_t size_ = 0;
};

}  // namespace vulcap::onnx
