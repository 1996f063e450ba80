#include "loader/grounding/overlay.h"

#include <cairo-ft.h>
#include <cairo.h>
#include <fontconfig/fontconfig.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <fstream>
#include <map>
#include <memory>
#include <string>

#include "loader/tokenizer/unicode.h"
#include "runtime/core/error.h"

namespace vulcap::grounding {
namespace {

struct Colour {
  double red, green, blue;
};

// Far apart from each other and from most photographs; neighbours in the list differ most.
constexpr std::array<Colour, 12> kPalette = {{{0.90, 0.12, 0.24},
                                              {0.16, 0.47, 0.96},
                                              {0.18, 0.72, 0.30},
                                              {1.00, 0.76, 0.03},
                                              {0.64, 0.22, 0.84},
                                              {0.98, 0.47, 0.05},
                                              {0.05, 0.76, 0.80},
                                              {0.95, 0.35, 0.72},
                                              {0.62, 0.82, 0.12},
                                              {0.35, 0.30, 0.80},
                                              {0.60, 0.36, 0.16},
                                              {0.55, 0.78, 1.00}}};
constexpr double kTau = 6.283185307179586;

template <auto Destroy>
struct Call {
  template <typename T>
  void operator()(T* handle) const {
    Destroy(handle);
  }
};
using Surface = std::unique_ptr<cairo_surface_t, Call<cairo_surface_destroy>>;
using Context = std::unique_ptr<cairo_t, Call<cairo_destroy>>;
using FontFace = std::unique_ptr<cairo_font_face_t, Call<cairo_font_face_destroy>>;
using FontPattern = std::unique_ptr<FcPattern, Call<FcPatternDestroy>>;
using CharSet = std::unique_ptr<FcCharSet, Call<FcCharSetDestroy>>;

void check(cairo_status_t status) {
  if (status == CAIRO_STATUS_SUCCESS) return;
  throw core::Error(core::ErrorCode::kRuntime,
                    std::string("the overlay cannot be drawn: ") + cairo_status_to_string(status));
}

struct Rect {
  double x, y, width, height;

  bool overlaps(const Rect& other) const {
    return x < other.x + other.width && other.x < x + width && y < other.y + other.height &&
           other.y < y + height;
  }
};

Rect bounds(const Region& region) {
  double left = 1e9, top = 1e9, right = 0, bottom = 0;
  for (const Points& shape : region.shapes) {
    for (size_t i = 0; i + 1 < shape.size(); i += 2) {
      left = std::min<double>(left, shape[i]);
      right = std::max<double>(right, shape[i]);
      top = std::min<double>(top, shape[i + 1]);
      bottom = std::max<double>(bottom, shape[i + 1]);
    }
  }
  return {left, top, std::max(0.0, right - left), std::max(0.0, bottom - top)};
}

// The best font for these characters.
FontFace font_for(const std::u32string& text) {
  const CharSet characters(FcCharSetCreate());
  for (const char32_t c : text) FcCharSetAddChar(characters.get(), c);
  const FontPattern wanted(FcPatternCreate());
  FcPatternAddString(wanted.get(), FC_FAMILY, reinterpret_cast<const FcChar8*>("sans-serif"));
  FcPatternAddInteger(wanted.get(), FC_WEIGHT, FC_WEIGHT_DEMIBOLD);
  FcPatternAddBool(wanted.get(), FC_SCALABLE, FcTrue);
  FcPatternAddCharSet(wanted.get(), FC_CHARSET, characters.get());
  FcConfigSubstitute(nullptr, wanted.get(), FcMatchPattern);
  FcDefaultSubstitute(wanted.get());
  FcResult result = FcResultNoMatch;
  const FontPattern font(FcFontMatch(nullptr, wanted.get(), &result));
  if (!font || result != FcResultMatch) {
    throw core::Error(core::ErrorCode::kRuntime,
                      "there is no font to write labels with; install one, fonts-dejavu-core for instance");
  }
  return FontFace(cairo_ft_font_face_create_for_pattern(font.get()));
}

class Canvas {
 public:
  explicit Canvas(const image::Image& image)
      : width_(image.width),
        height_(image.height),
        line_(std::clamp(std::min(width_, height_) / 220, 1.5, 12.0)),
        font_(std::clamp(std::min(width_, height_) / 32, 11.0, 64.0)),
        surface_(cairo_image_surface_create(CAIRO_FORMAT_RGB24, image.width, image.height)) {
    check(cairo_surface_status(surface_.get()));
    put_pixels(image);
    context_.reset(cairo_create(surface_.get()));
    cairo_set_line_join(context_.get(), CAIRO_LINE_JOIN_ROUND);
  }

