// The inputs of a batch job, as the user names them.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "apps/batch/item.h"

namespace vulcap::apps {

// Opens each of `inputs` in turn: a folder stands for the images below it; a pattern (where no file has that
// very name) for what it matches; any other file is an image. Throws core::Error(kUsage) for what is not
// there.
std::unique_ptr<ItemSource> open_inputs(const std::vector<std::string>& inputs);

}  // namespace vulcap::apps
