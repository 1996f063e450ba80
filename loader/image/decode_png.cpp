#include <png.h>

#include <csetjmp>
#include <cstring>
#include <new>
#include <string>
#include <vector>

#include "loader/image/codecs.h"

namespace vulcap::image {
namespace {

struct Header {
  png_uint_32 width = 0;
  png_uint_32 height = 0;
  int bits = 0;
  int color = 0;
  bool interlaced = false;
  std::size_t row_bytes = 0;
};

// Owns the libpng handles. libpng reports errors by longjmp: each method sets its own return point, and no
// object with a destructor may live in such a method. Rows come as stored in the file, without any libpng
// transformation.
class PngReader {
 public:
  PngReader(std::span<const std::byte> bytes, std::string_view name) : bytes_(bytes), name_(name) {
    png_ = png_create_read_struct(PNG_LIBPNG_VER_STRING, this, on_error, on_warning);
    info_ = png_ ? png_create_info_struct(png_) : nullptr;
    if (!info_) {
      png_destroy_read_struct(&png_, nullptr, nullptr);
      throw std::bad_alloc();
    }
  }
  ~PngReader() { png_destroy_read_struct(&png_, &info_, nullptr); }
  PngReader(const PngReader&) = delete;
  PngReader& operator=(const PngReader&) = delete;

  void read_header() {
    if (setjmp(png_jmpbuf(png_))) fail();
    png_set_read_fn(png_, this, on_read);
    png_set_user_limits(png_, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
    png_set_benign_errors(png_, 1);
    png_set_check_for_invalid_index(png_, 0);
    skip_ancillary_chunks();
    png_read_info(png_, info_);
    header_.width = png_get_image_width(png_, info_);
    header_.height = png_get_image_height(png_, info_);
    header_.bits = png_get_bit_depth(png_, info_);
    header_.color = png_get_color_type(png_, info_);
    header_.interlaced = png_get_interlace_type(png_, info_) != PNG_INTERLACE_NONE;
    png_get_PLTE(png_, info_, &palette_, &palette_size_);
  }

  void start() {
    if (setjmp(png_jmpbuf(png_))) fail();
    png_set_interlace_handling(png_);
    png_read_update_info(png_, info_);
    header_.row_bytes = png_get_rowbytes(png_, info_);
  }

  void read_row(png_bytep row) {
    if (setjmp(png_jmpbuf(png_))) fail();
    png_read_row(png_, row, nullptr);
  }

  void read_all(png_bytep* rows) {
    if (setjmp(png_jmpbuf(png_))) fail();
    png_read_image(png_, rows);
  }

  void finish() {
    if (setjmp(png_jmpbuf(png_))) fail();
    png_read_end(png_, nullptr);
  }

  const Header& header() const { return header_; }
  std::span<const png_color> palette() const { return {palette_, static_cast<std::size_t>(palette_size_)}; }

 private:
  // None of these changes what Pillow returns; not reading them also keeps compressed text and profiles
  // unopened.
  void skip_ancillary_chunks() {
    static constexpr char kNames[] =
        "bKGD\0cHRM\0eXIf\0gAMA\0hIST\0iCCP\0iTXt\0oFFs\0pCAL\0pHYs\0sBIT\0sCAL\0sPLT\0sRGB\0tEXt\0tIME\0tRNS"
        "\0zTXt";
    png_set_keep_unknown_chunks(png_, PNG_HANDLE_CHUNK_NEVER, reinterpret_cast<png_const_bytep>(kNames),
                                sizeof(kNames) / 5);
  }

  [[noreturn]] void fail() const {
    if (truncated_) {
      fail_decode(name_, "truncated PNG: the data end after " + std::to_string(bytes_.size()) +
                             " bytes; copy or download the file again");
    }
    fail_decode(name_, "corrupt PNG: " + std::string(error_));
  }

  static void on_error(png_structp png, png_const_charp message) {
    auto* self = static_cast<PngReader*>(png_get_error_ptr(png));
    std::strncpy(self->error_, message, sizeof(self->error_) - 1);
    png_longjmp(png, 1);
  }

  static void on_warning(png_structp, png_const_charp) {}

  static void on_read(png_structp png, png_bytep out, std::size_t count) {
    auto* self = static_cast<PngReader*>(png_get_io_ptr(png));
    if (count > self->bytes_.size() - self->position_) {
      self->truncated_ = true;
      png_error(png, "truncated");
    }
    std::memcpy(out, self->bytes_.data() + self->position_, count);
    self->position_ += count;
  }

  std::span<const std::byte> bytes_;
  std::string_view name_;
  std::size_t position_ = 0;
  bool truncated_ = false;
  char error_[200] = {};
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
  png_colorp palette_ = nullptr;
  int palette_size_ = 0;
  Header header_;
};

// Colours of every sample value of images with one sample of at most 8 bits a pixel.
struct ColorTable {
  std::uint8_t rgb[256][3] = {};
};

ColorTable make_color_table(const PngReader& reader) {
  ColorTable table;
  if (reader.header().color == PNG_COLOR_TYPE_PALETTE) {
    const auto palette = reader.palette();
    for (std::size_t i = 0; i < palette.size() && i < 256; ++i) {
      table.rgb[i][0] = palette[i].red;
      table.rgb[i][1] = palette[i].green;
      table.rgb[i][2] = palette[i].blue;
    }
    return table;
  }
  const int max_value = (1 << reader.header().bits) - 1;
  for (int i = 0; i <= max_value; ++i) {
    for (auto& channel : table.rgb[i]) channel = static_cast<std::uint8_t>(i * (255 / max_value));
  }
  return table;
}

void unpack_single(const std::uint8_t* in, int bits, std::size_t width, const ColorTable& table,
                   std::uint8_t* out) {
  const int mask = (1 << bits) - 1;
  const std::size_t per_byte = 8 / static_cast<std::size_t>(bits);
  for (std::size_t x = 0; x < width; ++x) {
    const int shift = 8 - bits * static_cast<int>(x % per_byte + 1);
    const auto& color = table.rgb[(in[x / per_byte] >> shift) & mask];
    out[x * 3] = color[0];
    out[x * 3 + 1] = color[1];
    out[x * 3 + 2] = color[2];
  }
}

void unpack_gray16(const std::uint8_t* in, std::size_t width, std::uint8_t* out) {
  for (std::size_t x = 0; x < width; ++x) {
    const std::uint8_t value = in[x * 2] == 0 ? in[x * 2 + 1] : 255;
    out[x * 3] = out[x * 3 + 1] = out[x * 3 + 2] = value;
  }
}

// Several samples a pixel: the first byte of each sample counts, alpha is skipped.
void unpack_samples(const std::uint8_t* in, const Header& header, std::uint8_t* out) {
  const std::size_t sample_bytes = static_cast<std::size_t>(header.bits) / 8;
  const bool gray = header.color == PNG_COLOR_TYPE_GRAY_ALPHA;
  const std::size_t samples = gray ? 2 : header.color == PNG_COLOR_TYPE_RGB_ALPHA ? 4 : 3;
  const std::size_t step = gray ? 0 : sample_bytes;
  for (std::size_t x = 0; x < header.width; ++x, in += samples * sample_bytes, out += 3) {
    out[0] = in[0];
    out[1] = in[step];
    out[2] = in[2 * step];
  }
}

class RowUnpacker {
 public:
  explicit RowUnpacker(const PngReader& reader) : header_(reader.header()) {
    single_ = header_.color == PNG_COLOR_TYPE_PALETTE || header_.color == PNG_COLOR_TYPE_GRAY;
    if (single_ && header_.bits <= 8) table_ = make_color_table(reader);
  }

