// The libjpeg headers need <cstdio>, and each other, in this order.
// clang-format off
#include <cstdio>
#include <jpeglib.h>
#include <jerror.h>
// clang-format on

#include <csetjmp>
#include <string>
#include <vector>

#include "loader/image/codecs.h"

namespace vulcap::image {
namespace {

// A progressive file may repeat scans without end, each as costly as decoding the image.
constexpr int kMaxScans = 500;

struct ErrorManager {
  jpeg_error_mgr base;
  std::jmp_buf jump;
  char text[JMSG_LENGTH_MAX];
  bool truncated;
};

[[noreturn]] void jump_out(j_common_ptr info) {
  auto* errors = reinterpret_cast<ErrorManager*>(info->err);
  errors->base.format_message(info, errors->text);
  std::longjmp(errors->jump, 1);
}

// Negative levels are warnings: libjpeg would go on with made-up pixels.
void on_message(j_common_ptr info, int level) {
  if (level >= 0) return;
  auto* errors = reinterpret_cast<ErrorManager*>(info->err);
  switch (errors->base.msg_code) {
    case JWRN_JPEG_EOF:
      errors->truncated = true;
      jump_out(info);
    case JWRN_HIT_MARKER:
    case JWRN_HUFF_BAD_CODE:
    case JWRN_ARITH_BAD_CODE:
    case JWRN_MUST_RESYNC:
    case JWRN_BOGUS_PROGRESSION:
      jump_out(info);
    default:
      return;
  }
}

void on_output(j_common_ptr) {}

void on_progress(j_common_ptr info) {
  if (!info->is_decompressor) return;
  if (reinterpret_cast<j_decompress_ptr>(info)->input_scan_number <= kMaxScans) return;
  auto* errors = reinterpret_cast<ErrorManager*>(info->err);
  std::snprintf(errors->text, sizeof(errors->text), "more than %d scans", kMaxScans);
  std::longjmp(errors->jump, 1);
}

// Owns the libjpeg handle. Errors arrive by longjmp: each method sets its own return point, and no object
// with a destructor may live in such a method.
class JpegReader {
 public:
  JpegReader(std::span<const std::byte> bytes, std::string_view name) : bytes_(bytes), name_(name) {
    info_.err = jpeg_std_error(&errors_.base);
    errors_.base.error_exit = jump_out;
    errors_.base.emit_message = on_message;
    errors_.base.output_message = on_output;
    progress_.progress_monitor = on_progress;
  }
  ~JpegReader() { jpeg_destroy_decompress(&info_); }
  JpegReader(const JpegReader&) = delete;
  JpegReader& operator=(const JpegReader&) = delete;

  void read_header() {
    if (setjmp(errors_.jump)) fail();
    jpeg_create_decompress(&info_);
    info_.progress = &progress_;
    jpeg_mem_src(&info_, reinterpret_cast<const unsigned char*>(bytes_.data()), bytes_.size());
    jpeg_read_header(&info_, TRUE);
  }

  // Output channels: 1 gray, 3 RGB, 4 CMYK.
  void start() {
    if (setjmp(errors_.jump)) fail();
    info_.out_color_space = info_.num_components == 1   ? JCS_GRAYSCALE
                            : info_.num_components == 3 ? JCS_RGB
                                                        : JCS_CMYK;
    jpeg_start_decompress(&info_);
  }

  void read_row(JSAMPLE* row) {
    if (setjmp(errors_.jump)) fail();
    jpeg_read_scanlines(&info_, &row, 1);
  }

  void finish() {
    if (setjmp(errors_.jump)) fail();
    jpeg_finish_decompress(&info_);
  }

  const jpeg_decompress_struct& info() const { return info_; }

 private:
  [[noreturn]] void fail() const {
    if (errors_.truncated) {
      fail_decode(name_, "truncated JPEG: the data end after " + std::to_string(bytes_.size()) +
                             " bytes; copy or download the file again");
    }
    fail_decode(name_, "corrupt or unsupported JPEG: " + std::string(errors_.text));
  }

  std::span<const std::byte> bytes_;
  std::string_view name_;
  jpeg_decompress_struct info_{};
  ErrorManager errors_{};
  jpeg_progress_mgr progress_{};
};

void gray_to_rgb(const std::uint8_t* in, std::size_t width, std::uint8_t* out) {
  for (std::size_t x = 0; x < width; ++x) out[x * 3] = out[x * 3 + 1] = out[x * 3 + 2] = in[x];
}

// Samples are inverted: each holds 255 minus the ink.
void inverted_cmyk_to_rgb(const std::uint8_t* in, std::size_t width, std::uint8_t* out) {
  for (std::size_t x = 0; x < width; ++x) {
    const int light = in[x * 4 + 3];
    for (std::size_t c = 0; c < 3; ++c) {
      const int product = (255 - in[x * 4 + c]) * light + 128;
      const int value = light - ((product + (product >> 8)) >> 8);
      out[x * 3 + c] = static_cast<std::uint8_t>(value < 0 ? 0 : value);
    }
  }
}

void append_row(JpegReader& reader, std::vector<std::uint8_t>& samples, std::size_t y, Image& image) {
  const std::size_t width = static_cast<std::size_t>(image.width);
  image.rgb.resize((y + 1) * width * 3);
  std::uint8_t* out = image.rgb.data() + y * width * 3;
  const int channels = reader.info().output_components;
  reader.read_row(channels == 3 ? out : samples.data());
  if (channels == 1) gray_to_rgb(samples.data(), width, out);
  if (channels == 4) inverted_cmyk_to_rgb(samples.data(), width, out);
}

}  // namespace

Image decode_jpeg(std::span<const std::byte> bytes, std::string_view name, std::int64_t max_pixels) {
  JpegReader reader(bytes, name);
  reader.read_header();
  check_dimensions(reader.info().image_width, reader.info().image_height, name, max_pixels);
  const int components = reader.info().num_components;
  if (components != 1 && components != 3 && components != 4) {
    fail_decode(name, "a JPEG with " + std::to_string(components) + " colour components is not supported");
  }
  reader.start();
  Image image{
      static_cast<int>(reader.info().output_width), static_cast<int>(reader.info().output_height), {}};
  const std::size_t width = static_cast<std::size_t>(image.width);
  const std::size_t height = static_cast<std::size_t>(image.height);
  image.rgb.reserve(width * height * 3);
  std::vector<std::uint8_t> samples(width * 4);
  for (std::size_t y = 0; y < height; ++y) append_row(reader, samples, y, image);
  reader.finish();
  return image;
}

}  // namespace vulcap::image
