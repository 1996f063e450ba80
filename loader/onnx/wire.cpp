#include "loader/onnx/wire.h"

#include "runtime/core/error.h"

namespace vulcap::onnx {

void fail(const std::string& message) { throw core::Error(core::ErrorCode::kInvalidModel, message); }

std::string quote(std::string_view name) {
  constexpr size_t kLongest = 120;
  std::string text = "\"";
  for (char c : name.substr(0, kLongest))
    text += (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) ? '?' : c;
  return text + (name.size() > kLongest ? "...\"" : "\"");
}

uint64_t WireReader::varint() {
  uint64_t value = 0;
  for (unsigned shift = 0; shift < 64; shift += 7) {
    const auto byte = uint8_t(take(1)[0]);
    value |= uint64_t(byte & 0x7fu) << shift;
    if (byte < 0x80) return value;
  }
  fail("damaged at byte " + std::to_string(offset_ + position_) +
       " (a number has no end); not an ONNX file?");
}

Bytes WireReader::take(uint64_t count) {
  const size_t left = bytes_.size() - position_;
  if (count > left) {
    fail("ends too early: " + std::to_string(count) + " bytes are announced at byte " +
         std::to_string(offset_ + position_) + ", " + std::to_string(left) +
         " are left; a truncated download, or not an ONNX file");
  }
  const Bytes taken = bytes_.subspan(position_, size_t(count));
  position_ += size_t(count);
  return taken;
}

bool WireReader::next() {
  if (position_ == bytes_.size()) return false;
  start_ = position_;
  const uint64_t tag = varint();
  field_ = uint32_t(tag >> 3);
  type_ = Type(tag & 7u);
  number_ = 0;
  value_ = {};
  const bool valid = tag <= UINT32_MAX && field_ != 0;
  if (valid && type_ == Type::kVarint) {
    number_ = varint();
  } else if (valid && type_ == Type::kBytes) {
    const uint64_t length = varint();
    value_ = take(length);
  } else if (valid && (type_ == Type::kFixed32 || type_ == Type::kFixed64)) {
    value_ = take(type_ == Type::kFixed32 ? 4 : 8);
  } else {
    fail("damaged at byte " + std::to_string(offset_ + start_) + " (no valid field); not an ONNX file?");
  }
  return true;
}

void WireReader::require(Type type) const {
  if (type_ == type && (type != Type::kFixed32 || value_.size() == 4) &&
      (type != Type::kFixed64 || value_.size() == 8)) {
    return;
  }
  fail("damaged at byte " + std::to_string(offset_ + position_) + " (field " + std::to_string(field_) +
       " is of another type than onnx.proto says); not an ONNX file?");
}

int64_t WireReader::integer() const {
  require(Type::kVarint);
  return int64_t(number_);
}

float WireReader::float32() const {
  require(Type::kFixed32);
  float value = 0;
  std::memcpy(&value, value_.data(), sizeof value);
  return value;
}

Bytes WireReader::bytes() const {
  require(Type::kBytes);
  return value_;
}

std::string WireReader::text() const {
  const Bytes value = bytes();
  return std::string(reinterpret_cast<const char*>(value.data()), value.size());
}

WireReader WireReader::message() const { return WireReader(bytes(), offset_ + position_ - value_.size()); }

}  // namespace vulcap::onnx
