// vulcap embed: texts and images -> vectors.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>

#include "apps/cli/log.h"
#include "apps/commands.h"
#include "apps/embedding_items.h"
#include "apps/task_command.h"
#include "runtime/core/error.h"

namespace vulcap::apps {
namespace {

struct Options {
  EmbedderOptions embedder;
  ItemOptions items;
  std::vector<std::string> images;
  std::string kind = "plain";
  std::string output;  // empty: stdout
  std::string format;  // empty: by the output's name, else jsonl
  bool normalize = false;
  bool compare = false;
};

std::string format_of(const Options& options) {
  const std::filesystem::path output = options.output;
  const bool is_folder =
      !options.output.empty() && (options.output.ends_with('/') || std::filesystem::is_directory(output));
  const std::string extension = output.extension().string();
  std::string format = options.format;
  if (is_folder) format = "index";
  if (format.empty())
    format = extension == ".npy" || extension == ".json" ? extension.substr(1) : std::string("jsonl");
  if (format == "npy" && options.output.empty())
    throw core::Error(core::ErrorCode::kUsage, "--format npy needs a file: -o NAME.npy");
  if (options.compare && format != "json" && format != "jsonl")
    throw core::Error(core::ErrorCode::kUsage, "--similarity writes json; it goes with no .npy and no index");
  return format;
}

nlohmann::json record(const Item& item) {
  nlohmann::json entry{{item.is_text ? "text" : "file", item.name}};
  if (!item.error.empty()) {
    entry["error"] = item.error;
  } else if (item.embedding.rows == 1) {
    entry["embedding"] = item.embedding.values;
  } else {
    entry["embeddings"] = nlohmann::json::array();
    for (int64_t i = 0; i < item.embedding.rows; ++i) {
      const auto row = item.embedding.row(i);
      entry["embeddings"].push_back(std::vector<float>(row.begin(), row.end()));
    }
  }
  return entry;
}

nlohmann::json similarities(const std::vector<Item>& items, loader::Similarity similarity) {
  nlohmann::json names = nlohmann::json::array();
  nlohmann::json rows = nlohmann::json::array();
  for (const Item& a : items) {
    if (!a.error.empty()) continue;
    names.push_back(a.name);
    nlohmann::json row = nlohmann::json::array();
    for (const Item& b : items) {
      if (b.error.empty()) row.push_back(loader::score(similarity, a.embedding, b.embedding));
    }
    rows.push_back(std::move(row));
  }
  return {{"inputs", names}, {"similarity", rows}, {"function", loader::similarity_name(similarity)}};
}

void write(const Options& options, const std::string& format, const std::vector<Item>& items,
           loader::Similarity similarity) {
  if (format == "npy") return write_npy_items(options.output, items);
  if (format == "index") return write_index(options.output, items);
  std::string text;
  if (options.compare) {
    text = dumped(similarities(items, similarity)) + "\n";
  } else if (format == "json") {
    nlohmann::json all = nlohmann::json::array();
    for (const Item& item : items) all.push_back(record(item));
    text = dumped(all) + "\n";
  } else {
    for (const Item& item : items) text += dumped(record(item)) + "\n";
  }
  if (options.output.empty()) {
    std::fwrite(text.data(), 1, text.size(), stdout);
    return;
  }
  std::ofstream file(options.output, std::ios::binary);
  file << text;
  file.close();
  if (!file) throw core::Error(core::ErrorCode::kRuntime, options.output + ": cannot be written");
}

int run(const Options& options) {
  const std::string format = format_of(options);  // refuses before anything is loaded
  const std::vector<std::string> texts = options.items.all_texts();
  if (texts.empty() && options.images.empty())
    throw core::Error(core::ErrorCode::kUsage, "nothing to embed; give --text, --text-file or images");
  const session::OpenedDevice opened = options.embedder.model.open_for_user();
  const auto embedder = options.embedder.load(*opened.device);
  loader::TextOptions text = options.items.text;
  if (options.kind != "plain")
    text.kind = options.kind == "query" ? loader::TextKind::kQuery : loader::TextKind::kDocument;
  std::vector<Item> items = embed_texts(*embedder, texts, text);
  for (const std::string& image : options.images) items.push_back(embed_image_file(*embedder, image));
  Remarks remarks;
  remarks.warn(embedder->warnings());
  remarks.tell(embedder->fallbacks());
  for (const std::string& line : embedder->description()) log_detail(line);
  bool failed = false;
  for (Item& item : items) {
    if (!item.error.empty() && format == "npy")  // whose rows have no names
      throw core::Error(core::ErrorCode::kRuntime, options.output + ": not written; " + item.error);
    if (!item.error.empty()) log_error(item.error);
    failed |= !item.error.empty();
    if (options.normalize) loader::normalize_rows(item.embedding);
  }
  write(options, format, items, embedder->similarity());
  return failed ? int(core::ErrorCode::kRuntime) : 0;
}

}  // namespace

Command add_embed(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand(
      "embed", "Texts and images as vectors: sentence-transformers, CLIP, SigLIP, ColPali, ColQwen2");
  options->embedder.add_to(*command);
  command->add_option("images", options->images, "PNG or JPEG files");
  options->items.add_to(*command);
  command
      ->add_option("--kind", options->kind,
                   "What the texts are, for models that tell: plain, query, document")
      ->check(CLI::IsMember({"plain", "query", "document"}))
      ->capture_default_str();
  command->add_flag("--normalize", options->normalize, "Scale every vector to length 1");
  command->add_flag("--similarity", options->compare,
                    "Print how alike the inputs are, each with each, in place of the vectors");
  command->add_option(
      "-o,--output", options->output,
      "NAME.npy, NAME.json, NAME.jsonl, or a folder NAME/ that vulcap search takes as an index");
  command
      ->add_option("--format", options->format, "json, jsonl or npy; default: by the output's name, or jsonl")
      ->check(CLI::IsMember({"json", "jsonl", "npy"}));
  return [options] { return run(*options); };
}

}  // namespace vulcap::apps
