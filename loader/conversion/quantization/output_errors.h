// How far the outputs of quantised graphs are from those of the originals.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "loader/conversion/quantization/quantize.h"
#include "loader/conversion/samples.h"

namespace vulcap::quantization {

// Of a graph's output, over all inputs that it was run on.
struct OutputError {
  std::string graph, output;
  double max_abs = 0;     // largest difference
  double relative = 0;    // root mean square of the differences, as a share of that of the original's numbers
  std::string note = {};  // why it was not compared; else ""
  bool failed = false;    // the original runs and the other does not
};

// Runs each pair of files on the inputs of the expected answers beside the original, else on seeded ones in
// which pixel values are those of the first image of `samples` (which may be null), as the settings in `dir`
// say, and encoder_hidden_states what the folder's encoder gives. A graph that cannot be run gives one entry
// with a note.
std::vector<OutputError> output_errors(const std::vector<FileResult>& files, const std::filesystem::path& dir,
                                       const conversion::Samples* samples, session::Device& device);

}  // namespace vulcap::quantization
