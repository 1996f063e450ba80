// PNG and JPEG files to RGB8, bit for bit what Pillow 13 gives for Image.open(f).convert("RGB"):
//   alpha and transparent colours are dropped, never composited; 1, 2 and 4 bit gray are stretched to 0..255;
//   16-bit gray is clipped at 255, other 16-bit PNG keep their upper byte; palette indices past the palette
//   are black; CMYK and YCCK JPEG count as inverted (Adobe) and become R = (255 - K) * (255 - C) / 255,
//   rounded; EXIF orientation, gamma and colour profiles are ignored; of animated PNG the still image counts.
// The format comes from the first bytes, never from the file name.
// Stricter than Pillow: checksums of PNG image data are verified, a PNG must reach its end marker, and JPEG
// data that libjpeg calls corrupt (other than stray bytes before a marker) are refused.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string_view>
#include <vector>

#include "loader/image/image.h"

namespace vulcap::image {

// Throws core::Error(kRuntime) beginning with the path: file absent or unreadable, neither PNG nor JPEG (the
// message names what the file is, where known), truncated, corrupt, or larger than kMaxPixels.
Image decode_file(const std::filesystem::path& path);

// The first half of decode_file: the bytes of a file that begins like a PNG or JPEG image. `name` begins the
// error messages.
std::vector<std::byte> read_file(const std::filesystem::path& path, std::string_view name);

// The second half, for a file already in memory. `max_pixels` is checked before the pixels take memory.
Image decode_bytes(std::span<const std::byte> bytes, std::string_view name,
                   std::int64_t max_pixels = kMaxPixels);

// Bytes that the pixels will take, from the file's header; 0 where it does not say.
std::uint64_t pixel_bytes(std::span<const std::byte> bytes);

}  // namespace vulcap::image
