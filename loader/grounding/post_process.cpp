#include "loader/grounding/post_process.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>

#include "loader/tokenizer/unicode.h"
#include "runtime/core/error.h"

namespace vulcap::grounding {
namespace {

using nlohmann::json;

constexpr const char* kQuadPattern =
    "(.+?)<loc_(\\d+)><loc_(\\d+)><loc_(\\d+)><loc_(\\d+)><loc_(\\d+)><loc_(\\d+)><loc_(\\d+)><loc_(\\d+)>";
constexpr int kQuadGroups = 9;  // the text and four corners

// Compiled once. "[0-9]" stands where the reference has "\d", which also takes digits of other scripts.
struct Patterns {
  static constexpr const char* kHere = "post-processing";
  Pattern location{"<loc_([0-9]+)>", kHere};
  Pattern box{"<loc_([0-9]+)><loc_([0-9]+)><loc_([0-9]+)><loc_([0-9]+)>", kHere};
  Pattern boxes{"(?:<loc_[0-9]+>){4,}", kHere};
  Pattern phrase_boxes{"[^<]+(?:<loc_[0-9]+>){4,}", kHere};
  Pattern phrase{"^\\s*(.*?)(?=<od>|</od>|<box>|</box>|<bbox>|</bbox>|<loc_)", kHere};
  Pattern outlines{"(?:<loc_[0-9]+>|<sep>|<poly>|</poly>){4,}", kHere};
  Pattern phrase_outlines{"[^<]+(?:<loc_[0-9]+>|<sep>|<poly>|</poly>){4,}", kHere};
  Pattern outline_phrase{"^\\s*(.*?)(?=<od>|</od>|<box>|</box>|<bbox>|</bbox>|<loc_|<poly>)", kHere};
  Pattern first_location{"^<loc_[0-9]+>", kHere};
  Pattern instance{"<poly>(.*?)</poly>", kHere};
  Pattern outline{"((?:<loc_[0-9]+>)+)(?:<sep>|$)", kHere};
};

const Patterns& patterns() {
  static const Patterns all;
  return all;
}

void erase_all(std::string& text, std::string_view part) {
  for (size_t at = 0; (at = text.find(part, at)) != std::string::npos;) text.erase(at, part.size());
}

// What str.strip() of Python takes for white space.
bool is_blank(char32_t c) { return tokenizer::is_whitespace(c) || (c >= 0x1C && c <= 0x1F); }

std::string stripped(std::string_view text) {
  const std::u32string points = tokenizer::to_code_points(text);
  const auto begin = std::find_if_not(points.begin(), points.end(), is_blank);
  const auto end = std::find_if_not(points.rbegin(), std::make_reverse_iterator(begin), is_blank).base();
  return tokenizer::to_utf8(std::u32string(begin, end));
}

std::string ascii_only(std::string text) {
  std::erase_if(text, [](unsigned char c) { return c >= 0x80; });
  return text;
}

int64_t bin_of(std::string_view digits) {
  constexpr int64_t kLargest = 1'000'000'000;  // far beyond any bin
  int64_t bin = 0;
  const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), bin);
  if (read.ec == std::errc::result_out_of_range) return kLargest;
  if (read.ec != std::errc() || read.ptr != digits.data() + digits.size() || bin < 0) {
    throw core::Error(core::ErrorCode::kRuntime, "post_processor_config.ocr.PATTERN captured '" +
                                                     std::string(digits) + "' where a location is needed");
  }
  return std::min(bin, kLargest);
}

// Groups 1, 2, ... of a match, from `first` on.
std::vector<int64_t> bins_of(const Pattern::Match& match, size_t first) {
  std::vector<int64_t> bins;
  for (size_t i = first; i < match.size(); ++i) bins.push_back(bin_of(match[i]));
  return bins;
}

std::vector<Region> described_boxes(const std::string& text, const ImageSize& size, const Pattern& parts,
                                    const std::set<std::string>& banned = {}) {
  std::vector<Region> regions;
  for (const auto& part : parts.find_all(text)) {
    const auto phrase = patterns().phrase.find_first(part[0]);
    if (!phrase || banned.count(stripped(phrase->at(0)))) continue;
    const std::string label = ascii_only(stripped(phrase->at(0)));
    for (const auto& match : patterns().box.find_all(part[0]))
      regions.push_back({Region::Kind::kBox, label, {dequantise(bins_of(match, 1), size)}});
  }
  return regions;
}

// The outlines of one instance, each a list of locations before <sep> or the end.
std::vector<Points> outlines_in(std::string_view instance, const ImageSize& size) {
  std::vector<Points> outlines;
  for (const auto& match : patterns().outline.find_all(instance)) {
    std::vector<int64_t> bins;
    for (const auto& location : patterns().location.find_all(match[1])) bins.push_back(bin_of(location[1]));
    if (bins.size() % 2 == 1) bins.pop_back();
    outlines.push_back(dequantise(bins, size));
  }
  return outlines;
}

std::vector<std::string_view> instances_in(std::string_view part) {
  if (part.find("<poly>") == std::string_view::npos || part.find("</poly>") == std::string_view::npos)
    return {part};
  std::vector<std::string_view> instances;
  for (const auto& match : patterns().instance.find_all(part)) instances.push_back(match[1]);
  return instances;
}

