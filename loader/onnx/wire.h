// Reads the protobuf wire format in place. Every field is checked against the bytes that are left.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace vulcap::onnx {

using Bytes = std::span<const std::byte>;

// Throws core::Error(kInvalidModel).
[[noreturn]] void fail(const std::string& message);

// A name out of a file, in quotes, printable and of bounded length.
std::string quote(std::string_view name);

// Walks the fields of one message. Usage: while (reader.next()) switch (reader.field()) ...
class WireReader {
 public:
  // `offset` is where `bytes` begin in the file; errors name positions in the file.
  explicit WireReader(Bytes bytes, size_t offset = 0) : bytes_(bytes), offset_(offset) {}

  // Moves to the next field; false at the end of the message.
  bool next();
  uint32_t field() const { return field_; }

  // The value of the current field; an error when it is of another wire type.
  int64_t integer() const;
  float float32() const;
  Bytes bytes() const;
  std::string text() const;
  WireReader message() const;
  // The current field as it lies in the message: key, length where there is one, value.
  Bytes field_bytes() const { return bytes_.subspan(start_, position_ - start_); }

  // Appends the current field of a repeated number, packed or not.
  template <typename T>
  void append_varints(std::vector<T>& values) const;
  template <typename T>
  void append_fixed(std::vector<T>& values) const;

 private:
  enum class Type : uint8_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

  uint64_t varint();
  Bytes take(uint64_t count);
  void require(Type type) const;

  Bytes bytes_;
  size_t offset_;
  size_t position_ = 0;
  size_t start_ = 0;  // of the current field
  uint32_t field_ = 0;
  Type type_ = Type::kVarint;
  uint64_t number_ = 0;
  Bytes value_;
};

template <typename T>
void WireReader::append_varints(std::vector<T>& values) const {
  if (type_ == Type::kVarint) {
    values.push_back(T(number_));
    return;
  }
  require(Type::kBytes);
  WireReader packed = message();
  while (packed.position_ < packed.bytes_.size()) values.push_back(T(packed.varint()));
}

template <typename T>
void WireReader::append_fixed(std::vector<T>& values) const {
  static_assert(sizeof(T) == 4 || sizeof(T) == 8);
  if (type_ != Type::kBytes || value_.size() % sizeof(T) != 0) {
    require(sizeof(T) == 4 ? Type::kFixed32 : Type::kFixed64);
  }
  const size_t before = values.size();
  values.resize(before + value_.size() / sizeof(T));
  if (!value_.empty()) std::memcpy(values.data() + before, value_.data(), value_.size());
}

}  // namespace vulcap::onnx
