#include "loader/hub/upload.h"

#include <algorithm>
#include <list>
#include <nlohmann/json.hpp>

#include "loader/hub/answers.h"
#include "loader/hub/failure.h"
#include "loader/hub/upload_notes.h"
#include "loader/hub/workers.h"

namespace vulcap::hub {
namespace {

using nlohmann::json;

// One object under way. Its parts are sent by several threads.
struct Transfer {
  Transfer(LfsOrder ordered, UploadNotes kept) : order(std::move(ordered)), notes(std::move(kept)) {
    etags.resize(order.part_urls.size());
  }

  LfsOrder order;
  UploadNotes notes;
  bool resumed = false;            // from notes, whose addresses may be out of date
  bool outdated = false;           // they were
  std::vector<std::string> etags;  // of the parts; "": not sent yet
  std::mutex mutex;                // guards etags, outdated, notes

  uint64_t size() const { return order.object->file.size; }
  uint64_t offset(size_t part) const { return part * order.part_size; }
  uint64_t part_size(size_t part) const { return std::min(order.part_size, size() - offset(part)); }
  bool is_complete() const {
    return std::none_of(etags.begin(), etags.end(), [](const std::string& etag) { return etag.empty(); });
  }
};

// A PUT: a part, or a whole object. kNone: all parts are there, and only the end is missing.
struct Piece {
  static constexpr size_t kWhole = size_t(-1), kNone = size_t(-2);
  Transfer* transfer;
  size_t part;
};

class Upload {
 public:
  Upload(const Settings& settings, const Source& target, const std::filesystem::path& notes,
         const UploadEvents& events)
      : settings_(settings), target_(target), notes_(notes), events_(events), bytes_(events.on_bytes) {}

  uint64_t run(std::vector<LfsOrder> orders) {
    for (LfsOrder& order : orders) add(std::move(order));
    uint64_t total = 0, there = 0;
    for (const Transfer& transfer : transfers_) {
      total += transfer.size();
      there += sent_before(transfer);
    }
    if (events_.on_plan) events_.on_plan(total, there);
    send(pieces());
    return total;
  }

  // Objects whose resumed upload the store knows no more.
  std::vector<LfsObject> outdated() const {
    std::vector<LfsObject> objects;
    for (const Transfer& transfer : transfers_)
      if (transfer.outdated) objects.push_back(*transfer.order.object);
    return objects;
  }

 private:
  void add(LfsOrder order) {
    const std::string oid = order.object->oid;
    Transfer& transfer =
        transfers_.emplace_back(std::move(order), UploadNotes(notes_, settings_, target_, oid));
    if (transfer.order.part_size > 0) transfer.resumed = transfer.notes.load(transfer.order, transfer.etags);
  }

  static uint64_t sent_before(const Transfer& transfer) {
    uint64_t bytes = 0;
    for (size_t i = 0; i < transfer.etags.size(); ++i)
      if (!transfer.etags[i].empty()) bytes += transfer.part_size(i);
    return bytes;
  }

  std::vector<Piece> pieces() {
    std::vector<Piece> result;
    for (Transfer& transfer : transfers_) {
      if (transfer.order.part_size == 0) {
        result.push_back({&transfer, Piece::kWhole});
      } else if (transfer.is_complete()) {
        result.push_back({&transfer, Piece::kNone});
      }
      for (size_t i = 0; i < transfer.etags.size(); ++i)
        if (transfer.etags[i].empty()) result.push_back({&transfer, i});
    }
    return result;
  }

  void send(const std::vector<Piece>& pieces) {
    run_workers(settings_, pieces.size(), stop_, [&](HttpClient& client, size_t i) {
      if (is_outdated(*pieces[i].transfer)) return;
      if (pieces[i].part == Piece::kWhole) return send_whole(client, *pieces[i].transfer);
      if (pieces[i].part == Piece::kNone || send_part(client, *pieces[i].transfer, pieces[i].part))
        complete(client, *pieces[i].transfer);
    });
  }

  void send_whole(HttpClient& client, Transfer& transfer) {
    const LfsAction& upload = transfer.order.upload;
    const Response response = put(client, transfer, upload.url, upload.headers, 0, transfer.size());
    if (!response.ok()) fail(response, transfer);
    verify(client, transfer);
  }

