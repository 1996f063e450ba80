// The toy model of tests/generators/generate.py with a cache that must be reordered correctly.
#pragma once

#include <cstdint>
#include <fstream>
#include <nlohmann/json.hpp>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "runtime/generate/generate.h"

namespace vulcap::test {

inline nlohmann::json read_golden(const std::string& name) {
  std::ifstream file(std::string(VULCAP_TEST_DATA) + "/generate/" + name);
  if (!file) throw std::runtime_error("missing golden file " + name);
  return nlohmann::json::parse(file);
}

class ToyModel : public generate::StepModel {
 public:
  ToyModel(const nlohmann::json& table, bool expands_prompt)
      : vocab_(table.at("vocab")),
        last_(table.at("last")),
        before_(table.at("before")),
        position_(table.at("position")),
        expands_prompt_(expands_prompt) {}

  int vocab_size() const override { return vocab_; }
  bool expands_prompt() const override { return expands_prompt_; }

  std::span<const float> step(std::span<const int64_t> ids, int rows, int length,
                              std::span<const int32_t> reorder) override {
    if (ids.size() != static_cast<std::size_t>(rows) * static_cast<std::size_t>(length)) {
      throw std::runtime_error("ids do not match rows * length");
    }
    std::vector<std::vector<int64_t>> next;
    for (int row = 0; row < rows; ++row) {
      std::vector<int64_t> history;
      if (calls_ > 0) history = histories_.at(static_cast<std::size_t>(reorder.empty() ? row : reorder[row]));
      history.insert(history.end(), ids.begin() + row * length, ids.begin() + (row + 1) * length);
      next.push_back(std::move(history));
    }
    histories_ = std::move(next);
    rows_of_calls_.push_back(rows);
    ++calls_;
    logits_.clear();
    for (const auto& history : histories_) append_logits(history);
    return logits_;
  }

  const std::vector<int>& rows_of_calls() const { return rows_of_calls_; }

 private:
  using Table = std::vector<std::vector<float>>;

  void append_logits(const std::vector<int64_t>& ids) {
    const auto& last = last_.at(static_cast<std::size_t>(ids.back()) % last_.size());
    const auto& before =
        before_.at(static_cast<std::size_t>(ids.size() > 1 ? ids[ids.size() - 2] : 0) % before_.size());
    const auto& position = position_.at(ids.size() % position_.size());
    for (std::size_t v = 0; v < last.size(); ++v) logits_.push_back(last[v] + before[v] + position[v]);
  }

  int vocab_;
  Table last_;
  Table before_;
  Table position_;
  bool expands_prompt_;
  int calls_ = 0;
  std::vector<int> rows_of_calls_;
  std::vector<std::vector<int64_t>> histories_;
  std::vector<float> logits_;
};

}  // namespace vulcap::test
