// What a Florence-2 folder says about its tasks and their answers.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "loader/grounding/post_process.h"
#include "loader/grounding/tasks.h"

namespace vulcap::grounding {

struct Settings {
  TaskTable tasks;
  PostProcessor post_processor;
  std::vector<std::string> warnings;  // fields that are not used, one line each
};

// The tables of transformers' Florence2Processor, with what preprocessor_config.json and
// processor_config.json of the folder put over them; neither file need be there. Throws
// core::Error(kInvalidModel).
Settings read_settings(const std::filesystem::path& dir);

}  // namespace vulcap::grounding
