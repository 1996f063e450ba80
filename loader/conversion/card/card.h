// Model cards: README.md of a model folder, with the front matter that hubs read.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "loader/conversion/card/model_facts.h"
#include "loader/verify/verify.h"

namespace vulcap::card {

// What the files do not say; empty: left out, or as the files say.
struct Words {
  std::string title;  // or "org/name", which is what users then give to vulcap
  std::string license, license_name, license_link;
  std::string base_model, relation;  // "quantized", "finetune", "adapter" or "merge"
  std::string library = "onnx";
  std::string task;
  std::vector<std::string> languages, tags, datasets;
};

// Rows of loader::verify() on one device.
struct Verification {
  std::string device;
  size_t graph_outputs = 0, graph_outputs_passed = 0;
  size_t cases = 0, cases_passed = 0;
  double largest = 0;                // difference of a graph's output, as a share of its range
  std::vector<std::string> skipped;  // what was not compared and why, each once
  std::string first_failure;         // empty: none

  void take(const loader::VerifyRow& row);
  bool passed() const { return first_failure.empty(); }
};

// The card's text. `verifications` empty: it says that nothing was verified.
std::string card_text(const ModelFacts& facts, const Words& words,
                      const std::vector<Verification>& verifications);

// What a reader of the hub will miss, a line each: no licence, an unknown task, ...
std::vector<std::string> missing_words(const ModelFacts& facts, const Words& words);

}  // namespace vulcap::card
