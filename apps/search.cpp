// vulcap search: documents by how well they answer a query.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <filesystem>
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
  std::vector<std::string> queries;
  ItemOptions items;
  std::vector<std::string> documents;  // images, .npy files and index folders
  std::string similarity;
  size_t top_k = 10;
  std::string format = "text";
};

std::vector<Item> open_document(loader::Embedder& embedder, const std::string& document) {
  if (std::filesystem::is_directory(document)) return read_index(document);
  if (document.ends_with(".npy")) {
    return read_npy_items(document, embedder.similarity() == loader::Similarity::kLateInteraction);
  }
  return {embed_image_file(embedder, document)};
}

struct Hit {
  const Item* item;
  double score;
};

std::vector<Hit> rank(const Item& query, const std::vector<Item>& documents, loader::Similarity similarity,
                      size_t top_k) {
  std::vector<Hit> hits;
  for (const Item& document : documents) {
    try {
      hits.push_back({&document, loader::score(similarity, query.embedding, document.embedding)});
    } catch (core::Error& error) {
      error.add_context(document.name);
      throw;
    }
  }
  std::stable_sort(hits.begin(), hits.end(), [](const Hit& a, const Hit& b) { return a.score > b.score; });
  if (top_k > 0 && hits.size() > top_k) hits.resize(top_k);
  return hits;
}

nlohmann::json record(const Item& query, const std::vector<Hit>& hits) {
  nlohmann::json results = nlohmann::json::array();
  for (const Hit& hit : hits) {
    results.push_back({{hit.item->is_text ? "text" : "file", hit.item->name}, {"score", hit.score}});
  }
  return {{"query", query.name}, {"results", results}};
}

void print_text(const Item& query, const std::vector<Hit>& hits, bool with_query) {
  if (with_query) std::printf("%s\n", query.name.c_str());
  for (const Hit& hit : hits) std::printf("%10.4f  %s\n", hit.score, hit.item->name.c_str());
}

// Those that could be read; the others are reported.
std::vector<Item> collect(const Options& options, loader::Embedder& embedder, bool& failed) {
  loader::TextOptions text = options.items.text;
  text.kind = loader::TextKind::kDocument;
  std::vector<Item> all = embed_texts(embedder, options.items.all_texts(), text);
  for (const std::string& document : options.documents) {
    for (Item& item : open_document(embedder, document)) all.push_back(std::move(item));
  }
  std::vector<Item> good;
  for (Item& item : all) {
    if (item.error.empty()) {
      good.push_back(std::move(item));
    } else {
      log_error(item.error);
      failed = true;
    }
  }
  return good;
}

int run(const Options& options) {
  if (options.documents.empty() && options.items.texts.empty() && options.items.text_file.empty())
    throw core::Error(core::ErrorCode::kUsage,
                      "nothing to search; give images, .npy files, index folders, --text or --text-file");
  const session::OpenedDevice opened = options.embedder.model.open_for_user();
  const auto embedder = options.embedder.load(*opened.device);
  const loader::Similarity similarity =
      options.similarity.empty() ? embedder->similarity() : loader::parse_similarity(options.similarity);
  loader::TextOptions text;
  text.kind = loader::TextKind::kQuery;
  const std::vector<Item> queries = embed_texts(*embedder, options.queries, text);
  bool failed = false;
  const std::vector<Item> documents = collect(options, *embedder, failed);
  Remarks remarks;
  remarks.warn(embedder->warnings());
  remarks.tell(embedder->fallbacks());
  nlohmann::json all = nlohmann::json::array();
  for (const Item& query : queries) {
    const std::vector<Hit> hits = rank(query, documents, similarity, options.top_k);
    if (options.format == "text") print_text(query, hits, queries.size() > 1);
    if (options.format == "json") all.push_back(record(query, hits));
    if (options.format == "jsonl") std::printf("%s\n", dumped(record(query, hits)).c_str());
  }
  if (options.format == "json") std::printf("%s\n", dumped(all, 2).c_str());
  return failed ? int(core::ErrorCode::kRuntime) : 0;
}

}  // namespace

Command add_search(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand(
      "search", "Rank images or texts by how well they answer a query (late interaction or cosine)");
  options->embedder.add_to(*command);
  command->add_option("documents", options->documents,
                      "PNG or JPEG files, .npy files and index folders of vulcap embed");
  command->add_option("--query", options->queries, "What is sought (may be given several times)")
      ->required()
      ->allow_extra_args(false);
  options->items.add_to(*command);
  command->add_option("--similarity", options->similarity,
                      "cosine, dot, euclidean, manhattan or late_interaction; default: the model's own");
  command->add_option("-k,--top-k", options->top_k, "How many to print; 0: all")->capture_default_str();
  command->add_option("--format", options->format, "text, json or jsonl")
      ->check(CLI::IsMember({"text", "json", "jsonl"}))
      ->capture_default_str();
  return [options] { return run(*options); };
}

}  // namespace vulcap::apps
