#include "loader/image/resize.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

#include "loader/image/decode.h"
#include "runtime/core/error.h"
#include "tests/image/support.h"

namespace vulcap::image {
namespace {

using test::golden;

constexpr Filter kAllFilters[] = {Filter::kNearest, Filter::kLanczos, Filter::kBilinear,
                                  Filter::kBicubic, Filter::kBox,     Filter::kHamming};

TEST(Resize, EqualsPillow) {
  const auto cases = test::read_json(golden("images/resize.json"));
  ASSERT_GE(cases.size(), 200u);
  std::map<std::string, Image> images;
  for (const auto& c : cases) {
    SCOPED_TRACE(c.dump());
    const std::string file = c["file"];
    if (!images.contains(file)) images[file] = decode_file(golden("images/" + file));
    const Image image =
        resize(images[file], c["width"], c["height"], static_cast<Filter>(c["filter"].get<int>()));
    EXPECT_EQ(image.width, c["width"]);
    EXPECT_EQ(image.height, c["height"]);
    EXPECT_EQ(test::crc32(std::as_bytes(std::span(image.rgb))), c["crc32"]);
  }
}

TEST(Resize, WindowIsAPartOfTheWhole) {
  const Image source = decode_file(golden("images/noise_203x61.png"));
  const std::pair<int, int> sizes[] = {{97, 131}, {203, 40}, {50, 61}, {203, 61}};
  for (const Filter filter : kAllFilters) {
    for (const auto& [width, height] : sizes) {
      const Image whole = resize(source, width, height, filter);
      const Window window{width / 3, height / 4, width / 2, height / 2};
      const Image part = resize_window(source, width, height, filter, window);
      ASSERT_EQ(part.rgb.size(), std::size_t{3} * window.width * window.height);
      for (int y = 0; y < window.height; ++y) {
        const auto expected = whole.rgb.begin() + ((window.y + y) * width + window.x) * 3;
        const auto actual = part.rgb.begin() + y * window.width * 3;
        ASSERT_TRUE(std::equal(actual, actual + window.width * 3, expected))
            << "filter " << static_cast<int>(filter) << ", " << width << "x" << height << ", row " << y;
      }
    }
  }
}

TEST(Resize, RefusesImpossibleSizes) {
  const Image source{2, 2, std::vector<std::uint8_t>(12)};
  EXPECT_THROW(resize(source, 0, 5, Filter::kBox), core::Error);
  EXPECT_THROW(resize(source, 5, -1, Filter::kBox), core::Error);
  EXPECT_THROW(resize(source, 100000, 100000, Filter::kBicubic), core::Error);
  EXPECT_THROW(resize(Image{}, 4, 4, Filter::kBicubic), core::Error);
  EXPECT_THROW(resize(source, 4, 4, static_cast<Filter>(6)), core::Error);
  EXPECT_THROW(resize_window(source, 4, 4, Filter::kBox, {3, 0, 2, 4}), core::Error);
  EXPECT_THROW(resize_window(source, 4, 4, Filter::kBox, {0, -1, 2, 2}), core::Error);
  EXPECT_THROW(resize_window(source, 4, 4, Filter::kBox, {0, 0, 0, 2}), core::Error);
}

TEST(Resize, WindowOfAHugeImageIsCheap) {
  const Image source{20000, 1, std::vector<std::uint8_t>(60000, 77)};
  const Image part = resize_window(source, 4480000, 224, Filter::kBicubic, {2239888, 0, 224, 224});
  EXPECT_EQ(part.rgb, std::vector<std::uint8_t>(224 * 224 * 3, 77));
}

}  // namespace
}  // namespace vulcap::image