  void unpack(const std::uint8_t* in, std::uint8_t* out) const {
    if (!single_) {
      unpack_samples(in, header_, out);
    } else if (header_.bits == 16) {
      unpack_gray16(in, header_.width, out);
    } else {
      unpack_single(in, header_.bits, header_.width, table_, out);
    }
  }

 private:
  const Header& header_;
  bool single_ = false;
  ColorTable table_;
};

// Deflate shrinks by at most 1032: a file too small for its size is refused before memory is taken for it.
void check_plausible(const Header& header, std::size_t file_bytes, std::string_view name) {
  const double needed = static_cast<double>(header.row_bytes) * header.height;
  if (needed > 1032.0 * static_cast<double>(file_bytes)) {
    fail_decode(name, "truncated PNG: " + std::to_string(file_bytes) + " bytes cannot hold " +
                          std::to_string(header.width) + "x" + std::to_string(header.height) + " pixels");
  }
}

void read_interlaced(PngReader& reader, const RowUnpacker& unpacker, Image& image) {
  const Header& header = reader.header();
  std::vector<std::uint8_t> packed(header.row_bytes * header.height);
  std::vector<png_bytep> rows(header.height);
  for (std::size_t y = 0; y < rows.size(); ++y) rows[y] = packed.data() + y * header.row_bytes;
  reader.read_all(rows.data());
  image.rgb.resize(std::size_t{3} * header.width * header.height);
  for (std::size_t y = 0; y < rows.size(); ++y) {
    unpacker.unpack(rows[y], image.rgb.data() + y * header.width * 3);
  }
}

void read_progressively(PngReader& reader, const RowUnpacker& unpacker, Image& image) {
  const Header& header = reader.header();
  std::vector<std::uint8_t> packed(header.row_bytes);
  const std::size_t out_bytes = std::size_t{3} * header.width;
  image.rgb.reserve(out_bytes * header.height);
  for (std::size_t y = 0; y < header.height; ++y) {
    reader.read_row(packed.data());
    image.rgb.resize(out_bytes * (y + 1));
    unpacker.unpack(packed.data(), image.rgb.data() + out_bytes * y);
  }
}

}  // namespace

Image decode_png(std::span<const std::byte> bytes, std::string_view name, std::int64_t max_pixels) {
  PngReader reader(bytes, name);
  reader.read_header();
  const Header& header = reader.header();
  check_dimensions(header.width, header.height, name, max_pixels);
  if (header.color == PNG_COLOR_TYPE_PALETTE && reader.palette().empty()) {
    fail_decode(name, "corrupt PNG: a palette image without a palette");
  }
  reader.start();
  check_plausible(header, bytes.size(), name);
  const RowUnpacker unpacker(reader);
  Image image{static_cast<int>(header.width), static_cast<int>(header.height), {}};
  header.interlaced ? read_interlaced(reader, unpacker, image) : read_progressively(reader, unpacker, image);
  reader.finish();
  return image;
}

}  // namespace vulcap::image