  // True when no other part is missing any more.
  bool send_part(HttpClient& client, Transfer& transfer, size_t part) {
    const Response response = put(client, transfer, transfer.order.part_urls[part], {}, transfer.offset(part),
                                  transfer.part_size(part));
    if (!response.ok()) return give_up(transfer, response), false;
    const std::string etag = response.header("etag");
    if (etag.empty()) fail_as_no_hub(settings_.endpoint, "a part that has no etag");
    const std::lock_guard guard(transfer.mutex);
    if (transfer.outdated) return false;
    transfer.etags[part] = etag;
    transfer.notes.save(transfer.order, transfer.etags);
    return transfer.is_complete();
  }

  Response put(HttpClient& client, const Transfer& transfer, const std::string& url,
               std::vector<std::string> headers, uint64_t offset, uint64_t size) {
    int64_t sent = 0;
    Request request;
    request.url = url;
    request.method = Method::kPut;
    request.headers = std::move(headers);
    request.body = file_body(transfer.order.object->file, offset, size, [&](uint64_t bytes) {
      sent += int64_t(bytes);
      bytes_.add(int64_t(bytes));
    });
    for (int tries = 1;; ++tries) {
      Response response = client.send(request);
      if (response.ok()) return response;
      bytes_.add(-std::exchange(sent, 0));
      if (!client.wait_for_next_try(response, tries)) return response;
    }
  }

  void complete(HttpClient& client, Transfer& transfer) {
    json parts = json::array();
    for (size_t i = 0; i < transfer.etags.size(); ++i)
      parts.push_back({{"partNumber", i + 1}, {"etag", transfer.etags[i]}});
    const Response response =
        post(client, transfer.order.upload, {{"oid", transfer.order.object->oid}, {"parts", parts}});
    if (!response.ok()) return give_up(transfer, response);
    verify(client, transfer);
    transfer.notes.remove();
  }

  void verify(HttpClient& client, const Transfer& transfer) {
    check_unchanged(transfer.order.object->file);
    if (!transfer.order.verify) return;
    const Response response = post(client, *transfer.order.verify,
                                   {{"oid", transfer.order.object->oid}, {"size", transfer.size()}});
    if (!response.ok()) fail(response, transfer);
  }

  Response post(HttpClient& client, const LfsAction& action, const json& value) {
    Request request = post_request(action.url, value.dump());
    request.headers = lfs_headers();
    request.headers.insert(request.headers.end(), action.headers.begin(), action.headers.end());
    return client.send_patiently(request);
  }

  // What the store refuses of a resumed upload is begun anew, all else has failed.
  void give_up(Transfer& transfer, const Response& response) {
    const bool refused = response.problem.empty() && response.status >= 400 && response.status < 500;
    if (!transfer.resumed || !refused || response.passing()) fail(response, transfer);
    const std::lock_guard guard(transfer.mutex);
    transfer.outdated = true;
    transfer.notes.remove();
  }

  static bool is_outdated(Transfer& transfer) {
    const std::lock_guard guard(transfer.mutex);
    return transfer.outdated;
  }

  [[noreturn]] void fail(const Response& response, const Transfer& transfer) const {
    fail_to_push(response, settings_, target_, transfer.order.object->file.name);
  }

  const Settings& settings_;
  const Source& target_;
  const std::filesystem::path& notes_;
  const UploadEvents& events_;
  ByteCount bytes_;
  std::list<Transfer> transfers_;
  std::atomic<bool> stop_{false};
};

}  // namespace

uint64_t upload_objects(HttpClient& client, const Settings& settings, const Source& target,
                        const std::vector<LfsObject>& objects, const std::filesystem::path& notes,
                        const UploadEvents& events) {
  Upload first(settings, target, notes, events);
  const uint64_t bytes = first.run(ask_for_orders(client, settings, target, objects));
  const std::vector<LfsObject> again = first.outdated();
  if (!again.empty())
    Upload(settings, target, notes, events).run(ask_for_orders(client, settings, target, again));
  return bytes;
}

}  // namespace vulcap::hub
