// A short name for what a model folder computes.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace vulcap::apps {

// 16 hexadecimal digits over the names, sizes and contents of a folder's settings and of the model files that
// `description` (see Captioner::description) names; the same wherever the folder lies. Of large files 64
// pages spread over them are read, which tells trainings of one architecture apart at no cost. Throws
// core::Error(kInvalidModel) for a file that cannot be read.
std::string model_fingerprint(const std::filesystem::path& dir, const std::vector<std::string>& description);

// The same for all files of a folder (an adapter).
std::string folder_fingerprint(const std::filesystem::path& dir);

}  // namespace vulcap::apps
