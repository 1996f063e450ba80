// Models in fewer bits: the same graph with its weights, and where the form asks for it its arithmetic, in
// another type of numbers. What is written are operators that ONNX Runtime runs too.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "loader/onnx/editable_model.h"

namespace vulcap::quantization {

// The names and file suffixes are those of model hubs.
enum class Format {
  kFp16,   // "fp16": weights and arithmetic in half precision; inputs and outputs keep their type
  kQ8,     // "q8" (suffix _quantized): uint8 where the graph convolves, else int8
  kInt8,   // "int8": int8 weights, activations quantised as they come; MatMulInteger, ConvInteger, Gather
  kUint8,  // "uint8": the same with uint8 weights
  kQ4,     // "q4": weights in blocks of 4-bit numbers (MatMulNBits), arithmetic in fp32
  kQ4F16,  // "q4f16": the same, all else in half precision
  kBnb4,   // "bnb4": weights in blocks of NF4 (MatMulBnb4)
};

std::string_view format_name(Format format);
// "_q4"
std::string format_suffix(Format format);
// Throws core::Error(kUsage) for an unknown name, listing the known ones.
Format parse_format(std::string_view name);

class Calibration;

struct Options {
  Format to = Format::kInt8;
  bool per_channel = false;   // int8, uint8: a scale for each column (MatMul) or filter (Conv)
  bool reduce_range = false;  // int8, uint8: 7 bits, for processors whose 8-bit products saturate
  // Zero points at zero. Unset: symmetric for int8 and q4, asymmetric for uint8.
  std::optional<bool> symmetric = {};
  int64_t block =
      0;  // q4, bnb4: numbers that share a scale, a power of two from 16; 0: 32 for q4, 64 for bnb4
  // int8, uint8, q8: ranges that activations are quantised by (QuantizeLinear and DequantizeLinear around
  // each operator); none: each run finds its own (DynamicQuantizeLinear).
  std::shared_ptr<const Calibration> calibration = {};
  // Nodes that stay as they are (in q4f16: in half precision): a node's name, its weight, its operator or the
  // path of its PyTorch module, or a pattern of these with * and ?.
  std::vector<std::string> exclude = {};
};

// `options` for a format, without what that format does not have.
Options fitted(Options options, Format to);

// What became of a graph.
struct Changes {
  struct Kept {
    std::string node, reason;
  };
  size_t nodes = 0;                    // that were quantised, or turned to half precision
  std::vector<Kept> kept;              // whose weights stay in floating point
  std::vector<std::string> unmatched;  // of Options::exclude
};

// Throws core::Error: kUsage when `options` do not fit together, when the model is quantised already or in
// half precision (which q4f16 and bnb4 take), or when its opset lacks what the format needs; kInvalidModel
// for a weight that is not finite. A model without anything to quantise is no error: Changes::nodes says so.
Changes quantize_model(onnx::EditableModel& model, const Options& options);

struct FileResult {
  std::filesystem::path in, out;
  Format format = Format::kInt8;
  size_t bytes_before = 0, bytes_after = 0;  // with external data
  Changes changes;
};

// Reads `in`, writes `out`. Throws as quantize_model, EditableModel::read and ::write; errors begin with the
// path. That an entry of `exclude` names no node is a core::Error(kUsage).
FileResult quantize_file(const std::filesystem::path& in, const std::filesystem::path& out,
                         const Options& options);

// "decoder=q4": the files of a folder whose stem is, or begins with, `module`.
struct ModuleFormat {
  std::string module;
  Format format;
  std::vector<std::string> exclude = {};  // in these files, besides FolderOptions::options
};

struct FolderOptions {
  std::optional<Format> to = {};  // of files that no module names; none: they stay as they are
  std::vector<ModuleFormat> modules = {};
  Options options = {};  // for all, but for `to`; with modules, as far as their formats have them
};

// Every model of the folder `dir`: STEM.onnx becomes STEM_q4.onnx at the same place, in `dir` itself where
// `out` is empty, else in the new folder `out`, to which settings, tokenizers and models that stay as they
// are are copied. Files in which nothing changes get their new name too, so that the folder is complete in
// it. Throws as quantize_file, and core::Error(kUsage) when a module names no file or a file has no form to
// start from. When one file fails, none is left.
std::vector<FileResult> quantize_folder(const std::filesystem::path& dir, const std::filesystem::path& out,
                                        const FolderOptions& options);

}  // namespace vulcap::quantization
