// Draws regions over an image: boxes, quads and polygons, a colour for each label, the labels beside them.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <vector>

#include "loader/grounding/answer.h"
#include "loader/image/image.h"

namespace vulcap::grounding {

// A PNG of the image's size. Everything is kept inside the image; of labels too wide for it the end is cut.
// Throws core::Error(kRuntime) when there is no font for the labels or memory runs out.
std::vector<std::byte> draw_overlay(const image::Image& image, std::span<const Region> regions);

// The same into a file. Throws core::Error(kRuntime) beginning with the path.
void write_overlay(const image::Image& image, std::span<const Region> regions,
                   const std::filesystem::path& path);

}  // namespace vulcap::grounding
