#include "loader/conversion/card/card.h"

#include <algorithm>
#include <cstdio>
#include <set>

#include "loader/conversion/card/front_matter.h"
#include "loader/conversion/card/hub_task.h"

namespace vulcap::card {
namespace {

std::string size_text(uint64_t bytes) {
  constexpr const char* kUnits[] = {"B", "kB", "MB", "GB"};
  double value = double(bytes);
  size_t power = 0;
  for (; value >= 1000 && power < 3; ++power) value /= 1000;
  char text[32];
  std::snprintf(text, sizeof text, power == 0 ? "%.0f %s" : "%.1f %s", value, kUnits[power]);
  return text;
}

// In a cell of a table, as code.
std::string code(const std::string& text) {
  std::string result = "`";
  for (const char c : text) result += c == '|' ? "\\|" : c == '`' ? "'" : std::string(1, c);
  return result + "`";
}

std::string joined(const std::vector<std::string>& parts, const std::string& glue) {
  std::string text;
  for (const std::string& part : parts) text += (text.empty() ? "" : glue) + part;
  return text;
}

// Types that hold at least a hundredth of the weights, the largest share first.
std::string weights_text(const std::map<std::string, uint64_t>& weights) {
  std::vector<std::pair<uint64_t, std::string>> shares;
  uint64_t total = 0;
  for (const auto& [dtype, bytes] : weights) {
    shares.emplace_back(bytes, dtype);
    total += bytes;
  }
  std::sort(shares.rbegin(), shares.rend());
  std::vector<std::string> names;
  for (const auto& [bytes, dtype] : shares)
    if (bytes > 0 && bytes * 100 >= total) names.push_back(dtype);
  return names.empty() ? "none" : joined(names, ", ");
}

std::string opsets_text(const std::map<std::string, int64_t>& opsets) {
  std::vector<std::string> parts;
  for (const auto& [domain, version] : opsets) parts.push_back(domain + " " + std::to_string(version));
  return joined(parts, ", ");
}

const std::string& task_of(const ModelFacts& facts, const Words& words) {
  return words.task.empty() ? facts.task : words.task;
}

const std::string& base_of(const ModelFacts& facts, const Words& words) {
  return words.base_model.empty() ? facts.base_model : words.base_model;
}

std::string introduction(const ModelFacts& facts, const Words& words) {
  const std::string& base = base_of(facts, words);
  std::string text = "# " + words.title + "\n\n";
  text += facts.model_type.empty() ? "A model" : "A " + code(facts.model_type) + " model";
  text += " as ONNX graphs";
  if (!base.empty()) text += ", made from " + code(base);
  return text + ".\n";
}

std::string usage(const ModelFacts& facts, const Words& words) {
  std::string command(usage_of(task_of(facts, words)));
  if (command.empty()) return "";
  command.replace(command.find("MODEL"), 5, words.title);
  return "\n## Use\n```\n" + command + "\n```\n";
}

std::string files(const ModelFacts& facts) {
  std::string text =
      "\n## Files\n"
      "| graph | dtype | size | weights | operators |\n"
      "|---|---|---|---|---|\n";
  for (const GraphFacts& graph : facts.graphs) {
    text += "| " + code(graph.file) + " | " + graph.dtype + " | " + size_text(graph.bytes) + " | " +
            weights_text(graph.weights) + " | " + opsets_text(graph.opsets) + " |\n";
  }
  if (facts.other_files.empty()) return text;
  std::vector<std::string> names;
  for (const std::string& name : facts.other_files) names.push_back(code(name));
  return text + "\nBeside them: " + joined(names, ", ") + ".\n";
}

std::string making(const ModelFacts& facts) {
  std::map<std::string, std::vector<std::string>> by_producer;
  for (const GraphFacts& graph : facts.graphs)
    if (!graph.producer.empty()) by_producer[graph.producer].push_back(code(graph.file));
  if (by_producer.empty()) return "";
  std::string text = "\n## How it was made\nAs the graphs say themselves:\n\n";
  for (const auto& [producer, names] : by_producer)
    text += "- " + producer + ": " + joined(names, ", ") + "\n";
  return text;
}

std::string out_of(size_t passed, size_t all) {
  return all == 0 ? "none" : std::to_string(passed) + " of " + std::to_string(all);
}

std::string verification(const ModelFacts& facts, const std::vector<Verification>& verifications) {
  std::string text = "\n## How it was verified\n";
  if (verifications.empty()) return text + "It was not.\n";
  text +=
      "`vulcap verify` compared the folder with the answers in its `expected/` folder: outputs of single "
      "graphs "
      "within a share of their range, answers of the whole model token by token.\n\n"
      "| device | outputs of graphs | largest difference | answers |\n"
      "|---|---|---|---|\n";
  std::set<std::string> skipped;
  for (const Verification& item : verifications) {
    char largest[32];
    std::snprintf(largest, sizeof largest, "%.1e", item.largest);
    text += "| " + item.device + " | " + out_of(item.graph_outputs_passed, item.graph_outputs) + " | " +
            (item.graph_outputs == 0 ? "" : largest) + " | " + out_of(item.cases_passed, item.cases) + " |\n";
    skipped.insert(item.skipped.begin(), item.skipped.end());
  }
  if (!skipped.empty()) text += "\nNot compared: " + joined({skipped.begin(), skipped.end()}, "; ") + ".\n";
  if (facts.about.empty()) return text;
  text += "\nOf the answers:\n\n";
  for (const auto& [key, value] : facts.about) text += "- " + key + ": " + value + "\n";
  return text;
}

// What hubs call all conversions to fewer bits.
std::string relation_of(const ModelFacts& facts, const Words& words) {
  if (!words.relation.empty() || base_of(facts, words).empty()) return words.relation;
  const bool quantised = std::any_of(facts.graphs.begin(), facts.graphs.end(), [](const GraphFacts& graph) {
    return graph.dtype != "fp32" && graph.dtype != "fp16";
  });
  return quantised ? "quantized" : "";
}

FrontMatter front_matter(const ModelFacts& facts, const Words& words) {
  FrontMatter matter;
  matter.add("license", words.license);
  matter.add("license_name", words.license_name);
  matter.add("license_link", words.license_link);
  matter.add("language", words.languages);
  matter.add("library_name", words.library);
  matter.add("pipeline_tag", task_of(facts, words));
  std::vector<std::string> tags = {"onnx"};
  if (!facts.model_type.empty()) tags.push_back(facts.model_type);
  for (const std::string& tag : words.tags)
    if (std::find(tags.begin(), tags.end(), tag) == tags.end()) tags.push_back(tag);
  matter.add("tags", tags);
  matter.add("base_model", base_of(facts, words));
  matter.add("base_model_relation", relation_of(facts, words));
  matter.add("datasets", words.datasets);
  return matter;
}

}  // namespace

void Verification::take(const loader::VerifyRow& row) {
  const bool whole = row.subject.starts_with("pipeline");
  if (row.skipped) {
    const std::string line = row.subject + (row.note.empty() ? "" : " (" + row.note + ")");
    if (std::find(skipped.begin(), skipped.end(), line) == skipped.end()) skipped.push_back(line);
    return;
  }
  ++(whole ? cases : graph_outputs);
  if (row.pass) ++(whole ? cases_passed : graph_outputs_passed);
  if (!whole) largest = std::max(largest, row.max_rel);
  if (!row.pass && first_failure.empty())
    first_failure = row.subject + " " + row.output + (row.note.empty() ? "" : ": " + row.note);
}

std::string card_text(const ModelFacts& facts, const Words& words,
                      const std::vector<Verification>& verifications) {
  return front_matter(facts, words).text() + introduction(facts, words) + usage(facts, words) + files(facts) +
         making(facts) + verification(facts, verifications);
}

std::vector<std::string> missing_words(const ModelFacts& facts, const Words& words) {
  std::vector<std::string> lines;
  if (words.license.empty()) lines.push_back("no licence: nobody may use the model; --license ID says which");
  if (words.license == "other" && words.license_name.empty())
    lines.push_back("the licence 'other' has no name: give --license-name and --license-link");
  if (task_of(facts, words).empty())
    lines.push_back("what the model is for is not known; --task NAME says it, as in image-to-text");
  if (base_of(facts, words).empty())
    lines.push_back("no base model is named; --base-model org/name says from what it was made");
  return lines;
}

}  // namespace vulcap::card
