#include "loader/hub/failure.h"

#include <nlohmann/json.hpp>

#include "loader/hub/names.h"
#include "runtime/core/error.h"

namespace vulcap::hub {
namespace {

using core::ErrorCode;

std::string too_many(const Response& response, const Settings& settings) {
  return "too many requests to " + settings.endpoint + "; try again " +
         (response.retry_after.count() > 0 ? "in " + std::to_string(response.retry_after.count()) + " s"
                                           : std::string("later"));
}

// What the server says itself: a header, or "error" in the answer.
std::string words_of(const Response& response) {
  std::string words = response.header("x-error-message");
  if (words.empty()) {
    const auto answer = nlohmann::json::parse(response.error_text, nullptr, false);
    if (answer.is_object())
      for (const char* key : {"error", "message"})
        if (words.empty() && answer.contains(key) && answer[key].is_string()) words = answer[key];
  }
  return words.empty() ? "" : " (\"" + printable(words) + "\")";
}

// What the status alone says, and what to do about it.
std::string reason_of(const Response& response, const Settings& settings, const Source& source) {
  const std::string page = settings.endpoint + "/" + source.repo;
  const std::string code = response.header("x-error-code");
  if (code == "GatedRepo") {
    return settings.token.empty()
               ? "is gated: accept its terms on " + page + " and give a token (HF_TOKEN or --hf-token)"
               : "is gated and this token has no access: ask for it on " + page;
  }
  if (response.status == 401 || code == "RepoNotFound") {
    return settings.token.empty()
               ? "is not on " + settings.endpoint +
                     ", or is private; check the name, or give a token (HF_TOKEN or --hf-token)"
               : "is not on " + settings.endpoint +
                     ", or this token is not valid or has no access to it; check both";
  }
  if (code == "RevisionNotFound") return "has no revision '" + source.revision + "'";
  if (response.status == 404) return "is not on " + settings.endpoint + "; check the name";
  if (response.status == 403) return "may not be read: " + settings.endpoint + " answers 403 (forbidden)";
  if (response.status == 429) {
    return "is refused for now: " + too_many(response, settings) +
           (settings.token.empty() ? ", or with a token" : "");
  }
  return "cannot be read: " + settings.endpoint + " answers " + std::to_string(response.status) +
         (response.status >= 500 ? "; try again later" : "");
}

std::string push_reason(const Response& response, const Settings& settings, const Source& target) {
  const std::string& hub = settings.endpoint;
  const std::string code = response.header("x-error-code");
  switch (response.status) {
    case 401:
      return "the token is not valid for " + hub + "; give one that may write (HF_TOKEN or --hf-token)";
    case 403:
      return "this token may not write to " + target.repo + " on " + hub +
             "; give one with write access, or a name of your own";
    case 404:
      if (code == "RevisionNotFound") return target.repo + " has no branch '" + target.revision + "'";
      return hub +
             " has no such repository, or does not show it to this token; check the name and HF_ENDPOINT";
    case 409:
    case 412:
      return "another change of " + target.repo + " came in between; run the same command again";
    case 413:
      return hub + " takes nothing this large; leave files out with --exclude";
    case 429:
      return too_many(response, settings) + "; the same command goes on from here";
    default:
      return hub + " answers " + std::to_string(response.status) +
             (response.status >= 500 ? "; run the same command again later, it goes on from here" : "");
  }
}

}  // namespace

void fail_for(const Response& response, const Settings& settings, const Source& source,
              const std::string& what) {
  if (!response.problem.empty()) {
    throw core::Error(
        ErrorCode::kRuntime,
        what + ": cannot be downloaded from " + settings.endpoint + " (" + response.problem +
            "); check the network, HF_ENDPOINT and the proxy; the same command goes on from here");
  }
  const std::string code = response.header("x-error-code");
  const bool absent = code == "RepoNotFound" || code == "RevisionNotFound" || response.status == 404 ||
                      (response.status == 401 && code != "GatedRepo");
  throw core::Error(absent ? ErrorCode::kInvalidModel : ErrorCode::kRuntime,
                    what + " " + reason_of(response, settings, source) + words_of(response));
}

void fail_to_push(const Response& response, const Settings& settings, const Source& target,
                  const std::string& what) {
  const std::string reason =
      response.problem.empty()
          ? push_reason(response, settings, target) + words_of(response)
          : "cannot reach " + settings.endpoint + " or lost it (" + response.problem +
                "); check the network, HF_ENDPOINT and the proxy; the same command goes on from here";
  throw core::Error(ErrorCode::kRuntime, what + ": not pushed: " + reason);
}

}  // namespace vulcap::hub
