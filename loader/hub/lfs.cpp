#include "loader/hub/lfs.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "loader/hub/answers.h"
#include "loader/hub/failure.h"
#include "loader/hub/names.h"

namespace vulcap::hub {
namespace {

using nlohmann::json;

constexpr size_t kObjectsARequest = 256;
constexpr uint64_t kMaxParts = 10'000;

bool is_header_text(const std::string& text) {
  return text.size() <= 8192 &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c <= 0x7e; });
}

std::string scalar_text(const json& value) {
  return value.is_string() ? value.get<std::string>() : value.is_number() ? value.dump() : "";
}

// The answer to one request, read object by object.
class OrderReader {
 public:
  OrderReader(std::string url, const Settings& settings, const Source& target)
      : url_(std::move(url)), settings_(settings), target_(target) {}

  // None where the hub has the object.
  std::optional<LfsOrder> read(const json& item, const LfsObject& object) const {
    if (const auto error = item.find("error"); error != item.end()) refuse(*error, object);
    const auto actions = item.find("actions");
    if (actions == item.end() || !actions->is_object() || !actions->contains("upload")) return std::nullopt;
    LfsOrder order{&object, {}, {}, 0, {}};
    std::map<uint64_t, std::string> parts;
    order.upload = read_action((*actions)["upload"], &order.part_size, &parts);
    if (actions->contains("verify")) order.verify = read_action((*actions)["verify"], nullptr, nullptr);
    if (order.part_size > 0) order.part_urls = sorted(parts, object.file.size, order.part_size);
    return order;
  }

 private:
  [[noreturn]] void refuse(const json& error, const LfsObject& object) const {
    Response response;
    if (error.is_object()) {
      response.status = error.value("code", json()).is_number() ? error["code"].get<long>() : 0;
      response.headers["x-error-message"] = scalar_text(error.value("message", json()));
    }
    fail_to_push(response, settings_, target_, object.file.name);
  }

  // Among the headers of a transfer in parts, "chunk_size" and the numbers of parts are none.
  LfsAction read_action(const json& item, uint64_t* part_size, std::map<uint64_t, std::string>* parts) const {
    LfsAction action;
    if (!item.is_object() || !item.contains("href") || !item["href"].is_string())
      fail_as_no_hub(url_, "an upload without an address");
    action.url = item["href"];
    const json headers = item.value("header", json::object());
    if (!headers.is_object()) return action;
    for (const auto& [name, value] : headers.items()) {
      const std::string text = scalar_text(value);
      const std::optional<uint64_t> number = number_of(name);
      if (part_size != nullptr && name == "chunk_size") {
        *part_size = number_of(text).value_or(0);
        if (*part_size == 0) fail_as_no_hub(url_, "parts of no size");
      } else if (parts != nullptr && number) {
        (*parts)[*number] = text;
      } else {
        if (!is_header_text(name) || !is_header_text(text)) fail_as_no_hub(url_, "a header that is none");
        action.headers.push_back(name + ": " + text);
      }
    }
    return action;
  }

  std::vector<std::string> sorted(const std::map<uint64_t, std::string>& parts, uint64_t size,
                                  uint64_t part_size) const {
    const uint64_t count = size / part_size + (size % part_size > 0 ? 1 : 0);
    if (parts.size() != count || count > kMaxParts) fail_as_no_hub(url_, "a wrong number of parts");
    std::vector<std::string> urls;
    for (const auto& [number, address] : parts) urls.push_back(address);
    return urls;
  }

  std::string url_;
  const Settings& settings_;
  const Source& target_;
};

json request_for(const LfsObject* begin, const LfsObject* end, const Source& target) {
  json objects = json::array();
  for (const LfsObject* object = begin; object != end; ++object)
    objects.push_back({{"oid", object->oid}, {"size", object->file.size}});
  return {{"operation", "upload"},
          {"transfers", {"basic", "multipart"}},
          {"objects", objects},
          {"hash_algo", "sha256"},
          {"ref", {{"name", target.revision}}}};
}

void ask(HttpClient& client, const Settings& settings, const Source& target, const LfsObject* begin,
         const LfsObject* end, std::vector<LfsOrder>& orders) {
  const std::string url = settings.endpoint + "/" + url_path(target.repo) + ".git/info/lfs/objects/batch";
  Request request = post_request(url, request_for(begin, end, target).dump());
  request.headers = lfs_headers();
  const json answer = read_answer(client, settings, target, request);
  const OrderReader reader(url, settings, target);
  std::map<std::string, const json*> items;
  const auto objects = answer.find("objects");
  if (objects == answer.end() || !objects->is_array()) fail_as_no_hub(url, "no list of objects");
  for (const json& item : *objects)
    if (item.is_object()) items[scalar_text(item.value("oid", json()))] = &item;
  for (const LfsObject* object = begin; object != end; ++object) {
    const auto item = items.find(object->oid);
    if (item == items.end()) fail_as_no_hub(url, "nothing of " + object->file.name);
    if (auto order = reader.read(*item->second, *object)) orders.push_back(std::move(*order));
  }
}

}  // namespace

std::vector<std::string> lfs_headers() {
  return {"Accept: application/vnd.git-lfs+json", "Content-Type: application/vnd.git-lfs+json"};
}

std::vector<LfsOrder> ask_for_orders(HttpClient& client, const Settings& settings, const Source& target,
                                     const std::vector<LfsObject>& objects) {
  std::vector<LfsOrder> orders;
  for (size_t i = 0; i < objects.size(); i += kObjectsARequest) {
    const size_t end = std::min(objects.size(), i + kObjectsARequest);
    ask(client, settings, target, objects.data() + i, objects.data() + end, orders);
  }
  return orders;
}

}  // namespace vulcap::hub