  void draw(const Region& region, const Colour& colour);
  void draw_label(const Region& region, const Colour& colour);
  std::vector<std::byte> png();

 private:
  struct Label {
    std::u32string text;
    Rect box;  // with the margins around the text
    double baseline, margin;
  };

  void put_pixels(const image::Image& image);
  void trace(const Region& region);
  Label lay_out(const std::string& text);
  double text_width(const std::u32string& text) const;
  Rect place(const Rect& label, const Rect& region) const;
  void round_rectangle(const Rect& box, double radius);
  void use(const Colour& colour, double alpha = 1) {
    cairo_set_source_rgba(context_.get(), colour.red, colour.green, colour.blue, alpha);
  }

  double width_, height_, line_, font_;
  Surface surface_;
  Context context_;
  std::vector<Rect> taken_;  // by labels
};

// Each pixel of the surface is a native 32-bit word 0x00RRGGBB.
void Canvas::put_pixels(const image::Image& image) {
  cairo_surface_flush(surface_.get());
  unsigned char* rows = cairo_image_surface_get_data(surface_.get());
  const int stride = cairo_image_surface_get_stride(surface_.get());
  for (int y = 0; y < image.height; ++y) {
    auto* row = reinterpret_cast<uint32_t*>(rows + size_t(y) * size_t(stride));
    const uint8_t* rgb = image.rgb.data() + size_t(y) * size_t(image.width) * 3;
    for (int x = 0; x < image.width; ++x, rgb += 3)
      row[x] = uint32_t(rgb[0]) << 16 | uint32_t(rgb[1]) << 8 | rgb[2];
  }
  cairo_surface_mark_dirty(surface_.get());
}

// Half a line inside the image, so that an outline along its edge is seen whole.
void Canvas::trace(const Region& region) {
  cairo_t* context = context_.get();
  const auto to = [&](double x, double y, bool first) {
    x = std::clamp(x, line_ / 2, width_ - line_ / 2);
    y = std::clamp(y, line_ / 2, height_ - line_ / 2);
    first ? cairo_move_to(context, x, y) : cairo_line_to(context, x, y);
  };
  cairo_new_path(context);
  for (const Points& shape : region.shapes) {
    if (region.kind == Region::Kind::kBox) {
      to(shape.at(0), shape.at(1), true);
      to(shape.at(2), shape.at(1), false);
      to(shape.at(2), shape.at(3), false);
      to(shape.at(0), shape.at(3), false);
    } else {
      for (size_t i = 0; i + 1 < shape.size(); i += 2) to(shape[i], shape[i + 1], i == 0);
    }
    if (!shape.empty()) cairo_close_path(context);
  }
}

void Canvas::draw(const Region& region, const Colour& colour) {
  cairo_t* context = context_.get();
  trace(region);
  cairo_set_fill_rule(context, CAIRO_FILL_RULE_EVEN_ODD);
  use(colour, region.kind == Region::Kind::kPolygons ? 0.35 : 0.10);
  cairo_fill_preserve(context);
  use({0, 0, 0}, 0.45);
  cairo_set_line_width(context, line_ * 1.8);
  cairo_stroke_preserve(context);
  use(colour);
  cairo_set_line_width(context, line_);
  cairo_stroke(context);
}

double Canvas::text_width(const std::u32string& text) const {
  cairo_text_extents_t extents;
  cairo_text_extents(context_.get(), tokenizer::to_utf8(text).c_str(), &extents);
  return extents.x_advance;
}

Canvas::Label Canvas::lay_out(const std::string& text) {
  std::u32string characters = tokenizer::to_code_points(tokenizer::to_valid_utf8(text));
  for (char32_t& c : characters) {
    if (tokenizer::is_other(c) || c == U'\n') c = U' ';
  }
  const FontFace face = font_for(characters);
  cairo_set_font_face(context_.get(), face.get());
  cairo_set_font_size(context_.get(), font_);
  cairo_font_extents_t font;
  cairo_font_extents(context_.get(), &font);
  const double margin = font_ * 0.3;
  if (text_width(characters) > width_ - 2 * margin) {
    // The longest beginning that fits.
    size_t fits = 0, beyond = characters.size();
    while (fits + 1 < beyond) {
      const size_t middle = (fits + beyond) / 2;
      (text_width(characters.substr(0, middle) + U"…") <= width_ - 2 * margin ? fits : beyond) = middle;
    }
    characters = characters.substr(0, fits) + U"…";
  }
  const double width = std::min(width_, text_width(characters) + 2 * margin);
  return {characters, {0, 0, width, font.ascent + font.descent}, font.ascent, margin};
}

// Above the region, inside it (of a low one, below it first), or at its right edge: the first place that no
// other label holds.
Rect Canvas::place(const Rect& label, const Rect& region) const {
  const double bottom = region.y + region.height;
  const bool low = region.height < 2 * label.height;
  const std::array<std::pair<double, double>, 5> corners = {
      {{region.x, region.y - label.height},
       {region.x, low ? bottom : region.y},
       {region.x, low ? region.y : bottom},
       {region.x, bottom - label.height},
       {region.x + region.width - label.width, region.y}}};
  const auto inside = [&](double x, double y) {
    return Rect{std::clamp(x, 0.0, std::max(0.0, width_ - label.width)),
                std::clamp(y, 0.0, std::max(0.0, height_ - label.height)), label.width, label.height};
  };
  for (const auto& [x, y] : corners) {
    const Rect box = inside(x, y);
    const auto hits = [&](const Rect& other) { return box.overlaps(other); };
    if (box.y == y && std::none_of(taken_.begin(), taken_.end(), hits)) return box;
  }
  return inside(corners[0].first, corners[0].second);
}

void Canvas::round_rectangle(const Rect& box, double radius) {
  cairo_t* context = context_.get();
  cairo_new_path(context);
  for (int corner = 0; corner < 4; ++corner) {
    const double x = corner == 0 || corner == 3 ? box.x + box.width - radius : box.x + radius;
    const double y = corner < 2 ? box.y + box.height - radius : box.y + radius;
    cairo_arc(context, x, y, radius, corner * kTau / 4, (corner + 1) * kTau / 4);
  }
  cairo_close_path(context);
}

void Canvas::draw_label(const Region& region, const Colour& colour) {
  if (region.label.empty()) return;
  cairo_t* context = context_.get();
  Label label = lay_out(region.label);
  label.box = place(label.box, bounds(region));
  taken_.push_back(label.box);
  round_rectangle(label.box, std::min(label.box.height / 5, label.box.width / 2));
  use(colour, 0.92);
  cairo_fill(context);
  const double luminance = 0.299 * colour.red + 0.587 * colour.green + 0.114 * colour.blue;
  use(luminance > 0.55 ? Colour{0, 0, 0} : Colour{1, 1, 1});
  cairo_move_to(context, label.box.x + label.margin, label.box.y + label.baseline);
  cairo_show_text(context, tokenizer::to_utf8(label.text).c_str());
}

std::vector<std::byte> Canvas::png() {
  check(cairo_status(context_.get()));
  std::vector<std::byte> bytes;
  const auto append = [](void* into, const unsigned char* data, unsigned int length) {
    const auto* begin = reinterpret_cast<const std::byte*>(data);
    auto& all = *static_cast<std::vector<std::byte>*>(into);
    all.insert(all.end(), begin, begin + length);
    return CAIRO_STATUS_SUCCESS;
  };
  check(cairo_surface_write_to_png_stream(surface_.get(), append, &bytes));
  return bytes;
}

}  // namespace

std::vector<std::byte> draw_overlay(const image::Image& image, std::span<const Region> regions) {
  Canvas canvas(image);
  std::map<std::string, size_t> numbers;  // by label
  std::vector<Colour> colours;
  for (const Region& region : regions) {
    const size_t next = region.label.empty() ? colours.size() : numbers.size();
    const size_t number = region.label.empty() ? next : numbers.emplace(region.label, next).first->second;
    colours.push_back(kPalette[number % kPalette.size()]);
  }
  for (size_t i = 0; i < regions.size(); ++i) canvas.draw(regions[i], colours[i]);
  for (size_t i = 0; i < regions.size(); ++i) canvas.draw_label(regions[i], colours[i]);
  return canvas.png();
}

void write_overlay(const image::Image& image, std::span<const Region> regions,
                   const std::filesystem::path& path) {
  const std::vector<std::byte> png = draw_overlay(image, regions);
  std::ofstream file(path, std::ios::binary);
  file.write(reinterpret_cast<const char*>(png.data()), std::streamsize(png.size()));
  file.close();
  if (file) return;
  throw core::Error(core::ErrorCode::kRuntime, path.string() + ": the overlay cannot be written there");
}

}  // namespace vulcap::grounding
