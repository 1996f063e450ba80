// The C interface of vulcap.h over the loader's objects: every call catches what is thrown below it.
#include "vulcap/vulcap.h"

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <set>

#include "loader/hub/names.h"
#include "loader/hub/pull.h"
#include "loader/image/decode.h"
#include "loader/tasks/captioner.h"
#include "runtime/core/error.h"
#include "runtime/session/open_device.h"

using vulcap::core::Error;
using vulcap::core::ErrorCode;
namespace hub = vulcap::hub;
namespace image = vulcap::image;
namespace loader = vulcap::loader;
namespace session = vulcap::session;

namespace {

// What a device's handle and its captioners share.
struct OpenDevice {
  session::OpenedDevice opened;
  void (*on_log)(const char*, void*) = nullptr;
  void* user = nullptr;
  std::set<std::string> told;

  void tell(const std::string& line) {
    if (on_log != nullptr && told.insert(line).second) on_log(line.c_str(), user);
  }
};

}  // namespace

struct vulcap_device {
  std::shared_ptr<OpenDevice> shared;
};

struct vulcap_captioner {
  std::shared_ptr<OpenDevice> device;
  std::unique_ptr<loader::Captioner> captioner;

  void tell() {
    for (const std::string& warning : captioner->warnings()) device->tell(warning);
    for (const auto& [reason, calls] : captioner->fallbacks()) device->tell("fallback to cpu: " + reason);
  }
};

struct vulcap_image {
  image::Image pixels;
};

struct vulcap_result {
  loader::CaptionResult result;
};

namespace {

struct Stopped {};

thread_local std::string last_error;

vulcap_status fail(vulcap_status status, const std::string& message) {
  last_error = message;
  return status;
}

vulcap_status status_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::kUsage:
      return VULCAP_BAD_ARGUMENT;
    case ErrorCode::kInvalidModel:
      return VULCAP_BAD_MODEL;
    case ErrorCode::kNoDevice:
      return VULCAP_NO_DEVICE;
    default:
      return VULCAP_ERROR;
  }
}

template <typename Body>
vulcap_status guarded(Body body) {
  try {
    body();
    return VULCAP_OK;
  } catch (const Error& error) {
    return fail(status_of(error.code()), error.message());
  } catch (const Stopped&) {
    return fail(VULCAP_STOPPED, "stopped by the callback");
  } catch (const std::bad_alloc&) {
    return fail(VULCAP_ERROR, "out of memory");
  } catch (const std::exception& error) {
    return fail(VULCAP_ERROR, error.what());
  } catch (...) {
    return fail(VULCAP_ERROR, "an exception of unknown kind");
  }
}

void require(bool given, const char* what) {
  if (!given) throw Error(ErrorCode::kUsage, std::string(what) + " must not be NULL");
}

// The caller's structure, or the default of one from before a member was added.
template <typename Options>
Options options_of(const Options* given) {
  Options options{};
  if (given == nullptr) return options;
  if (given->size < sizeof(size_t) || given->size > sizeof(Options))
    throw Error(ErrorCode::kUsage, "a structure's size member is " + std::to_string(given->size) +
                                       "; set it to sizeof the structure");
  std::memcpy(&options, given, given->size);
  return options;
}

std::string text_or(const char* text, const char* otherwise) { return text != nullptr ? text : otherwise; }

loader::GenerationFlags flags_of(const vulcap_request& request) {
  loader::GenerationFlags flags;
  require(request.num_settings == 0 || request.settings != nullptr, "settings");
  for (size_t i = 0; i < request.num_settings; ++i) {
    const vulcap_setting& setting = request.settings[i];
    require(setting.name != nullptr && setting.value != nullptr, "a setting's name and value");
    std::string name = setting.name;
    for (char& c : name)
      if (c == '_') c = '-';
    flags.emplace_back(name, setting.value);
  }
  return flags;
}

vulcap::generate::GenerationConfig config_of(vulcap_captioner& captioner, const vulcap_request& request) {
  std::vector<std::string> warnings;
  auto config = captioner.captioner->generation_config(flags_of(request), warnings);
  for (const std::string& warning : warnings) captioner.device->tell(warning);
  return config;
}

