// Inputs that a model folder is tried on, and what it answers: to see which numbers occur in it, and whether
// another form of it says the same.
#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "loader/tasks/captioner.h"

namespace vulcap::conversion {

class Samples {
 public:
  // The PNG and JPEG files of a folder, by name, or the lines of a text file that are not empty; of either
  // the first `limit`. Throws core::Error(kUsage) for a path that is neither or holds none.
  static Samples read(const std::filesystem::path& path, size_t limit = SIZE_MAX);

  bool are_images() const { return images_; }
  size_t size() const { return items_.size(); }
  const std::string& operator[](size_t i) const { return items_[i]; }  // a path, or the text

 private:
  bool images_ = false;
  std::vector<std::string> items_;
};

// A model that answers one sample after the other, as its folder's settings say.
class SampleModel {
 public:
  virtual ~SampleModel() = default;
  // A caption, a label or a continuation; "" of a model that gives only numbers. Throws core::Error.
  virtual std::string answer(const std::string& sample) = 0;
  // Whether answers are texts.
  virtual bool speaks() const { return true; }
};

// Takes images: captioners, image classifiers, embedders. Takes texts: text generators, and every graph that
// reads token ids. `prompt` is for captioners. Throws core::Error(kUsage) when the folder's model does not
// take what `samples` holds, core::Error(kInvalidModel) for a folder that cannot be used.
std::unique_ptr<SampleModel> load_sample_model(const std::filesystem::path& dir, session::Device& device,
                                               const loader::LoadOptions& options, const Samples& samples,
                                               const loader::CaptionPrompt& prompt = {});

}  // namespace vulcap::conversion
