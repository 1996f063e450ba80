#include "loader/verify/pipeline_params.h"

#include <cmath>

#include "loader/verify/pipeline.h"
#include "runtime/core/error.h"

namespace vulcap::loader {
namespace {

using nlohmann::json;

struct Tolerance {
  double absolute, relative;
};

void compare(const json& got, const json& want, const Tolerance& tolerance, const std::string& place,
             VerifyRow& row) {
  if (!row.note.empty()) return;
  const bool numbers = got.is_number() && want.is_number();
  if (numbers && (got.is_number_float() || want.is_number_float())) {
    const double value = want.get<double>();
    compare_number(got.get<double>(), value, tolerance.absolute + tolerance.relative * std::abs(value), place,
                   row);
  } else if (got.is_array() && want.is_array() && got.size() == want.size()) {
    for (size_t i = 0; i < got.size(); ++i)
      compare(got[i], want[i], tolerance, place + "[" + std::to_string(i) + "]", row);
  } else if (got.is_object() && want.is_object() && got.size() == want.size()) {
    for (const auto& [key, value] : want.items())
      compare(got.value(key, json()), value, tolerance, place + "." + key, row);
  } else if (got != want) {
    row.note = place + " is " + got.dump() + ", expected " + want.dump();
  }
}

}  // namespace

std::optional<std::string> PipelineParams::text_of(const std::string& name) {
  const auto value = get<json>(name);
  if (!value) return std::nullopt;
  return value->is_string() ? value->get<std::string>() : value->dump();
}

std::optional<ScoreFunction> PipelineParams::function_to_apply() {
  const auto name = text_of("function_to_apply");
  return name ? std::optional(score_function(*name)) : std::nullopt;
}

TokenizeOptions PipelineParams::tokenize() {
  TokenizeOptions options;
  options.max_length = get<size_t>("max_length");
  // A length alone asks for truncation as well.
  options.truncation =
      truncation_named(text_of("truncation").value_or(options.max_length ? "true" : "false"));
  options.pad_to_max_length = text_of("padding") == "max_length";
  return options;
}

void PipelineParams::check_all_taken() const {
  for (const auto& [name, value] : params_.items()) {
    if (taken_.count(name)) continue;
    throw core::Error(core::ErrorCode::kInvalidModel,
                      "the argument '" + name + "' is not known to this task");
  }
}

void compare_result(const json& got, const json& item, VerifyRow& row) {
  compare(got, item.at("expected"), {item.value("atol", 1e-3), item.value("rtol", 0.0)}, "result", row);
}

}  // namespace vulcap::loader