std::vector<Region> described_polygons(const std::string& text, const ImageSize& size, const Pattern& parts) {
  std::vector<Region> regions;
  for (const auto& part : parts.find_all(text)) {
    const auto first = patterns().first_location.find_first(part[0]);
    const std::string_view rest = part[0].substr(first ? first->at(0).size() : 0);
    const auto phrase = patterns().outline_phrase.find_first(rest);
    if (!phrase) continue;
    for (std::string_view instance : instances_in(part[0])) {
      std::vector<Points> outlines = outlines_in(instance, size);
      if (outlines.empty()) continue;
      regions.push_back({Region::Kind::kPolygons, stripped(phrase->at(0)), std::move(outlines)});
    }
  }
  return regions;
}

// The reference sums over three of the four sides.
double quad_area(const Points& quad) {
  double sum = 0;
  for (size_t i = 0; i + 3 < quad.size(); i += 2)
    sum += double(quad[i]) * quad[i + 3] - double(quad[i + 2]) * quad[i + 1];
  return 0.5 * std::abs(sum);
}

// Locations that became no coordinate point at an answer that breaks the grammar of its task.
void remark_unread(const std::string& text, Answer& answer) {
  const size_t all = patterns().location.find_all(text).size();
  size_t read = 0;
  for (const Region& region : answer.regions) {
    for (const Points& shape : region.shapes) read += shape.size();
  }
  if (read >= all) return;
  answer.remarks.push_back(std::to_string(all - read) + " of " + std::to_string(all) +
                           " locations in the generated text form no region and are left out");
}

// ---- settings ----

[[noreturn]] void refuse(const std::string& where, const std::string& what) {
  throw core::Error(core::ErrorCode::kInvalidModel, where + " " + what);
}

std::string read_string(const json& value, const std::string& where) {
  if (!value.is_string()) refuse(where, "must be a string");
  return value.get<std::string>();
}

std::set<std::string> read_strings(const json& value, const std::string& where) {
  if (!value.is_array()) refuse(where, "must be a list of strings");
  std::set<std::string> strings;
  for (const json& item : value) strings.insert(read_string(item, where));
  return strings;
}

// Spelled in lower case, as published folders do, transformers 4.57 does not read these fields.
bool is_unread_default(const std::string& name, const json& value) {
  return (name == "pattern" && value == kQuadPattern) || (name == "area_threshold" && value == 0.0);
}

}  // namespace

PostProcessor::PostProcessor() : ocr_pattern_(std::make_shared<Pattern>(kQuadPattern, "post-processing")) {}

PostProcessor::PostProcessor(const json& config, const std::string& file_name,
                             std::vector<std::string>& warnings)
    : PostProcessor() {
  const std::string root = file_name + ": post_processor_config";
  if (!config.is_object()) refuse(root, "must be an object");
  for (const auto& [type, fields] : config.items()) {
    if (!fields.is_object()) refuse(root + "." + type, "must be an object");
    for (const auto& [name, value] : fields.items()) {
      const std::string where = root + "." + type + "." + name;
      if (type == "ocr" && name == "PATTERN") {
        ocr_pattern_ = std::make_shared<Pattern>(read_string(value, where), where);
        if (ocr_pattern_->groups() != kQuadGroups)
          refuse(where, "must capture a text and eight locations in nine groups");
      } else if (type == "ocr" && name == "AREA_THRESHOLD") {
        if (!value.is_number()) refuse(where, "must be a number");
        ocr_area_threshold_ = value.get<double>();
      } else if (type == "phrase_grounding" && name == "banned_grounding_tokens") {
        banned_phrases_ = read_strings(value, where);
      } else if (!(type == "ocr" && is_unread_default(name, value))) {
        warnings.push_back(where + " is not used");
      }
    }
  }
}

std::vector<Region> PostProcessor::quads(const std::string& text, const ImageSize& size) const {
  std::vector<Region> regions;
  const double smallest = double(size.width) * size.height * ocr_area_threshold_;
  for (const auto& match : ocr_pattern_->find_all(text)) {
    Points quad = dequantise(bins_of(match, 2), size);
    if (ocr_area_threshold_ > 0 && quad_area(quad) < smallest) continue;
    regions.push_back({Region::Kind::kQuad, stripped(match[1]), {std::move(quad)}});
  }
  return regions;
}

std::vector<Region> PostProcessor::regions(AnswerType type, const std::string& text,
                                           const ImageSize& size) const {
  const Patterns& p = patterns();
  switch (type) {
    case AnswerType::kPureText:
      return {};
    case AnswerType::kOcr:
      return quads(text, size);
    case AnswerType::kDescriptionWithBoxes:
      return described_boxes(text, size, p.phrase_boxes);
    case AnswerType::kPhraseGrounding:
      return described_boxes(text, size, p.phrase_boxes, banned_phrases_);
    case AnswerType::kBoxes:
      return described_boxes(text, size, p.boxes);
    case AnswerType::kPolygons:
      return described_polygons(text, size, p.outlines);
    case AnswerType::kDescriptionWithPolygons:
      return described_polygons(text, size, p.phrase_outlines);
    case AnswerType::kDescriptionWithBoxesOrPolygons:
      break;
  }
  return text.find("<poly>") == std::string::npos ? described_boxes(text, size, p.phrase_boxes)
                                                  : described_polygons(text, size, p.phrase_outlines);
}

Answer PostProcessor::answer(AnswerType type, std::string_view generated, const ImageSize& size) const {
  Answer answer;
  answer.type = type;
  std::string text = tokenizer::to_valid_utf8(generated);
  erase_all(text, "<s>");
  erase_all(text, "</s>");
  if (type == AnswerType::kPureText) {
    answer.text = stripped(text);
    return answer;
  }
  erase_all(text, "<pad>");
  answer.regions = regions(type, text, size);
  remark_unread(text, answer);
  return answer;
}

}  // namespace vulcap::grounding
