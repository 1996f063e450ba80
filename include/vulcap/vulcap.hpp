// vulcap.h for C++17: objects that free themselves, exceptions in place of statuses.
#pragma once

#include <vulcap/vulcap.h>

#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace vulcap {

class Error : public std::runtime_error {
 public:
  explicit Error(vulcap_status status) : std::runtime_error(vulcap_last_error()), status_(status) {}
  vulcap_status status() const { return status_; }

 private:
  vulcap_status status_;
};

namespace detail {
inline void check(vulcap_status status) {
  if (status != VULCAP_OK) throw Error(status);
}
template <auto release>
struct Release {
  template <typename T>
  void operator()(T* object) const {
    release(object);
  }
};
}  // namespace detail

class Device {
 public:
  // See vulcap_device_options.
  explicit Device(const std::string& device = "auto", int threads = 0) {
    const vulcap_device_options options{sizeof options, device.c_str(), threads, nullptr, nullptr};
    vulcap_device* opened = nullptr;
    detail::check(vulcap_device_open(&options, &opened));
    handle_.reset(opened);
  }
  std::string name() const { return vulcap_device_name(handle_.get()); }
  vulcap_device* get() const { return handle_.get(); }

 private:
  std::unique_ptr<vulcap_device, detail::Release<vulcap_device_free>> handle_;
};

class Image {
 public:
  explicit Image(const std::string& path) {
    vulcap_image* image = nullptr;
    detail::check(vulcap_image_open(path.c_str(), &image));
    handle_.reset(image);
  }
  Image(const uint8_t* rgb, int width, int height, size_t stride = 0) {
    vulcap_image* image = nullptr;
    detail::check(vulcap_image_from_rgb(rgb, width, height, stride, &image));
    handle_.reset(image);
  }
  vulcap_image* get() const { return handle_.get(); }

 private:
  std::unique_ptr<vulcap_image, detail::Release<vulcap_image_free>> handle_;
};

struct Request {
  std::string prompt, task;
  std::vector<std::pair<std::string, std::string>> settings;  // {"num_beams", "4"}
  std::function<bool(const std::string&)> on_text;            // true: go on
};

struct Caption {
  std::string text;
  float score;  // NaN: none
};

class Captioner {
 public:
  Captioner(const Device& device, const std::string& folder, const std::string& dtype = "auto") {
    const vulcap_load_options options{sizeof options, dtype.c_str(), nullptr};
    vulcap_captioner* loaded = nullptr;
    detail::check(vulcap_captioner_load(device.get(), folder.c_str(), &options, &loaded));
    handle_.reset(loaded);
  }

  // Best first.
  std::vector<Caption> caption(const Image& image, const Request& request = {}) {
    std::vector<vulcap_setting> settings;
    for (const auto& [name, value] : request.settings) settings.push_back({name.c_str(), value.c_str()});
    vulcap_request raw{};
    raw.size = sizeof raw;
    raw.prompt = request.prompt.c_str();
    raw.task = request.task.c_str();
    raw.settings = settings.data();
    raw.num_settings = settings.size();
    if (request.on_text) raw.on_text = &Captioner::pass_on;
    raw.user = const_cast<Request*>(&request);
    vulcap_result* result = nullptr;
    detail::check(vulcap_caption(handle_.get(), image.get(), &raw, &result));
    const std::unique_ptr<vulcap_result, detail::Release<vulcap_result_free>> owner(result);
    std::vector<Caption> captions;
    for (size_t i = 0; i < vulcap_result_count(result); ++i)
      captions.push_back({vulcap_result_text(result, i), vulcap_result_score(result, i)});
    return captions;
  }

 private:
  // What on_text throws ends the caption, as `false` does.
  static int pass_on(const char* piece, void* user) {
    try {
      return static_cast<const Request*>(user)->on_text(piece) ? 0 : 1;
    } catch (...) {
      return 1;
    }
  }

  std::unique_ptr<vulcap_captioner, detail::Release<vulcap_captioner_free>> handle_;
};

}  // namespace vulcap