loader::CaptionPrompt prompt_of(const vulcap_request& request) {
  return {text_or(request.prompt, ""), text_or(request.task, "")};
}

loader::OnText on_text_of(const vulcap_request& request) {
  if (request.on_text == nullptr) return {};
  return [&request](const std::string& piece) {
    if (request.on_text(piece.c_str(), request.user) != 0) throw Stopped();
  };
}

vulcap_image* image_from_rows(const uint8_t* rgb, int width, int height, size_t stride) {
  require(rgb != nullptr, "rgb");
  if (width < 1 || height < 1 || int64_t(width) * height > image::kMaxPixels)
    throw Error(ErrorCode::kUsage, "an image of " + std::to_string(width) + " x " + std::to_string(height) +
                                       " pixels; both must be positive and their product at most " +
                                       std::to_string(image::kMaxPixels));
  const size_t row = size_t(width) * 3;
  if (stride == 0) stride = row;
  if (stride < row)
    throw Error(ErrorCode::kUsage, "stride is less than the " + std::to_string(row) + " bytes of a row");
  auto made = std::make_unique<vulcap_image>();
  made->pixels = {width, height, std::vector<uint8_t>(row * size_t(height))};
  for (size_t y = 0; y < size_t(height); ++y) std::memcpy(&made->pixels.rgb[y * row], rgb + y * stride, row);
  return made.release();
}

std::string pull(const char* model, const char* revision, vulcap_progress on_progress, void* user) {
  const auto name = hub::parse_model_name(model);
  if (!name)
    throw Error(ErrorCode::kUsage, "'" + std::string(model) + "' is not org/model or org/model:dtype");
  const hub::Settings settings = hub::read_settings();
  const hub::PullRequest request{
      {name->repo, text_or(revision, "main")}, name->dtype.empty() ? "auto" : name->dtype, {}};
  if (const auto cached = hub::find_cached(settings, request)) return cached->string();
  uint64_t total = 0, done = 0;
  hub::PullEvents events;
  const auto report = [&] {
    if (on_progress != nullptr && on_progress(done, total, user) != 0) throw Stopped();
  };
  events.on_plan = [&](uint64_t bytes, uint64_t there) { total = bytes, done += there, report(); };
  events.on_bytes = [&](uint64_t bytes) { done += bytes, report(); };
  return hub::pull(settings, request, events).string();
}

}  // namespace

const char* vulcap_version(void) { return VULCAP_VERSION; }
const char* vulcap_last_error(void) { return last_error.c_str(); }

vulcap_status vulcap_device_open(const vulcap_device_options* options, vulcap_device** device) {
  return guarded([&] {
    require(device != nullptr, "device");
    const vulcap_device_options given = options_of(options);
    session::DeviceRequest request;
    request.device = text_or(given.device, "auto");
    request.threads = given.threads;
    request.cache_dir = session::default_cache_dir();
    auto shared = std::make_shared<OpenDevice>();
    shared->on_log = given.on_log;
    shared->user = given.user;
    shared->opened = session::open_device(request);
    for (const std::string& warning : shared->opened.warnings) shared->tell(warning);
    OpenDevice* self = shared.get();
    shared->opened.device->on_fall_back(
        [self](const std::string& reason) { self->tell("fallback to cpu: " + reason); });
    *device = new vulcap_device{std::move(shared)};
  });
}

const char* vulcap_device_name(const vulcap_device* device) {
  return device == nullptr ? "" : device->shared->opened.name.c_str();
}

void vulcap_device_free(vulcap_device* device) { delete device; }

vulcap_status vulcap_captioner_load(vulcap_device* device, const char* folder,
                                    const vulcap_load_options* options, vulcap_captioner** captioner) {
  return guarded([&] {
    require(device != nullptr && folder != nullptr && captioner != nullptr, "device, folder and captioner");
    const vulcap_load_options given = options_of(options);
    loader::LoadOptions load;
    load.dtype = text_or(given.dtype, "auto");
    load.adapter = text_or(given.adapter, "");
    auto loaded = std::make_unique<vulcap_captioner>();
    loaded->device = device->shared;
    loaded->captioner = loader::load_captioner(folder, *loaded->device->opened.device, load);
    loaded->tell();
    *captioner = loaded.release();
  });
}

