#include <CLI/CLI.hpp>
#include <charconv>
#include <cstdio>
#include <iostream>
#include <iterator>
#include <memory>
#include <nlohmann/json.hpp>

#include "apps/commands.h"
#include "loader/tokenizer/tokenizer.h"
#include "runtime/core/error.h"

namespace vulcap::apps {
namespace {

using tokenizer::Encoding;
using tokenizer::Tokenizer;

struct Options {
  std::string model;
  std::vector<std::string> inputs;
  std::string pair;
  std::string format = "text";
  bool decode = false;
  bool bare = false;  // no special tokens
};

nlohmann::json record(const std::string& text, const Encoding& encoding) {
  nlohmann::json offsets = nlohmann::json::array();
  for (const auto& span : encoding.offsets) offsets.push_back({span.begin, span.end});
  return {{"text", text},
          {"ids", encoding.ids},
          {"tokens", encoding.tokens},
          {"offsets", offsets},
          {"type_ids", encoding.type_ids},
          {"attention_mask", encoding.attention_mask},
          {"special_tokens_mask", encoding.special_tokens_mask}};
}

void print_text(const Encoding& encoding) {
  for (size_t i = 0; i < encoding.size(); ++i) {
    std::printf("%6u  %4u %4u  %s\n", encoding.ids[i], encoding.offsets[i].begin, encoding.offsets[i].end,
                encoding.tokens[i].c_str());
  }
}

int encode(const Tokenizer& tokenizer, const Options& options) {
  nlohmann::json records = nlohmann::json::array();
  for (const std::string& text : options.inputs) {
    const Encoding encoding = options.pair.empty() ? tokenizer.encode(text, !options.bare)
                                                   : tokenizer.encode_pair(text, options.pair, !options.bare);
    if (options.format == "text") print_text(encoding);
    if (options.format == "jsonl") std::printf("%s\n", dumped(record(text, encoding)).c_str());
    if (options.format == "json") records.push_back(record(text, encoding));
  }
  if (options.format == "json") std::printf("%s\n", dumped(records, 2).c_str());
  return 0;
}

// Numbers that spaces, commas or brackets part.
std::vector<uint32_t> parse_ids(const std::vector<std::string>& inputs) {
  std::vector<uint32_t> ids;
  for (const std::string& input : inputs) {
    for (const char *at = input.data(), *end = at + input.size(); at != end;) {
      if (std::string_view(" \t\r\n,[]").find(*at) != std::string_view::npos) {
        ++at;
        continue;
      }
      uint32_t id = 0;
      const auto [next, error] = std::from_chars(at, end, id);
      if (error != std::errc())
        throw core::Error(core::ErrorCode::kUsage, "--decode takes ids, not '" + input + "'");
      ids.push_back(id);
      at = next;
    }
  }
  return ids;
}

int decode(const Tokenizer& tokenizer, const Options& options) {
  const std::vector<uint32_t> ids = parse_ids(options.inputs);
  const std::string text = tokenizer.decode(std::span<const uint32_t>(ids), options.bare);
  if (options.format == "text") {
    std::printf("%s\n", text.c_str());
  } else {
    std::printf("%s\n", dumped({{"ids", ids}, {"text", text}}, options.format == "json" ? 2 : -1).c_str());
  }
  return 0;
}

int run(Options options) {
  const Tokenizer tokenizer = Tokenizer::load(options.model);
  if (options.inputs.empty()) {
    const std::istreambuf_iterator<char> begin(std::cin);
    options.inputs.emplace_back(begin, std::istreambuf_iterator<char>());
  }
  return options.decode ? decode(tokenizer, options) : encode(tokenizer, options);
}

}  // namespace

Command add_tokenize(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("tokenize", "Text to token ids and back, with a folder's tokenizer");
  command->add_option("-m,--model", options->model, "Folder with tokenizer.json or the files it is made of")
      ->required();
  command->add_option("text", options->inputs,
                      "Texts; with --decode ids. Without any, standard input is one text");
  command->add_option("--pair", options->pair, "A second text, encoded together with each text");
  command->add_flag("--decode", options->decode, "Ids to text");
  command->add_flag("--no-special-tokens", options->bare,
                    "Put no special tokens in; with --decode leave them out");
  command->add_option("--format", options->format, "text (id, offsets, token: one a line), json or jsonl")
      ->check(CLI::IsMember({"text", "json", "jsonl"}))
      ->capture_default_str();
  return [options] { return run(*options); };
}

}  // namespace vulcap::apps
