#include "loader/verify/verify.h"

#include <nlohmann/json.hpp>

#include "loader/verify/graphs.h"
#include "loader/verify/pipeline.h"
#include "loader/verify/tokenizer_cases.h"
#include "runtime/core/error.h"

namespace vulcap::loader {

void verify(const std::filesystem::path& dir, session::Device& device, const VerifyOptions& options,
            const OnRow& on_row) {
  int subjects = 0;
  try {
    if (options.pipeline) subjects += verify_tokenizer(dir, on_row);
    if (options.graphs) subjects += verify_graphs(dir, device, options, on_row);
    if (options.pipeline) subjects += verify_pipeline(dir, device, options, on_row);
  } catch (const nlohmann::json::exception& error) {
    throw core::Error(core::ErrorCode::kInvalidModel,
                      (dir / "expected" / "pipeline.json").string() + ": " + error.what());
  }
  if (subjects == 0) {
    throw core::Error(core::ErrorCode::kInvalidModel,
                      dir.string() +
                          " has nothing to verify: no expected/graphs/*/test_data_set_* for its graphs, no "
                          "expected/pipeline.json and no cases.json of a tokenizer");
  }
}

}  // namespace vulcap::loader