void vulcap_captioner_free(vulcap_captioner* captioner) { delete captioner; }

vulcap_status vulcap_pull(const char* model, const char* revision, vulcap_progress on_progress, void* user,
                          char** folder) {
  return guarded([&] {
    require(model != nullptr && folder != nullptr, "model and folder");
    char* text = strdup(pull(model, revision, on_progress, user).c_str());
    if (text == nullptr) throw std::bad_alloc();
    *folder = text;
  });
}

void vulcap_text_free(char* text) { std::free(text); }

vulcap_status vulcap_image_open(const char* path, vulcap_image** image) {
  return guarded([&] {
    require(path != nullptr && image != nullptr, "path and image");
    *image = new vulcap_image{image::decode_file(path)};
  });
}

vulcap_status vulcap_image_decode(const void* bytes, size_t count, vulcap_image** image) {
  return guarded([&] {
    require(bytes != nullptr && image != nullptr, "bytes and image");
    *image = new vulcap_image{image::decode_bytes({static_cast<const std::byte*>(bytes), count}, "image")};
  });
}

vulcap_status vulcap_image_from_rgb(const uint8_t* rgb, int width, int height, size_t stride,
                                    vulcap_image** image) {
  return guarded([&] {
    require(image != nullptr, "image");
    *image = image_from_rows(rgb, width, height, stride);
  });
}

void vulcap_image_free(vulcap_image* image) { delete image; }

vulcap_status vulcap_caption(vulcap_captioner* captioner, const vulcap_image* image,
                             const vulcap_request* request, vulcap_result** result) {
  return guarded([&] {
    require(captioner != nullptr && image != nullptr && result != nullptr, "captioner, image and result");
    const vulcap_request given = options_of(request);
    auto made = std::make_unique<vulcap_result>();
    made->result = captioner->captioner->caption(image->pixels, prompt_of(given),
                                                 config_of(*captioner, given), on_text_of(given));
    captioner->tell();
    *result = made.release();
  });
}

vulcap_status vulcap_caption_batch(vulcap_captioner* captioner, const vulcap_image* const* images,
                                   size_t count, const vulcap_request* request, vulcap_result** results) {
  return guarded([&] {
    require(captioner != nullptr && (count == 0 || (images != nullptr && results != nullptr)),
            "captioner, images and results");
    const vulcap_request given = options_of(request);
    if (given.on_text != nullptr)
      throw Error(ErrorCode::kUsage, "on_text is for one image; vulcap_caption takes it");
    std::vector<image::Image> pixels;
    for (size_t i = 0; i < count; ++i) {
      require(images[i] != nullptr, "an image");
      pixels.push_back(images[i]->pixels);
    }
    std::vector<std::unique_ptr<vulcap_result>> made;
    for (loader::CaptionResult& one :
         captioner->captioner->caption_batch(pixels, prompt_of(given), config_of(*captioner, given)))
      made.push_back(std::make_unique<vulcap_result>(vulcap_result{std::move(one)}));
    captioner->tell();
    for (size_t i = 0; i < made.size(); ++i) results[i] = made[i].release();
  });
}

size_t vulcap_result_count(const vulcap_result* result) {
  return result == nullptr ? 0 : result->result.captions.size();
}

const char* vulcap_result_text(const vulcap_result* result, size_t index) {
  return index < vulcap_result_count(result) ? result->result.captions[index].text.c_str() : nullptr;
}

float vulcap_result_score(const vulcap_result* result, size_t index) {
  if (index >= vulcap_result_count(result)) return std::nanf("");
  return result->result.captions[index].score.value_or(std::nanf(""));
}

double vulcap_result_seconds(const vulcap_result* result) {
  return result == nullptr ? 0 : result->result.timing.total;
}

void vulcap_result_free(vulcap_result* result) { delete result; }
