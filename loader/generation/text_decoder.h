// The decoder of a generating model: its graph or pair of graphs on a device, with a key/value cache in place
// where the graphs allow one.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "loader/model_dir.h"
#include "loader/tasks/load_options.h"
#include "runtime/session/decoder.h"

namespace vulcap::loader {

class TextDecoder {
 public:
  // Of the files, a merged decoder is taken before one with past, that before one without. Throws
  // core::Error(kInvalidModel), the path in front, for inputs without a known role.
  // `first_position`: the position id of a sequence's first token.
  TextDecoder(session::Device& device, const DecoderFiles& files, const LoadOptions& options,
              int64_t first_position = 0);

  // As in session::Decoder. A graph that uses its cache in a way that cannot be done in place runs without
  // cache from then on: slower, the same answers, and a remark says so.
  void reserve(int64_t positions);
  void prepare(const session::EncoderOutput& states, int rows);
  // `padding`: of each row of the first call, see session::Tokens. Rows of a graph that takes none run in
  // groups of equal length.
  void start(session::EncoderOutput states, std::vector<int32_t> padding = {});
  std::span<const float> step(const session::Tokens& tokens, int rows, int length,
                              std::span<const int32_t> reorder);
  int64_t vocab() const { return decoder_->vocab(); }
  // As the graph of the steps declares it.
  core::DType input_dtype(const std::string& name) const { return input_dtypes_.at(name); }

  const session::DecoderRoles& roles() const { return roles_; }
  std::vector<const plan::Plan*> plans() const { return active().plans(); }
  const std::vector<std::string>& remarks() const { return remarks_; }
  const std::vector<std::string>& description() const { return description_; }

 private:
  using Maker = std::function<std::unique_ptr<session::Decoder>()>;

  session::Decoder& active() const { return in_groups_ ? *grouped_ : *decoder_; }
  void with_or_without_cache(const std::function<void()>& action);

  session::DecoderRoles roles_;
  std::map<std::string, core::DType> input_dtypes_;
  Maker make_;
  Maker make_uncached_;  // empty when make_ is that already
  std::unique_ptr<session::Decoder> decoder_;
  std::unique_ptr<session::Decoder> grouped_;  // null until prompts need it
  bool in_groups_ = false;                     // since the last start
  int64_t positions_ = 0;
  session::EncoderOutput states_;  // of the last start, with its padding
  std::vector<int32_t> padding_;
  bool first_step_ = false;  // the next step is the first since start
  std::vector<std::string> remarks_;
  std::vector<std::string> description_;
};

// An output of a program, where it is or will be.
session::EncoderOutput output_of(const session::Program& program, const std::string& name);

// A warning where the decoder scores more ids than the tokenizer has tokens: such ids would be left out of
// texts without a word.
std::optional<std::string> vocabulary_remark(size_t tokens, const TextDecoder& decoder);

}  // namespace vulcap::loader
