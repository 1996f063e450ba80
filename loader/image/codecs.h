// The two codecs behind decode.h. `bytes` must begin with the format's signature.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "loader/image/image.h"

namespace vulcap::image {

Image decode_png(std::span<const std::byte> bytes, std::string_view name, std::int64_t max_pixels);
Image decode_jpeg(std::span<const std::byte> bytes, std::string_view name, std::int64_t max_pixels);

// Throws core::Error(kRuntime) "name: <what>".
[[noreturn]] void fail_decode(std::string_view name, const std::string& what);

// Refuses zero sizes and more than `max_pixels`.
void check_dimensions(std::int64_t width, std::int64_t height, std::string_view name,
                      std::int64_t max_pixels);

}  // namespace vulcap::image
