// docs/operators.md is what the registry and the rows of tests/golden/ops say. VULCAP_WRITE_DOCS=1 writes it.
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "loader/onnx/import.h"
#include "runtime/core/error.h"
#include "runtime/ops/op_registry.h"
#include "runtime/session/open_device.h"
#include "runtime/session/session.h"
#include "tests/ops/rows.h"

namespace vulcap::test {
namespace {

constexpr const char* kPath = VULCAP_SOURCE_DIR "/docs/operators.md";
constexpr const char* kHead =
    "# Operators\n"
    "Generated from the operator registry and the rows of `tests/golden/ops/rows.txt`; a test keeps it so\n"
    "(`VULCAP_WRITE_DOCS=1 build/dev/tests/docs_test` writes it anew).\n"
    "\n"
    "- **opsets**: models of these versions of the domain are accepted; older forms are rewritten to the "
    "newest.\n"
    "- **cpu**: element types of the main operand with a test row against ONNX Runtime. Other types run "
    "through the\n"
    "  scalar references.\n"
    "- **Vulkan**: the same rows on the device; a type is listed when every kernel call of its rows runs "
    "there.\n"
    "  The rest runs on the host, call by call, with the reason in `--verbose`.\n"
    "- **folded**: evaluated while a plan is made; no kernel runs.\n"
    "\n"
    "Control flow and sequences (`If`, `Loop`, `Scan`, `SequenceAt`, `SequenceConstruct`, `SequenceEmpty`,\n"
    "`SequenceErase`, `SequenceInsert`, `SequenceLength`, `SplitToSequence`, `ConcatFromSequence`), "
    "`Constant` and\n"
    "functions are resolved before operators are looked up. A model function that has no operator of its "
    "name is\n"
    "inlined.\n";

struct Evidence {
  std::set<std::string> types;  // with a row
  std::set<std::string> host;   // with a row of which a call runs on the host
  std::set<std::string> reasons;
  bool calls = false;  // some kernel call was made
};

session::Device& device() {
  static const session::OpenedDevice opened = session::open_device({"vulkan", 2, {}});
  return *opened.device;
}

// Of the first operand that is no mask; of the result where there is none.
std::string main_type(const graph::Graph& graph, const session::NamedTensors& outputs) {
  std::string type = outputs.empty() ? "?" : std::string(core::dtype_name(outputs.begin()->second.dtype()));
  bool found = false;
  for (const graph::Node& node : graph.nodes) {
    for (graph::ValueId in : node.inputs) {
      if (in == graph::kNoValue || found) continue;
      type = core::dtype_name(graph.value(in).dtype);
      found = graph.value(in).dtype != core::DType::kBool;
    }
  }
  return type;
}

void run_row(const OpRow& row, Evidence& evidence) {
  const graph::Graph graph = onnx::load_graph(std::string(VULCAP_TEST_DATA) + "/ops/" + row.name + ".onnx");
  session::NamedTensors given;
  for (const graph::Value& value : graph.values) {
    if (value.name.starts_with("given/")) given[value.name.substr(6)] = *value.constant;
  }
  session::Session session(device(), graph);
  const std::string type = main_type(graph, session.run(given));
  evidence.types.insert(type);
  for (const plan::Plan* plan : session.plans()) {
    evidence.calls = evidence.calls || !plan->calls.empty();
    for (const std::string& reason : plan->reasons) {
      if (reason.empty()) continue;
      evidence.host.insert(type);
      evidence.reasons.insert(reason);
    }
  }
}

std::string joined(const std::set<std::string>& words, const std::set<std::string>& without = {}) {
  static const std::vector<std::string> kOrder{"f32", "f16", "bf16", "f64", "i64", "i32", "i16", "i8",
                                               "i4",  "u64", "u32",  "u16", "u8",  "u4",  "bool"};
  std::string text;
  for (const std::string& word : kOrder) {
    if (words.count(word) && !without.count(word)) text += (text.empty() ? "" : " ") + word;
  }
  return text.empty() ? "-" : text;
}

std::map<std::string, int64_t> first_opsets() {
  std::ifstream in(VULCAP_TEST_DATA "/ops/since.txt");
  std::map<std::string, int64_t> result;
  for (std::string name; in >> name;) in >> result[name];
  return result;
}

std::string opsets(const std::string& key, const std::string& domain) {
  static const auto kFirst = first_opsets();
  const auto found = kFirst.find(key);
  if (!domain.empty()) return found == kFirst.end() ? "1" : std::to_string(found->second) + "+";
  const int64_t first = found == kFirst.end() ? onnx::kOldestOpset : found->second;
  return std::to_string(std::max(first, onnx::kOldestOpset)) + "-" + std::to_string(onnx::kNewestOpset);
}

std::string line(const std::string& key, const ops::OpDef& def, const Evidence& evidence) {
  const bool runs = def.lower != nullptr || def.expand != nullptr;
  const bool folded = !runs || (!evidence.calls && !evidence.types.empty());
  std::string text = "| " + def.op + " | " + opsets(key, def.domain) + " | " + joined(evidence.types) + " | ";
  text += folded ? "folded" : joined(evidence.types, evidence.host);
  text += " | ";
  for (const std::string& reason : evidence.reasons) text += (text.ends_with("| ") ? "" : "; ") + reason;
  return text + " |\n";
}

std::string document() {
  std::map<std::string, Evidence> evidence;
  for (const OpRow& row : read_op_rows()) {
    if (row.refused) continue;
    const bool qualified = row.op.find('.') != std::string::npos;
    try {
      run_row(row, evidence[qualified ? row.op : "." + row.op]);
    } catch (const core::Error& error) {
      ADD_FAILURE() << row.line << ": " << error.message();
    }
  }
  std::string text = kHead;
  std::string domain = "?";
  for (const auto& [key, def] : ops::op_registry().all()) {
    if (def.domain == "vulcap") continue;  // made by passes
    if (def.domain != domain) {
      domain = def.domain;
      text += "\n## " + (domain.empty() ? std::string("ai.onnx") : domain) +
              "\n| operator | opsets | cpu | Vulkan | on the host because |\n|---|---|---|---|---|\n";
    }
    text += line(key, def, evidence[key]);
  }
  return text;
}

TEST(Operators, AreDocumented) {
  const char* without = std::getenv("VULCAP_TESTS_WITHOUT_VULKAN");
  if (without != nullptr && *without == '1') GTEST_SKIP() << "no Vulkan device";
  const std::string now = document();
  if (std::getenv("VULCAP_WRITE_DOCS") != nullptr) std::ofstream(kPath) << now;
  std::ifstream in(kPath);
  std::stringstream committed;
  committed << in.rdbuf();
  EXPECT_TRUE(committed.str() == now)
      << "docs/operators.md is out of date: run this test with VULCAP_WRITE_DOCS=1";
}

}  // namespace
}  // namespace vulcap::test
